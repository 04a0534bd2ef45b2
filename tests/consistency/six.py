"""A cluster of three masters with a replica each. Every node is reached through proxies, by clients through one and by
nodes through others, and its own links come from an address of its own: so that any of them can be parted from any."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.cluster.founding import Place
from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.proxy import Proxy
from tests.support.resp import Connection
from tests.support.server import Process, Server

SETTINGS: dict[str, Any] = {"appendonly": "yes", "appendfsync": "always", "shutdown_timeout": 10,
                            "cluster_node_timeout": 1500}  # fmt: skip
SETTLE_SECONDS = 60.0
_addresses = itertools.cycle(f"127.0.1.{number}" for number in range(1, 251))


class Member(Server):
    """A node behind its proxies."""

    def __init__(self, folder: Path, *, start: bool = True, **directives: Any) -> None:
        super().__init__(folder, start=False, **directives)
        self.address = next(_addresses)
        self.for_clients = Proxy(self.port)
        self.for_nodes = Proxy(self.port)
        self.for_bus = Proxy(self.port + 10_000)
        self.directives |= {"bind-source-addr": self.address, "cluster-announce-ip": "127.0.0.1",
                            "cluster-announce-port": self.for_nodes.port,
                            "cluster-announce-bus-port": self.for_bus.port}  # fmt: skip
        if start:
            self.start()

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return self.for_clients, self.for_nodes, self.for_bus

    def call(self, *words: Any) -> Any:
        """Past all proxies."""
        with Connection(self.port) as c:
            return c(*words)

    def branch(self) -> str:
        """Of which history its data are."""
        return self.info("replication")["master_replid"]

    def heal(self) -> None:
        for proxy in self.proxies:
            proxy.release()

    def close(self) -> None:
        """It and its proxies, for good."""
        self.heal()
        self.stop()
        for proxy in self.proxies:
            proxy.close()


class Shard:
    """Who leads now, who follows, and the history that both have."""

    def __init__(self, master: Member, replica: Member, branch: str) -> None:
        self.master = master
        self.replica = replica
        self.branch = branch


class Six(Cluster):
    """The nodes. shards: what they were when all agreed last. moving: a slot is on its way, of which replicas know
    nothing: one of the master that gives it answers for keys that are gone as if they had never been, as in Redis."""

    nodes: list[Member]  # type: ignore[assignment]

    def __init__(self, folder: Path, **directives: Any) -> None:
        super().__init__(folder, masters=3, replicas=1, kinds=[Member] * 6, **{**SETTINGS, **directives})
        self.by_port = {node.for_nodes.port: node for node in self.nodes}
        self.shards: list[Shard] = []
        self.moving = False
        self.settle()

    def announced(self, node: Process) -> Place:
        assert isinstance(node, Member)
        return Place("127.0.0.1", node.for_nodes.port, node.for_bus.port)

    def stop(self) -> None:
        for node in self.nodes:
            node.close()

    def name(self, node: Member) -> str:
        return self.names[self.nodes.index(node)]

    def part(self, some: Sequence[Member]) -> None:
        """Nothing passes between these and the other nodes; clients reach them all."""
        others = [node for node in self.nodes if node not in some]
        for here, there in ((some, others), (others, some)):
            for node in here:
                for proxy in (node.for_nodes, node.for_bus):
                    proxy.hold_from(other.address for other in there)

    def heal(self) -> None:
        for node in self.nodes:
            node.heal()

    # ---- agreement
    def settle(self) -> None:
        """All live, serve and say the same, and each replica has its master's history."""
        self.wait_for_state("ok")
        self.wait_for_agreement()
        self.shards = wait_until(self._shards, "three masters with a replica each", SETTLE_SECONDS)

    def _shards(self) -> list[Shard] | None:
        roles = {node: node.call("ROLE") for node in self.nodes}
        masters = [node for node, role in roles.items() if role[0] == b"master"]
        found = []
        for master in masters:
            replicas = [node for node, role in roles.items() if role[0] == b"slave"
                        and self.by_port.get(role[2]) is master and role[3] == b"connected"]  # fmt: skip
            branches = {node.branch() for node in (master, *replicas)}
            if len(replicas) == 1 and len(branches) == 1:
                found.append(Shard(master, replicas[0], branches.pop()))
        return found if len(found) == 3 else None

    def wait_in_step(self) -> None:
        """Replicas have everything. Only while nobody writes."""
        self.settle()
        for shard in self.shards:
            both = (shard.master, shard.replica)
            wait_until(lambda both=both: len({node.call("DEBUG", "DIGEST") for node in both}) == 1, "the same data",
                       SETTLE_SECONDS)  # fmt: skip

    def wait_for_replicas(self) -> None:
        """What was written to masters until now is with their replicas."""
        for shard in self.shards:
            offset = _offset(shard.master)
            wait_until(lambda replica=shard.replica, offset=offset: _offset(replica) >= offset,
                       "a replica that has everything", SETTLE_SECONDS)  # fmt: skip


def _offset(node: Member) -> int:
    return int(node.info("replication")["master_repl_offset"])
