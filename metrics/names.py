"""Which metric mirrors which INFO field, where the field's own declaration does not say so.

Most of it stands with the fields (`metric=` in the `info` modules of the rooms). Here are: fields that become labels,
fields that carry the labels of a replica's master, and fields that redis_exporter does not export and that we show as
remus_*.
"""

# Labels of redis_instance_info, and the INFO fields that they show.
INSTANCE = (
    "role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id",
    "process_id", "master_replid",
)  # fmt: skip

# On a replica, with the labels master_host and master_port: field -> metric.
MASTER_LINK = {
    "master_link_status": "master_link_up",
    "master_last_io_seconds_ago": "master_last_io_seconds_ago",
    "master_sync_in_progress": "master_sync_in_progress",
    "slave_repl_offset": "slave_repl_offset",
}

# The script that other clients hear BUSY about: how long it has been running, and who it is. One series: no label
# while none runs, with the label name while one does.
SCRIPT_SECONDS, SCRIPT_NAME = "script_running_seconds", "script_running_name"

# Fields for which redis_exporter has no name: field -> name after "remus_".
OURS = {
    "instantaneous_ops_per_sec": "instantaneous_ops_per_sec",
    "instantaneous_input_kbps": "instantaneous_input_kbps",
    "instantaneous_output_kbps": "instantaneous_output_kbps",
    "instantaneous_input_repl_kbps": "instantaneous_input_repl_kbps",
    "instantaneous_output_repl_kbps": "instantaneous_output_repl_kbps",
    "used_memory_peak_perc": "memory_used_peak_percent",
    "used_memory_dataset_perc": "memory_used_dataset_percent",
    "rss_overhead_ratio": "rss_overhead_ratio",
    "rss_overhead_bytes": "rss_overhead_bytes",
    "current_cow_peak": "current_cow_peak_bytes",
    "current_cow_size": "current_cow_size_bytes",
    "current_fork_perc": "current_fork_percent",
    "current_save_keys_processed": "current_save_keys_processed",
    "current_save_keys_total": "current_save_keys",
    "aof_rewrites": "aof_rewrites_total",
    "aof_rewrites_consecutive_failures": "aof_rewrites_consecutive_failures",
    "total_forks": "forks_total",
    "big_keys_walks": "big_keys_walks_total",
    "big_keys_walked_keys": "big_keys_walked_keys",
    "big_keys_walk_usec": "big_keys_walk_usec_total",
    "total_active_defrag_time": "active_defrag_time_ms_total",
    "current_active_defrag_time": "current_active_defrag_time_ms",
    "loading_total_bytes": "loading_total_bytes",
    "loading_loaded_bytes": "loading_loaded_bytes",
    "loading_loaded_perc": "loading_loaded_percent",
    "loading_eta_seconds": "loading_eta_seconds",
    "master_sync_total_bytes": "master_sync_bytes",
    "master_sync_read_bytes": "master_sync_read_bytes",
    "master_sync_left_bytes": "master_sync_left_bytes",
    "master_sync_last_io_seconds_ago": "master_sync_last_io_seconds_ago",
    "master_link_down_since_seconds": "master_link_down_since_seconds",
    "master_empty_refused": "master_empty_refused",
    "replicas_repl_buffer_size": "stream_ahead_bytes",
    "replicas_repl_buffer_peak": "stream_ahead_peak_bytes",
    "replicas_waiting_psync": "replicas_waiting_psync",
    "min_slaves_good_slaves": "min_slaves_good_slaves",
    "slave_read_repl_offset": "slave_read_repl_offset",
    "lru_clock": "lru_clock",
    "shutdown_in_milliseconds": "shutdown_in_milliseconds",
    "eventloop_duration_cron_sum": "eventloop_duration_cron_sum_usec_total",
    "eventloop_duration_aof_sum": "eventloop_duration_aof_sum_usec_total",
    "eventloop_duration_max": "eventloop_duration_max_usec",
    "eventloop_cmd_per_cycle_max": "eventloop_cmd_per_cycle_max",
    "internal_errors": "internal_errors_total",
    "gc_collections": "gc_collections_total",
    "gc_cycles_found": "gc_cycles_found_total",
    "gc_longest_usec": "gc_longest_usec",
    "acl_users": "acl_users",
    "tls_handshakes": "tls_handshakes_total",
    "tls_handshake_failures": "tls_handshake_failures_total",
    "tls_handshakes_under_way": "tls_handshakes_under_way",
    "tls_certificate_days_left": "tls_certificate_days_left",
    "tls_certificate_expires": "tls_certificate_expires_timestamp_seconds",
    "tls_reloads": "tls_reloads_total",
    "tls_reload_failures": "tls_reload_failures_total",
}

# A second name for a field whose metric dashboards know by another one: metric -> further names, without prefix.
ALIASES = {
    "mem_fragmentation_ratio": ("memory_fragmentation_ratio",),  # what redis-mixin's overview asks for
}

# Directives that redis_exporter shows as redis_config_*, and one that an alert compares with.
CONFIG = ("maxclients", "maxmemory", "io-threads", "repl-backlog-size", "min-replicas-to-write")

# Counters of an I/O thread (server.loop.lane_stats): counter -> (metric after "remus_io_thread_", factor, help).
LANES = {
    "busy_ns": ("busy_seconds_total", 1e-9, "Time not spent waiting for sockets or for the main thread."),
    "idle_ns": ("idle_seconds_total", 1e-9, "Time spent waiting."),
    "reads": ("reads_total", 1, "Reads from sockets."),
    "writes": ("writes_total", 1, "Writes to sockets."),
    "bytes_in": ("input_bytes_total", 1, "Bytes read."),
    "bytes_out": ("output_bytes_total", 1, "Bytes written."),
    "batches": ("batches_total", 1, "Batches of parsed commands handed to the main thread."),
    "commands": ("commands_total", 1, "Commands parsed."),
    "queue_depth": ("queue_depth", 1, "Messages (thread 0: ready sockets) that the main thread last found."),
    "queue_most": ("queue_depth_max", 1, "The most that it found since the start or CONFIG RESETSTAT."),
    "queue_looks": ("queue_looks_total", 1, "How often it found some."),
    "queue_found": ("queue_messages_total", 1, "How many it found in all."),
}

TRUE, FALSE = {"ok", "true", "up", "yes"}, {"err", "fail", "false", "down", "no"}


def number(value: object) -> float | None:
    """An INFO value as a metric's: text that means good or bad is 1 or 0, percent signs go; None for other text."""
    if isinstance(value, int | float):
        return value
    text = str(value)
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        return None
