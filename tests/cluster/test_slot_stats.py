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


# ---- what commands use
@pytest.fixture
def counting(c: Connection) -> Iterator[Connection]:
    c.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "yes")
    c.ok("CONFIG", "RESETSTAT")
    yield c
    c.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "no")


def used(c: Connection, slot: int = BAR) -> tuple[int, int, int]:
    """Microseconds, bytes in, bytes out."""
    [[_, words]] = c.ok("CLUSTER", "SLOT-STATS", "SLOTSRANGE", slot, slot)
    figures = dict(zip(words[::2], words[1::2], strict=True))
    assert list(figures) == [b"key-count", b"cpu-usec", b"network-bytes-in", b"network-bytes-out"]
    return figures[b"cpu-usec"], figures[b"network-bytes-in"], figures[b"network-bytes-out"]


def sent(*words: str) -> int:
    """Bytes of a command in the protocol."""
    return len(f"*{len(words)}\r\n") + sum(len(f"${len(word)}\r\n{word}\r\n") for word in words)


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_bytes_and_time_of_a_slot(counting, fast):
    counting.ok("DEBUG", "FAST-PATHS", fast)
    for _ in range(3):
        counting.ok("GET", "bar")
    counting.ok("MGET", "{bar}2", "{bar}3")
    counting.ok("PING")
    counting.ok("DEBUG", "FAST-PATHS", "yes")
    time, bytes_in, bytes_out = used(counting)
    assert time > 0
    assert bytes_in == 3 * sent("GET", "bar") + sent("MGET", "{bar}2", "{bar}3")
    assert bytes_out == 3 * len("$1\r\n1\r\n") + len("*2\r\n$1\r\n2\r\n$-1\r\n")
    assert used(counting, HELLO) == (0, 0, 0)


def test_a_script_counts_for_the_slot_of_its_keys(counting):
    script = "for i = 1, 2000 do redis.call('GET', KEYS[1]) end return 7"
    counting.ok("EVAL", script, "1", "bar")
    time, bytes_in, bytes_out = used(counting)
    assert time > 0 and (bytes_in, bytes_out) == (sent("EVAL", script, "1", "bar"), len(":7\r\n"))


@pytest.mark.parametrize("fast", ["yes", "no"])
def test_a_transaction_counts_for_its_slot(counting, fast):
    counting.ok("DEBUG", "FAST-PATHS", fast)
    counting.ok("MULTI")
    counting.ok("INCR", "bar")
    counting.ok("PING")
    counting.ok("EXEC")
    counting.ok("DEBUG", "FAST-PATHS", "yes")
    time, bytes_in, bytes_out = used(counting)
    assert time > 0
    assert bytes_in == sent("INCR", "bar") + sent("EXEC")
    assert bytes_out == len("+QUEUED\r\n") + len("*2\r\n:2\r\n+PONG\r\n")


def test_in_order_of_use(counting):
    for _ in range(3):
        counting.ok("GET", "hello")
    counting.ok("GET", "bar")
    for by in ("network-bytes-in", "network-bytes-out"):
        found = counting.ok("CLUSTER", "SLOT-STATS", "ORDERBY", by, "LIMIT", 2)
        assert [slot for slot, _ in found] == [HELLO, BAR]
    busiest = counting.ok("CLUSTER", "SLOT-STATS", "ORDERBY", "CPU-USEC", "LIMIT", 2, "DESC")
    assert {slot for slot, _ in busiest} <= {HELLO, BAR, 0, 1}
    assert counting.ok("CLUSTER", "SLOT-STATS", "ORDERBY", "cpu-usec", "LIMIT", 1, "ASC")[0][0] == 0


def test_counting_begins_with_the_directive_and_ends_with_it(counting):
    counting.ok("GET", "bar")
    assert used(counting)[1] > 0
    counting.ok("CONFIG", "RESETSTAT")
    assert used(counting) == (0, 0, 0)
    counting.ok("GET", "bar")
    counting.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "no")
    [[_, figures]] = counting.ok("CLUSTER", "SLOT-STATS", "SLOTSRANGE", BAR, BAR)
    assert figures == [b"key-count", 2]
    assert str(counting("CLUSTER", "SLOT-STATS", "ORDERBY", "cpu-usec")) == (
        "ERR Unrecognized sort metric for ORDERBY.")
    counting.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "yes")
    assert used(counting) == (0, 0, 0)


def test_hot_keys_are_found_beside_it(counting):
    """Both look at commands by one countdown."""
    counting.ok("CONFIG", "SET", "hot-keys-sample", 1)
    for _ in range(50):
        counting.ok("GET", "bar")
    counting.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "no")
    for _ in range(50):
        counting.ok("GET", "bar")
    text = counting.ok("INFO", "hotkeys").decode()
    assert 'key="bar"' in text, text
    counting.ok("CONFIG", "SET", "hot-keys-sample", 64)


def test_memory_stats_tell_what_slots_cost(c, server):
    stats = c.ok("MEMORY", "STATS")
    db = dict(zip(stats[::2], stats[1::2], strict=True))[b"db.0"]
    cost = dict(zip(db[::2], db[1::2], strict=True))[b"overhead.hashtable.slot-to-keys"]
    assert 16 * 16384 <= cost < 22 * 16384
    other = server.connect()
    other.ok("SET", "k", 1)
    stats = other.ok("MEMORY", "STATS")
    db = dict(zip(stats[::2], stats[1::2], strict=True))[b"db.0"]
    assert dict(zip(db[::2], db[1::2], strict=True))[b"overhead.hashtable.slot-to-keys"] == 0
