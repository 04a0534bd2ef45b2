"""INFO about work done and data kept: persistence, stats, replication, cpu, modules, commandstats, errorstats,
latencystats, cluster, keyspace, iothreads, debug. (What the process is stands in info_server.)"""

from collections.abc import Iterator
from typing import Any

from server.observe import process
from server.observe.internal_errors import internal_errors
from server.observe.stats import error_name
from server.registry.command import every_command
from server.registry.info import section

# ---- persistence
persistence = section("persistence", "Persistence")
persistence.field("loading", lambda s: int(s.loading), metric="loading_dump_file")
persistence.field("async_loading", 0, metric="async_loading")
persistence.field("current_cow_peak", lambda s: s.child.cow_peak)
persistence.field("current_cow_size", lambda s: s.child.cow_size)
persistence.field("current_cow_size_age", lambda s: s.child.cow_age())
persistence.field("current_fork_perc", lambda s: f"{s.child.percent():.2f}")
persistence.field("current_save_keys_processed", lambda s: s.child.keys_processed)
persistence.field("current_save_keys_total", lambda s: s.child.keys_total)
persistence.field("rdb_changes_since_last_save", lambda s: s.dirty, metric="rdb_changes_since_last_save")
persistence.field("rdb_bgsave_in_progress", lambda s: int(s.snapshots.in_progress), metric="rdb_bgsave_in_progress")
persistence.field("rdb_last_save_time", lambda s: s.snapshots.last_save, metric="rdb_last_save_timestamp_seconds")
persistence.field(
    "rdb_last_bgsave_status", lambda s: "ok" if s.snapshots.last_ok else "err", metric="rdb_last_bgsave_status"
)
persistence.field("rdb_last_bgsave_time_sec", lambda s: s.snapshots.last_seconds, metric="rdb_last_bgsave_duration_sec")
persistence.field(
    "rdb_current_bgsave_time_sec", lambda s: s.child.seconds("rdb"), metric="rdb_current_bgsave_duration_sec"
)
persistence.field("rdb_saves", lambda s: s.snapshots.count, metric="rdb_saves_total")
persistence.field("rdb_last_cow_size", lambda s: s.snapshots.last_cow_size, metric="rdb_last_cow_size_bytes")
persistence.field(
    "rdb_last_load_keys_expired", lambda s: s.progress.keys_expired, metric="rdb_last_load_expired_keys"
)
persistence.field("rdb_last_load_keys_loaded", lambda s: s.progress.keys_loaded, metric="rdb_last_load_loaded_keys")
persistence.field("aof_enabled", lambda s: int(s.aof.state != "off"), metric="aof_enabled")
persistence.field(
    "aof_rewrite_in_progress", lambda s: int(s.aof_rewrite.in_progress), metric="aof_rewrite_in_progress"
)
persistence.field("aof_rewrite_scheduled", lambda s: int(s.aof_rewrite.scheduled), metric="aof_rewrite_scheduled")
persistence.field(
    "aof_last_rewrite_time_sec", lambda s: s.aof_rewrite.last_seconds, metric="aof_last_rewrite_duration_sec"
)
persistence.field(
    "aof_current_rewrite_time_sec", lambda s: s.child.seconds("aof"), metric="aof_current_rewrite_duration_sec"
)
persistence.field(
    "aof_last_bgrewrite_status", lambda s: "ok" if s.aof_rewrite.last_ok else "err", metric="aof_last_bgrewrite_status"
)
persistence.field("aof_rewrites", lambda s: s.aof_rewrite.count)
persistence.field("aof_rewrites_consecutive_failures", lambda s: s.aof_rewrite.failures)
persistence.field("aof_last_write_status", lambda s: s.aof.last_write_status, metric="aof_last_write_status")
persistence.field("aof_last_cow_size", lambda s: s.aof_rewrite.last_cow_size, metric="aof_last_cow_size_bytes")
persistence.field("module_fork_in_progress", 0, metric="module_fork_in_progress")
persistence.field("module_fork_last_cow_size", 0, metric="module_fork_last_cow_size")


def _aof_on(s: Any) -> bool:
    return bool(s.config.appendonly)


persistence.field("aof_current_size", lambda s: s.aof.current_size, metric="aof_current_size_bytes", shown=_aof_on)
persistence.field("aof_base_size", lambda s: s.aof.base_size, metric="aof_base_size_bytes", shown=_aof_on)
persistence.field(
    "aof_pending_rewrite", lambda s: int(s.aof_rewrite.scheduled), metric="aof_pending_rewrite", shown=_aof_on
)
persistence.field(
    "aof_buffer_length", lambda s: s.aof.sink.pending, metric="aof_buffer_length", shown=_aof_on
)
persistence.field(
    "aof_pending_bio_fsync", lambda s: s.aof.background.pending, metric="aof_pending_bio_fsync", shown=_aof_on
)
persistence.field("aof_delayed_fsync", lambda s: s.aof.delayed_syncs, metric="aof_delayed_fsync", shown=_aof_on)


def _loading(s: Any) -> bool:
    return bool(s.loading)


persistence.field("loading_start_time", lambda s: int(s.progress.started), metric="loading_start_time", shown=_loading)
persistence.field("loading_total_bytes", lambda s: s.progress.total, metric="loading_total_bytes", shown=_loading)
persistence.field("loading_rdb_used_mem", lambda s: s.progress.used_memory, shown=_loading)
persistence.field("loading_loaded_bytes", lambda s: s.progress.loaded, metric="loading_loaded_bytes", shown=_loading)
persistence.field("loading_loaded_perc", lambda s: f"{s.progress.percent():.2f}", shown=_loading)
persistence.field("loading_eta_seconds", lambda s: s.progress.remaining_seconds(), shown=_loading)

# ---- stats
stats = section("stats", "Stats")


def lanes(s: Any, name: str, first: int = 0) -> int:
    """A lane counter summed over lanes from `first` on (0 is the main thread's)."""
    return sum(lane[name] for lane in s.loop.lane_stats()[first:])


def counted(name: str, metric: str = "", *, counter: bool = False, scale: float = 1) -> None:
    """A field that is one of stats.counters."""
    stats.field(name, lambda s: s.stats.counters.get(name, 0), metric=metric, counter=counter, scale=scale)


stats.field(
    "total_connections_received", lambda s: s.clients.received, metric="connections_received_total", counter=True
)
stats.field("total_commands_processed", lambda s: s.commands_processed, metric="commands_processed_total", counter=True)
stats.field("instantaneous_ops_per_sec", lambda s: int(s.stats.commands_rate.per_second))
stats.field("total_net_input_bytes", lambda s: lanes(s, "bytes_in"), metric="net_input_bytes_total", counter=True)
stats.field("total_net_output_bytes", lambda s: lanes(s, "bytes_out"), metric="net_output_bytes_total", counter=True)
stats.field("total_net_repl_input_bytes", 0, metric="net_repl_input_bytes_total", counter=True)
stats.field("total_net_repl_output_bytes", 0, metric="net_repl_output_bytes_total", counter=True)
stats.field("instantaneous_input_kbps", lambda s: f"{s.stats.input_rate.per_second / 1024:.2f}")
stats.field("instantaneous_output_kbps", lambda s: f"{s.stats.output_rate.per_second / 1024:.2f}")
stats.field("instantaneous_input_repl_kbps", "0.00")
stats.field("instantaneous_output_repl_kbps", "0.00")
stats.field("rejected_connections", lambda s: s.clients.rejected, metric="rejected_connections_total", counter=True)
counted("sync_full", "replica_resyncs_full")
counted("sync_partial_ok", "replica_partial_resync_accepted")
counted("sync_partial_err", "replica_partial_resync_denied")
stats.field("expired_keys", lambda s: s.keyspace.expired_keys, metric="expired_keys_total", counter=True)
stats.field("expired_stale_perc", lambda s: f"{s.expiry.stale_percent:.2f}", metric="expired_stale_percentage")
stats.field(
    "expired_time_cap_reached_count",
    lambda s: s.expiry.time_cap_reached,
    metric="expired_time_cap_reached_total",
    counter=True,
)
stats.field(
    "expire_cycle_cpu_milliseconds",
    lambda s: s.expiry.cpu_milliseconds,
    metric="expire_cycle_cpu_time_ms_total",
    counter=True,
)
stats.field("evicted_keys", lambda s: s.stats.evicted_keys, metric="evicted_keys_total", counter=True)
stats.field("evicted_clients", lambda s: s.stats.evicted_clients, metric="evicted_clients_total", counter=True)
stats.field(
    "total_eviction_exceeded_time",
    lambda s: s.stats.eviction_exceeded_us // 1000,
    metric="eviction_exceeded_time_ms_total",
    counter=True,
)
stats.field(
    "current_eviction_exceeded_time", lambda s: s.eviction_exceeded_ms(), metric="current_eviction_exceeded_time_ms"
)
stats.field("keyspace_hits", lambda s: s.keyspace.hits, metric="keyspace_hits_total", counter=True)
stats.field("keyspace_misses", lambda s: s.keyspace.misses, metric="keyspace_misses_total", counter=True)
stats.field("pubsub_channels", lambda s: len(s.pubsub.channels), metric="pubsub_channels")
stats.field("pubsub_patterns", lambda s: len(s.pubsub.patterns), metric="pubsub_patterns")
stats.field("pubsubshard_channels", lambda s: len(s.pubsub.shard_channels), metric="pubsubshard_channels")
stats.field("latest_fork_usec", lambda s: s.stats.fork_us, metric="latest_fork_seconds", scale=1e-6)
stats.field("total_forks", lambda s: s.stats.forks)
stats.field("migrate_cached_sockets", lambda s: len(s.migrate_targets), metric="migrate_cached_sockets_total")
counted("slave_expires_tracked_keys", "slave_expires_tracked_keys")
for _name, _metric in (
    ("active_defrag_hits", "defrag_hits"),
    ("active_defrag_misses", "defrag_misses"),
    ("active_defrag_key_hits", "defrag_key_hits"),
    ("active_defrag_key_misses", "defrag_key_misses"),
    ("total_active_defrag_time", ""),
    ("current_active_defrag_time", ""),
    ("tracking_total_keys", "tracking_total_keys"),
    ("tracking_total_items", "tracking_total_items"),
    ("tracking_total_prefixes", "tracking_total_prefixes"),
):
    counted(_name, _metric)
stats.field(
    "unexpected_error_replies",
    lambda s: s.stats.unexpected_error_replies,
    metric="unexpected_error_replies",
    counter=True,
)
stats.field("internal_errors", lambda s: internal_errors.count)
stats.field("gc_collections", lambda s: s.collector.collections)
stats.field("gc_cycles_found", lambda s: s.collector.cycles_found)
stats.field("gc_longest_usec", lambda s: s.collector.longest_us)
stats.field("total_error_replies", lambda s: s.stats.error_replies, metric="total_error_replies", counter=True)
counted("dump_payload_sanitizations", "dump_payload_sanitizations", counter=True)
stats.field("total_reads_processed", lambda s: lanes(s, "reads"), metric="total_reads_processed", counter=True)
stats.field("total_writes_processed", lambda s: lanes(s, "writes"), metric="total_writes_processed", counter=True)
stats.field(
    "io_threaded_reads_processed", lambda s: lanes(s, "reads", 1), metric="io_threaded_reads_processed", counter=True
)
stats.field(
    "io_threaded_writes_processed", lambda s: lanes(s, "writes", 1), metric="io_threaded_writes_processed", counter=True
)
counted("reply_buffer_shrinks", "reply_buffer_shrinks_total", counter=True)
counted("reply_buffer_expands", "reply_buffer_expands_total", counter=True)
stats.field("eventloop_cycles", lambda s: s.loop.cycles, metric="eventloop_cycles_total", counter=True)
stats.field(
    "eventloop_duration_sum", lambda s: s.loop.duration_us, metric="eventloop_duration_sum_usec_total", counter=True
)
stats.field(
    "eventloop_duration_cmd_sum",
    lambda s: s.loop.command_us,
    metric="eventloop_duration_cmd_sum_usec_total",
    counter=True,
)
stats.field(
    "instantaneous_eventloop_cycles_per_sec",
    lambda s: int(s.stats.cycle_rate.per_second),
    metric="instantaneous_eventloop_cycles_per_sec",
)
stats.field(
    "instantaneous_eventloop_duration_usec",
    lambda s: int(s.stats.turn_us.per_second),
    metric="instantaneous_eventloop_duration_usec",
)
for _name in ("auth", "cmd", "key", "channel"):
    counted(f"acl_access_denied_{_name}", f"acl_access_denied_{_name}_total", counter=True)


# ---- cpu
cpu = section("cpu", "CPU", source=lambda s: process.cpu_seconds())
for _name in ("sys", "user", "sys_children", "user_children", "sys_main_thread", "user_main_thread"):
    cpu.field(
        f"used_cpu_{_name}",
        lambda seconds, _name=_name: f"{seconds[_name]:.6f}",
        metric=f"cpu_{_name}_seconds_total",
        counter=True,
    )

section("modules", "Modules")

# ---- commands and errors
commandstats = section("commandstats", "Commandstats", default=False)


@commandstats.family
def command_lines(s: Any) -> Iterator[tuple[str, str]]:
    """cmdstat_get:calls=...; commands never called are left out."""
    for command in every_command():
        r = command.record
        if r is not None and (r.calls or r.rejected or r.failed):
            each = r.microseconds / r.calls if r.calls else 0
            yield (
                f"cmdstat_{command.name}",
                f"calls={r.calls},usec={r.microseconds},usec_per_call={each:.2f},"
                f"rejected_calls={r.rejected},failed_calls={r.failed}",
            )


errorstats = section("errorstats", "Errorstats")


@errorstats.family
def error_lines(s: Any) -> Iterator[tuple[str, str]]:
    """errorstat_WRONGTYPE:count=3. Codes that differ in what may not stand in a name share it, as in Redis."""
    for code, count in s.stats.errors.items():
        yield f"errorstat_{error_name(code)}", f"count={count}"


latencystats = section("latencystats", "Latencystats", default=False)


@latencystats.family
def latency_lines(s: Any) -> Iterator[tuple[str, str]]:
    """latency_percentiles_usec_get:p50=0.5,p99=...; only with latency-tracking."""
    if not s.config.latency_tracking:
        return
    wanted = s.config.latency_tracking_info_percentiles
    for command in every_command():
        buckets = command.record.latency_histogram() if command.record is not None else []
        if buckets:
            shown = ",".join(f"p{percent:g}={value / 1000:.3f}" for percent, value in percentiles(buckets, wanted))
            yield f"latency_percentiles_usec_{command.name}", shown


def percentiles(buckets: list[tuple[int, int]], wanted: Any) -> Iterator[tuple[float, int]]:
    """(percent, value) read from ascending (upper bound, count) pairs."""
    total = sum(count for _, count in buckets)
    for percent in wanted:
        goal, seen, value = total * float(percent) / 100, 0, buckets[-1][0]
        for bound, count in buckets:
            seen += count
            if seen >= goal:
                value = bound
                break
        yield float(percent), value


# ---- cluster, keyspace
section("cluster", "Cluster").field(
    "cluster_enabled", lambda s: int(s.config.cluster_enabled), metric="cluster_enabled"
)
keyspace = section("keyspace", "Keyspace")


@keyspace.family
def database_lines(s: Any) -> Iterator[tuple[str, str]]:
    """db0:keys=1,expires=0,avg_ttl=0; empty databases are left out."""
    for db in s.keyspace.databases:
        if len(db):
            yield f"db{db.index}", f"keys={len(db)},expires={db.expires},avg_ttl={int(db.average_ttl)}"


# ---- ours: I/O threads; and Redis's debug section, by name only
iothreads = section("iothreads", "IOThreads", default=False)


@iothreads.family
def lane_lines(s: Any) -> Iterator[tuple[str, str]]:
    """io_thread_0 is the main thread's lane; busy is time not spent waiting: its share since the start, and in us."""
    for number, lane in enumerate(s.loop.lane_stats()):
        spent = lane["busy_ns"] + lane["idle_ns"]
        busy = 100 * lane["busy_ns"] / spent if spent else 0.0
        yield (
            f"io_thread_{number}",
            f"clients={lane['connections']},busy_percent={busy:.2f},reads={lane['reads']},"
            f"writes={lane['writes']},bytes_in={lane['bytes_in']},bytes_out={lane['bytes_out']},"
            f"busy_us={lane['busy_ns'] // 1000},idle_us={lane['idle_ns'] // 1000}",
        )


debug = section("debug", "Debug", default=False, in_all=False)
debug.field("eventloop_duration_aof_sum", lambda s: s.aof.spent_us)
debug.field("eventloop_duration_cron_sum", lambda s: s.cron.spent_us)
debug.field("eventloop_duration_max", lambda s: s.loop.longest_us)
debug.field("fast_path_commands", lambda s: s.loop.fast_commands)
debug.field("eventloop_cmd_per_cycle_max", lambda s: s.loop.commands_per_cycle_max)
