"""What one node knows of the cluster: the nodes by name, whose slot is whose, the epochs. The tables alone: what they
mean for the protocol is decided elsewhere; every change keeps them in agreement (`check`).
"""

from __future__ import annotations

from collections.abc import Iterable

from server.cluster import slots
from server.cluster.messages import FAIL, MASTER, MIGRATE_TO, MYSELF, NAME_LENGTH, NOADDR, PFAIL, REPLICA
from server.cluster.node import Node
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

BLACKLIST_MS = 60_000           # so long a forgotten node stays forgotten


def random_name(rng: Random) -> str:
    """A name for a node or a shard."""
    return f"{rng.getrandbits(NAME_LENGTH * 4):0{NAME_LENGTH}x}"


class View:
    """The cluster as `myself` sees it.

    owner: of each slot, None: nobody. migrating, importing: slots on their way to and from another node. unclaimed:
    slots whose owner does not claim them any more while nobody else does; others are not told that they are his.
    voters: the masters that serve slots, of whom a majority decides. ok: the cluster serves."""

    def __init__(self, myself: Node) -> None:
        self.myself = myself
        self.nodes: dict[str, Node] = {myself.name: myself}
        self.owner: list[Node | None] = [None] * slots.COUNT
        self.assigned = 0
        self.unclaimed = 0
        self.migrating: dict[int, Node] = {}
        self.importing: dict[int, Node] = {}
        self.current_epoch = 0
        self.last_vote_epoch = 0
        self.voters: set[Node] = set()
        self.blacklist: dict[str, int] = {}     # names and until when, ms
        self.ok = False
        self.keeps_epoch = False        # slots are being handed over: their new owner's epoch must stay the greater one

    # ---- nodes
    def add(self, node: Node) -> Node:
        """A node that nobody has the name of yet."""
        assert node.name not in self.nodes
        self.nodes[node.name] = node
        return node

    def remove(self, node: Node) -> int:
        """A node is not known any more. Returns the slots that are nobody's now.

        Complexity: O(nodes + its slots).
        """
        assert node is not self.myself
        for on_their_way in (self.migrating, self.importing):
            for slot in [slot for slot, other in on_their_way.items() if other is node]:
                del on_their_way[slot]
        lost = self.release(node.slots)
        for other in self.nodes.values():
            other.reports.pop(node.name, None)
        for replica in node.replicas:
            replica.master = None
        node.replicas.clear()
        self.set_master(node, None)
        del self.nodes[node.name]
        return lost

    def rename(self, node: Node, name: str) -> None:
        """A handshake has told the real name."""
        del self.nodes[node.name]
        node.name = name
        self.add(node)

    def shard_of(self, node: Node) -> list[Node]:
        """The nodes with its shard id, itself among them."""
        return [other for other in self.nodes.values() if other.shard_id == node.shard_id]

    # ---- masters and replicas
    def set_master(self, replica: Node, master: Node | None) -> None:
        """Whose replica it is. The roles that nodes call themselves are not touched."""
        old = replica.master
        if old is master:
            return
        if old is not None:
            old.replicas.remove(replica)
            if not old.replicas:
                old.flags &= ~MIGRATE_TO
        replica.master = master
        if master is not None:
            master.replicas.append(replica)
            master.flags |= MIGRATE_TO

    def make_master(self, node: Node) -> bool:
        """It calls itself a master now. Returns whether it did not before."""
        if node.flags & MASTER:
            return False
        if node.master is not None:
            self.set_master(node, None)
            if node is not self.myself:
                node.flags |= MIGRATE_TO
        node.flags = node.flags & ~REPLICA | MASTER
        self._count(node)
        return True

    def make_replica(self, node: Node) -> int:
        """It calls itself a replica now. Returns the slots that are nobody's for that."""
        lost = self.release(node.slots)
        node.flags = node.flags & ~(MASTER | MIGRATE_TO) | REPLICA
        self._count(node)
        return lost

    def _count(self, node: Node) -> None:
        """Its role or its slots may have changed."""
        if node.flags & MASTER and node.slots:
            self.voters.add(node)
        else:
            self.voters.discard(node)

    # ---- slots
    def assign(self, node: Node, taken: int) -> None:
        """Slots that are nobody's become his.

        Complexity: O(the slots).
        """
        if not taken:
            return
        assert not taken & self.assigned
        if not node.slots and any(other.replicas for other in self.nodes.values() if other.flags & MASTER):
            node.flags |= MIGRATE_TO        # where others have replicas it ought to have some
        node.slots |= taken
        self._count(node)
        self.assigned |= taken
        self._own(taken, node)

    def release(self, left: int) -> int:
        """Slots become nobody's. Returns those that were somebody's."""
        left &= self.assigned
        if not left:
            return 0
        for node in self.owners_of(left):
            node.slots &= ~left
            self._count(node)
        self._own(left, None)
        self.assigned &= ~left
        self.unclaimed &= ~left
        return left

    def _own(self, those: int, node: Node | None) -> None:
        for first, last in slots.ranges(those):
            self.owner[first:last + 1] = [node] * (last + 1 - first)

    def owners_of(self, wanted: int) -> Iterable[Node]:
        """The nodes that serve any of these slots.

        Complexity: O(nodes).
        """
        return [node for node in self.nodes.values() if node.slots & wanted]

    def close_slots(self) -> None:
        """No slot is on its way any more."""
        self.migrating.clear()
        self.importing.clear()

    # ---- epochs
    def max_epoch(self) -> int:
        """The greatest that we know of."""
        return max(self.current_epoch, *(node.config_epoch for node in self.nodes.values()))

    def bump_epoch(self) -> bool:
        """A new config epoch of our own, for which nobody was asked. False: ours is the greatest, or must stay."""
        if self.keeps_epoch or self.myself.config_epoch and self.myself.config_epoch == self.max_epoch():
            return False
        self.current_epoch += 1
        self.myself.config_epoch = self.current_epoch
        return True

    # ---- who is not to be learned of again
    def forget_for(self, name: str, until: int) -> None:
        """until: ms."""
        self.blacklist[name] = until

    def is_forgotten(self, name: str, now: int) -> bool:
        """Whether a node is not to be added when others tell of it."""
        if not self.blacklist:
            return False
        for other in [other for other, until in self.blacklist.items() if until < now]:
            del self.blacklist[other]
        return name in self.blacklist

    # ---- figures
    @property
    def size(self) -> int:
        """How many masters serve slots."""
        return len(self.voters)

    @property
    def quorum(self) -> int:
        """How many masters are the majority."""
        return len(self.voters) // 2 + 1

    def reachable(self) -> int:
        """How many masters that serve slots are not failing in any way."""
        return sum(not node.flags & (FAIL | PFAIL) for node in self.voters)

    def check(self) -> None:
        """All tables agree. For tests: O(nodes + slots)."""
        assert self.nodes[self.myself.name] is self.myself and self.myself.flags & MYSELF
        assert self.voters == {node for node in self.nodes.values() if node.flags & MASTER and node.slots}
        together = 0
        for name, node in self.nodes.items():
            assert node.name == name and len(name) == NAME_LENGTH
            assert not node.slots & together
            together |= node.slots
            for first, last in slots.ranges(node.slots):
                assert self.owner[first:last + 1] == [node] * (last + 1 - first)
            assert not node.flags & MASTER or not node.flags & REPLICA
            assert node.master is None or node in node.master.replicas and self.nodes[node.master.name] is node.master
            assert len(set(node.replicas)) == len(node.replicas)
            assert all(replica.master is node for replica in node.replicas)
            assert not node.flags & NOADDR or node is not self.myself
            assert node.link is None or node.link.node is node and not node.link.inbound
            assert node.inbound_link is None or node.inbound_link.node is node and node.inbound_link.inbound
            assert all(reporter in self.nodes for reporter in node.reports)
        assert together == self.assigned and not self.unclaimed & ~self.assigned
        assert self.owner.count(None) == slots.COUNT - together.bit_count()
        assert all(node in self.nodes.values() for node in (*self.migrating.values(), *self.importing.values()))
