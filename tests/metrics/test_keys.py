"""Keys in the metrics: metrics-check-single-keys, metrics-check-keys, metrics-count-keys."""

import re
import urllib.request
from collections.abc import Callable

import pytest

from metrics.keys import Wanted, wanted
from tests.support.server import Server, free_port

Series = dict[tuple[str, str, str], float]  # (metric, db, key) -> value


def series(port: int) -> Series:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        text = reply.read().decode()
    lines = re.findall(r'^redis_(keys?_\w+){db="(\w+)",key="([^"]*)"(?:,val="[^"]*")?} (\S+)$', text, re.MULTILINE)
    return {(name, db, key): float(value) for name, db, key, value in lines}


@pytest.fixture
def measured(new_server: Callable[..., Server]) -> tuple[Server, int]:
    port = free_port()
    return new_server(metrics_port=port), port


def test_single_keys(measured: tuple[Server, int]) -> None:
    server, port = measured
    c = server.connect()
    c.ok("CONFIG", "SET", "metrics-check-single-keys", "db0=n,text,db3=list,db0=missing,db0=gone,db99=n")
    c.pipeline([("SET", "n", "-2.5"), ("SET", "text", "hello"), ("SET", "gone", "1", "PX", 1), ("SELECT", "3"),
                ("RPUSH", "list", "a", "b", "c"), ("SET", "n", "1"), ("SELECT", "0")])  # fmt: skip
    while c.ok("EXISTS", "gone"):
        pass
    before = server.info("stats")
    shown = series(port)
    assert {at: value for at, value in shown.items() if at[0] != "key_memory_usage_bytes"} == {
        ("key_size", "db0", "n"): 4,
        ("key_value", "db0", "n"): -2.5,
        ("key_size", "db0", "text"): 5,
        ("key_value_as_string", "db0", "text"): 1,
        ("key_size", "db3", "list"): 3,
    }
    assert shown["key_memory_usage_bytes", "db0", "n"] == c.ok("MEMORY", "USAGE", "n")
    after = server.info("stats")
    assert (before["keyspace_hits"], before["keyspace_misses"]) == (after["keyspace_hits"], after["keyspace_misses"])


def test_patterns(measured: tuple[Server, int]) -> None:
    server, port = measured
    c = server.connect()
    c.pipeline([("SET", f"user:{n}", n) for n in range(3000)] + [("SADD", "other", "x")])
    c.ok("CONFIG", "SET", "metrics-count-keys", "db0=user:*,db1=*,db0=user:1%3F")
    shown = series(port)
    assert shown.pop(("keys_count", "db1", "*")) == 0
    assert shown == {("keys_count", "db0", "user:*"): 3000, ("keys_count", "db0", "user:1?"): 10}
    c.ok("CONFIG", "SET", "metrics-count-keys", "")
    c.ok("CONFIG", "SET", "metrics-check-keys", "user:29?,oth*")
    sizes = {at[2]: value for at, value in series(port).items() if at[0] == "key_size"}
    assert sizes == {**{f"user:29{n}": 3 for n in range(10)}, "other": 1}
    c.ok("CONFIG", "SET", "metrics-check-keys", "*")
    assert len([at for at in series(port) if at[0] == "key_size"]) == 2000
    assert c.ok("DBSIZE") == 3001


def test_a_key_that_is_no_text(measured: tuple[Server, int]) -> None:
    server, port = measured
    c = server.connect()
    c.ok("SET", b"\xff\"\n", b"\xfe")
    c.ok("CONFIG", "SET", "metrics-check-keys", "*")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        text = reply.read().decode()
    assert 'redis_key_size{db="db0",key="\\\\xff\\"\\n"} 1.0\n' in text


def test_how_keys_are_named() -> None:
    assert wanted("db0=user:*, db3=queue,name,,db1=a%2Cb,odd=key") == [
        Wanted(0, b"user:*"), Wanted(3, b"queue"), Wanted(0, b"name"), Wanted(1, b"a,b"), Wanted(0, b"odd=key"),
    ]  # fmt: skip
    assert wanted("") == []
