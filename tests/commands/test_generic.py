"""Keys of any type: DEL to COPY, OBJECT."""

from typing import Any

import pytest

from tests.support.resp import Connection, RespError, Status
from tests.support.server import Server, wait_until

NO_SUCH_KEY = RespError("ERR no such key")
SAME = RespError("ERR source and destination objects are the same")
OUT_OF_RANGE = RespError("ERR DB index is out of range")


def test_del_exists_touch(raw: Connection) -> None:
    raw("MSET", "a", 1, "b", 2, "c", 3)
    assert raw("EXISTS", "a", "a", "none") == 2
    assert raw("TOUCH", "a", "b", "none") == 2
    assert raw("DEL", "a", "a", "none") == 1
    assert raw("UNLINK", "b", "none", "c") == 2
    assert raw("EXISTS", "a", "b", "c") == 0


def test_resetstat_forgets_what_was_freed_later(raw: Connection, server: Server) -> None:
    raw("SADD", "large", *(b"m%d" % n for n in range(1000)))
    raw("UNLINK", "large")
    wait_until(lambda: server.info()["lazyfree_pending_objects"] == "0", "the value to be freed")
    assert server.info()["lazyfreed_objects"] == "1"
    raw("CONFIG", "RESETSTAT")
    assert server.info()["lazyfreed_objects"] == "0"


def test_type(raw: Connection) -> None:
    raw("SET", "s", "x")
    assert raw("TYPE", "s") == Status("string")
    assert raw("TYPE", "none") == Status("none")


def test_rename(raw: Connection) -> None:
    raw("SET", "a", "x", "EX", 100)
    raw("SET", "b", "y")
    assert raw("RENAME", "none", "b") == NO_SUCH_KEY
    assert raw("RENAME", "a", "a") == Status("OK")
    assert raw("RENAMENX", "a", "a") == 0
    assert raw("RENAMENX", "a", "b") == 0
    assert raw("RENAME", "a", "b") == Status("OK")
    assert raw.pipeline([("GET", "b"), ("TTL", "b"), ("EXISTS", "a")]) == [b"x", 100, 0]
    assert raw("RENAMENX", "b", "c") == 1
    raw("SET", "plain", "z")
    raw("RENAME", "plain", "c")
    assert raw("TTL", "c") == -1


@pytest.mark.parametrize("size", [3, 150, 5000])
def test_rename_moves_values_of_every_size(raw: Connection, size: int) -> None:
    raw("SET", "a", "x" * size)
    raw("RENAME", "a", "b")
    assert raw("GET", "b") == b"x" * size


def test_move(raw: Connection) -> None:
    raw("SELECT", 9)
    raw("DEL", "k")
    raw("SELECT", 0)
    raw("SET", "k", "v", "EX", 100)
    assert raw("MOVE", "k", 0) == SAME
    assert raw("MOVE", "k", 16) == OUT_OF_RANGE
    assert raw("MOVE", "k", "x") == RespError("ERR value is not an integer or out of range")
    assert raw("MOVE", "k", 3000000000) == RespError(
        "ERR value is out of range, value must between -2147483648 and 2147483647"
    )
    assert raw("MOVE", "none", 9) == 0
    assert raw("MOVE", "k", 9) == 1
    assert raw("EXISTS", "k") == 0
    raw("SET", "k", "other")
    assert raw("MOVE", "k", 9) == 0
    raw("SELECT", 9)
    assert raw.pipeline([("GET", "k"), ("TTL", "k"), ("DEL", "k")]) == [b"v", 100, 1]


def test_copy(raw: Connection) -> None:
    raw("SET", "a", "x", "EX", 100)
    assert raw("COPY", "none", "b") == 0
    assert raw("COPY", "a", "a") == SAME
    assert raw("COPY", "a", "b") == 1
    assert raw.pipeline([("GET", "b"), ("TTL", "b")]) == [b"x", 100]
    raw("SET", "a", "y")
    assert raw("GET", "b") == b"x"
    assert raw("COPY", "a", "b") == 0
    assert raw("COPY", "a", "b", "replace") == 1
    assert raw.pipeline([("GET", "b"), ("TTL", "b")]) == [b"y", -1]
    assert raw("COPY", "a", "b", "DB", 99) == OUT_OF_RANGE
    assert raw("COPY", "a", "b", "DB") == RespError("ERR syntax error")
    assert raw("COPY", "a", "a", "DB", 9, "REPLACE") == 1
    raw("SELECT", 9)
    assert raw.pipeline([("GET", "a"), ("DEL", "a")]) == [b"y", 1]


def test_copy_is_independent(raw: Connection) -> None:
    raw("SET", "a", "x" * 1000)
    raw("COPY", "a", "b")
    raw("APPEND", "a", "y")
    assert raw("GET", "b") == b"x" * 1000


def test_collections_move_and_copy(raw: Connection) -> None:
    raw("RPUSH", "l", 1, 2, 3)
    raw("COPY", "l", "l2")
    raw("RPUSH", "l", 4)
    raw("RENAME", "l2", "l3")
    assert raw("LRANGE", "l3", 0, -1) == [b"1", b"2", b"3"]
    assert raw("OBJECT", "ENCODING", "l3") == b"listpack"


# ---- OBJECT
def test_object(raw: Connection) -> None:
    raw("SET", "k", "text")
    raw("SET", "n", 5)
    assert raw("OBJECT", "ENCODING", "k") == b"embstr"
    assert raw("OBJECT", "REFCOUNT", "k") == 1
    assert raw("OBJECT", "REFCOUNT", "n") == 2147483647
    assert raw("OBJECT", "IDLETIME", "k") == 0
    for what in ("ENCODING", "REFCOUNT", "IDLETIME", "FREQ"):
        assert raw("OBJECT", what, "none") is None
    assert raw("OBJECT", "FOO", "k") == RespError("ERR unknown subcommand 'FOO'. Try OBJECT HELP.")
    assert raw("object", "a\0b") == RespError("ERR unknown subcommand 'a'. Try OBJECT HELP.")
    assert raw("OBJECT", "ENCODING") == RespError("ERR wrong number of arguments for 'object|encoding' command")
    assert raw("OBJECT", "HELP")[0] == Status("OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")


def test_object_freq_needs_an_lfu_policy(raw: Connection, configure: Any) -> None:
    raw("SET", "k", "v")
    assert raw("OBJECT", "FREQ", "k") == RespError(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        "between policies at runtime LRU and LFU data will take some time to adjust."
    )
    configure("maxmemory-policy", "allkeys-lfu")
    raw("SET", "new", "v")
    assert raw("OBJECT", "FREQ", "new") == 5
    assert raw("OBJECT", "IDLETIME", "new").text.startswith("ERR An LFU maxmemory policy is selected, idle time not")


def test_looking_counts_hits_and_misses_as_redis_does(both: Any) -> None:
    def counters() -> list[list[int]]:
        lines = [c("INFO", "stats").decode().splitlines() for c in (both.ours, both.theirs)]
        return [[int(line.split(":")[1]) for line in side if line.startswith("keyspace_")] for side in lines]

    for call in (
        ("SET", "k", "v"), ("GET", "k"), ("GET", "none"), ("EXISTS", "k", "none"), ("TTL", "k"), ("TTL", "none"),
        ("TYPE", "k"), ("OBJECT", "ENCODING", "k"), ("OBJECT", "ENCODING", "none"), ("COPY", "k", "c"),
        ("COPY", "none", "c"),
        ("TOUCH", "k", "none"), ("RENAME", "k", "q"), ("DEL", "q"), ("GETSET", "x", 1), ("SET", "x", 2, "GET"),
        ("APPEND", "x", 1), ("STRLEN", "x"), ("MGET", "x", "y"), ("PERSIST", "x"), ("EXPIRE", "x", 10), ("GETDEL", "x"),
        ("SCAN", 0), ("RANDOMKEY",), ("KEYS", "*"), ("LCS", "c", "none"), ("SETRANGE", "c", 0, "x"), ("INCR", "n"),
    ):  # fmt: skip
        before = counters()
        both(*call)
        after = counters()
        ours, theirs = ([b - a for a, b in zip(*pair, strict=True)] for pair in zip(before, after, strict=True))
        assert ours[:2] == theirs[:2], call


def test_as_a_real_server(both: Any) -> None:
    for call in (
        ("SET", "a", 1), ("RENAME", "a", "b"), ("RENAME", "a", "b"), ("RENAMENX", "b", "b"),
        ("COPY", "b", "c", "DB", "-1"),
        ("COPY", "b", "c", "REPLACE", "DB", "0"), ("COPY", "b", "c", "FOO"), ("MOVE", "b", "-1"), ("MOVE", "b"),
        ("TYPE",),
        ("OBJECT", "REFCOUNT", "b"), ("OBJECT", "ENCODING", "b"), ("OBJECT",), ("DEL",), ("EXISTS",),
        ("TOUCH", "b", "c", "c"),
    ):  # fmt: skip
        both(*call)
    both.same_keyspace()
