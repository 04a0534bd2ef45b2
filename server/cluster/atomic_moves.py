"""All atomic migrations of a node, either way: what an operator may ask for, what comes of time and of the cluster.

An operator speaks Valkey 9's commands (CLUSTER MIGRATESLOTS, CANCELSLOTMIGRATIONS, GETSLOTMIGRATIONS); what source and
target say to each other (CLUSTER SYNCSLOTS) is our own. Each call returns actions (atomic_actions), in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from server.cluster import slots
from server.cluster.atomic_actions import Action
from server.cluster.atomic_export import Export
from server.cluster.atomic_import import Import
from server.cluster.atomic_job import ENDS, Job
from server.cluster.messages import NAME_LENGTH
from server.cluster.view import View, random_name
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

OVERLAP = "ERR Slot ranges in migrations overlap"


@dataclass(frozen=True)
class Limits:
    """timeout: ms of silence (repl-timeout); node_timeout: ms; log: how many that have ended are shown
    (cluster-slot-migration-log-max-len); on_its_way: bytes (slot-migration-max-failover-repl-bytes)."""

    timeout: int = 60_000
    node_timeout: int = 15_000
    log: int = 1000
    on_its_way: int = 0


class Moves:
    """view, limits: called whenever they are needed. blocked: a set of slots that nothing may come to yet, for keys of
    an earlier time are being dropped there."""

    def __init__(self, view: Callable[[], View], limits: Callable[[], Limits], blocked: Callable[[], int],
                 rng: Random) -> None:
        self._view = view
        self._limits = limits
        self._blocked = blocked
        self._rng = rng
        self.exports: dict[str, Export] = {}        # under way
        self.imports: dict[str, Import] = {}
        self._ended: list[Job] = []                 # the oldest first
        self.counts = {(operation, state): 0 for operation in ("EXPORT", "IMPORT") for state in ENDS}

    # ---- what is known
    @property
    def arriving(self) -> int:
        """Slots whose keys come."""
        return _together(self.imports.values())

    @property
    def leaving(self) -> int:
        """Slots whose keys are being sent."""
        return _together(self.exports.values())

    def told(self) -> list[dict[bytes, bytes | int]]:
        """CLUSTER GETSLOTMIGRATIONS: the youngest first."""
        jobs = [*self._ended, *self.exports.values(), *self.imports.values()]
        return [job.told() for job in sorted(jobs, key=lambda job: job.created, reverse=True)]

    # ---- an operator
    def may_migrate(self) -> None:
        """Errors: this node cannot be the source of any migration now."""
        view = self._view()
        if not view.myself.is_master:
            raise CommandError("ERR Slot migration can only be used on primary nodes")
        if view.migrating:
            raise CommandError("ERR Slots are being manually migrated")
        if view.importing:
            raise CommandError("ERR Slots are being manually imported")

    def check_slots(self, wanted: int) -> None:
        """Errors: these slots are not all of one node, or of none."""
        view = self._view()
        for slot in slots.each(wanted & ~view.assigned):
            raise CommandError(f"ERR Slot {slot} has no node served")
        if len(list(view.owners_of(wanted))) > 1:
            raise CommandError("ERR Requested slots span multiple shards")

    def check_target(self, wanted: int, name: str) -> None:
        """Errors: these slots may not go there, or not now."""
        view = self._view()
        if len(name) != NAME_LENGTH:
            raise CommandError("ERR Invalid node name")
        target = view.nodes.get(name)
        if target is None or target.in_handshake:
            raise CommandError(f"ERR Unknown node name: {name}")
        if target is view.myself:
            raise CommandError("ERR Target node can not be this node")
        if wanted & ~view.myself.slots:
            raise CommandError("ERR Slots are not served by this node")
        if not target.is_master:
            raise CommandError(f"ERR Target node is not a primary: {name}")
        for slot in slots.each(wanted & self.leaving):
            raise CommandError(f"ERR I am already migrating slot {slot}")

    def migrate(self, wanted: Sequence[tuple[int, str]], now: int) -> list[Action]:
        """Begin to move these sets of slots to these nodes; each was checked. Errors: a slot in two of them."""
        together = 0
        for moving, _ in wanted:
            if together & moving:
                raise CommandError(OVERLAP)
            together |= moving
        actions: list[Action] = []
        for moving, target in wanted:
            export = Export(random_name(self._rng), moving, self._view().myself.name, target, now)
            self.exports[export.name] = export
            actions += export.begin()
        return actions

    def cancel(self, now: int) -> list[Action]:
        """End all that this node is the source of, but what was handed over already. Errors: there is none."""
        actions = [action for export in list(self.exports.values()) for action in export.cancelled(now)]
        if not actions:
            raise CommandError("ERR No migrations ongoing")
        return self._settled(actions)

    # ---- the target's side
    def establish(self, name: str, source: str, moving: int, now: int) -> tuple[Import, list[Action]]:
        """A source begins. Errors: it cannot be taken."""
        view = self._view()
        node = view.nodes.get(source)
        if len(name) != NAME_LENGTH or not name.isalnum():
            raise CommandError("ERR Invalid name of a migration")
        if not view.myself.is_master:
            raise CommandError("ERR This node is no master")
        if node is None or not node.is_master or moving & ~node.slots:
            raise CommandError("ERR The slots are not served by the source, as far as this node knows")
        if name in self.imports or moving & self.arriving or moving & slots.of(view.importing):
            raise CommandError("ERR Slots are being imported already")
        if moving & self._blocked():
            raise CommandError("ERR Keys of an earlier time are still being dropped in these slots, try again")
        job = Import(name, moving, source, view.myself.name, now)
        job.heard(view, now)
        self.imports[name] = job
        return job, job.begin()

    def take(self, job: Import, epoch: int, heard: int, now: int) -> tuple[str, list[Action]]:
        """The source says that all has come. Returns "" or why the slots are not taken."""
        why, actions = job.take(self._view(), epoch, heard, now)
        return why, self._settled(actions)

    def abort(self, name: str, moving: int, now: int) -> tuple[bool, list[Action]]:
        """The source asks whether the slots are ours, by another connection. False: they are not, and will not be by
        this migration, which is over."""
        if moving & self._view().myself.slots:
            return True, []
        job = self.imports.get(name)
        return False, self._settled(job.failed("The source gave up", now)) if job is not None else []

    # ---- what happens
    def connected(self, job: Export, now: int) -> list[Action]:
        """The link to the target is open."""
        return self._settled(job.connected(now))

    def replied(self, job: Export, error: str, now: int) -> list[Action]:
        """The target answered. error: "" for yes."""
        return self._settled(job.replied(error, now))

    def lost(self, job: Export | Import, why: str, now: int) -> list[Action]:
        """The link, or the connection, of a migration is gone."""
        return self._settled(job.lost(why, now))

    def failed(self, job: Export | Import, why: str, now: int) -> list[Action]:
        """A migration cannot go on for a reason of our own server."""
        return self._settled(job.failed(why, now))

    def copied(self, job: Export, now: int) -> list[Action]:
        """All keys are in the link."""
        return self._settled(job.copied(now))

    def moved_on(self, job: Export, on_its_way: int, now: int) -> list[Action]:
        """Each turn behind the snapshot. One after the other holds the writers."""
        if any(export.granted for export in self.exports.values()):
            return []
        return self._settled(job.moved_on(self._view(), on_its_way, self._limits().on_its_way, now))

    def flushed(self, now: int) -> list[Action]:
        """All keys of this server went at once."""
        return self._all(lambda job: job.failed("The data were flushed", now))

    def fail_imports(self, why: str, now: int) -> list[Action]:
        """Nothing may come for now (a manual failover: what we write has to stand still)."""
        return self._settled([action for job in list(self.imports.values()) for action in job.failed(why, now)])

    def looked(self, now: int) -> list[Action]:
        """The view has changed."""
        view = self._view()
        return self._all(lambda job: job.looked(view, now)) if self.exports or self.imports else []

    def tick(self, now: int) -> list[Action]:
        """Ten times a second."""
        limits, view = self._limits(), self._view()
        del self._ended[:max(len(self._ended) - limits.log, 0)]
        if not self.exports and not self.imports:
            return []
        actions = [action for export in list(self.exports.values())
                   for action in export.tick(view, limits.timeout, limits.node_timeout, now)]
        actions += [action for job in list(self.imports.values()) for action in job.tick(view, limits.timeout, now)]
        return self._settled(actions)

    # ---- how they end
    def _all(self, ask: Callable[[Export | Import], list[Action]]) -> list[Action]:
        jobs: list[Export | Import] = [*self.exports.values(), *self.imports.values()]
        return self._settled([action for job in jobs for action in ask(job)])

    def _settled(self, actions: list[Action]) -> list[Action]:
        """Those that are over are no longer among those under way."""
        over: list[Job] = [job for job in (*self.exports.values(), *self.imports.values()) if job.over]
        for job in over:
            self.exports.pop(job.name, None)
            self.imports.pop(job.name, None)
            self._ended.append(job)
            self.counts[job.operation, job.state] += 1
        return actions


def _together(jobs: Iterable[Job]) -> int:
    found = 0
    for job in jobs:
        found |= job.slots
    return found
