"""INFO bigkeys and MEMORY PREFIX: what is big, found in steps."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.support.resp import Connection, RespError
from tests.support.server import Server, wait_until


class Big(NamedTuple):
    db: int
    bytes: int
    elements: int


def biggest(c: Connection) -> dict[str, dict[str, Big]]:
    """type -> key in quotes -> figures, in INFO's order."""
    found: dict[str, dict[str, Big]] = {}
    text = c.ok("INFO", "bigkeys").decode()
    for match in re.finditer(r"big_(\w+)_\d+:db=(\d+),bytes=(\d+),elements=(\d+),key=(.*)", text):
        found.setdefault(match[1], {})[match[5].strip()] = Big(*map(int, match.group(2, 3, 4)))
    return found


def number(c: Connection, section: str, name: str) -> int:
    [found] = re.findall(rf"\b{name}:(\d+)", c.ok("INFO", section).decode())
    return int(found)


def walks(c: Connection) -> int:
    return number(c, "bigkeys", "big_keys_walks")


@pytest.fixture
def c(new_server: Callable[..., Server]) -> Connection:
    return new_server(hz=100).connect()


def test_each_type(c: Connection) -> None:
    c.ok("SELECT", 2)
    c.ok("SET", "s", "v" * 5000)
    c.ok("RPUSH", "l", *range(2000))
    c.ok("SADD", "set", *(f"m{n}" for n in range(2000)))
    c.ok("ZADD", "z", *(word for n in range(2000) for word in (n, f"m{n}")))
    c.ok("HSET", "h", *(word for n in range(2000) for word in (f"f{n}", "v" * 300)))
    c.pipeline([("XADD", "x", "*", "f", "v" * 100)] * 2000)
    wait_until(lambda: len(biggest(c)) == 6, "all types")
    found = biggest(c)
    for type_, key, elements in (
        ("string", "s", 5000), ("list", "l", 2000), ("set", "set", 2000), ("zset", "z", 2000), ("hash", "h", 2000),
        ("stream", "x", 2000),
    ):  # fmt: skip
        [(name, told)] = found[type_].items()
        assert name == f'"{key}"' and told.db == 2 and told.elements == elements
        assert 0.8 < told.bytes / c.ok("MEMORY", "USAGE", key) < 1.25


def test_the_biggest_of_many_in_order(c: Connection) -> None:
    c.pipeline([("SET", f"k{n}", "v" * (n * 331 % 200 * 200)) for n in range(200)])
    order = [n * 200 for n in range(199, 189, -1)]
    wait_until(lambda: [told.elements for told in biggest(c).get("string", {}).values()] == order, "the order")


def test_what_is_gone_is_not_told(c: Connection) -> None:
    c.ok("SET", "a", "v" * 3000)
    c.ok("SET", "b", "v" * 2000)
    c.ok("SET", "c", "v" * 1000)
    wait_until(lambda: list(biggest(c).get("string", ())) == ['"a"', '"b"', '"c"'], "all")
    c.ok("DEL", "a")
    c.ok("PEXPIRE", "b", 1)
    wait_until(lambda: list(biggest(c)["string"]) == ['"c"'], "the rest")
    c.ok("APPEND", "c", "v" * 500)
    assert biggest(c)["string"]['"c"'].elements == 1500  # as it is now, wherever the walk is
    c.ok("FLUSHALL")
    assert biggest(c) == {}


def test_no_walk_without_changes(c: Connection) -> None:
    c.ok("SET", "k", "v")
    wait_until(lambda: walks(c) > 0 and biggest(c), "a walk")
    ended = wait_until(lambda: walks(c), "a number")
    wait_until(lambda: number(c, "server", "uptime_in_seconds") >= 2, "two seconds")
    assert walks(c) <= ended + 1
    c.ok("SET", "k2", "v")
    wait_until(lambda: walks(c) > ended, "the next walk")


def test_off(c: Connection) -> None:
    c.ok("SET", "k", "v")
    wait_until(lambda: biggest(c), "a walk")
    c.ok("CONFIG", "SET", "big-keys-walk", 0)
    c.ok("SET", "k2", "v")
    assert biggest(c) == {}
    c.ok("CONFIG", "SET", "big-keys-walk", 1000)
    wait_until(lambda: len(biggest(c)["string"]) == 2 if biggest(c) else False, "both")


# ---- MEMORY PREFIX


def summed(c: Connection, *options: Any) -> tuple[dict[bytes, list[int]], int]:
    """(prefix -> [keys, bytes], steps)."""
    cursor, steps = b"0", 0
    total: dict[bytes, list[int]] = {}
    while True:
        cursor, found = c.ok("MEMORY", "PREFIX", cursor, *options)
        steps += 1
        for prefix, keys, weight in found:
            one = total.setdefault(prefix, [0, 0])
            one[0] += keys
            one[1] += weight
        if cursor == b"0":
            return total, steps


def test_prefixes(c: Connection) -> None:
    assert summed(c) == ({}, 1)
    c.pipeline([("SET", f"user:{n}:name", "v") for n in range(100)])
    c.pipeline([("HSET", f"user:{n}:cart", "f", "v" * 200) for n in range(50)])
    c.pipeline([("SET", key, "v") for key in ("plain", "a:b", ":", "::", "b::c", "")])
    found, _ = summed(c)
    assert {prefix: keys for prefix, (keys, _) in found.items()} == {
        b"user:": 150, b"": 2, b"a:": 1, b":": 2, b"b:": 1
    }  # fmt: skip
    usage = sum(c.ok("MEMORY", "USAGE", f"user:{n}:name") for n in range(100))
    usage += sum(c.ok("MEMORY", "USAGE", f"user:{n}:cart") for n in range(50))
    assert found[b"user:"][1] == usage
    deeper, _ = summed(c, "DEPTH", 2)
    assert deeper[b"user:7:"][0] == 2 and deeper[b"a:"][0] == 1 and deeper[b"::"][0] == 1 and deeper[b"b::"][0] == 1
    other, _ = summed(c, "SEPARATOR", "er:")
    assert {prefix: keys for prefix, (keys, _) in other.items()} == {b"user:": 150, b"": 6}


def test_steps(c: Connection) -> None:
    c.pipeline([("SET", f"k:{n}", n) for n in range(1000)])
    found, steps = summed(c, "COUNT", 10)
    assert found[b"k:"][0] == 1000 and 50 < steps <= 200
    assert summed(c, "COUNT", 1 << 30)[0] == found


def test_expired_keys_do_not_count(c: Connection) -> None:
    c.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    c.ok("SET", "a:1", 1)
    c.ok("SET", "a:2", 1, "PX", 1)
    wait_until(lambda: summed(c)[0][b"a:"][0] == 1, "the end of a:2")


@pytest.mark.parametrize(
    "words", ["x", "0 DEPTH", "0 DEPTH 0", "0 DEPTH 65", "0 COUNT 0", "0 COUNT x", "0 LIMIT 3", ""]
)
def test_errors(c: Connection, words: str) -> None:
    assert isinstance(c("MEMORY", "PREFIX", *words.split()), RespError)
    assert isinstance(c("MEMORY", "PREFIX", 0, "SEPARATOR", ""), RespError)
