"""What a real cluster's gossip costs, and how long it is without the masters that die: the figures of
`./dev torture simulation --cost` and `--failover`, of processes on this machine.

    ./dev python -m perf.gossip
    ./dev python -m perf.gossip --nodes 20 --timeout 15000 --seconds 60 --how STOP

Half of the nodes are masters, each with a replica. First nobody asks anything for some seconds: processor time of a
node, beside that of as many nodes that are no cluster; messages that a node sends, and bytes (`ss` tells). Then all
masters but the smallest majority end, and every fifth of a second the survivors are asked.
"""

import argparse
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

import psutil

import remus_server
from perf.server_under_test import encode

LOOK = 0.2              # seconds between two looks
START = 300.0           # seconds, at most
SETTLE = 5.0            # seconds after the start
WAIT = 300.0            # seconds, for new masters
BUS = 10_000


def processor_seconds(pids: Sequence[int]) -> float:
    """All of them, since their start."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(one.user + one.system for one in times))


def asked(port: int, *words: str) -> str:
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as replies:
        connection.sendall(encode(*words))
        return replies.read(int(replies.readline()[1:])).decode()


def messages(ports: Sequence[int]) -> int:
    """Of the bus, that all have sent."""
    return sum(int(re.findall(r"cluster_stats_messages_sent:(\d+)", asked(port, "CLUSTER", "INFO"))[0])
               for port in ports)


def bus_bytes(ports: Sequence[int]) -> int:
    """That went by all links that are open now."""
    told = subprocess.run(["ss", "-tniHO"], capture_output=True, text=True, check=True).stdout
    buses = {str(port + BUS) for port in ports}
    total = 0
    for line in told.splitlines():
        words = line.split()
        ends = {word.rpartition(":")[2] for word in words[3:5]}
        sent = re.search(r"bytes_sent:(\d+)", line)
        if ends & buses and sent:
            total += int(sent.group(1))
    return total


def cost(nodes: int, timeout: int, seconds: float) -> None:
    """Told on the standard output."""
    with remus_server.start_cluster(nodes // 2, 1, timeout=START, cluster_node_timeout=timeout) as cluster:
        ports = [node.port for node in cluster.nodes]
        pids = [node.pid for node in cluster.nodes]
        time.sleep(SETTLE)
        before = time.monotonic(), processor_seconds(pids), messages(ports), bus_bytes(ports)
        time.sleep(seconds)
        after = time.monotonic(), processor_seconds(pids), messages(ports), bus_bytes(ports)
    alone = [remus_server.start() for _ in range(nodes)]
    try:
        pids = [server.pid for server in alone]
        time.sleep(SETTLE)
        idle = time.monotonic(), processor_seconds(pids)
        time.sleep(seconds)
        rest = (processor_seconds(pids) - idle[1]) / (time.monotonic() - idle[0]) / nodes
    finally:
        for server in alone:
            server.stop()
    passed = (after[0] - before[0]) * nodes
    spent, sent, went = ((after[n] - before[n]) / passed for n in (1, 2, 3))
    print(f"{nodes} nodes, node timeout {timeout} ms: {went / 1024:.1f} KB and {sent:.1f} messages sent a second and "
          f"node; processor time {spent * 1000:.2f} ms, of which {rest * 1000:.2f} ms are there without a cluster",
          flush=True)


def failover(nodes: int, timeout: int, how: signal.Signals) -> None:
    """Told on the standard output."""
    masters = nodes // 2
    with remus_server.start_cluster(masters, 1, timeout=START, cluster_node_timeout=timeout) as cluster:
        time.sleep(SETTLE)
        dead, up = cluster.nodes[:(masters - 1) // 2], cluster.nodes[(masters - 1) // 2:]
        names = {asked(node.port, "CLUSTER", "MYID") for node in dead}
        heirs = {cluster.nodes[number + masters].port for number in range(len(dead))}
        start = time.monotonic()
        for node in dead:
            node.send_signal(how)
        known, won = [], []
        while (names or heirs) and time.monotonic() < start + WAIT:
            time.sleep(LOOK)
            views = [asked(node.port, "CLUSTER", "NODES") for node in up]
            passed = time.monotonic() - start
            for name in [name for name in names if all(_failed(view, name) for view in views)]:
                names.remove(name)
                known.append(passed)
            for port in [port for port in heirs if asked(port, "INFO", "replication").find("role:master") >= 0]:
                heirs.remove(port)
                won.append(passed)
        for node in dead:
            node.kill()
    print(f"{nodes} nodes, node timeout {timeout} ms, {len(dead)} masters end by {how.name}: FAIL known to all "
          f"after {_three(known)}, a new master after {_three(won)} (first, median, last); {len(heirs)} without one")


def _failed(view: str, name: str) -> bool:
    return any("fail" in line.split()[2].split(",") for line in view.splitlines() if line.startswith(name))


def _three(times: Sequence[float]) -> str:
    if not times:
        return "never"
    return " / ".join(f"{time:.1f}" for time in (min(times), median(times), max(times))) + " s"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m perf.gossip", description="What gossip costs, and failovers.")
    parser.add_argument("--nodes", type=int, default=20, help="half of them masters (20)")
    parser.add_argument("--timeout", type=int, default=15_000, help="cluster-node-timeout, ms (15000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="in which nothing is asked (30)")
    parser.add_argument("--how", choices=("KILL", "STOP"), default="KILL", help="as what masters end by (KILL)")
    parser.add_argument("--only", choices=("cost", "failover"), default=None, help="one of the two")
    chosen = parser.parse_args(arguments)
    if chosen.only != "failover":
        cost(chosen.nodes, chosen.timeout, chosen.seconds)
    if chosen.only != "cost":
        failover(chosen.nodes, chosen.timeout, signal.Signals[f"SIG{chosen.how}"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
