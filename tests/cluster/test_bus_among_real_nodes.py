"""The protocol on real sockets among real nodes: it is met, gossips, judges, votes and takes over with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.cluster import slots
from server.cluster.conf_format import parse
from server.cluster.replies import info_fields, nodes_text, shards_reply, slots_reply
from tests.support.bus_node import BusNode, BusNodes, wall
from tests.support.peer import Peer, require_peer
from tests.support.server import free_node_port

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

TIMEOUT_MS = 3000
THIRD = slots.COUNT // 3


class Cluster:
    """Masters a and c are real, b is c's real replica; ours is the third master, heir is a replica of a. Looked at by
    CLUSTER NODES, from which `sees` takes the flags of a node in the eyes of another."""

    def __init__(self, folder: Path) -> None:
        self.ours = BusNodes()
        real = {"cluster-enabled": "yes", "cluster-node-timeout": TIMEOUT_MS, "repl-diskless-sync-delay": 0,
                "cluster-require-full-coverage": "no"}
        self.a, self.b, self.c = (Peer(folder / name, **real) for name in "abc")
        self.third = self.ours.add(free_node_port(), slots.span(2 * THIRD, slots.COUNT - 1), node_timeout=TIMEOUT_MS,
                                   hostname="third.example")
        self.heir = self.ours.add(free_node_port(), node_timeout=TIMEOUT_MS)
        self.names = {peer: self.ask(peer, "MYID").decode() for peer in (self.a, self.b, self.c)}

    def ask(self, peer: Peer, *words: Any) -> Any:
        with peer.connect() as c:
            return c.ok("CLUSTER", *words)

    def sees(self, peer: Peer, name: str) -> list[str]:
        """The words of CLUSTER NODES about a node."""
        lines = self.ask(peer, "NODES").decode().splitlines()
        return next((line.split() for line in lines if line.startswith(name)), [])

    def flags(self, peer: Peer, name: str) -> set[str]:
        words = self.sees(peer, name)
        return set(words[2].split(",")) if words else set()

    def form(self) -> None:
        """Slots, epochs, one meeting each, and the replicas."""
        for number, (peer, first) in enumerate(((self.a, 0), (self.c, THIRD)), 1):
            self.ask(peer, "ADDSLOTS", *range(first, first + THIRD))
            self.ask(peer, "SET-CONFIG-EPOCH", number)
        self.third.ask(self.third.protocol.operator.set_config_epoch, 3)
        self.ask(self.a, "MEET", "127.0.0.1", self.b.port)
        self.ask(self.a, "MEET", "127.0.0.1", self.c.port)
        self.ask(self.a, "MEET", "127.0.0.1", self.third.port)      # they meet us, and we them
        self.heir.ask(self.heir.protocol.operator.meet, "127.0.0.1", self.c.port, self.c.port + 10000, wall())
        names = {*self.names.values(), self.third.name, self.heir.name}
        self.ours.until(lambda: all({*node.protocol.view.nodes} == names for node in self.ours.nodes), "we know all")
        self.ours.until(lambda: all(self.sees(peer, name) for peer in self.names for name in names), "they know all")
        self.ask(self.b, "REPLICATE", self.names[self.c])
        self.heir.ask(self.heir.protocol.operator.replicate, self.names[self.a])
        self.ours.until(lambda: all(node.protocol.view.ok for node in self.ours.nodes), "the cluster serves")

    def close(self) -> None:
        self.ours.close()
        for peer in self.names:
            peer.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    require_peer()
    made = Cluster(tmp_path)
    try:
        made.form()
        yield made
    finally:
        made.close()


def agreed(node: BusNode, name: str) -> Any:
    return node.protocol.view.nodes[name]


def line_of(words: list[str]) -> list[str]:
    """Of CLUSTER NODES, what all nodes say alike: not who is myself, nor times, nor a host name that is on its way."""
    return [words[0], words[1].split(",")[0], words[2].replace("myself,", ""), words[3], *words[6:]]


def plain(reply: Any) -> Any:
    """CLUSTER SHARDS in any order, without offsets and what follows from them."""
    if isinstance(reply, list) and reply and isinstance(reply[0], dict):
        return sorted((plain(item) for item in reply), key=repr)
    if isinstance(reply, dict):
        return {key: plain(value) for key, value in reply.items() if key not in (b"replication-offset", b"health")}
    return reply


def differences(cluster: Cluster) -> str:
    """Between what our third master tells and what a real one does."""
    view = cluster.third.protocol.view
    mine = sorted(line_of(line.split()) for line in nodes_text(view).splitlines())
    theirs = sorted(line_of(line.split()) for line in cluster.ask(cluster.c, "NODES").decode().splitlines())
    if mine != theirs:
        return f"NODES: {mine} {theirs}"
    with cluster.c.connect(protocol=3) as c:
        # The offset of our replica is 0 in their eyes and in ours; so they leave it out as we do.
        if [row[:3] for row in slots_reply(view, 0)] != [row[:3] for row in c("CLUSTER", "SLOTS")]:
            return f"SLOTS: {slots_reply(view, 0)} {c('CLUSTER', 'SLOTS')}"
        if cluster.c.version >= (7, 2) and plain(shards_reply(view, 0)) != plain(c("CLUSTER", "SHARDS")):
            return f"SHARDS: {plain(shards_reply(view, 0))} {plain(c('CLUSTER', 'SHARDS'))}"
        said = [line.split(":") for line in c("CLUSTER", "INFO").decode().splitlines()]
    ours = {name: str(value) for name, value in info_fields(view, [0] * 11, [0] * 11, 0)}
    same = {key: value for key, value in said if not key.startswith(("cluster_stats", "cluster_my", "total"))}
    return "" if same.items() <= ours.items() else f"INFO: {same} {ours}"


def test_a_life_among_real_nodes(cluster: Cluster) -> None:
    ours, third, heir = cluster.ours, cluster.third, cluster.heir
    a, b, c = (cluster.names[peer] for peer in (cluster.a, cluster.b, cluster.c))

    # They see us as we are, and we them.
    ours.until(lambda: cluster.flags(cluster.c, heir.name) == {"slave"}, "they know our replica")
    words = cluster.sees(cluster.c, third.name)
    assert words[1].startswith(f"127.0.0.1:{third.port}@{third.port + 10000}")
    assert words[2:4] == ["master", "-"] and words[6:] == ["3", "connected", f"{2 * THIRD}-{slots.COUNT - 1}"]
    ours.until(lambda: agreed(third, b).master is agreed(third, c), "we know their replica")
    assert agreed(third, a).slots == slots.span(0, THIRD - 1)
    assert {record.name for record in parse(third.saved).records} == {a, b, c, third.name, heir.name}
    third.protocol.view.check()

    # What we would tell clients is what they tell.
    ours.until(lambda: not differences(cluster), "we tell the same")

    # What they publish reaches our subscribers.
    with cluster.a.connect() as connection:
        connection("PUBLISH", "news", "hello")
    ours.until(lambda: third.delivered and heir.delivered, "published")
    assert third.delivered[0].published == (b"news", b"hello")

    # A real master dies: real and ours judge it, a real master and ours elect our replica.
    cluster.a.kill()
    ours.until(lambda: heir.protocol.view.myself.is_master, "our replica takes over", 60)
    assert heir.protocol.view.myself.slots == slots.span(0, THIRD - 1)
    ours.until(lambda: cluster.sees(cluster.c, heir.name)[8:] == [f"0-{THIRD - 1}"], "they accept it")
    assert cluster.flags(cluster.c, a) == {"master", "fail"}

    # The other real master dies: both that judge and vote are ours, and a real replica takes over.
    ours.until(lambda: agreed(third, heir.name).slots == slots.span(0, THIRD - 1), "we accept it, too")
    cluster.c.kill()
    ours.until(lambda: agreed(third, b).is_master and agreed(heir, b).is_master, "their replica takes over", 60)
    ours.until(lambda: agreed(third, b).slots == slots.span(THIRD, 2 * THIRD - 1), "with its slots")
    assert cluster.flags(cluster.b, third.name) == {"master"}

    # The first comes back, hears that it was replaced, and follows our master.
    cluster.a.start()
    ours.until(lambda: cluster.flags(cluster.a, a) == {"myself", "slave"}, "it follows", 60)
    assert cluster.sees(cluster.a, a)[3] == heir.name
    ours.until(lambda: agreed(heir, a).master is heir.protocol.view.myself and not agreed(heir, a).failed, "we know")
    heir.protocol.view.check()
