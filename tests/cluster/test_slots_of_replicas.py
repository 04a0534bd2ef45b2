"""A replica of a cluster: whom it serves, and what becomes of keys, listeners and waiting clients when slots move."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.resp import Connection, RespError

BAR = 5061


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two masters; the first has a replica, so has the second."""
    with Cluster(tmp_path_factory.mktemp("replicas"), masters=2, replicas=1) as made:
        for number in (2, 3):
            made.wait_for_replication(number)
        yield made


@pytest.fixture
def replica(cluster: Cluster) -> Connection:
    """Of the first master, which has bar = 1."""
    master = cluster[0].connect()
    master.ok("FLUSHALL")
    master.ok("SET", "bar", "1")
    assert master.ok("WAIT", 1, 10_000) == 1
    return cluster[2].connect()


def moved(cluster: Cluster, slot: int, number: int) -> RespError:
    return RespError(f"MOVED {slot} {cluster.place(number)}")


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_only_who_says_readonly_reads_there(cluster, replica, fast):
    replica.ok("DEBUG", "FAST-PATHS", fast)
    theirs, other = moved(cluster, BAR, 0), moved(cluster, 12182, 1)
    assert replica("GET", "bar") == theirs
    replica.ok("READONLY")
    assert replica("GET", "bar") == b"1"
    assert replica("MGET", "bar", "{bar}2") == [b"1", None]
    assert replica("EVAL", "return redis.call('get', KEYS[1])", 1, "bar") == b"1"
    assert replica("SET", "bar", "2") == theirs
    assert replica("GET", "foo") == other
    assert [replica("MULTI"), replica("GET", "bar"), replica("EXEC")] == ["OK", "QUEUED", [b"1"]]
    assert [replica("MULTI"), replica("GET", "bar"), replica("SET", "bar", "2")] == ["OK", "QUEUED", theirs]
    replica("DISCARD")
    assert replica("EVAL", "#!lua\nreturn redis.call('get', KEYS[1])", 1, "bar") == theirs
    assert replica("EVAL", "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])", 1, "bar") == b"1"
    replica.ok("READWRITE")
    assert replica("GET", "bar") == theirs
    replica.ok("READONLY")
    replica.ok("RESET")
    assert replica("GET", "bar") == theirs
    replica.ok("DEBUG", "FAST-PATHS", "yes")


def test_a_shard_channel_is_of_the_whole_shard(cluster, replica):
    assert replica("SPUBLISH", "bar", "m") == 0
    assert replica("SSUBSCRIBE", "bar") == [b"ssubscribe", b"bar", 1]
    assert cluster[3].connect()("SSUBSCRIBE", "bar") == moved(cluster, BAR, 0)


def test_keys_are_counted_where_they_are_copied(cluster, replica):
    master = cluster[0].connect()
    for c in (master, replica):
        assert c.ok("CLUSTER", "COUNTKEYSINSLOT", BAR) == 1
    master.ok("MSET", "{bar}1", "1", "{bar}2", "2")
    master.ok("DEL", "bar")
    master.ok("SET", "{bar}3", "1", "PX", "1")
    wait_until(lambda: master.ok("CLUSTER", "COUNTKEYSINSLOT", BAR) == 2, "the third has expired")
    assert master.ok("WAIT", 1, 10_000) == 1
    for c in (master, replica):
        assert sorted(c.ok("CLUSTER", "GETKEYSINSLOT", BAR, 10)) == [b"{bar}1", b"{bar}2"]


def test_a_slot_that_is_lost_takes_its_keys_along(cluster, replica):
    """The other master claims it with a greater epoch: keys are deleted here, and on our replica, and who watches one
    hears of it."""
    first, second = cluster[0].connect(), cluster[1].connect()
    first.ok("MSET", "{bar}1", "1", "{bar}2", "2")
    first.ok("SET", "hello", "1")
    first.ok("CONFIG", "SET", "notify-keyspace-events", "Kg")
    listener = cluster[0].connect()
    listener.ok("PSUBSCRIBE", "__keyspace@0__:{bar}*")
    waiting = cluster[0].connect()
    waiting.send("BLPOP", "{bar}list", 0)
    shard = cluster[2].connect()
    shard.ok("SSUBSCRIBE", "bar")
    wait_until(lambda: cluster[0].info("clients")["blocked_clients"] == "1", "it waits")
    second.ok("CLUSTER", "SETSLOT", BAR, "IMPORTING", cluster.names[0])
    second.ok("CLUSTER", "SETSLOT", BAR, "NODE", cluster.names[1])
    assert waiting.read() == moved(cluster, BAR, 1)
    assert {listener.read()[2] for _ in range(2)} == {b"__keyspace@0__:{bar}1", b"__keyspace@0__:{bar}2"}
    assert shard.read() == [b"sunsubscribe", b"bar", 0]
    assert first("GET", "bar") == moved(cluster, BAR, 1)
    assert first.ok("WAIT", 1, 10_000) == 1
    for c in (first, replica):
        wait_until(lambda c=c: c.ok("CLUSTER", "COUNTKEYSINSLOT", BAR) == 0, "its keys are gone")
        assert c.ok("DBSIZE") == 1
    assert second("GET", "bar") is None


def test_data_that_come_by_load_are_counted(cluster):
    master = cluster[0].connect()
    master.ok("FLUSHALL")
    for number in range(200):
        master("SET", f"{{hello}}{number}", "x")
    for _ in range(2):
        master.ok("DEBUG", "RELOAD")
        assert master.ok("CLUSTER", "COUNTKEYSINSLOT", 866) == 200
        assert len(set(master.ok("CLUSTER", "GETKEYSINSLOT", 866, 1000))) == 200
    master.ok("FLUSHALL", "ASYNC")
    assert master.ok("CLUSTER", "COUNTKEYSINSLOT", 866) == 0
