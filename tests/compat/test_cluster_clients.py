"""Cluster clients go on while slots move between nodes of ours and real ones: no error reaches the program, and every
key is in the end what was answered. redis-py and redis-benchmark always; ioredis and node-redis are skipped unless they
are there:

    npm install --prefix /some/folder ioredis redis
    REMUS_IOREDIS=/some/folder ./dev test tests/compat/test_cluster_clients.py

A third of the cluster is a redis-server 7.2 where REMUS_PEER_7_2 names one, else one of ours.
"""

import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.support.cluster import Cluster
from tests.support.pace import patience, wait_until
from tests.support.peer import SEVEN_TWO, Peer, SevenTwo, require_peer
from tests.support.server import Process, Server

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

KEYS = 240
MOVED = 150                         # slots at a time: more than a rebalance lets pass
FOLDER = Path(os.environ.get("REMUS_IOREDIS", ""), "node_modules")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters: ours, a 7.0, and a 7.2 or another one of ours."""
    require_peer()

    def ours(folder: Path, **directives: object) -> Process:
        return Server(folder, rdb_version=10, **directives)        # what a 7.0 can load

    kinds = [ours, Peer, SevenTwo if SEVEN_TWO else ours]
    with Cluster(tmp_path_factory.mktemp("clients"), masters=0, kinds=kinds) as made:
        made.cli("--cluster", "create", *(made.place(number) for number in range(3)), "--cluster-yes")
        made.wait_for_state("ok")
        yield made


def move_slots(cluster: Cluster, goes_on: Callable[[], None]) -> None:
    """Each node gives some to the next one; then all get as many again."""
    for source, target in ((0, 1), (1, 2), (2, 0), (0, 2)):
        cluster.wait_for_agreement()
        cluster.cli("--cluster", "reshard", cluster.place(0), "--cluster-from", cluster.names[source], "--cluster-to",
                    cluster.names[target], "--cluster-slots", str(MOVED), "--cluster-yes", seconds=120)
        goes_on()
    cluster.wait_for_agreement()
    assert "Rebalancing across 3 nodes" in cluster.cli("--cluster", "rebalance", cluster.place(1), seconds=120)
    goes_on()
    cluster.wait_for_agreement()


def is_as_answered(cluster: Cluster, counts: dict[str, int]) -> None:
    assert counts
    with redis.RedisCluster(cluster[0].host, cluster[0].port, decode_responses=True) as client:
        assert {key: int(client.get(key)) for key in counts} == counts


# ---- redis-py
class Counter(threading.Thread):
    """Counts keys up, one after the other, until it is told to end."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        super().__init__(daemon=True)
        self.counts: dict[str, int] = {}
        self.error: Exception | None = None
        self.over = False
        self.answered = 0
        self._place = cluster[1]
        self._keys = [f"{{{name}:{number}}}" for number in range(KEYS // 4)]

    def run(self) -> None:
        try:
            with redis.RedisCluster(self._place.host, self._place.port, decode_responses=True) as client:
                for key in itertools.cycle(self._keys):
                    if self.over:
                        return
                    found = client.incr(key)
                    self.counts[key] = self.counts.get(key, 0) + 1
                    assert found == self.counts[key], f"{key} was {found} instead of {self.counts[key]}"
                    assert client.mset({key + "a": found, key + "b": found})
                    assert client.mget(key + "a", key + "b") == [str(found)] * 2
                    self.answered += 1
        except Exception as error:
            self.error = error

    def goes_on(self) -> None:
        enough = self.answered + len(self._keys) // 4
        wait_until(lambda: self.answered > enough or self.error, "answers", 60)
        if self.error is not None:
            raise self.error


def test_redis_py(cluster):
    """Also commands of several keys, which a slot on its way refuses for a moment: it asks again by itself."""
    counters = [Counter(cluster, f"py{number}") for number in range(4)]
    for counter in counters:
        counter.start()

    def go_on() -> None:
        for counter in counters:
            counter.goes_on()

    try:
        go_on()
        move_slots(cluster, go_on)
    finally:
        for counter in counters:
            counter.over = True
        for counter in counters:
            counter.join()
    assert [counter.error for counter in counters] == [None] * 4
    is_as_answered(cluster, {key: count for counter in counters for key, count in counter.counts.items()})


# ---- ioredis, node-redis
@pytest.mark.parametrize("client", ["ioredis", "redis"])
def test_clients_of_node(cluster, tmp_path, client):
    node = shutil.which("node")
    if node is None or not (FOLDER / client).is_dir():
        pytest.skip(f"REMUS_IOREDIS names no folder with node_modules/{client}")
    told, wrong = tmp_path / "told", tmp_path / "wrong"
    with open(told, "w") as out, open(wrong, "w") as errors:
        program = subprocess.Popen(
            [node, str(Path(__file__).with_name("clusters.cjs")), client, str(KEYS),
             *(str(one.port) for one in cluster.nodes)],
            env={**os.environ, "NODE_PATH": str(FOLDER)}, stdin=subprocess.PIPE, stdout=out, stderr=errors)
    assert program.stdin is not None

    def answered() -> int:
        lines = told.read_text().split("\n")[:-1]
        return int(lines[-1]) if lines else 0

    def goes_on() -> None:
        enough = answered() + KEYS
        wait_until(lambda: program.poll() is not None or answered() > enough, "answers", 60)
        assert program.poll() is None, wrong.read_text()

    try:
        goes_on()
        move_slots(cluster, goes_on)
        program.stdin.close()
        assert program.wait(patience(20)) == 0, wrong.read_text()
    finally:
        program.kill()
        program.wait()
    assert wrong.read_text() == ""
    is_as_answered(cluster, json.loads(told.read_text().split("\n")[-2]))


# ---- redis-benchmark
@pytest.mark.parametrize("depth", [1, 16])
def test_redis_benchmark(cluster, tmp_path, depth):
    """It asks for the slots again when it is redirected, and ends with any other error."""
    benchmark = shutil.which("redis-benchmark")
    if benchmark is None:
        pytest.skip("no redis-benchmark on PATH")
    told = tmp_path / "told"
    with open(told, "w") as out:
        program = subprocess.Popen(
            [benchmark, "--cluster", "-p", str(cluster[1].port), "-t", "set,get,incr,lpush", "-r", str(KEYS), "-c", "6",
             "-n", "2000", "-P", str(depth), "-l", "-q"], stdout=out, stderr=subprocess.STDOUT)

    def rounds() -> int:
        return told.read_text().count("requests per second")

    def goes_on() -> None:
        enough = rounds() + 2
        wait_until(lambda: program.poll() is not None or rounds() > enough, "rounds", 60)
        assert program.poll() is None, told.read_text()[-2000:]

    try:
        goes_on()
        move_slots(cluster, goes_on)
    finally:
        program.kill()
        program.wait()
    assert "Error" not in told.read_text()
