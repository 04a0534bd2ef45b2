"""Directives that concern several parts at once, and what changes with them. `server.wiring` says which they are."""

from server.config.config import Config
from server.dispatch import conditions
from server.registry.light import TYPE_CHECKING
from server.structures import table

if TYPE_CHECKING:
    from server.server import Server


class ConfigChanges:
    """What changes in one server with its directives."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def memory_limit(self, config: Config) -> None:
        """maxmemory: what fast paths test each write against; a limit below what is used evicts at once."""
        self.note_client_memory()
        if config.maxmemory and self._server.listeners and self._server.memory.used > config.maxmemory:
            self._server.log.warning(
                "WARNING: the new maxmemory value set via CONFIG SET (%d) is smaller than the current memory usage "
                "(%d). This will result in key eviction and/or the inability to accept new write commands depending "
                "on the maxmemory-policy.",
                config.maxmemory,
                self._server.memory.used,
            )
            self._server.loop.attend(self._evict)

    def _evict(self) -> bool:
        """Evict although nobody writes, until there is room or nothing to evict."""
        done = self._server.make_room()
        self._server.loop.attend(self._evict, done and self._server.evictor.over() > 0)
        return bool(done and self._server.evictor.over() > 0)

    def note_client_memory(self) -> None:
        """Client buffers and scripts count against maxmemory; fast paths compare with the keyspace alone."""
        limit = self._server.config.maxmemory
        for_keys = max(1, limit - self._server.memory.besides_keys) if limit else 0
        conditions.set_max_memory(for_keys)
        table.resize_limit(for_keys)
        self._server.evictor.look()

    def slow_limits(self, config: Config) -> None:
        """slowlog-log-slower-than, latency-monitor-threshold: from where on a command is looked at by `note_slow`."""
        self._server.latency.threshold_ms = config.latency_monitor_threshold
        limits = [config.slowlog_log_slower_than] if config.slowlog_log_slower_than >= 0 else []
        limits += [config.latency_monitor_threshold * 1000] if config.latency_monitor_threshold else []
        conditions.set_slow_log(min(limits, default=-1))

    def slowlog_length(self, config: Config) -> None:
        """slowlog-max-len."""
        self._server.slowlog.max_len = config.slowlog_max_len
        self._server.slowlog.trim()

    def notifications(self, config: Config) -> None:
        """notify-keyspace-events."""
        self._server.key_events.set_flags("".join(sorted(config.notify_keyspace_events)))

    def hear_events(self, classes: str) -> None:
        """Of which classes of keyspace events somebody may hear: fast paths and the keyspace make only those."""
        conditions.hear_events(classes)
        self._server.effects.classes = classes
        keyspace, notify = self._server.keyspace, self._server.effects.notify
        keyspace.on_miss = (lambda db, key: notify(db, "keymiss", key)) if "m" in classes else None
        keyspace.on_new = (lambda db, key: notify(db, "new", key)) if "n" in classes else None

    def hear_changes(self, yes: bool) -> None:
        """Whether somebody has read what may be changed (clients.tracking): fast paths and `effects` ask."""
        conditions.hear_changes(yes)
        self._server.effects.tracked = self._server.tracking.changed if yes else None

    def tracked_keys(self, config: Config) -> None:
        """tracking-table-max-keys: what is beyond begins to go at once."""
        self._server.tracking.max_keys = config.tracking_table_max_keys
        self._server.tracking.limit()

    def keyspace_rules(self, config: Config) -> None:
        """LRU or LFU, and what is freed in the background."""
        self._server.keyspace.lfu = "lfu" in config.maxmemory_policy
        conditions.set_evicting(config.maxmemory_policy != "noeviction")
        self._server.keyspace.lfu_log_factor = config.lfu_log_factor
        self._server.keyspace.lfu_decay_time = config.lfu_decay_time
        self._server.keyspace.lazy_expire = config.lazyfree_lazy_expire
        self._server.keyspace.lazy_server_del = config.lazyfree_lazy_server_del

    def lane_limits(self, config: Config) -> None:
        """What the lanes check by themselves."""
        self._server.loop.io.set_limits(
            max_bulk=config.proto_max_bulk_len,
            query_buffer=config.client_query_buffer_limit,
            keepalive=config.tcp_keepalive,
        )
