"""Expires through the socket: setting, conditions, asking, and keys that go away by themselves."""

import time
from typing import Any

import pytest

from tests.support.resp import Connection, RespError
from tests.support.server import wait_until

FAR = 4102444800  # 2100-01-01, Unix seconds


def expired_keys(raw: Connection) -> int:
    text: bytes = raw("INFO", "stats")
    return int(text.split(b"\r\nexpired_keys:")[1].split(b"\r\n")[0])


def test_set_and_ask(raw: Connection) -> None:
    raw("SET", "k", "v")
    assert raw("TTL", "k") == raw("PTTL", "k") == raw("EXPIRETIME", "k") == raw("PEXPIRETIME", "k") == -1
    assert raw("EXPIREAT", "k", FAR) == 1
    assert raw("EXPIRETIME", "k") == FAR
    assert raw("PEXPIRETIME", "k") == FAR * 1000
    assert raw("PEXPIREAT", "k", FAR * 1000 + 499) == 1
    assert raw("EXPIRETIME", "k") == FAR  # rounded
    assert raw("PEXPIREAT", "k", FAR * 1000 + 500) == 1
    assert raw("EXPIRETIME", "k") == FAR + 1
    assert raw("EXPIRE", "k", 100) == 1
    assert raw("TTL", "k") == 100
    assert raw("PEXPIRE", "k", 100000) == 1
    assert 90000 < raw("PTTL", "k") <= 100000
    assert raw("PERSIST", "k") == 1
    assert raw("PERSIST", "k") == 0
    for name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert raw(name, "none") == -2
    assert raw("EXPIRE", "none", 10) == raw("PERSIST", "none") == 0


@pytest.mark.parametrize("name", ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
@pytest.mark.parametrize("when", [0, -1, -1000])
def test_the_past_deletes(raw: Connection, name: str, when: int) -> None:
    raw("SET", "k", "v")
    assert raw(name, "k", when) == 1
    assert raw("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("before", "conditions", "after"),
    [
        (None, ("NX",), 200), (100, ("NX",), 100), (None, ("XX",), -1), (100, ("XX",), 200), (None, ("GT",), -1),
        (100, ("GT",), 200), (300, ("GT",), 300), (None, ("LT",), 200), (100, ("LT",), 100), (300, ("LT",), 200),
        (None, ("LT", "XX"), -1), (300, ("LT", "XX"), 200), (100, ("gt", "xx"), 200),
    ],
)  # fmt: skip
def test_conditions(raw: Connection, before: int | None, conditions: tuple[str, ...], after: int) -> None:
    raw("SET", "k", "v")
    if before:
        raw("EXPIRE", "k", before)
    assert raw("EXPIRE", "k", 200, *conditions) == int(after == 200)
    assert raw("TTL", "k") == after


def test_errors(raw: Connection) -> None:
    raw("SET", "k", "v")
    invalid = "ERR invalid expire time in '{}' command"
    assert raw("EXPIRE", "k", "9223372036854775807") == RespError(invalid.format("expire"))
    assert raw("EXPIRE", "k", "-9223372036854775808") == RespError(invalid.format("expire"))
    assert raw("PEXPIRE", "k", "9223372036854775807") == RespError(invalid.format("pexpire"))
    assert raw("EXPIREAT", "k", "9223372036854775") == 1
    assert raw("EXPIRE", "k", "1.5") == RespError("ERR value is not an integer or out of range")
    assert raw("EXPIRE", "k", 10, "FOO") == RespError("ERR Unsupported option FOO")
    for pair in (("NX", "XX"), ("NX", "GT"), ("LT", "NX")):
        assert raw("EXPIRE", "k", 10, *pair) == RespError(
            "ERR NX and XX, GT or LT options at the same time are not compatible"
        )
    assert raw("EXPIRE", "k", 10, "GT", "LT") == RespError("ERR GT and LT options at the same time are not compatible")


def test_expired_keys_are_gone_for_everyone(raw: Connection) -> None:
    raw.pipeline([("PSETEX", f"k{i}", 1, "v") for i in range(5)])
    end = time.time() + 0.002
    wait_until(lambda: time.time() > end)
    assert raw.pipeline([("GET", "k0"), ("TTL", "k1"), ("EXISTS", "k2"), ("DEL", "k3"), ("INCR", "k4")]) == [
        None, -2, 0, 0, 1,
    ]  # fmt: skip


def test_keys_go_without_being_asked_for(raw: Connection) -> None:
    raw.pipeline([("PSETEX", f"k{i}", 10, "v") for i in range(1000)])
    raw("SET", "stays", "v")
    wait_until(lambda: raw("DBSIZE") == 1)
    assert raw("GET", "stays") == b"v"


def test_many_databases_are_cleaned(raw: Connection) -> None:
    for db in (0, 3, 15):
        raw("SELECT", db)
        raw.pipeline([("PSETEX", f"k{i}", 10, "v") for i in range(50)])
    for db in (0, 3, 15):
        raw("SELECT", db)
        wait_until(lambda: raw("DBSIZE") == 0)


def test_overwriting_and_persisting_keep_a_key_alive(raw: Connection) -> None:
    raw.pipeline([("PSETEX", "a", 30, "v"), ("PSETEX", "b", 30, "v"), ("PSETEX", "gone", 30, "v")])
    raw.pipeline([("SET", "a", "w"), ("PERSIST", "b")])
    wait_until(lambda: raw("EXISTS", "gone") == 0)
    assert raw("EXISTS", "a", "b") == 2


def test_expired_event(raw: Connection, another: Any, configure: Any) -> None:
    configure("notify-keyspace-events", "Egx")
    listener = another()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    raw("PSETEX", "k", 5, "v")
    raw("SET", "p", "v", "EX", 100)
    raw("EXPIRE", "p", -1)
    events = {(message[2], message[3]) for message in (listener.read() for _ in range(4))}
    assert events == {
        (b"__keyevent@0__:expire", b"k"), (b"__keyevent@0__:expired", b"k"),
        (b"__keyevent@0__:expire", b"p"), (b"__keyevent@0__:del", b"p"),
    }  # fmt: skip


@pytest.mark.parametrize(("words", "event"), [
    (("SINTERSTORE", "d", "set", "set"), "sinterstore"), (("SUNIONSTORE", "d", *["set"] * 70), "sunionstore"),
    (("ZUNIONSTORE", "d", 1, "zset"), "zunionstore"), (("ZRANGESTORE", "d", "zset", 0, -1), "zrangestore"),
    (("SORT", "set", "STORE", "d"), "sortstore"), (("BITOP", "NOT", "d", "string"), "set"), (("SET", "d", "v"), "set"),
    (("GEOSEARCHSTORE", "d", "zset", "FROMMEMBER", "a", "BYRADIUS", 1, "m"), "geosearchstore"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_stored_over_has_expired_first(raw: Connection, another: Any, configure: Any, words: Any,
                                               event: str) -> None:
    raw.pipeline([("SADD", "set", 1, 2), ("ZADD", "zset", 1, "a"), ("SET", "string", "v")])
    listener = another()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        raw("SET", "d", "old", "PXAT", 1)
        before = expired_keys(raw)
        configure("notify-keyspace-events", "EA")
        raw(*words)
    finally:
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert [listener.read()[2:] for _ in range(2)] == [
        [b"__keyevent@0__:expired", b"d"], [b"__keyevent@0__:" + event.encode(), b"d"]]
    assert expired_keys(raw) == before + 1
    assert raw("TTL", "d") == -1


def test_as_a_real_server(both: Any) -> None:
    both("SET", "k", "v")
    for name in ("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"):
        for when in ("100000", FAR, FAR * 1000, "-1", "x", "", "9223372036854775807", "-9223372036854775808"):
            for conditions in ((), ("NX",), ("XX",), ("GT",), ("LT",), ("XX", "GT"), ("foo",), ("NX", "LT")):
                for before in ("", "PXAT"):
                    both("SET", "k", "v", *([before, FAR * 1000] if before else []))  # the same time on both
                    both(name, "k", when, *conditions)
                    both("TTL", "k", within=1)


@pytest.mark.parametrize("words", [
    ("EXPIRE", "k", "100"), ("PEXPIREAT", "k", "4000000000000"), ("EXPIRE", "k", "100", "XX"), ("PERSIST", "k"),
    ("SETNX", "k", "v"), ("SET", "k", "v", "NX"), ("MSETNX", "other", "v", "k", "v"), ("APPEND", "k", "v"),
    ("SETRANGE", "k", "0", "v"), ("SETBIT", "k", "1", "1"),
    ("BITFIELD", "k", "SET", "u8", "0", "1", "SET", "u8", "8", "1"),
])  # fmt: skip
@pytest.mark.parametrize("fast", ["yes", "no"])
def test_one_access_is_counted_once(raw, configure, words, fast):
    configure("maxmemory-policy", "allkeys-lfu")
    configure("lfu-log-factor", "0")
    configure("lfu-decay-time", "0")
    raw("DEBUG", "FAST-PATHS", fast)
    try:
        raw("SET", "k", "value")
        raw(*words)
        assert raw("OBJECT", "FREQ", "k") == 6, "5 when it is new, and one access"
    finally:
        raw("DEBUG", "FAST-PATHS", "yes")


def test_a_new_name_is_a_new_key_to_lfu(raw, configure):
    configure("maxmemory-policy", "allkeys-lfu")
    configure("lfu-log-factor", "0")
    raw("SET", "k", "value")
    raw("GET", "k")
    raw("RENAME", "k", "new")
    assert raw("OBJECT", "FREQ", "new") == 5


@pytest.mark.parametrize(("when", "seconds"), [
    (2**63 - 1, 9223372036854776), (2**63 - 308, 9223372036854776), (2**63 - 309, 9223372036854775),
    (2**63 - 500, 9223372036854775), (4102444800500, 4102444801), (4102444800499, 4102444800),
])  # fmt: skip
def test_seconds_are_rounded_up_to_the_last(raw: Connection, when: int, seconds: int) -> None:
    raw.ok("SET", "k", "v")
    assert raw("PEXPIREAT", "k", when) == 1
    assert (raw("EXPIRETIME", "k"), raw("PEXPIRETIME", "k")) == (seconds, when)
    assert 0 < raw("TTL", "k") <= seconds - 1700000000
    ways = raw.pipeline([("MULTI",), ("EXPIRETIME", "k"), ("EXEC",)])[-1]
    assert [*ways, raw("EVAL", "return tostring(redis.call('EXPIRETIME', 'k'))", 0)] == [seconds, b"%.14g" % seconds]
