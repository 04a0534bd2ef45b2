"""SCAN, KEYS and RANDOMKEY."""

from typing import Any

import pytest

from tests.support.resp import Connection, RespError


def scan_all(raw: Connection, *options: Any) -> list[bytes]:
    """A whole walk."""
    cursor, found = b"0", []
    while True:
        cursor, keys = raw("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


def fill(raw: Connection, count: int) -> set[bytes]:
    raw.pipeline([("SET", f"key:{i}", i) for i in range(count)])
    return {b"key:%d" % i for i in range(count)}


@pytest.mark.parametrize("options", [(), ("COUNT", 1), ("COUNT", 100), ("count", 100000)])
def test_every_key_comes(raw: Connection, options: tuple[Any, ...]) -> None:
    keys = fill(raw, 500)
    assert set(scan_all(raw, *options)) == keys


def test_count_is_the_size_of_a_step(raw: Connection) -> None:
    fill(raw, 1000)
    assert 5 <= len(raw("SCAN", 0, "COUNT", 5)[1]) < 50
    assert len(raw("SCAN", 0, "COUNT", "9223372036854775807")[1]) == 1000


def test_filters(raw: Connection) -> None:
    fill(raw, 100)
    raw("RPUSH", "key:list", 1)
    assert set(scan_all(raw, "MATCH", "key:1?")) == {b"key:%d" % i for i in range(10, 20)}
    assert scan_all(raw, "TYPE", "list") == [b"key:list"]
    assert len(set(scan_all(raw, "TYPE", "STRING", "COUNT", 7))) == 100
    assert scan_all(raw, "TYPE", "nonsense") == []


def test_keys_that_stay_come_although_others_come_and_go(raw: Connection) -> None:
    keys = fill(raw, 300)
    cursor, found = b"0", set()
    for step in range(10000):
        cursor, some = raw("SCAN", cursor)
        found.update(some)
        raw.pipeline([("SET", f"more:{step}:{i}", 1) for i in range(20)])
        raw.pipeline([("DEL", f"more:{step - 3}:{i}") for i in range(20)])
        if cursor == b"0":
            break
    assert keys <= found


def test_expired_keys_are_left_out(raw: Connection) -> None:
    raw("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        fill(raw, 10)
        raw("SET", "gone", "v", "PXAT", 1)
        assert b"gone" not in raw("KEYS", "*")
        assert b"gone" not in scan_all(raw)
        raw("SET", "gone", "v", "PXAT", 1)
        assert b"gone" not in scan_all(raw, "TYPE", "string")
    finally:
        raw("DEBUG", "SET-ACTIVE-EXPIRE", 1)


@pytest.mark.parametrize("cursor", ["x", " 1", "1 ", "1.5", "99999999999999999999", "+-1"])
def test_invalid_cursors(raw: Connection, cursor: str) -> None:
    assert raw("SCAN", cursor) == RespError("ERR invalid cursor")


def test_errors(raw: Connection) -> None:
    assert raw("SCAN", 0, "COUNT", 0) == RespError("ERR syntax error")
    assert raw("SCAN", 0, "COUNT", "x") == RespError("ERR value is not an integer or out of range")
    assert raw("SCAN", 0, "MATCH") == RespError("ERR syntax error")
    assert raw("SCAN", 0, "FOO", 1) == RespError("ERR syntax error")


def test_keys(raw: Connection) -> None:
    raw("MSET", "hello", 1, "hallo", 1, "hxllo", 1, "other", 1)
    assert set(raw("KEYS", "*")) == {b"hello", b"hallo", b"hxllo", b"other"}
    assert set(raw("KEYS", "h?llo")) == {b"hello", b"hallo", b"hxllo"}
    assert set(raw("KEYS", "h[^e]llo")) == {b"hallo", b"hxllo"}
    assert raw("KEYS", "none*") == []


def test_randomkey(raw: Connection) -> None:
    assert raw("RANDOMKEY") is None
    keys = fill(raw, 5)
    assert {raw("RANDOMKEY") for _ in range(200)} == keys


def test_randomkey_skips_what_expired(raw: Connection) -> None:
    raw("SET", "k", "v")
    raw.pipeline([("SET", f"gone{i}", "v", "PXAT", 1) for i in range(20)])
    assert raw("RANDOMKEY") == b"k"


def test_as_a_real_server(both: Any) -> None:
    both.pipeline([("SET", f"{a}{b}", 1) for a in "ab[]*?\\^-" for b in "xy-]^"])
    for pattern in ("*", "a*", "[ab]x", "[^ab]*", "\\[*", "\\**", "[a-b]?", "[x-", "?\\", "[", "[^", "*]", "[]]"):
        both("KEYS", pattern, unordered=True)
        both("SCAN", 0, "COUNT", 1000, "MATCH", pattern, unordered=True)
    for cursor in ("0", "", "x", "-1", "+5", " 0"):
        both("SCAN", cursor, "COUNT", 100000, "MATCH", "none")
