"""Every name that dashboards for redis_exporter may ask for, and what the values are."""

import importlib
import math
import re
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from metrics.collector import cumulated, field_families, script_families
from metrics.names import OURS, SCRIPT_NAME, SCRIPT_SECONDS, number
from server.registry.info import InfoField, sections
from tests.support.resp import Connection
from tests.support.server import Server, free_port, wait_until

# What redis_exporter (1.45 to 1.88) makes of a standalone Redis 7.2's INFO, without the prefix redis_.
OF_INFO = """
    process_id uptime_in_seconds io_threads_active
    connected_clients cluster_connections max_clients client_recent_max_input_buffer_bytes
    client_recent_max_output_buffer_bytes blocked_clients tracking_clients clients_in_timeout_table
    total_blocking_keys total_blocking_keys_on_nokey
    memory_used_bytes memory_used_rss_bytes memory_used_peak_bytes memory_used_overhead_bytes
    memory_used_startup_bytes memory_used_dataset_bytes allocator_allocated_bytes allocator_active_bytes
    allocator_resident_bytes memory_used_lua_bytes memory_used_vm_eval_bytes memory_used_scripts_eval_bytes
    number_of_cached_scripts number_of_functions number_of_libraries memory_used_vm_functions_bytes
    memory_used_vm_total memory_used_functions_bytes memory_used_scripts_bytes memory_max_bytes
    allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio allocator_rss_bytes mem_fragmentation_ratio
    mem_fragmentation_bytes mem_not_counted_for_eviction_bytes mem_replication_backlog_bytes
    mem_total_replication_buffers_bytes mem_clients_slaves mem_clients_normal mem_cluster_links_bytes
    mem_aof_buffer_bytes active_defrag_running lazyfree_pending_objects lazyfreed_objects
    loading_dump_file async_loading rdb_changes_since_last_save rdb_bgsave_in_progress
    rdb_last_save_timestamp_seconds rdb_last_bgsave_status rdb_last_bgsave_duration_sec
    rdb_current_bgsave_duration_sec rdb_saves_total rdb_last_cow_size_bytes rdb_last_load_expired_keys
    rdb_last_load_loaded_keys aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled
    aof_last_rewrite_duration_sec aof_current_rewrite_duration_sec aof_last_bgrewrite_status
    aof_last_write_status aof_last_cow_size_bytes module_fork_in_progress module_fork_last_cow_size
    connections_received_total commands_processed_total net_input_bytes_total net_output_bytes_total
    net_repl_input_bytes_total net_repl_output_bytes_total rejected_connections_total replica_resyncs_full
    replica_partial_resync_accepted replica_partial_resync_denied expired_keys_total expired_stale_percentage
    expired_time_cap_reached_total expire_cycle_cpu_time_ms_total evicted_keys_total evicted_clients_total
    eviction_exceeded_time_ms_total current_eviction_exceeded_time_ms keyspace_hits_total
    keyspace_misses_total pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_seconds
    migrate_cached_sockets_total slave_expires_tracked_keys defrag_hits defrag_misses defrag_key_hits
    defrag_key_misses tracking_total_keys tracking_total_items tracking_total_prefixes
    unexpected_error_replies total_error_replies dump_payload_sanitizations total_reads_processed
    total_writes_processed io_threaded_reads_processed io_threaded_writes_processed reply_buffer_shrinks_total
    reply_buffer_expands_total eventloop_cycles_total eventloop_duration_sum_usec_total
    eventloop_duration_cmd_sum_usec_total instantaneous_eventloop_cycles_per_sec
    instantaneous_eventloop_duration_usec
    connected_slaves master_repl_offset second_repl_offset repl_backlog_is_active replication_backlog_bytes
    repl_backlog_first_byte_offset repl_backlog_history_bytes
    cpu_sys_seconds_total cpu_user_seconds_total cpu_sys_children_seconds_total
    cpu_user_children_seconds_total cpu_sys_main_thread_seconds_total cpu_user_main_thread_seconds_total
    cluster_enabled
"""

# What it adds with its default flags, and one that operators switch on everywhere: name -> labels.
BESIDES = {
    "redis_up": set(),
    "redis_instance_info": {
        "role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id",
        "process_id", "master_replid",
    },
    "redis_start_time_seconds": set(),
    "redis_hz": set(),
    "redis_configured_hz": set(),
    "redis_config_maxclients": set(),
    "redis_config_maxmemory": set(),
    "redis_config_io_threads": set(),
    "redis_config_repl_backlog_size": set(),
    "redis_config_client_output_buffer_limit_bytes": {"class", "limit"},
    "redis_config_client_output_buffer_limit_overcome_seconds": {"class", "limit"},
    "redis_slowlog_length": set(),
    "redis_slowlog_last_id": set(),
    "redis_last_slow_execution_duration_seconds": set(),
    "redis_commands_total": {"cmd"},
    "redis_commands_duration_seconds_total": {"cmd"},
    "redis_commands_rejected_calls_total": {"cmd"},
    "redis_commands_failed_calls_total": {"cmd"},
    "redis_errors_total": {"err"},
    "redis_latency_percentiles_usec": {"cmd", "quantile"},
    "redis_latency_percentiles_usec_count": {"cmd"},
    "redis_latency_percentiles_usec_sum": {"cmd"},
    "redis_commands_latencies_usec_bucket": {"cmd", "le"},
    "redis_commands_latencies_usec_count": {"cmd"},
    "redis_commands_latencies_usec_sum": {"cmd"},
    "redis_latency_spike_last": {"event_name"},
    "redis_latency_spike_duration_seconds": {"event_name"},
    "redis_db_keys": {"db"},
    "redis_db_keys_expiring": {"db"},
    "redis_db_avg_ttl_seconds": {"db"},
    "redis_exporter_build_info": {"version", "commit_sha", "build_date", "golang_version"},
    "redis_exporter_last_scrape_error": {"err"},
    "redis_exporter_last_scrape_duration_seconds": set(),
    "redis_exporter_scrapes_total": set(),
    "redis_target_scrape_request_errors_total": set(),
    "redis_total_system_memory_bytes": set(),
    "redis_memory_fragmentation_ratio": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
    "process_virtual_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
}  # fmt: skip

Samples = dict[str, list[tuple[dict[str, str], float]]]


def scrape(port: int) -> Samples:
    """Samples by name."""
    found: Samples = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        for line in reply.read().decode().splitlines():
            if not line.startswith("#"):
                match = re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line)
                assert match, line
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
                found.setdefault(match[1], []).append((labels, float(match[3])))
    return found


def undeclared() -> set[str]:
    """Names of ours whose INFO field is that of a part which is not built."""
    load_sections()
    declared = {name for section in sections().values() for name in section.names()}
    names = {**OURS, SCRIPT_SECONDS: SCRIPT_SECONDS}
    return {f"remus_{name}" for field, name in names.items() if field not in declared}


def load_sections() -> None:
    """Import what declares INFO's fields."""
    importlib.import_module("server.server")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Connection, int]]:
    """A server with a metrics port that has seen a little of everything."""
    port = free_port()
    with Server(tmp_path_factory.mktemp("metrics"), metrics_port=port, latency_monitor_threshold=1) as server:
        with server.connect() as c:
            c.ok("SET", "greeting", "hello", "EX", 1000)
            c.ok("RPUSH", "list", "a", "b")
            c("LPUSH", "greeting", "a")
            c.ok("GET", "greeting")
            c.ok("GET", "missing")
            c.ok("CONFIG", "SET", "slowlog-log-slower-than", 0)
            c.ok("DEBUG", "SLEEP", "0.005")
            yield server, c, port


def value(samples: Samples, name: str, **labels: str) -> float:
    [found] = [value for shown, value in samples[name] if labels.items() <= shown.items()]
    return found


def test_every_name_of_the_exporter(measured: Any) -> None:
    samples = scrape(measured[2])
    assert {f"redis_{name}" for name in OF_INFO.split()} - set(samples) == set()
    assert set(BESIDES) - set(samples) == set()
    for name, labels in BESIDES.items():
        assert all(set(shown) == labels for shown, _ in samples[name]), name


def test_each_series_once(measured: Any) -> None:
    for name, found in scrape(measured[2]).items():
        assert len({tuple(sorted(labels.items())) for labels, _ in found}) == len(found), name
        assert not any(math.isnan(value) for _, value in found), name


def test_values_are_those_of_info(measured: Any) -> None:
    server, _, port = measured
    samples, info = scrape(port), server.info("everything")
    assert value(samples, "redis_connected_clients") == 1
    assert value(samples, "redis_db_keys", db="db0") == 2
    assert value(samples, "redis_db_keys", db="db15") == 0
    assert value(samples, "redis_db_keys_expiring", db="db0") == 1
    assert value(samples, "redis_keyspace_hits_total") == int(info["keyspace_hits"])
    assert value(samples, "redis_keyspace_misses_total") == int(info["keyspace_misses"])
    assert value(samples, "redis_commands_total", cmd="get") == 2
    assert value(samples, "redis_commands_total", cmd="config|set") == 1
    assert value(samples, "redis_commands_failed_calls_total", cmd="lpush") == 1
    assert value(samples, "redis_errors_total", err="WRONGTYPE") == 1
    assert value(samples, "redis_commands_duration_seconds_total", cmd="debug") >= 0.005
    assert value(samples, "redis_latency_spike_duration_seconds", event_name="command") >= 0.005
    assert value(samples, "redis_last_slow_execution_duration_seconds") > 0
    assert value(samples, "redis_rdb_last_bgsave_status") == 1
    assert value(samples, "redis_start_time_seconds") > 1.5e9
    assert samples["redis_instance_info"][0][0]["run_id"] == info["run_id"]


def test_histograms_are_cumulated_and_complete(measured: Any) -> None:
    samples = scrape(measured[2])
    buckets = [
        (float(labels["le"]), count)
        for labels, count in samples["redis_commands_latencies_usec_bucket"]
        if labels["cmd"] == "debug"
    ]
    assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
    assert [count for bound, count in buckets if bound <= 4096] == [0] * 13
    assert buckets[-1][1] == value(samples, "redis_commands_latencies_usec_count", cmd="debug") == 1


def test_series_of_io_threads(new_server: Callable[..., Server]) -> None:
    port = free_port()
    server = new_server(metrics_port=port, io_threads=3)
    server.connect().ok("PING")
    samples = scrape(port)
    threads = [labels["thread"] for labels, _ in samples["remus_io_thread_busy_seconds_total"]]
    assert threads == [str(n) for n in range(len(threads))] and len(threads) >= 3
    assert sum(count for _, count in samples["remus_io_thread_reads_total"]) > 0
    assert value(samples, "redis_io_threads_active") == 1


def test_turns_of_the_event_loop(measured: Any) -> None:
    _, c, port = measured
    c.ok("DEBUG", "SLEEP", "0.02")
    samples = scrape(port)
    buckets = [(float(labels["le"]), count) for labels, count in samples["remus_eventloop_turn_seconds_bucket"]]
    assert buckets == sorted(buckets) and buckets[-1][0] == math.inf
    at_16_ms = next(count for bound, count in buckets if bound >= 0.016)
    assert at_16_ms < buckets[-1][1] == value(samples, "remus_eventloop_turn_seconds_count")
    assert value(samples, "remus_eventloop_turn_seconds_sum") >= 0.02


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ok", 1), ("err", 0), ("true", 1), ("12.50%", 12.5), ("0.25", 0.25), (7, 7), ("master", None), ("up", 1)],
)
def test_values_of_fields(text: object, expected: float | None) -> None:
    assert number(text) == expected


def test_the_bound_of_a_bucket_belongs_to_it() -> None:
    shown = dict(cumulated([(1000, 2), (1001, 3), (1 << 50, 1)]))
    assert (shown["1"], shown["2"], shown["8388608"], shown["+Inf"]) == (2, 5, 5, 6)


@pytest.mark.parametrize("field", ["internal_errors", "gc_cycles_found"])
def test_counters_of_faults(field: str) -> None:
    told = SimpleNamespace(fields=[(InfoField(field, lambda server: 3), "stats", 3)])
    [family] = field_families(told)  # type: ignore[arg-type]
    assert (family.type, family.samples[0].name, family.samples[0].value) == ("counter", f"remus_{field}_total", 3)


@pytest.mark.parametrize(
    ("values", "labels", "seconds"),
    [
        ({SCRIPT_SECONDS: 0, SCRIPT_NAME: ""}, {}, 0),
        ({SCRIPT_SECONDS: 0}, {}, 0),
        ({SCRIPT_SECONDS: 0, SCRIPT_NAME: "of the one before"}, {}, 0),
        ({SCRIPT_SECONDS: "19.20", SCRIPT_NAME: "f_1"}, {"name": "f_1"}, 19.2),
        ({SCRIPT_SECONDS: 6, SCRIPT_NAME: "x" * 5000}, {"name": "x" * 128}, 6),
        ({SCRIPT_SECONDS: 6, SCRIPT_NAME: ""}, {}, 6),
    ],
)
def test_one_series_for_the_script_that_runs(values: Any, labels: Any, seconds: float) -> None:
    [family] = script_families(values)
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("remus_script_running_seconds", labels, seconds)
    ]


def test_no_series_where_nobody_tells() -> None:
    assert [*script_families({})] == []


def test_a_script_that_others_hear_busy_about(new_server: Callable[..., Server]) -> None:
    if "remus_script_running_seconds" in undeclared():
        pytest.skip("INFO does not tell of scripts that run")
    port = free_port()
    server = new_server(metrics_port=port, busy_reply_threshold=10)
    assert value(scrape(port), "remus_script_running_seconds") == 0
    with server.connect() as running, server.connect() as other:
        running.send("EVAL", "while true do end", 0)
        wait_until(lambda: "BUSY" in str(other("PING")), "a slow script")
        [(labels, seconds)] = scrape(port)["remus_script_running_seconds"]
        assert seconds > 0 and labels["name"]
        other.ok("SCRIPT", "KILL")
        wait_until(lambda: other("PING") == "PONG", "its end")
    assert scrape(port)["remus_script_running_seconds"] == [({}, 0)]
