"""Strings through the socket: the rules of each command, the same calls against a real server, what is propagated."""

import random
from typing import Any

import pytest

from tests.support.resp import Connection, RespError, Status

SYNTAX = RespError("ERR syntax error")
NOT_AN_INTEGER = RespError("ERR value is not an integer or out of range")
WRONG_TYPE = RespError("WRONGTYPE Operation against a key holding the wrong kind of value")
OVERFLOW = RespError("ERR increment or decrement would overflow")
BIG = "9223372036854775807"


# ---- SET
def test_set_forgets_the_expire_unless_told(raw: Connection) -> None:
    assert raw("SET", "k", "v", "EX", 100) == Status("OK")
    assert raw("TTL", "k") == 100
    raw("SET", "k", "v2", "KEEPTTL")
    assert raw("TTL", "k") == 100
    raw("SET", "k", "v3")
    assert raw("TTL", "k") == -1


def test_set_conditions(raw: Connection) -> None:
    assert raw("SET", "k", "v", "XX") is None
    assert raw("SET", "k", "v", "nx") == Status("OK")
    assert raw("SET", "k", "w", "NX") is None
    assert raw("SET", "k", "w", "NX", "GET") == b"v"
    assert raw("GET", "k") == b"v"
    assert raw("SET", "k", "w", "XX", "GET") == b"v"
    assert raw("GET", "k") == b"w"
    assert raw("SET", "new", "v", "GET") is None
    assert raw("GET", "new") == b"v"


@pytest.mark.parametrize(
    "options",
    [
        ("NX", "XX"), ("EX",), ("EX", "1", "PX", "1"), ("KEEPTTL", "EX", "1"), ("EX", "1", "KEEPTTL"), ("FOO",),
        ("PERSIST",), ("EXAT", "1", "PXAT", "1"),
    ],
)  # fmt: skip
def test_set_syntax(raw: Connection, options: tuple[str, ...]) -> None:
    assert raw("SET", "k", "v", *options) == SYNTAX
    assert raw("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("time", "error"),
    [("0", "ERR invalid expire time in 'set' command"), ("-1", "ERR invalid expire time in 'set' command"),
     (BIG, "ERR invalid expire time in 'set' command"), ("x", NOT_AN_INTEGER.text)],
)  # fmt: skip
def test_set_times(raw: Connection, time: str, error: str) -> None:
    assert raw("SET", "k", "v", "EX", time) == RespError(error)


def test_elder_forms_of_set(raw: Connection) -> None:
    assert raw.pipeline([("SETNX", "k", 1), ("SETNX", "k", 2), ("GET", "k")]) == [1, 0, b"1"]
    assert raw.pipeline([("SETEX", "k", 100, "x"), ("TTL", "k"), ("GET", "k")]) == [Status("OK"), 100, b"x"]
    raw("PSETEX", "k", 50000, "y")
    assert 40000 < raw("PTTL", "k") <= 50000
    assert raw("SETEX", "k", 0, "z") == RespError("ERR invalid expire time in 'setex' command")
    assert raw("PSETEX", "k", -5, "z") == RespError("ERR invalid expire time in 'psetex' command")
    assert raw("GETSET", "k", "z") == b"y"
    assert raw("TTL", "k") == -1


def test_mset_and_msetnx(raw: Connection) -> None:
    assert raw("MSET", "a", 1, "b") == RespError("ERR wrong number of arguments for 'mset' command")
    assert raw("MSET", "a", 1, "b", 2) == Status("OK")
    assert raw("MSETNX", "c", 1, "a", 2) == 0
    assert raw("EXISTS", "c") == 0
    assert raw("MSETNX", "c", 1, "c", 2) == 1
    assert raw("MGET", "a", "b", "c", "d") == [b"1", b"2", b"2", None]


# ---- GETEX, GETDEL
def test_getex(raw: Connection) -> None:
    raw("SET", "k", "v")
    assert raw("GETEX", "k", "EX", 100) == b"v"
    assert raw("TTL", "k") == 100
    assert raw("GETEX", "k") == b"v"
    assert raw("TTL", "k") == 100
    assert raw("GETEX", "k", "PERSIST") == b"v"
    assert raw("TTL", "k") == -1
    assert raw("GETEX", "k", "PERSIST", "EX", 1) == SYNTAX
    assert raw("GETEX", "k", "NX") == SYNTAX
    assert raw("GETEX", "k", "PX", 0) == RespError("ERR invalid expire time in 'getex' command")
    assert raw("GETEX", "k", "EXAT", 1) == b"v"
    assert raw("EXISTS", "k") == 0
    assert raw("GETEX", "k", "EX", "x") is None  # an absent key is answered before the number is read


def test_getdel(raw: Connection) -> None:
    raw("SET", "k", "v")
    assert raw.pipeline([("GETDEL", "k"), ("GETDEL", "k")]) == [b"v", None]


# ---- parts
def test_append_and_setrange(raw: Connection) -> None:
    assert raw("APPEND", "k", "Hello") == 5
    assert raw("APPEND", "k", " World") == 11
    assert raw("SETRANGE", "k", 6, "Redis") == 11
    assert raw("GET", "k") == b"Hello Redis"
    assert raw("SETRANGE", "new", 3, "x") == 4
    assert raw("GET", "new") == b"\0\0\0x"
    assert raw("SETRANGE", "none", 5, "") == 0
    assert raw("EXISTS", "none") == 0
    assert raw("SETRANGE", "k", -1, "x") == RespError("ERR offset is out of range")
    assert raw("STRLEN", "k") == 11


def test_strings_grow_across_the_inline_limit(raw: Connection) -> None:
    whole = b""
    for size in (1, 30, 100, 100, 500, 5000):
        whole += b"x" * size
        assert raw("APPEND", "k", b"x" * size) == len(whole)
        assert raw("GET", "k") == whole
    assert raw("SETRANGE", "gap", 1000, "end") == 1003
    assert raw("GET", "gap") == b"\0" * 1000 + b"end"


def test_size_limit(raw: Connection, configure: Any) -> None:
    configure("proto-max-bulk-len", 1048576)
    too_long = RespError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    raw("SET", "k", "x" * 1000000)
    assert raw("APPEND", "k", "x" * 100000) == too_long
    assert raw("SETRANGE", "k", 1048576, "x") == too_long
    assert raw("SETRANGE", "none", BIG, "x") == too_long
    assert raw("STRLEN", "k") == 1000000
    assert raw("EXISTS", "none") == 0


@pytest.mark.parametrize("name", ["GETRANGE", "SUBSTR"])
def test_getrange(raw: Connection, name: str) -> None:
    raw("SET", "k", "Hello")
    ranges = [(0, 1), (0, -1), (-3, -1), (-1, -3), (3, 1), (0, 100), (-100, 1), (10, 20), (BIG, BIG)]
    assert [raw(name, "k", *r) for r in ranges] == [b"He", b"Hello", b"llo", b"", b"", b"Hello", b"He", b"", b""]
    assert raw(name, "none", 0, -1) == b""
    assert raw(name, "k", "x", 0) == NOT_AN_INTEGER


# ---- numbers
def test_counting(raw: Connection) -> None:
    assert [raw("INCR", "n"), raw("INCRBY", "n", 10), raw("DECR", "n"), raw("DECRBY", "n", -5)] == [1, 11, 10, 15]
    raw("SET", "n", BIG)
    assert raw("INCR", "n") == OVERFLOW
    assert raw("DECRBY", "n", "-9223372036854775808") == RespError("ERR decrement would overflow")
    assert raw("GET", "n") == BIG.encode()
    for text in ("x", " 1", "01", "1.0", "", "9223372036854775808"):
        raw("SET", "n", text)
        assert raw("INCR", "n") == NOT_AN_INTEGER


def test_counting_keeps_the_expire(raw: Connection) -> None:
    raw("SET", "n", 1, "EX", 100)
    raw.pipeline([("INCR", "n"), ("INCRBYFLOAT", "n", 1.5), ("APPEND", "n", 0), ("SETRANGE", "n", 0, 9)])
    assert raw("TTL", "n") == 100


def test_incrbyfloat(raw: Connection) -> None:
    assert raw("INCRBYFLOAT", "f", "10.5") == b"10.5"
    assert raw("INCRBYFLOAT", "f", "0.1") == b"10.6"
    raw("SET", "f", "3.0e3")
    assert raw("INCRBYFLOAT", "f", "200") == b"3200"
    assert raw("INCRBYFLOAT", "f", "x") == RespError("ERR value is not a valid float")
    assert raw("INCRBYFLOAT", "f", "inf") == RespError("ERR increment would produce NaN or Infinity")
    raw("SET", "f", " 1")
    assert raw("INCRBYFLOAT", "f", "1") == RespError("ERR value is not a valid float")


def test_encodings(raw: Connection) -> None:
    def encoding() -> bytes:
        return raw("OBJECT", "ENCODING", "k")

    for value, expected in ((123, b"int"), ("x" * 44, b"embstr"), ("x" * 45, b"raw"), ("1" * 30, b"embstr")):
        raw("SET", "k", value)
        assert encoding() == expected
    raw("SET", "k", "a")
    raw("APPEND", "k", "b")
    assert encoding() == b"raw"
    raw("SETRANGE", "other", 0, "x")
    assert raw("OBJECT", "ENCODING", "other") == b"raw"


# ---- LCS
def test_lcs(raw: Connection, raw3: Connection) -> None:
    raw("MSET", "a", "ohmytext", "b", "mynewtext")
    assert raw("LCS", "a", "b") == b"mytext"
    assert raw("LCS", "a", "b", "LEN") == 6
    assert raw("LCS", "a", "b", "IDX") == [b"matches", [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], b"len", 6]
    assert raw("LCS", "a", "b", "IDX", "MINMATCHLEN", 4) == [b"matches", [[[4, 7], [5, 8]]], b"len", 6]
    assert raw3("LCS", "a", "b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN") == {
        b"matches": [[[4, 7], [5, 8], 4]], b"len": 6,
    }  # fmt: skip
    assert raw("LCS", "a", "none") == b""
    assert raw("LCS", "a", "b", "IDX", "LEN") == RespError(
        "ERR If you want both the length and indexes, please just use IDX."
    )
    assert raw("LCS", "a", "b", "FOO") == SYNTAX
    assert raw("LCS", "a", "b", "MINMATCHLEN") == SYNTAX
    assert raw("LCS", "a", "b", "FOO", "MINMATCHLEN", "x") == SYNTAX
    assert raw("LCS", "a", "b", "MINMATCHLEN", "x", "FOO") == NOT_AN_INTEGER
    assert raw("LCS", "a", "b", "MINMATCHLEN", "", "IDX") == NOT_AN_INTEGER


def test_lcs_memory(raw: Connection, configure: Any) -> None:
    configure("proto-max-bulk-len", 1048576)
    raw("MSET", "a", "x" * 600, "b", "x" * 600)
    assert raw("LCS", "a", "b") == RespError(
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )


# ---- other types
def test_wrong_type(raw: Connection) -> None:
    raw("RPUSH", "l", "x")
    for call in (
        ("GET", "l"), ("APPEND", "l", "x"), ("STRLEN", "l"), ("SETRANGE", "l", 0, "x"), ("GETRANGE", "l", 0, 1),
        ("INCR", "l"), ("INCRBYFLOAT", "l", 1), ("GETSET", "l", "x"), ("GETDEL", "l"),
        ("GETEX", "l"), ("SET", "l", "x", "GET"),
    ):  # fmt: skip
        assert raw(*call) == WRONG_TYPE, call
    assert raw("MGET", "l") == [None]
    assert raw("LCS", "l", "l") == RespError("ERR The specified keys must contain string values")
    assert raw("TYPE", "l") == Status("list")
    assert raw("SET", "l", "x") == Status("OK")


# ---- the same calls to a real server
NUMBERS = ["0", "1", "-1", "100", BIG, "-9223372036854775808", "abc", "", "1.5", "007", "+1", " 1", "-0"]
FLOATS = ["0.1", "0.2", "3.0e3", "200", "-1.5", "1e400", "inf", "-inf", "nan", "0x1p3", "", " 1", "10.5", "1e5000"]
TIMES = ["1000", "100000", "0", "-1", "9223372036854775", BIG, "x", "4000000000000"]


def random_call(r: random.Random) -> list[Any]:
    """One call on few keys, sensible or not."""
    key, other = r.choice("abcd"), r.choice("abcd")
    value = r.choice([r.choice(NUMBERS), r.choice(FLOATS), "hello", "ab" * r.randint(1, 150)])
    options = [
        word
        for _ in range(r.choice((0, 0, 1, 2)))
        for word in r.choice([["NX"], ["xx"], ["GET"], ["KEEPTTL"], ["EX", r.choice(TIMES)], ["PXAT", r.choice(TIMES)]])
    ]
    return r.choice(
        [
            ["SET", key, value, *options],
            ["GETEX", key, *r.choice([[], ["PERSIST"], ["EX", r.choice(TIMES)], ["PXAT", r.choice(TIMES)]])],
            ["GET", key], ["MGET", key, other], ["GETSET", key, value], ["GETDEL", key], ["APPEND", key, value],
            ["STRLEN", key], ["SETRANGE", key, r.choice([r.choice(NUMBERS[:3]), r.randint(0, 250)]), value],
            ["GETRANGE", key, r.randint(-12, 12), r.randint(-12, 12)], ["INCR", key],
            ["DECRBY", key, r.choice(NUMBERS)], ["INCRBY", key, r.choice(NUMBERS)],
            ["INCRBYFLOAT", key, r.choice(FLOATS)], ["MSETNX", key, value, other, 1],
            ["SETEX", key, r.choice(TIMES), value], ["PEXPIRETIME", key], ["DEL", key],
            ["LCS", key, other, *r.choice([[], ["LEN"], ["IDX", "WITHMATCHLEN"]])],
        ]
    )  # fmt: skip


def about_now(call: list[Any]) -> bool:
    """Whether the reply depends on the millisecond."""
    return call[0] == "PEXPIRETIME"


@pytest.mark.parametrize("seed", range(3))
def test_as_a_real_server(both: Any, seed: int) -> None:
    r = random.Random(seed)
    for _ in range(1500):
        call = random_call(r)
        both(*call, within=2000 if about_now(call) else 0)
    both.same_keyspace()
