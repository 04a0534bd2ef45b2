"""CLUSTER SLOT-STATS, and what knowing the keys of each slot costs."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.resp import Connection
from tests.support.server import Server

BAR, HELLO = 5061, 866


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("stats"), masters=2, kinds=[Server] * 2) as made:
        yield made


@pytest.fixture
def c(cluster: Cluster) -> Connection:
    """Of the first node, which has slots 0 to 8191."""
    connection = cluster[0].connect()
    connection.ok("FLUSHALL")
    connection.ok("MSET", "bar", 1, "{bar}2", 2)
    connection.ok("SET", "hello", 1)
    return connection


def counts(reply: list[list[object]]) -> list[tuple[object, int]]:
    return [(slot, dict(zip(figures[::2], figures[1::2], strict=True))[b"key-count"]) for slot, figures in reply]


def test_of_a_range(c):
    assert counts(c.ok("CLUSTER", "SLOT-STATS", "SLOTSRANGE", BAR - 1, BAR + 1)) == [
        (BAR - 1, 0), (BAR, 2), (BAR + 1, 0)]
    assert [slot for slot, _ in counts(c.ok("CLUSTER", "SLOT-STATS", "slotsrange", 8190, 8200))] == [8190, 8191]
    assert c.ok("CLUSTER", "SLOT-STATS", "SLOTSRANGE", 9000, 9000) == []


def test_in_order(c):
    ordered = ("CLUSTER", "SLOT-STATS", "ORDERBY", "key-count")
    assert counts(c.ok(*ordered, "LIMIT", 3)) == [(BAR, 2), (HELLO, 1), (0, 0)]
    assert counts(c.ok(*ordered, "LIMIT", 3, "DESC")) == [(BAR, 2), (HELLO, 1), (0, 0)]
    assert counts(c.ok(*ordered, "asc", "limit", 2)) == [(0, 0), (1, 0)]
    everything = counts(c.ok(*ordered, "ASC"))
    assert len(everything) == 8192
    assert everything[-2:] == [(HELLO, 1), (BAR, 2)]


@pytest.mark.parametrize(("words", "error"), [
    ("SLOTSRANGE", "ERR wrong number of arguments for 'cluster|slot-stats' command"),
    ("SLOTSRANGE 5", "ERR syntax error"),
    ("SLOTSRANGE 5 x", "ERR Invalid or out of range slot"),
    ("SLOTSRANGE 5 16384", "ERR Invalid or out of range slot"),
    ("SLOTSRANGE 5 4", "ERR Start slot number 5 is greater than end slot number 4"),
    ("SLOTSRANGE 5 6 7", "ERR syntax error"),
    ("ORDERBY heat", "ERR Unrecognized sort metric for ORDERBY."),
    ("ORDERBY key-count LIMIT 0", "ERR Limit has to lie in between 1 and 16384 (maximum number of slots)."),
    ("ORDERBY key-count LIMIT", "ERR syntax error"),
    ("ORDERBY key-count ASC DESC", "ERR syntax error"),
    ("ORDERBY key-count LIMIT 1 LIMIT 2", "ERR syntax error"),
    ("NOTHING 1", "ERR syntax error"),
])
def test_refusals(c, words, error):
    assert str(c("CLUSTER", "SLOT-STATS", *words.split())).startswith(error)


def test_memory_stats_tell_what_slots_cost(c, server):
    stats = c.ok("MEMORY", "STATS")
    db = dict(zip(stats[::2], stats[1::2], strict=True))[b"db.0"]
    cost = dict(zip(db[::2], db[1::2], strict=True))[b"overhead.hashtable.slot-to-keys"]
    assert 16 * 16384 <= cost < 20 * 16384
    other = server.connect()
    other.ok("SET", "k", 1)
    stats = other.ok("MEMORY", "STATS")
    db = dict(zip(stats[::2], stats[1::2], strict=True))[b"db.0"]
    assert dict(zip(db[::2], db[1::2], strict=True))[b"overhead.hashtable.slot-to-keys"] == 0
