"""INFO about work done and data kept: stats, replication, cpu, modules, cluster, keyspace, iothreads, debug."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from server.observe import process
from server.observe.internal_errors import internal_errors
from server.registry.info import Section, section

if TYPE_CHECKING:
    from server.server import Server

# ---- stats
stats: "Section[Server]" = section("stats", "Stats")


def lanes(s: "Server", name: str, first: int = 0) -> int:
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
stats.field("evicted_keys", lambda s: s.evictor.evicted_keys, metric="evicted_keys_total", counter=True)
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
):
    counted(_name, _metric)
stats.field("tracking_total_keys", lambda s: len(s.tracking.keys), metric="tracking_total_keys")
stats.field("tracking_total_items", lambda s: s.tracking.keys.items, metric="tracking_total_items")
stats.field("tracking_total_prefixes", lambda s: len(s.tracking.broadcasts), metric="tracking_total_prefixes")
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
cpu: Section[dict[str, float]] = section("cpu", "CPU", source=lambda s: process.cpu_seconds())


def seconds_of(name: str) -> None:
    """A field that is one of the times of `process.cpu_seconds`."""
    cpu.field(f"used_cpu_{name}", lambda all: f"{all[name]:.6f}", metric=f"cpu_{name}_seconds_total", counter=True)


for _name in ("sys", "user", "sys_children", "user_children", "sys_main_thread", "user_main_thread"):
    seconds_of(_name)

section("modules", "Modules")

# ---- cluster, keyspace
section("cluster", "Cluster").field(
    "cluster_enabled", lambda s: int(s.config.cluster_enabled), metric="cluster_enabled"
)
keyspace: "Section[Server]" = section("keyspace", "Keyspace")


@keyspace.family
def database_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """db0:keys=1,expires=0,avg_ttl=0; empty databases are left out."""
    for db in s.keyspace.databases:
        if len(db):
            yield f"db{db.index}", f"keys={len(db)},expires={db.expires},avg_ttl={int(db.average_ttl)}"


# ---- ours: I/O threads; and Redis's debug section, by name only
iothreads: "Section[Server]" = section("iothreads", "IOThreads", default=False)


@iothreads.family
def lane_lines(s: "Server") -> Iterator[tuple[str, str]]:
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


debug: "Section[Server]" = section("debug", "Debug", default=False, in_all=False)
debug.field("eventloop_duration_aof_sum", lambda s: s.aof.spent_us)
debug.field("eventloop_duration_cron_sum", lambda s: s.cron.spent_us)
debug.field("eventloop_duration_max", lambda s: s.loop.longest_us)
debug.field("fast_path_commands", lambda s: s.loop.fast_commands)
debug.field("eventloop_cmd_per_cycle_max", lambda s: s.loop.commands_per_cycle_max)
