"""What an operator asks for by CLUSTER's subcommands: checked as Redis does and with its errors, then done.

Nothing changes before the last possible error. The actions are taken by the next `before_sleep`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.cluster import slots
from server.cluster.actions import Outbox, SlotsMoved
from server.cluster.contact import BadAddress, Contact
from server.cluster.election import Election
from server.cluster.manual import MANUAL_MS, ManualFailover
from server.cluster.node import Node
from server.cluster.roles import Roles
from server.cluster.settings import Local, Settings
from server.cluster.speaker import Speaker
from server.cluster.view import BLACKLIST_MS, View, random_name
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

BUSY, FREE = "busy", "unassigned"


class Operator:
    """Changes that somebody wants. Names are as they were typed."""

    def __init__(self, view: View, settings: Callable[[], Settings], local: Local, speaker: Speaker, roles: Roles,
                 contact: Contact, election: Election, manual: ManualFailover, rng: Random, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._local = local
        self._speaker = speaker
        self._roles = roles
        self._contact = contact
        self._election = election
        self._manual = manual
        self._rng = rng
        self._out = out

    def _node(self, name: str, error: str = "ERR Unknown node {}") -> Node:
        node = self._view.nodes.get(name)
        if node is None:
            raise CommandError(error.format(name))
        return node

    # ---- nodes
    def meet(self, ip: str, port: int, bus_port: int, now: int) -> None:
        """CLUSTER MEET. Errors: no address, or no ports."""
        try:
            self._contact.meet(ip, port, bus_port, now)
        except BadAddress:
            raise CommandError(f"ERR Invalid node address specified: {ip}:{port}") from None

    def forget(self, name: str, now: int) -> None:
        """CLUSTER FORGET: for a minute nobody can tell us of the node. Errors: unknown, ourselves, our master."""
        view = self._view
        if name not in view.nodes and view.is_forgotten(name, now):
            return                          # another node told us to
        node = self._node(name)
        if node is view.myself:
            raise CommandError("ERR I tried hard but I can't forget myself...")
        if node is view.myself.master:
            raise CommandError("ERR Can't forget my master!")
        view.forget_for(name, now + BLACKLIST_MS)
        self._contact.remove(node)

    def replicate(self, name: str) -> None:
        """CLUSTER REPLICATE. Errors: unknown, ourselves, a replica; we are a master with slots or keys."""
        me = self._view.myself
        node = self._node(name)
        if node is me:
            raise CommandError("ERR Can't replicate myself")
        if node.is_replica:
            raise CommandError("ERR I can only replicate a master, not a replica.")
        if me.is_master and (me.slots or not self._local.is_empty()):
            raise CommandError("ERR To set a master the node must be empty and without assigned slots.")
        self._roles.follow(node)

    def cut(self, name: str, *, ours: bool, theirs: bool) -> None:
        """DEBUG CLUSTERLINK KILL: close the link that we opened to a node, the one that it opened to us, or both.
        Errors: unknown."""
        node = self._node(name)
        for link in (node.link if ours else None, node.inbound_link if theirs else None):
            if link is not None:
                self._contact.close(link)

    # ---- failover
    def failover(self, now: int, *, force: bool = False, takeover: bool = False) -> None:
        """CLUSTER FAILOVER [FORCE | TAKEOVER]. Errors: we are a master, or our master is not known, or down."""
        me = self._view.myself
        master = me.master
        if me.is_master:
            raise CommandError("ERR You should send CLUSTER FAILOVER to a replica")
        if master is None:
            raise CommandError("ERR I'm a replica but my master is unknown to me")
        if not force and not takeover and (master.failed or master.link is None):
            raise CommandError("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE")
        self._roles.end_manual()
        self._manual.until = now + MANUAL_MS
        self._election.forget()
        if takeover:
            self._out.note("notice", "Taking over the master (user request).")
            self._bump()
            self._election.take_over(now)
        elif force:
            self._out.note("notice", "Forced failover user request accepted.")
            self._manual.may_start = True
            self._out.check_election = True
        else:
            self._out.note("notice", "Manual failover user request accepted.")
            self._speaker.start_manual(master)

    # ---- epochs
    def _bump(self) -> bool:
        if not self._view.bump_epoch():
            return False
        self._out.note("notice", f"New configEpoch set to {self._view.myself.config_epoch}")
        self._out.changed(fsync=True)
        return True

    def bump_epoch(self) -> str:
        """CLUSTER BUMPEPOCH. Returns the status to reply."""
        return f"{'BUMPED' if self._bump() else 'STILL'} {self._view.myself.config_epoch}"

    def set_config_epoch(self, epoch: int) -> None:
        """CLUSTER SET-CONFIG-EPOCH, of a fresh node alone. Errors: negative; not fresh."""
        view = self._view
        if epoch < 0:
            raise CommandError(f"ERR Invalid config epoch specified: {epoch}")
        if len(view.nodes) > 1:
            raise CommandError("ERR The user can assign a config epoch only when the node does not know any other "
                               "node.")
        if view.myself.config_epoch:
            raise CommandError("ERR Node config epoch is already non-zero")
        view.myself.config_epoch = epoch
        view.current_epoch = max(view.current_epoch, epoch)
        self._out.note("notice", f"configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH")
        self._out.changed(health=True)

    # ---- slots
    def add_slots(self, spans: Sequence[tuple[int, int]]) -> None:
        """CLUSTER ADDSLOTS and ADDSLOTSRANGE. Errors: a slot is somebody's, or named twice."""
        wanted = self._named(spans, self._view.assigned, BUSY)
        self._closed(wanted)
        self._view.assign(self._view.myself, wanted)
        self._moved(wanted)

    def delete_slots(self, spans: Sequence[tuple[int, int]]) -> None:
        """CLUSTER DELSLOTS and DELSLOTSRANGE. Errors: a slot is nobody's, or named twice."""
        wanted = self._named(spans, slots.ALL & ~self._view.assigned, FREE)
        self._closed(wanted)
        self._moved(self._view.release(wanted))

    def flush_slots(self) -> None:
        """CLUSTER FLUSHSLOTS. Errors: there are keys."""
        if not self._local.is_empty():
            raise CommandError("ERR DB must be empty to perform CLUSTER FLUSHSLOTS.")
        self._moved(self._view.release(self._view.myself.slots))

    def has_keys(self, populated: int) -> None:
        """A node starts with data of these slots: as a master it serves what nobody serves, and what another one serves
        is on its way here, so that the operator sees it. A replica has what its master has, and is one from now on: as
        a master it would delete what has expired."""
        view = self._view
        me = view.myself
        if me.is_replica:
            self._roles.follow_address()
            return
        astray = populated & ~me.slots & ~slots.of(view.importing)
        if not astray:
            return
        unserved = astray & ~view.assigned
        for slot in slots.each(unserved):
            self._out.note("notice", f"I have keys for unassigned slot {slot}. Taking responsibility for it.")
        view.assign(me, unserved)
        for slot in slots.each(astray & ~unserved):
            self._out.note("notice", f"I have keys for slot {slot}, but the slot is assigned to another node. "
                                     "Setting it to importing state.")
            owner = view.owner[slot]
            assert owner is not None
            view.importing[slot] = owner
        self._moved(astray)

    def _named(self, spans: Sequence[tuple[int, int]], wrong: int, what: str) -> int:
        """All slots of these ranges. what: how slots are that are among `wrong`.

        Complexity: O(slots): thousands of them may be named one by one.
        """
        refused = slots.digits(wrong)
        named = bytearray(slots.digits(0))
        for first, last in spans:
            for slot in range(first, last + 1):
                if refused[slot] == slots.IN:
                    raise CommandError(f"ERR Slot {slot} is already {what}")
                if named[slot] == slots.IN:
                    raise CommandError(f"ERR Slot {slot} specified multiple times")
                named[slot] = slots.IN
        return slots.from_digits(named)

    def _closed(self, wanted: int) -> None:
        importing = self._view.importing
        for slot in [slot for slot in importing if wanted >> slot & 1]:
            del importing[slot]

    def _moved(self, moved: int, *, fsync: bool = True, soon: bool = False) -> None:
        """fsync: a power cut could leave slots that nobody claims."""
        if moved:
            self._out.add(SlotsMoved(moved))
        self._out.changed(fsync=fsync, soon=soon, health=True)

    def may_set_slots(self) -> None:
        """CLUSTER SETSLOT is a master's. Errors: we are a replica."""
        if not self._view.myself.is_master:
            raise CommandError("ERR Please use SETSLOT only with masters.")

    def _master(self, name: str, error: str) -> Node:
        node = self._node(name, error)
        if node.is_replica:
            raise CommandError("ERR Target node is not a master")
        return node

    def migrating(self, slot: int, name: str) -> None:
        """CLUSTER SETSLOT slot MIGRATING. Errors: not ours; no master that we know."""
        self.may_set_slots()
        if self._view.owner[slot] is not self._view.myself:
            raise CommandError(f"ERR I'm not the owner of hash slot {slot}")
        self._view.migrating[slot] = self._master(name, "ERR I don't know about node {}")
        self._out.changed(health=True)

    def importing(self, slot: int, name: str) -> None:
        """CLUSTER SETSLOT slot IMPORTING. Errors: ours already; no master that we know."""
        self.may_set_slots()
        if self._view.owner[slot] is self._view.myself:
            raise CommandError(f"ERR I'm already the owner of hash slot {slot}")
        self._view.importing[slot] = self._master(name, "ERR I don't know about node {}")
        self._out.changed(health=True)

    def stable(self, slot: int) -> None:
        """CLUSTER SETSLOT slot STABLE."""
        self.may_set_slots()
        self._view.importing.pop(slot, None)
        self._view.migrating.pop(slot, None)
        self._out.changed(health=True)

    def set_owner(self, slot: int, name: str, now: int) -> None:
        """CLUSTER SETSLOT slot NODE: the end of a move. Errors: no master that we know; we have keys of it still.

        As in Redis the disk is awaited for a new epoch alone: of a thousand slots that come one after the other only
        the first brings one. The others are put there at once, but nobody waits for that.
        """
        self.may_set_slots()
        view = self._view
        me = view.myself
        node = self._master(name, "ERR Unknown node {}")
        old = view.owner[slot]
        keys = self._local.keys_in(slot)
        if old is me and node is not me and keys:
            raise CommandError(f"ERR Can't assign hashslot {slot} to a different node while I still hold keys for this "
                               "hash slot.")
        if not keys:
            view.migrating.pop(slot, None)
        view.release(1 << slot)
        view.assign(node, 1 << slot)
        self._moved(1 << slot, fsync=False, soon=node is me)
        if old is me and node is not me and not me.slots and self._settings().allow_replica_migration:
            self._out.note("notice", "Configuration change detected. Reconfiguring myself as a replica of "
                                     f"{node.name} ({node.nodename})")
            self._roles.follow(node)
        if node is me and slot in view.importing:
            if self._bump():
                self._out.note("notice", f"configEpoch updated after importing slot {slot}")
            del view.importing[slot]
            self._speaker.pong_all(now)

    def take_slots(self, taken: int, epoch: int, now: int) -> None:
        """The end of an atomic migration: these slots are ours. epoch: the current one of who had them; ours becomes a
        greater one."""
        view = self._view
        view.release(taken)
        view.assign(view.myself, taken)
        view.current_epoch = max(view.current_epoch, epoch) + 1
        view.myself.config_epoch = view.current_epoch
        self._out.note("notice", f"New configEpoch set to {view.current_epoch}")
        self._moved(taken)
        self._speaker.pong_all(now)

    def hand_over(self, given: int, name: str) -> None:
        """The same at who had them, once it knows: their keys go. Who has none left follows, as with SETSLOT."""
        view = self._view
        me, node = view.myself, view.nodes.get(name)
        given &= me.slots
        if node is None or not given:
            return
        view.release(given)
        view.assign(node, given)
        self._moved(given)
        if me.slots or not self._settings().allow_replica_migration:
            self._roles.lose_keys(given)
            return
        self._out.note("notice", f"Configuration change detected. Reconfiguring myself as a replica of {node.name} "
                                 f"({node.nodename})")
        self._roles.follow(node)

    # ---- from the beginning
    def reset(self, *, hard: bool) -> None:
        """CLUSTER RESET: know nobody, serve nothing; hard: and be somebody else. Errors: a master with keys."""
        view = self._view
        me = view.myself
        if me.is_master and not self._local.is_empty():
            raise CommandError("ERR CLUSTER RESET can't be called with master nodes containing keys")
        if me.is_replica:
            self._roles.lead(empty=True)
        view.close_slots()
        self._roles.end_manual()
        self._moved(view.release(slots.ALL))
        for node in [node for node in view.nodes.values() if node is not me]:
            self._contact.remove(node)
        view.blacklist.clear()
        if hard:
            view.current_epoch = view.last_vote_epoch = me.config_epoch = 0
            view.rename(me, random_name(self._rng))
            me.shard_id = random_name(self._rng)
            self._out.note("notice", f"Node hard reset, now I'm {me.name}")
        self._out.changed(fsync=True, health=True)
