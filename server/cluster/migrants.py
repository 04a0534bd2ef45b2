"""Replicas that move to a master without any: from one that has more than cluster-migration-barrier to spare.

Only masters that had replicas, or took over from one that had, ought to have some (MIGRATE_TO). Of the replicas of
masters with the most, the one with the smallest name goes, when the other master has been without for a while.
"""

from collections.abc import Callable

from server.cluster.actions import Outbox
from server.cluster.messages import FAIL, HANDSHAKE, MASTER, MIGRATE_TO, MYSELF, NOADDR, PFAIL
from server.cluster.node import Node
from server.cluster.roles import Roles
from server.cluster.settings import Settings
from server.cluster.view import View

_RELEVANT = MYSELF | NOADDR | HANDSHAKE | FAIL | MASTER
ORPHANED_MS = 5000          # the failover's own replicas come by themselves


class Migrants:
    """Whether we are to move."""

    def __init__(self, view: View, settings: Callable[[], Settings], roles: Roles, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._roles = roles
        self._out = out

    def step(self, now: int) -> None:
        """Move if it is our turn. Called by the tick of a replica.

        Complexity: O(nodes).
        """
        settings, view = self._settings(), self._view
        mine = view.myself.master
        if not settings.allow_replica_migration or mine is None:
            return
        masters = [node for node in view.nodes.values() if node.flags & _RELEVANT == MASTER]
        for node in masters:
            if node.flags & MIGRATE_TO and node.slots and not node.has_replica():
                break
        else:
            return                          # there is no orphan
        most = max(node.replicas_not_failed() for node in masters)
        if most >= 2 and mine in masters and mine.replicas_not_failed() == most:
            self._move(mine, most, now)

    def _move(self, mine: Node, most: int, now: int) -> None:
        view = self._view
        reachable = sum(not replica.flags & (FAIL | PFAIL) for replica in mine.replicas)
        if not view.ok or reachable <= self._settings().migration_barrier:
            return
        target = self._orphan(now)
        if target is None or now - target.orphaned_since <= ORPHANED_MS:
            return
        rich = [node for node in view.nodes.values() if node.is_master and node.replicas_not_failed() == most]
        first = min((replica.name for node in rich for replica in node.replicas), default=view.myself.name)
        if view.myself.name <= first:
            self._out.note("notice", f"Migrating to orphaned master {target.name}")
            self._roles.follow(target)

    def _orphan(self, now: int) -> Node | None:
        """The first master without working replicas that ought to have some; and since when each is, is kept."""
        found = None
        for node in self._view.nodes.values():
            if node.is_master and not node.failed and node.flags & MIGRATE_TO and not node.replicas_not_failed():
                if found is None and node.slots:
                    found = node
                node.orphaned_since = node.orphaned_since or now
            else:
                node.orphaned_since = 0
        return found
