"""A slot that another master took: its keys are gone for everybody at once, and go in slices."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.resp import Connection, NullArray
from tests.support.server import Server

BAR, MANY = 5061, 20_000
FOREVER_MS = 1 << 40


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    with Cluster(tmp_path, masters=2, kinds=[Server] * 2) as made:
        yield made


def give(cluster: Cluster, number: int) -> None:
    """The slot of bar becomes that master's, who tells the others."""
    taker = cluster[number].connect()
    taker.ok("CLUSTER", "BUMPEPOCH")                        # first: the other one's claim must not count any more
    taker.ok("CLUSTER", "SETSLOT", BAR, "NODE", cluster.names[number])
    cluster.wait_for_agreement()
    cluster.wait_for_state("ok")


def fill(c: Connection) -> None:
    for number in range(0, MANY, 1000):
        c.ok("MSET", *(word for i in range(number, number + 1000) for word in (f"{{bar}}{i}", "v")))
    c.ok("SET", "hello", 1)


def test_they_are_gone_at_once_and_never_come_back(cluster):
    c, other = cluster[0].connect(), cluster[0].connect()
    fill(c)
    assert c.ok("DBSIZE") == MANY + 1 and c.ok("CLUSTER", "COUNTKEYSINSLOT", BAR) == MANY
    other.ok("WATCH", "{bar}7")
    c.ok("CLIENT", "PAUSE", FOREVER_MS, "WRITE")            # none is deleted meanwhile
    give(cluster, 1)
    assert c.ok("DBSIZE") == 1 and c.ok("SCAN", 0, "COUNT", 2 * MANY) == [b"0", [b"hello"]]
    assert c.ok("KEYS", "*") == [b"hello"] and c.ok("RANDOMKEY") == b"hello"
    assert c.ok("CLUSTER", "COUNTKEYSINSLOT", BAR) == 0 and c.ok("CLUSTER", "GETKEYSINSLOT", BAR, 10) == []
    assert cluster[0].info("keyspace")["db0"].startswith("keys=1,")
    assert str(c("GET", "{bar}7")).startswith(f"MOVED {BAR} ")
    other.ok("MULTI")
    other.ok("GET", "hello")
    assert other.ok("EXEC") is NullArray
    give(cluster, 0)
    assert str(c("GET", "{bar}7")) == "TRYAGAIN Multiple keys request during rehashing of slot"
    assert str(c("MGET", "{bar}7", "{bar}8")).startswith("TRYAGAIN")
    assert str(c("EVAL", "return redis.call('get', KEYS[1])", 1, "{bar}7")).startswith("TRYAGAIN")
    c.ok("CLIENT", "UNPAUSE")
    wait_until(lambda: c("SET", "{bar}7", "new") == "OK", "the old ones are gone")
    assert c.ok("DBSIZE") == 2 and c.ok("GET", "{bar}8") is None


def test_files_and_the_other_master_have_what_they_should(cluster):
    c = cluster[0].connect()
    c.ok("CONFIG", "SET", "appendonly", "yes")
    wait_until(lambda: cluster[0].info("persistence")["aof_rewrite_in_progress"] == "0", "it is written")
    fill(c)
    give(cluster, 1)
    there = cluster[1].connect()
    there.ok("SET", "{bar}7", "theirs")
    give(cluster, 0)
    wait_until(lambda: c("GET", "{bar}7") is None, "the old ones are gone")
    c.ok("DEBUG", "LOADAOF")
    assert c.ok("DBSIZE") == 1
    wait_until(lambda: str(there("GET", "{bar}7")).startswith("MOVED") and there.ok("DBSIZE") == 0, "it lost it, too")
