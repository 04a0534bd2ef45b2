"""Whose slots are whose: what a master claims, against what we know.

A claim holds where a slot is nobody's, or its owner no longer claims it, or the owner's config epoch is older. A slot
that we are importing stays as it is: the operator closes it. One who claims with an older epoch is told by UPDATE.
"""

from collections.abc import Callable

from server.cluster import slots
from server.cluster.actions import Outbox, SlotsMoved
from server.cluster.node import Node
from server.cluster.roles import Roles
from server.cluster.settings import Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View


class Claims:
    """Slots claimed and lost."""

    def __init__(self, view: View, settings: Callable[[], Settings], speaker: Speaker, roles: Roles,
                 out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._speaker = speaker
        self._roles = roles
        self._out = out

    def claim(self, node: Node, epoch: int, claimed: int) -> None:
        """A master claims exactly these slots since an epoch; it says so itself, or another tells us.

        Complexity: O(nodes + slots that change hands).
        """
        view = self._view
        me = view.myself
        if node is me:
            self._out.note("notice", "Discarding UPDATE message about myself.")
            return
        view.unclaimed &= ~(claimed & node.slots)
        left = node.slots & ~claimed
        taken = self._that_hold(epoch, claimed & ~node.slots)
        ours = me if me.is_master else me.master
        ours_taken = taken & ours.slots if ours is not None else 0
        mine_taken = taken & me.slots
        if taken:
            view.release(taken)
            view.assign(node, taken)
            self._out.add(SlotsMoved(taken))
            self._out.changed(fsync=True, health=True)
        view.unclaimed |= left
        self._consequences(node, claimed, ours, ours_taken, mine_taken)

    def _that_hold(self, epoch: int, wanted: int) -> int:
        """Which of these claims hold."""
        view = self._view
        if not wanted:
            return 0
        if view.importing:
            wanted &= ~slots.of(view.importing)
        taken = wanted & (~view.assigned | view.unclaimed)
        disputed = wanted & ~taken
        if disputed:
            for owner in view.owners_of(disputed):
                if owner.config_epoch < epoch:
                    taken |= disputed & owner.slots
        return taken

    def _consequences(self, node: Node, claimed: int, ours: Node | None, ours_taken: int, mine_taken: int) -> None:
        """A shard that lost its last slot follows who took it."""
        me = self._view.myself
        grandmaster = me.master.master if me.master is not None else None
        if ours_taken and ours is not None and not ours.slots and (
                self._settings().allow_replica_migration or claimed == ours_taken):
            self._out.note("notice", "Configuration change detected. Reconfiguring myself as a replica of "
                                     f"{node.name} ({node.nodename})")
            self._roles.follow(node)
        elif grandmaster is not None and grandmaster is not me:
            self._out.note("notice", "I'm a sub-replica! Reconfiguring myself as a replica of grandmaster "
                                     f"{grandmaster.name} ({grandmaster.nodename})")
            self._roles.follow(grandmaster)
        elif mine_taken:
            self._roles.lose_keys(mine_taken)

    def correct(self, sender: Node, epoch: int, claimed: int) -> None:
        """Tell a sender of one who serves slots that it (or its master) claims with an older epoch."""
        view = self._view
        disputed = claimed & view.assigned & ~view.unclaimed & ~sender.slots
        if not disputed:
            return
        newer = [owner for owner in view.owners_of(disputed) if owner.config_epoch > epoch]
        if newer:
            owner = min(newer, key=lambda owner: (owner.slots & disputed) & -(owner.slots & disputed))
            self._out.note("verbose", f"Node {sender.name} has old slots configuration, sending an UPDATE message "
                                      f"about {owner.name}")
            self._speaker.update(sender, owner)

    def collide(self, sender: Node) -> None:
        """Two masters with one config epoch: who has the smaller name takes a new one, so one stays as it is."""
        view = self._view
        me = view.myself
        if sender.config_epoch != me.config_epoch or sender.name <= me.name or view.keeps_epoch:
            return
        view.current_epoch += 1
        me.config_epoch = view.current_epoch
        self._out.note("verbose", f"WARNING: configEpoch collision with node {sender.name} ({sender.nodename}). "
                                  f"configEpoch set to {me.config_epoch}")
        self._out.changed(fsync=True)
