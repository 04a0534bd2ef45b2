"""Names that dashboards and exporters know: how many are expected, present, and more than zero on a server that works.

    pytest -s tests/metrics/test_coverage.py            prints the table, and the names that stay at zero
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.test_names import BESIDES, OF_INFO, Samples, scrape, undeclared
from tests.support.server import Server, free_port, wait_until

ROOM = Path(__file__).resolve().parents[2] / "metrics"
NAME = re.compile(r"\b(?:redis|remus|process)_\w+")

# Grafana's dashboard 763, and what redis-mixin's dashboard and alerts ask for besides.
GRAFANA_763 = """
    redis_up redis_uptime_in_seconds redis_connected_clients redis_blocked_clients redis_memory_used_bytes
    redis_memory_max_bytes redis_commands_total redis_commands_duration_seconds_total redis_keyspace_hits_total
    redis_keyspace_misses_total redis_net_input_bytes_total redis_net_output_bytes_total redis_db_keys
    redis_db_keys_expiring redis_expired_keys_total redis_evicted_keys_total
"""
MIXIN = """
    redis_memory_used_rss_bytes redis_connected_slaves redis_memory_fragmentation_ratio redis_total_system_memory_bytes
"""
ON_REQUEST = """
    redis_key_size redis_key_value redis_key_value_as_string redis_key_memory_usage_bytes redis_keys_count
"""
OF_OTHERS = {"redis_exporter", "redis_py"}           # words in texts of dashboards that are no metrics

# Zero on this server, because the part is not there or was not in use.
WITHOUT_REPLICAS = re.compile(r"repl|slave|master|cluster|_slot_|tracking|module|migrate|defrag|async_loading|loading_")


def asked_for(path: Path) -> set[str]:
    """The metrics in the queries of a dashboard, or of a file of rules."""
    text = path.read_text()
    queries = re.findall(r'"expr": *"((?:[^"\\]|\\.)*)"', text) if path.suffix == ".json" else re.findall(
        r"^ *(?:- )?expr: (.*)$", text, re.MULTILINE)  # fmt: skip
    return {name for query in queries for name in NAME.findall(query)} - OF_OTHERS - {
        name for query in queries for name in NAME.findall(query) if "_sentinel_" in name}      # tests/sentinel


def expected() -> dict[str, set[str]]:
    """Where names come from -> the names."""
    sources = {
        "redis_exporter: INFO": {f"redis_{name}" for name in OF_INFO.split()},
        "redis_exporter: the rest": set(BESIDES),
        "redis_exporter: check-keys, count-keys": set(ON_REQUEST.split()),
        "Grafana 763": set(GRAFANA_763.split()),
        "redis-mixin": set(MIXIN.split()),
    }
    for path in (*sorted((ROOM / "dashboards").glob("*.json")), ROOM / "alerts.yml"):
        sources[f"ours: {path.name}"] = asked_for(path)
    return sources


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samples]:
    """A scrape of a server that has done a little of everything."""
    port = free_port()
    with Server(
        tmp_path_factory.mktemp("coverage"), metrics_port=port, appendonly=True, io_threads=2,
        latency_monitor_threshold=1, slowlog_log_slower_than=0, metrics_check_single_keys="db0=number,db0=text",
        metrics_count_keys="db0=*",
        metrics_check_prefixes="db0=:", metrics_big_keys=3, metrics_hot_keys=3,
    ) as server:  # fmt: skip
        yield work(server, port)


def work(server: Any, port: int) -> Samples:
    """Make as many numbers as possible more than zero, and look while they are."""
    with server.connect() as c, server.connect() as other, server.connect() as blocked, server.connect() as waiting:
        c.ok("MSET", "number", 5, "text", "hello", "user:1", "x")
        c.pipeline([("SET", f"k{n}", "v" * 100, "PX", 1) for n in range(1000)] + [("SET", "long", "v", "EX", 1000)])
        c.pipeline([("GET", "number"), ("GET", "none"), ("LPUSH", "number", 1), ("NONSENSE",), ("GET",)])
        c.pipeline([("INCR", f"hot:{n % 3}") for n in range(5000)])
        c("EVAL", "return redis.call('incr', KEYS[1])", 1, "n")
        c("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
        c("FCALL", "f", 0)
        c("DEBUG", "SLEEP", "0.005")
        other("SUBSCRIBE", "channel")
        other("PSUBSCRIBE", "c*")
        other("SSUBSCRIBE", "shard")
        c("PUBLISH", "channel", "m")
        blocked.send("BLPOP", "empty", 100)
        waiting.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 100000, "STREAMS", "s", ">")
        c("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
        c("BGSAVE")
        wait_until(lambda: b"rdb_bgsave_in_progress:0" in c("INFO", "persistence"))
        c("BGREWRITEAOF")
        wait_until(lambda: b"aof_rewrite_in_progress:0" in c("INFO", "persistence"))
        c("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        c("DEBUG", "POPULATE", 20000, "filler", 100)
        c("CONFIG", "SET", "maxmemory", "2mb")
        c("SET", "k", "v")
        wait_until(lambda: b"evicted_keys:0\r" not in c("INFO", "stats"))
        c("CONFIG", "SET", "maxmemory", "1gb")
        c("MSET", "number", 5, "text", "hello", "user:1", "x")
        c("SET", "large", "v" * 1_000_000, "EX", 1000)
        c("UNLINK", "large")
        wait_until(lambda: b"expired_keys:0\r" not in c("INFO", "stats"))
        wait_until(lambda: b"blocked_clients:0\r" not in c("INFO", "clients"))
        wait_until(lambda: c("SET", "text", "hello") and b"instantaneous_ops_per_sec:0\r" not in c("INFO", "stats"))
        wait_until(lambda: b"mem_clients_normal:0\r" not in c("INFO", "memory"))
        scrape(port)
        return scrape(port)


def base(samples: Samples, name: str) -> list[float]:
    """The values of a name, or of the histogram or summary of that name."""
    return [value for shown in (name, f"{name}_count", f"{name}_bucket") for _, value in samples.get(shown, [])]


def test_table(samples: Samples, capsys: pytest.CaptureFixture[str]) -> None:
    rows, absent, zero = [], {}, {}
    for source, names in expected().items():
        present = {name for name in names if base(samples, name)}
        live = {name for name in present if any(base(samples, name))}
        rows.append((source, len(names), len(present), len(live)))
        absent[source], zero[source] = names - present, present - live
    with capsys.disabled():
        print(f"\n{'names of':42}{'expected':>9}{'present':>9}{'not zero':>9}")
        for source, *counts in rows:
            print(f"{source:42}" + "".join(f"{count:9}" for count in counts))
        print("zero here:", " ".join(sorted(set().union(*zero.values()))))
    unexpected = {name for names in absent.values() for name in names} - undeclared()
    assert not {name for name in unexpected if not WITHOUT_REPLICAS.search(name)}
