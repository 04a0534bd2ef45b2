"""Atomic slot migration put to work: what the tables ask for (cluster.atomic_moves) is done here.

    as the source    slot_sending: a link to the target, keys and commands into it
    as the target    the source's connection is a client with the flag IMPORTS, run by loop.run_import

Keys that arrive are hidden (keyspace.by_slot) until the slots are ours. Our replicas and our append only file have them
by our own stream, and are told with them which slots are hidden: CLUSTER SYNCSLOTS HIDE and SHOW there, a field in a
snapshot. A server that finds hidden slots and no migration to them (a start, a promotion) shows what is its own and
drops the rest. So that this is right of the source's replicas and file, too, they are told HIDE before the target may
take the slots, and SHOW once the keys are dropped, or stay: whoever is in the source's place then, when it died in
between, knows which keys are left over.
"""

import re
import time
from collections.abc import Callable
from functools import partial

from server.clients import client as c, pause
from server.clients.client import Client
from server.cluster import slots
from server.cluster.atomic_actions import (
    Action,
    Copy,
    Discard,
    Dismiss,
    HandOver,
    Hide,
    Hold,
    Leave,
    LetGo,
    Note,
    Outrank,
    Reach,
    Say,
    TakeOver,
)
from server.cluster.atomic_export import Export
from server.cluster.atomic_import import AGAIN, Import
from server.cluster.atomic_job import range_words, ranges_text
from server.cluster.atomic_moves import Limits, Moves
from server.dispatch.slot_sending import Sending
from server.keyspace import by_slot
from server.observe.log import LEVELS
from server.persistence.rdb_reading import HIDDEN_SLOTS
from server.registry.errors import LOADING, CommandError
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.dispatch.clustering import Clustering
    from server.server import Server

FOREVER_MS = 1 << 62
BEHIND = f"{AGAIN} Replicas of this node do not have all keys yet"


def _now() -> int:
    return time.time_ns() // 1_000_000


class SlotMigrating:
    """One per node of a cluster."""

    def __init__(self, server: "Server", cluster: "Clustering") -> None:
        from random import Random  # a server without a cluster starts without it

        self._server = server
        self._cluster = cluster
        self.moves: Moves = Moves(lambda: cluster.view, self._limits, self.dropping, Random())
        self.held = 0                               # slots that are being handed over: who would write to them waits
        self.when_held: Callable[[], object] = int  # ... and those are others now
        self._hidden = 0                            # slots that arrive, here or at our master
        self._told = 0                              # those of which followers were told that they are hidden
        self._sendings: dict[Export, Sending] = {}
        self._bringers: dict[Import, Client] = {}
        self._keys_end: dict[Import, int] = {}      # offset of our stream behind all keys that came
        self._do: dict[type, Callable[[Any], object]] = {
            Reach: self._reach, Say: lambda action: self._sendings[action.job].say(*action.words),
            Copy: lambda action: self._sendings[action.job].copy(), Hold: self._hold, LetGo: self._let_go,
            HandOver: self._hand_over, Leave: self._leave, Outrank: self._outrank, Hide: self._hide,
            TakeOver: self._take_over, Discard: self._discard, Dismiss: self._dismiss, Note: self._note}

    def _limits(self) -> Limits:
        config = self._server.config
        return Limits(timeout=config.repl_timeout * 1000, node_timeout=config.cluster_node_timeout,
                      log=config.cluster_slot_migration_log_max_len,
                      on_its_way=config.slot_migration_max_failover_repl_bytes)

    # ---- what happens
    def perform(self, actions: list[Action]) -> None:
        """Do it, in order."""
        for action in actions:
            self._do[type(action)](action)

    def tick(self) -> None:
        """A job of the cron."""
        self.perform(self.moves.tick(_now()))
        if self._server.child.alive:
            self._told |= self.dropping()       # a snapshot under way may tell of them (`fields`)
        gone = self._told & ~self._not_seen()
        if gone and self._is_master:
            self._tell_followers("SHOW", gone)

    def looked(self) -> None:
        """The view has changed."""
        self.perform(self.moves.looked(_now()))
        self.settle()

    def flushed(self) -> None:
        """FLUSHALL, FLUSHDB."""
        self.perform(self.moves.flushed(_now()))

    def fail_imports(self, why: str) -> None:
        """What we write has to stand still."""
        self.perform(self.moves.fail_imports(why, _now()))

    def dropping(self) -> int:
        """Slots whose keys of an earlier time are being dropped."""
        return self._cluster.dropping.pending

    @property
    def _is_master(self) -> bool:
        return self._cluster.view.myself.is_master

    def figures(self) -> dict[str, int]:
        """For metrics: slot_migrations_export and _import, ..._success and so on, and bytes that wait to be sent."""
        found = {"slot_migrations_export": len(self.moves.exports), "slot_migrations_import": len(self.moves.imports),
                 "slot_migrations_unsent": sum(sending.unsent for sending in self._sendings.values())}
        for (operation, state), count in self.moves.counts.items():
            found[f"slot_migrations_{operation.lower()}_{state.value}"] = count
        return found

    # ---- the source's side
    def migrate(self, wanted: list[tuple[int, str]]) -> None:
        """CLUSTER MIGRATESLOTS: these sets of slots to these nodes, each checked."""
        self.perform(self.moves.migrate(wanted, _now()))

    def cancel(self) -> None:
        """CLUSTER CANCELSLOTMIGRATIONS."""
        self.perform(self.moves.cancel(_now()))

    def _reach(self, action: Reach) -> None:
        job = action.job
        target = self._cluster.view.nodes.get(job.target)
        sending = self._sendings[job] = Sending(self._server, job, partial(self._heard, job))
        if target is not None:
            sending.reach(target.ip, target.client_port(self._server.config.tls_cluster))
        else:
            self._heard(job, "lost", "the target is not known any more")

    def _heard(self, job: Export, what: str, *arguments: Any) -> None:
        """A link tells."""
        moves: dict[str, Callable[..., list[Action]]] = {
            "connected": self.moves.connected, "replied": self.moves.replied, "lost": self.moves.lost,
            "failed": self.moves.failed, "copied": self.moves.copied, "moved_on": self.moves.moved_on}
        self.perform(moves[what](job, *arguments, _now()))

    def _leave(self, action: Leave) -> None:
        sending = self._sendings.pop(action.job, None)
        if sending is not None:
            sending.leave()

    def _hold(self, action: Hold) -> None:
        self._cluster.view.keeps_epoch = True
        self._holds(action.job.slots)
        self._tell_followers("HIDE", action.job.slots)
        self._server.pause.start(pause.BY_MIGRATION, FOREVER_MS, pause.SLOTS)
        self._sendings[action.job].pass_on()

    def _let_go(self, action: LetGo) -> None:
        self._cluster.view.keeps_epoch = False
        self._holds(0)
        self._server.pause.stop(pause.BY_MIGRATION)

    def _holds(self, moving: int) -> None:
        self.held = moving
        self.when_held()

    def _hand_over(self, action: HandOver) -> None:
        self._cluster.protocol.operator.hand_over(action.slots, action.target)
        self._cluster.asked()

    def _outrank(self, action: Outrank) -> None:
        self._cluster.view.keeps_epoch = False
        self._cluster.protocol.operator.bump_epoch()
        self._cluster.asked()

    # ---- the target's side
    def establish(self, client: Client, name: str, source: str, moving: int) -> None:
        """The source of these slots has come: its connection is theirs from now on. Errors: not now."""
        if self._server.loading:
            raise CommandError(LOADING)
        if client.has(c.IMPORTS):
            raise CommandError("ERR One connection brings one migration")
        job, actions = self.moves.establish(name, source, moving, _now())
        client.set(c.IMPORTS | c.DENY_BLOCKING | c.NO_EVICT)
        client.slow_because(c.LINK)
        self._bringers[job] = client
        self.perform(actions)

    def brought_by(self, client: Client) -> Import:
        """What a connection brings. Errors: nothing, or no more."""
        for job, bringer in self._bringers.items():
            if bringer is client:
                job.heard(self._cluster.view, _now())
                return job
        raise CommandError("ERR No slot migration comes by this connection")

    def brought(self, client: Client) -> bytes:
        """The slots whose keys a connection may bring, as slots.digits. Complexity: O(migrations)."""
        return next((job.digits for job, bringer in self._bringers.items() if bringer is client), slots.digits(0))

    def complete(self, client: Client) -> None:
        """All keys have come."""
        job, master = self.brought_by(client), self._server.replication.master
        job.complete(_now())
        self._keys_end[job] = master.offset
        if master.replicas:
            master.ask_for_acknowledgements()

    def take(self, client: Client, epoch: int, heard: int) -> None:
        """The slots are ours. epoch: the current one of the source; heard: answers that it has. Errors: they will not
        be, or not now."""
        job = self.brought_by(client)
        if not self._replicas_have(job):
            self._server.replication.master.ask_for_acknowledgements()
            raise CommandError(BEHIND)
        why, actions = self.moves.take(job, epoch, heard, _now())
        self.perform(actions)
        if why:
            raise CommandError(why if why.startswith(AGAIN) else f"ERR {why}")

    def _replicas_have(self, job: Import) -> bool:
        """Whether each of our replicas has all keys that came: one that took our place now would lack them, and the
        source drops its own. One that does not answer any more is no replica soon (repl-timeout)."""
        end = self._keys_end.get(job, 0)
        return all(replica.acknowledged >= end for replica in self._server.replication.master.online())

    def abort(self, name: str, moving: int) -> None:
        """The source gives a migration up. Errors: its slots are ours."""
        taken, actions = self.moves.abort(name, moving, _now())
        self.perform(actions)
        if taken:
            raise CommandError("ERR The slots were taken")

    def import_error(self, client: Client, reply: bytes) -> None:
        """A command of the source failed here."""
        self._import_ends(client, f"A command failed: {reply.lstrip(b'-').splitlines()[0].decode('utf-8', 'replace')}")

    def gone(self, client: Client) -> None:
        """A connection that brought keys is closed."""
        self._import_ends(client, "")

    def _import_ends(self, client: Client, why: str) -> None:
        for job in [job for job, bringer in self._bringers.items() if bringer is client]:
            self.perform(self.moves.failed(job, why, _now()) if why else self.moves.lost(job, "", _now()))

    def _dismiss(self, action: Dismiss) -> None:
        client = self._bringers.pop(action.job, None)
        self._keys_end.pop(action.job, None)
        if client is not None:
            client.close(after_reply=True)

    def _hide(self, action: Hide) -> None:
        self.hide(action.slots)
        self._tell_followers("HIDE", action.slots)

    def _take_over(self, action: TakeOver) -> None:
        self._cluster.protocol.operator.take_slots(action.slots, action.epoch, _now())
        self.show(action.slots)
        self._cluster.asked()
        self._tell_followers("SHOW", action.slots)

    def _discard(self, action: Discard) -> None:
        if not self._is_master:
            return                              # what becomes of them our master says
        self._hidden &= ~action.slots
        self._cluster.dropping.begin(action.slots)       # followers are told SHOW when all are gone

    def _note(self, action: Note) -> None:
        self._server.log.write(LEVELS.index(action.level), action.text)

    # ---- what is hidden
    def hide(self, arriving: int) -> None:
        """Keys of these slots are not to be seen. Complexity: O(slots)."""
        by_slot.hide(self._db, slots.each(arriving))
        self._hidden |= arriving

    def show(self, arrived: int) -> None:
        """They are. Complexity: O(slots)."""
        by_slot.show(self._db, slots.each(arrived))
        self._hidden &= ~arrived

    @property
    def _db(self) -> Any:
        return self._server.keyspace.databases[0]

    def _tell_followers(self, word: str, those: int) -> None:
        self._told = self._told | those if word == "HIDE" else self._told & ~those
        self._server.propagation.also(self._db, _followers_command(word, those))

    def _not_seen(self) -> int:
        """Slots that are hidden from followers."""
        return self._hidden | self.dropping() | self.held

    def fields(self) -> list[tuple[bytes, bytes]]:
        """For a snapshot: which of its keys are hidden."""
        hidden = self._not_seen()
        self._told |= hidden
        return [(HIDDEN_SLOTS.encode(), ranges_text(hidden).encode())] if hidden else []

    def commands(self) -> list[list[bytes]]:
        """The same for a file that is made of commands."""
        hidden = self._not_seen()
        return [_followers_command("HIDE", hidden)] if hidden else []

    def loaded(self, text: str) -> None:
        """A snapshot was loaded. text: its field, "" without."""
        hidden = _slots_of(text)
        self.show(self._hidden & ~hidden)
        self.hide(hidden)

    def settle(self) -> None:
        """Hidden slots that nothing comes to any more: what is ours is shown, the rest is dropped. A replica waits for
        what its master says. Complexity: O(1) when there are none."""
        left = self._hidden & ~self.moves.arriving
        if not left or not self._is_master or self._server.loading:
            return
        mine = left & self._cluster.view.myself.slots
        if mine:
            self.show(mine)
            self._tell_followers("SHOW", mine)
        if left & ~mine:
            self._told |= left & ~mine
            self._discard(Discard(left & ~mine))


def _slots_of(text: str) -> int:
    """What `ranges_text` wrote; a file may be broken, or somebody else's: what is no range of slots is nothing."""
    found = 0
    for first, last in re.findall(r"(?<!\S)(\d{1,5})-(\d{1,5})(?!\S)", text, re.ASCII):
        if int(first) <= int(last) < slots.COUNT:
            found |= slots.span(int(first), int(last))
    return found


def _followers_command(word: str, those: int) -> list[bytes]:
    return [b"CLUSTER", b"SYNCSLOTS", word.encode(), *[each.encode() for each in range_words(those)]]
