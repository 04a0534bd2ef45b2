"""INFO persistence: what is on disk, what is being written, and what is being loaded."""

from server.persistence.seams import Host
from server.registry.info_sections import DEBUG, PERSISTENCE

persistence = PERSISTENCE.of(Host)


def _has_child(s: Host) -> object:
    return s.child.kind


def _writes_aof(s: Host) -> bool:
    return s.aof.state != "off"


persistence.field("loading", lambda s: s.loading, metric="loading_dump_file")
persistence.field("async_loading", lambda s: s.progress.aside, metric="async_loading")
persistence.field("current_cow_peak", lambda s: s.child.cow_peak)
persistence.field("current_cow_size", lambda s: s.child.cow_size)
persistence.field("current_cow_size_age", lambda s: s.child.cow_age(), busy=_has_child)
persistence.field("current_fork_perc", lambda s: s.child.percent(), digits=2, busy=_has_child)
persistence.field("current_save_keys_processed", lambda s: s.child.keys_processed)
persistence.field("current_save_keys_total", lambda s: s.child.keys_total)
persistence.field("rdb_changes_since_last_save", lambda s: s.dirty, metric="rdb_changes_since_last_save")
persistence.field("rdb_bgsave_in_progress", lambda s: s.child.kind == "rdb", metric="rdb_bgsave_in_progress")
persistence.field("rdb_last_save_time", lambda s: s.snapshots.last_save, metric="rdb_last_save_timestamp_seconds")
persistence.field(
    "rdb_last_bgsave_status", lambda s: "ok" if s.snapshots.last_ok else "err", metric="rdb_last_bgsave_status"
)
persistence.field("rdb_last_bgsave_time_sec", lambda s: s.snapshots.last_seconds, metric="rdb_last_bgsave_duration_sec")
persistence.field(
    "rdb_current_bgsave_time_sec", lambda s: s.child.seconds("rdb"), metric="rdb_current_bgsave_duration_sec",
    busy=_has_child, idle=-1
)
persistence.field("rdb_saves", lambda s: s.snapshots.count, metric="rdb_saves_total")
persistence.field("rdb_last_cow_size", lambda s: s.snapshots.last_cow_size, metric="rdb_last_cow_size_bytes")
persistence.field(
    "rdb_last_load_keys_expired", lambda s: s.progress.keys_expired, metric="rdb_last_load_expired_keys"
)
persistence.field("rdb_last_load_keys_loaded", lambda s: s.progress.keys_loaded, metric="rdb_last_load_loaded_keys")
persistence.field("aof_enabled", _writes_aof, metric="aof_enabled")
persistence.field(
    "aof_rewrite_in_progress", lambda s: s.child.kind == "aof", metric="aof_rewrite_in_progress"
)
persistence.field("aof_rewrite_scheduled", lambda s: s.aof_rewrite.scheduled, metric="aof_rewrite_scheduled")
persistence.field(
    "aof_last_rewrite_time_sec", lambda s: s.aof_rewrite.last_seconds, metric="aof_last_rewrite_duration_sec"
)
persistence.field(
    "aof_current_rewrite_time_sec", lambda s: s.child.seconds("aof"), metric="aof_current_rewrite_duration_sec",
    busy=_has_child, idle=-1
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


def _aof_on(s: Host) -> bool:
    return bool(s.config.appendonly)


persistence.field("aof_current_size", lambda s: s.aof.current_size, metric="aof_current_size_bytes", shown=_aof_on)
persistence.field("aof_base_size", lambda s: s.aof.base_size, metric="aof_base_size_bytes", shown=_aof_on)
persistence.field(
    "aof_pending_rewrite", lambda s: s.aof_rewrite.scheduled, metric="aof_pending_rewrite", shown=_aof_on
)
persistence.field(
    "aof_buffer_length", lambda s: s.aof.sink.pending, metric="aof_buffer_length", shown=_aof_on
)
persistence.field(
    "aof_pending_bio_fsync", lambda s: s.aof.background.pending, metric="aof_pending_bio_fsync", shown=_aof_on
)
persistence.field("aof_delayed_fsync", lambda s: s.aof.delayed_syncs, metric="aof_delayed_fsync", shown=_aof_on)


def _loading(s: Host) -> bool:
    return s.progress.under_way


persistence.field("loading_start_time", lambda s: int(s.progress.started), metric="loading_start_time", shown=_loading)
persistence.field("loading_total_bytes", lambda s: s.progress.total, metric="loading_total_bytes", shown=_loading)
persistence.field("loading_rdb_used_mem", lambda s: s.progress.used_memory, shown=_loading)
persistence.field("loading_loaded_bytes", lambda s: s.progress.loaded, metric="loading_loaded_bytes", shown=_loading)
persistence.field("loading_loaded_perc", lambda s: s.progress.percent(), shown=_loading, digits=2)
persistence.field("loading_eta_seconds", lambda s: s.progress.remaining_seconds(), shown=_loading)

DEBUG.of(Host).field("eventloop_duration_aof_sum", lambda s: s.aof.spent_us)
