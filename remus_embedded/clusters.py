"""A cluster of servers on this machine, for tests of programs that use one, and `remus-cluster`."""

from __future__ import annotations

import argparse
import random
import signal
import socket
from typing import TYPE_CHECKING, Any

import remus_server
from remus_embedded.server_process import asked, launch, logging_in, wait_for

if TYPE_CHECKING:
    from remus_server import RemusServer

ENDING = {signal.SIGINT, signal.SIGTERM}
NODE_PORTS = (11_000, 22_000)  # of nodes of a cluster, whose bus is 10,000 above
START_SECONDS = 30.0


class RemusCluster:
    """Running servers that are one cluster. `nodes` are RemusServers, masters first, then their replicas in turns: with
    three masters and one replica nodes[3] follows nodes[0], at the beginning. `stop()` it, or use it in a `with`."""

    def __init__(self, nodes: list[RemusServer]) -> None:
        self.nodes = nodes

    def __repr__(self) -> str:
        return f"<RemusCluster of {len(self.nodes)}: {self.nodes}>"

    @property
    def host(self) -> str:
        return self.nodes[0].host

    @property
    def port(self) -> int:
        """Of the first node: clients find the others."""
        return self.nodes[0].port

    @property
    def url(self) -> str:
        """What `redis.RedisCluster.from_url` and other clients take, password included."""
        return self.nodes[0].url

    def stop(self) -> None:
        """Stop all nodes and remove their folders. Harmless the second time."""
        for node in self.nodes:  # first all of them, or they would see each other fail
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> RemusCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    masters: int, replicas: int, ports: list[int] | None, timeout: float, directives: dict[str, Any]
) -> RemusCluster:
    """As remus_server.start_cluster."""
    count = masters * (1 + replicas)
    if masters < 1 or replicas < 0 or (ports is not None and len(ports) != count):
        raise ValueError("a cluster has masters, and a port for each of its nodes")
    chosen = ports if ports is not None else _free_ports(count)
    seed = random.getrandbits(63)
    given = {"cluster_node_timeout": 5000, "repl_diskless_sync_delay": 0, **directives, "cluster_enabled": True}
    if given.get("requirepass"):
        given.setdefault("masterauth", given["requirepass"])
    cluster = RemusCluster([])
    try:
        for number, port in enumerate(chosen):
            words = " ".join(map(str, (number, masters, seed, *chosen)))
            cluster.nodes.append(launch(port, given, {remus_server.FOUND: words}))
        wait_for(cluster.nodes, timeout, _serves)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _free_ports(count: int) -> list[int]:
    """For nodes of a cluster, and with the one 10,000 above for the bus. Below those that the system gives to
    connections: nodes open many, and one could take the port of a node that is just starting."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*NODE_PORTS)
        try:
            for one in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found


def _serves(server: RemusServer) -> bool:
    """Whether the cluster serves, for all this node knows, and it has what its master has."""
    requests = logging_in(server) + b"CLUSTER INFO\r\nINFO replication\r\n"
    text = asked(server, requests, rb"(?s)cluster_state:.*master_repl_offset:")
    return b"cluster_state:ok" in text and b"master_link_status:down" not in text


def run() -> int:
    """`remus-cluster` on the command line: a cluster until Ctrl-C; the exit code."""
    parser = argparse.ArgumentParser("remus-cluster", description="Run a cluster on 127.0.0.1, until Ctrl-C.")
    parser.add_argument("--masters", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=1, help="of each master")
    parser.add_argument("--port", type=int, help="of the first node, the others follow; free ones without")
    parser.add_argument("directives", nargs="*", metavar="NAME=VALUE", help="directives for all nodes")
    given = parser.parse_args()
    count = given.masters * (1 + given.replicas)
    ports = list(range(given.port, given.port + count)) if given.port else None
    directives: dict[str, Any] = dict(word.split("=", 1) for word in given.directives)
    with start(given.masters, given.replicas, ports, START_SECONDS, directives) as made:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # kept: it may come with the last line
        for node in made.nodes:
            print(f"{node.host}:{node.port}  {node.folder}", flush=True)
        print(f"redis-cli -c -p {made.port}", flush=True)
        signal.sigwait(ENDING)
    return 0
