"""Slots of a cluster as series, as many as an operator asks for, and on the live page."""

import json
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.metrics.test_names import scrape, value
from tests.support.pace import wait_until
from tests.support.resp import Connection
from tests.support.server import Server, free_port

BAR, HELLO, FOO = 5061, 866, 12182


@pytest.fixture
def seen(new_server: Callable[..., Server]) -> Iterator[tuple[Connection, int]]:
    """A node that serves all slots, with a key or more in three, and its metrics port."""
    port = free_port()
    c = new_server(cluster_enabled="yes", metrics_port=port).connect()
    c.ok("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: b"cluster_state:ok" in c.ok("CLUSTER", "INFO"), "it serves")
    c.ok("MSET", "{bar}1", 1, "{bar}2", 2, "{bar}3", 3)
    c.ok("MSET", "{foo}1", 1, "{foo}2", 2)
    c.ok("SET", "hello", 1)
    yield c, port


def slots(port: int, name: str) -> dict[int, float]:
    return {int(labels["slot"]): figure for labels, figure in scrape(port).get(name, [])}


def test_none_unless_asked_for(seen: tuple[Connection, int]) -> None:
    assert not [name for name in scrape(seen[1]) if name.startswith("remus_slot_")]


def test_the_fullest(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-hot-slots", 2)
    assert slots(port, "remus_slot_keys") == {BAR: 3, FOO: 2}
    assert not slots(port, "remus_slot_cpu_seconds_total")


def test_the_busiest(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-hot-slots", 1, "cluster-slot-stats-enabled", "yes")
    c.ok("EVAL", "for i = 1, 5000 do redis.call('GET', KEYS[1]) end", 1, "hello")
    assert slots(port, "remus_slot_keys") == {BAR: 3, HELLO: 1}
    samples = scrape(port)
    assert value(samples, "remus_slot_cpu_seconds_total", slot=str(HELLO)) > 0
    assert value(samples, "remus_slot_cpu_seconds_total", slot=str(BAR)) == 0
    assert value(samples, "remus_slot_input_bytes_total", slot=str(HELLO)) > 50
    assert value(samples, "remus_slot_output_bytes_total", slot=str(HELLO)) == len("$-1\r\n")


def test_on_the_live_page(seen: tuple[Connection, int]) -> None:
    c, port = seen
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/keys.json", timeout=20) as reply:
        found = json.loads(reply.read())["slots"]
    assert found[0] == {"slot": BAR, "keys": 3, "use": None} and len(found) == 3
    c.ok("CONFIG", "SET", "cluster-slot-stats-enabled", "yes")
    c.ok("GET", "hello")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/keys.json", timeout=20) as reply:
        found = json.loads(reply.read())["slots"]
    assert found[0]["slot"] == HELLO and found[0]["use"][1] == len("*2\r\n$3\r\nGET\r\n$5\r\nhello\r\n")
