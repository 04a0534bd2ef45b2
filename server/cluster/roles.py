"""Whom we follow: the one place where our own role changes."""

from collections.abc import Callable

from server.cluster.actions import DropKeys, Follow, Lead, Outbox, Resume, SlotsMoved
from server.cluster.manual import ManualFailover
from server.cluster.node import Node
from server.cluster.settings import Settings
from server.cluster.view import View


class Roles:
    """Our role, told to the replication as `Follow` and `Lead`."""

    def __init__(self, view: View, settings: Callable[[], Settings], manual: ManualFailover, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._manual = manual
        self._out = out
        self._told: Follow | None = None

    def follow(self, master: Node) -> None:
        """Become a replica of a node, or of another one."""
        view = self._view
        me = view.myself
        if me.is_master:
            view.close_slots()
        lost = view.make_replica(me)
        if lost:
            self._out.add(SlotsMoved(lost))
        view.set_master(me, master)
        me.shard_id = master.shard_id
        self.follow_address()
        self.end_manual()
        self._out.changed(fsync=True, health=True)

    def lead(self, *, empty: bool = False) -> None:
        """Become a master. empty: without the keys of the old one."""
        if self._view.make_master(self._view.myself):
            self._told = None
            self._out.add(Lead(empty))
            self._out.changed(health=True)

    def follow_address(self) -> None:
        """Tell the replication where our master is, when that is not what it was told."""
        me = self._view.myself
        master = me.master
        if me.is_master or master is None or not master.has_address or not master.ip:
            return
        wanted = Follow(master.ip, master.client_port(self._settings().tls))
        if wanted != self._told:
            self._told = wanted
            self._out.add(wanted)

    def lose_keys(self, lost: int) -> None:
        """Slots that we served are somebody else's while we stay a master."""
        self._out.add(DropKeys(lost))

    def end_manual(self) -> None:
        """No manual failover is under way."""
        if self._manual.clear():
            self._out.add(Resume())
