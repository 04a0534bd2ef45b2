"""Hot keys, big keys and groups of keys: as series when asked for, and what the live page gets of them."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.metrics.test_names import Samples, scrape, value
from tests.support.resp import Connection
from tests.support.server import Server, free_port, wait_until


@pytest.fixture
def seen(new_server: Callable[..., Server]) -> Iterator[tuple[Connection, int]]:
    """A server that looks at each command, with a hot key and a big one, and its metrics port."""
    port = free_port()
    c = new_server(metrics_port=port, hot_keys_sample=1, hz=100).connect()
    c.pipeline([("GET", "hot")] * 200 + [("GET", "cold")])
    c.ok("SELECT", 1)
    c.ok("RPUSH", "big", *range(1000))
    yield c, port


def page(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/keys.json", timeout=20) as reply:
        return json.loads(reply.read())


def test_no_key_is_named_unless_asked_for(seen: tuple[Connection, int]) -> None:
    names = set(scrape(seen[1]))
    assert not {name for name in names if name.startswith(("remus_hot_key_", "remus_big_key_", "redis_key_group_"))}


def test_series_of_hot_keys(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-hot-keys", 1)
    [(labels, rate)] = scrape(port)["remus_hot_key_accesses_per_second"]
    assert labels == {"db": "db0", "key": "hot"} and rate > 0


def test_series_of_big_keys(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-big-keys", 2)
    c.ok("SET", "x" * 1000, "v")

    def both() -> Samples | None:
        samples = scrape(port)
        return samples if len(samples.get("remus_big_key_elements", ())) == 2 else None

    samples = wait_until(both, "a walk")
    assert value(samples, "remus_big_key_elements", db="db1", key="big", type="list") == 1000
    assert value(samples, "remus_big_key_size_bytes", key="big") > 2000
    assert value(samples, "remus_big_key_elements", key="x" * 128 + "...", type="string") == 1
    assert value(samples, "remus_big_keys_walks_total") >= 1


def test_names_that_look_alike_are_one_series(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-hot-keys", 100)
    c.pipeline([("GET", "k" * 700 + end) for end in "abc"] * 3)
    found = scrape(port)["remus_hot_key_accesses_per_second"]
    assert len({tuple(labels.items()) for labels, _ in found}) == len(found)


def test_groups(seen: tuple[Connection, int]) -> None:
    c, port = seen
    c.ok("CONFIG", "SET", "metrics-check-prefixes", "db0=:,db1=/")
    c.ok("SELECT", 0)
    c.pipeline([("SET", f"user:{n}", "v" * 100) for n in range(300)])
    c.pipeline([("SET", f"g{n}:{m}", "v") for n in range(150) for m in range(2)])
    c.ok("SET", "alone", "v")
    samples = scrape(port)
    assert value(samples, "redis_key_group_count", db="db0", key_group="user:") == 300
    usage = 300 * c.ok("MEMORY", "USAGE", "user:1")
    measured = value(samples, "redis_key_group_memory_usage_bytes", db="db0", key_group="user:")
    assert measured == pytest.approx(usage, rel=0.1)
    assert value(samples, "redis_key_group_count", db="db1", key_group="") == 1
    assert value(samples, "redis_number_of_distinct_key_groups", db="db0") == 152
    assert value(samples, "redis_key_group_count", db="db0", key_group="overflow") >= 100
    told = [count for labels, count in samples["redis_key_group_count"] if labels["db"] == "db0"]
    assert sum(told) == 601 and len(told) == 101
    assert value(samples, "redis_last_key_groups_scrape_duration_milliseconds") >= 0


def test_the_page_is_told(seen: tuple[Connection, int]) -> None:
    _, port = seen
    wait_until(lambda: page(port)["big"], "a walk")
    told = page(port)
    assert [each["key"] for each in told["hot"]][:1] == ["hot"] and told["hot"][0]["per_second"] > 0
    [big] = told["big"]
    assert (big["db"], big["key"], big["type"], big["elements"]) == (1, "big", "list", 1000)
