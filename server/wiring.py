"""The parts of a server put in touch: who calls whom, who follows which directive, what the cron runs, how it ends.

A lower room knows no higher one; what it has to tell, it tells a hook. All hooks are filled here, in one table each, so
that this page shows who hears of what. Where the order matters, a comment says why.
"""

import importlib
import importlib.machinery
import os
from functools import partial

from scripting import declared, limits, redis_api
from server import about, loader
from server.acl import configured
from server.clients import client as client_state, multi, pause, tls
from server.cluster.slots import COUNT, each
from server.commands import server_command, server_config, server_config_fast, server_fast, server_memory_fast
from server.config.config import Config, OnChange
from server.dispatch import (
    big_keys,
    collector,
    conditions,
    door,
    evicting,
    gates,
    hot_keys,
    io_sharing,
    monitors,
    node as cluster_node,
    option_words,
    record,
    refusals,
    replicating,
    saving,
    shapes,
    slot_gate,
    tracked,
    waking,
)
from server.dispatch.appending import TICK_MS as APPENDING_MS
from server.dispatch.arriving_slots import run_import
from server.dispatch.received import run_received
from server.keyspace import expire
from server.keyspace.database import when_expire_takes_long
from server.observe import memory_account
from server.observe.internal_errors import internal_errors
from server.observe.log import LEVELS
from server.persistence import object_writer
from server.registry import debug, info
from server.registry.command import COMMANDS, rename_all
from server.registry.light import TYPE_CHECKING
from server.structures import hyperloglog, memory
from server.types import hash as hash_, list as list_, set as set_, sorted_set, stream

if TYPE_CHECKING:
    from server.dispatch.clustering import Clustering
    from server.server import Server

MODULES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)         # names of files; pkgutil would bring `inspect`
RATES_MS = 100
INFO_AHEAD_MS = 1000               # after the start: many ask at once when they connect
MIGRATE_MS = 1000
EVICTION = ("maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity", "lazyfree-lazy-eviction")
METRICS = ("metrics-port", "metrics-bind", "metrics-tls-cert-file", "metrics-tls-key-file", "metrics-tls-ca-cert-file")


def wire(server: "Server") -> None:
    """Put the parts in touch: the server is ready to listen."""
    load_commands(server.config)           # gates, records and fast paths are asked for by everything below
    about.tell(server, server.parts)
    fill_hooks(server)
    follow_configuration(server)           # ... calls the hooks with what is configured
    configured.load(server.users, server.config)
    reset_with_statistics(server)
    schedule(server)
    steps_of_shutdown(server)


def load_commands(config: Config) -> None:
    """Import every command file and every room that declares commands; apply rename-command; make the records."""
    import server.commands as commands

    files = (file for file in os.listdir(commands.__path__[0]) if file.endswith(MODULES))
    names = {file.partition(".")[0] for file in files} | loader.native_names(commands.__name__)
    for name in sorted(names - {"__init__"}):
        importlib.import_module(f"server.commands.{name}")
    for name in ("eval", "script", "function"):
        importlib.import_module(f"scripting.commands_{name}")
    rename_all(config.renamed_commands)
    gates.assign_gates()
    record.build_records()


def fill_hooks(server: "Server") -> None:
    """part.hook <- who answers it."""
    s, slow_because = server, conditions.slow_because
    internal_errors.log_to(s.log)

    # fast paths: the same places that definitions report to, and who keeps fast paths from running
    shapes.use(s.propagation, s.key_events, s.stats.error_counts)
    tracked.use(s.tracking, s.propagation)
    monitors.use(s.monitors, s.config)
    refusals.use(s.acl_log, s.authentication.denials)
    evicting.use(s.evictor, s.propagation, s.effects, s.tracking, s.config_changes.note_client_memory)
    server_fast.use(s.parts, s.make_room, s.tracking, lambda: not (s.child.kind or s.config.save))
    server_config_fast.use(s.config, server_config.answers)
    server_memory_fast.use(s.memory, s.clients, s.scripting.scripts)
    shapes.attach(COMMANDS)
    option_words.compile_words(COMMANDS)
    s.scripting.attach_fast_path()         # EVALSHA's; over the one of its shape
    multi.when_watched = partial(slow_because, "watched")
    waking.use(s.blocking)
    s.blocking.when_unwatched_by_fast_paths = partial(slow_because, "blocked-clients")
    s.pause.when_paused = door.pause
    s.progress.switch = partial(slow_because, "loading")
    s.progress.between_commands = s.defrag.while_loading
    s.faults.when_planned = partial(slow_because, "faults")

    # a key changed
    s.effects.tell = s.key_events.notify
    s.key_events.on_audience = s.config_changes.hear_events
    s.tracking.may_learn = lambda client, key: client.user is None or client.user.may_read(key)
    s.tracking.on_hearing = s.config_changes.hear_changes
    s.effects.watched_changed = multi.changed
    s.effects.ready = s.blocking.note
    s.pubsub.on_key_listeners = s.key_events.listeners_changed
    s.keyspace.on_expired = expire.on_expired(s.effects, s.propagation, s.config)
    s.evictor.took = s.latency.add
    when_expire_takes_long(s.latency.add)

    # a command ended, a client came, speaks or goes
    s.executor.ready_keys = s.blocking.ready
    s.executor.note_ready_key = s.blocking.note
    s.executor.serve_ready_keys = s.blocking.serve
    s.loop.on_accept = s.accepted
    s.loop.on_closed = s.closed
    s.loop.on_secured = s.tls.secured
    s.loop.on_transport_failed = s.tls.transport_failed
    s.tls.on_context = lambda context: setattr(s.loop, "tls", context)
    s.loop.on_output = s.limits.check_output
    pause.only_read.append(partial(declared.only_reads, s.scripting))
    slot_gate.also_write.append(partial(declared.writes, s.scripting))

    # files. Both kinds answer one question, whether writes are refused: `check_health` looks at both
    s.snapshots.on_health = s.appending.check_health
    s.snapshots.libraries = lambda: [library.code for library in s.scripting.functions.libraries.values()]
    s.snapshots.load_library = lambda source, replace: saving.load_library(s.scripting.functions, source,
                                                                           replace)

    # replication
    node, master, full_sync = s.replication, s.replication.master, s.replication.full_sync
    node.tls = s.tls.for_replication
    s.migrate_targets.tls = s.tls.for_cluster
    node.on_role = s.replicating.role_changed
    node.on_link = s.replicating.link_changed
    node.make_master_client = s.replicating.make_master_client
    node.run_received = partial(run_received, s.loop)
    node.data = s.replacing
    node.refuses_snapshot = s.replicating.refuses_snapshot
    node.pause_writes = s.replicating.pause_writes
    node.synced_offset = s.replicating.synced_offset
    node.waiting.blocking = s.blocking
    master.is_replica = node.is_replica
    master.start_full_sync = full_sync.begin
    master.gone_while_syncing = full_sync.gone
    master.is_streaming_to = full_sync.is_streaming_to
    master.sent_all_to = full_sync.sent_all_to
    s.snapshots.ended.append(full_sync.snapshot_ended)
    master.good_changed = s.replicating.good_changed
    master.check_output = s.limits.check_output
    s.loop.on_applied = node.applied
    s.loop.on_master_error = s.replicating.master_error
    client_state.when_replica_replies(s.replicating.replica_replied)
    s.snapshots.more_fields = node.fields
    s.snapshots.keeps_expired = lambda: node.starts_as_replica()
    s.shutdown.lagging = node.lagging
    s.memory.replication = master.memory
    s.aof.on_synced = node.waiting.tick

    # a cluster
    if (cluster := s.cluster) is not None:
        cluster.bus.tls = s.tls.for_cluster
        cluster.bus.tls_accepting = s.tls.for_nodes
        s.memory.cluster_links = lambda: cluster.memory
        s.limits.cluster_links = cluster.bus
        node.starts_as_replica = lambda: cluster.starts_as_replica
        s.loop.run_import = partial(run_import, cluster.migrating.import_error, cluster.migrating.brought)
        s.snapshots.more_commands = cluster.migrating.commands
        s.snapshots.hidden_loaded = cluster.migrating.loaded
        s.snapshots.more_fields = lambda: node.fields() + cluster.migrating.fields()
        serve_slots(s, cluster)

    # scripts
    redis_api.log_to(s.log)
    limits.when_slow(s.scripting.slow)


def serve_slots(s: "Server", cluster: "Clustering") -> None:
    """What a node does with its slots: redirects, keys by slot, and what follows when slots go."""
    from server.cluster import departures
    from server.cluster.dropping import Dropping
    from server.cluster.redirects import Redirects
    from server.dispatch import request_slots
    from server.keyspace import by_slot

    db = s.keyspace.databases[0]
    dropping = Dropping(db, s.effects, s.propagation, s.loop.attend, lazy=lambda: s.config.lazyfree_lazy_server_del,
                        paused=lambda: s.pause.stands_still, changed=lambda: redirects.refresh())
    s.redirects = redirects = Redirects(lambda: cluster.view, s.config,
                                        lambda key: db.has_entry(key) and not db.is_expired(key),
                                        lambda: dropping.pending, lambda: cluster.migrating.held)
    s.pause.is_held = lambda call: slot_gate.is_held(call, cluster.migrating.held)
    cluster.migrating.when_held = redirects.refresh
    cluster.dropping = dropping
    tell_blocked = partial(departures.tell_blocked, s.clients, redirects, s.tls.carries)
    request_slots.begin(s.loop)

    def changed() -> None:
        redirects.refresh()
        cluster.migrating.looked()

    cluster.when_changed = changed
    cluster.count_keys = partial(by_slot.count_in_slot, db)
    cluster.keys_of = partial(by_slot.keys_in_slot, db)

    def moved(slots: int) -> None:
        tell_blocked()
        departures.tell_subscribers(s.pubsub, slots)
        s.loop.sampling.forget_slots(each(slots))

    cluster.when_moved = moved
    cluster.when_serving = lambda ok: None if ok else tell_blocked()


def follow_configuration(server: "Server") -> None:
    """What changes when CONFIG SET changes a directive."""
    s = server
    s.limits.fit_to_files()                # may lower maxclients
    at_once: dict[tuple[str, ...], OnChange] = {       # and the same once at start
        ("loglevel",): lambda c: setattr(s.log, "level", LEVELS.index(c.loglevel)),
        ("client-output-buffer-limit",): s.limits.follow_output_limits,
        ("maxmemory-clients",): s.limits.follow_memory_limit,
        ("maxmemory",): s.config_changes.memory_limit,
        ("slowlog-log-slower-than", "latency-monitor-threshold"): s.config_changes.slow_limits,
        ("slowlog-max-len",): s.config_changes.slowlog_length,
        ("latency-tracking",): lambda c: conditions.set_latency_tracking(c.latency_tracking),
        ("notify-keyspace-events",): s.config_changes.notifications,
        EVICTION: s.evictor.follow,
        ("maxmemory-policy", "lfu-log-factor", "lfu-decay-time", "lazyfree-lazy-expire", "lazyfree-lazy-server-del"):
            s.config_changes.keyspace_rules,
        ("list-max-listpack-size", "list-compress-depth"): list_.set_limits,
        ("zset-max-listpack-entries", "zset-max-listpack-value"): sorted_set.set_limits,
        ("hash-max-listpack-entries", "hash-max-listpack-value"): hash_.set_limits,
        ("set-max-intset-entries", "set-max-listpack-entries", "set-max-listpack-value"): set_.set_limits,
        ("stream-node-max-bytes", "stream-node-max-entries"): stream.set_limits,
        ("hll-sparse-max-bytes",): hyperloglog.set_limits,
        ("rdb-version", "rdbcompression"): object_writer.set_form,
        ("proto-max-bulk-len", "client-query-buffer-limit", "tcp-keepalive"): s.config_changes.lane_limits,
        ("hot-keys-sample",): s.hot_keys_upkeep.follow,
        ("cluster-slot-stats-enabled",):
            lambda c: s.loop.sampling.count_slots(c.cluster_enabled and c.cluster_slot_stats_enabled),
        ("io-threads-always-active",): s.io_sharing.follow,
        ("tracking-table-max-keys",): s.config_changes.tracked_keys,
        ("busy-reply-threshold",): lambda c: limits.set_time_limit(c.busy_reply_threshold),
        ("watchdog-period",): s.watchdog.follow,
    }
    later: dict[tuple[str, ...], OnChange] = {
        tls.DIRECTIVES: s.tls.follow,
        ("port", "tls-port", "bind"): s.rebind,
        ("port", "tls-port", "bind", "tls-cluster"): s.move_bus,
        METRICS: s.serve_metrics,
        ("io-threads",): lambda c: s.loop.resize(c.io_threads),
        ("maxclients",): s.limits.follow_max_clients,
        ("replica-read-only", "replica-serve-stale-data"): s.replicating.directive_changed,
        ("min-replicas-to-write", "min-replicas-max-lag"): lambda c: s.replication.master.count_good(),
        ("repl-backlog-size",): lambda c: s.replication.master.resize_backlog(),
        ("requirepass",): s.authentication.password_changed,
        ("save", "stop-writes-on-bgsave-error"): s.snapshots.check_health,
        ("appendonly",): s.appending.switch,
        ("appendfsync",): s.appending.policy_changed,
        ("aof-disable-auto-gc",): lambda c: s.aof.delete_history(),
        ("big-keys-walk",): s.walking.follow,
        ("rdbcompression", "rdb-version"): lambda c: s.scripting.functions.kept.clear(),
    }
    if s.cluster is not None:
        later[cluster_node.DIRECTIVES] = s.cluster.follow_configuration
    for names, apply in (at_once | later).items():
        for name in names:
            s.config.on_change(name, apply)
    for apply in at_once.values():
        apply(s.config)


def reset_with_statistics(server: "Server") -> None:
    """What CONFIG RESETSTAT sets back to zero."""
    for reset in (server.limits.reset_stats, server.clients.reset_stats, server.appending.reset_statistics,
                  server.snapshots.reset_statistics, server.tls.reset_statistics,
                  server.authentication.denials.reset_statistics, server.replication.reset_statistics,
                  server.reset_statistics,
                  lambda: server.loop.sampling.forget_slots(range(COUNT))):
        server.config.on_reset_statistics(reset)


def schedule(server: "Server") -> None:
    """The jobs of the cron: (milliseconds, job), 0 is every tick. They run in this order."""
    s = server
    for interval_ms, job in (
        (0, s.watchdog.tick),
        (0, s.pause.update),
        (0, lambda: s.limits.tick(s.cron.hz)),
        (0, s.snapshots.tick),             # first the end of a child, then what may fork the next one
        (APPENDING_MS, s.appending.tick),
        (0, s.aof_rewrite.tick),
        (hot_keys.FADE_MS, s.hot_keys_upkeep.tick),
        (io_sharing.LOOK_MS, lambda: s.io_sharing.tick(s.config)),
        (big_keys.EVERY_MS, s.walking.tick),
        (memory_account.SAMPLE_MS, s.memory.sample),
        (memory_account.SAMPLE_MS, memory.give_back),
        (0, s.expiry.slow),
        (0, s.tracking.tick),
        (0, s.shutdown.tick),
        (0, s.rehash),
        (RATES_MS, s.sample_rates),
        (RATES_MS, s.config_changes.note_client_memory),
        (tls.TICK_MS, s.tls.tick),
        (tls.TICK_MS, s.look_at_metrics_files),
        (MIGRATE_MS, s.migrate_targets.drop_idle),
        (replicating.TICK_MS, s.replication.tick),
        (replicating.DISK_MS, s.replication.waiting.tick),
        (replicating.DISK_MS, s.replicating.own_expires.tick),
        *([(cluster_node.TICK_MS, s.cluster.tick)] if s.cluster is not None else []),
        (collector.INTERVAL_MS, s.collector.tick),
        (0, s.defragment),                 # last: it may go on for many turns, and the jobs behind it would wait
    ):
        s.cron.every(interval_ms, job)
    s.cron.once(info.make_ahead, after_ms=INFO_AHEAD_MS)
    s.cron.once(server_command.encode_ahead, after_ms=server_command.AHEAD_MS)


def steps_of_shutdown(server: "Server") -> None:
    """The final steps, in order: who lags is told, whether it may be at all, then the append only file, and last the
    snapshot, for that alone takes long; what fails before it can still call the shutdown off."""
    server.shutdown.final_steps += [
        lambda words: server.replication.log_lagging(),
        server.appending.may_stop,
        server.appending.finish,
        lambda words: saving.last_snapshot(server, words),
    ]


# ---- what declares, and nothing else
info.declared_later.add(
    "scripting.info", "server.clients.info", "server.cluster.info", "server.config.info", "server.dispatch.info",
    "server.dispatch.info_commands", "server.dispatch.info_load", "server.dispatch.info_loop", "server.keyspace.info",
    "server.observe.info", "server.persistence.info", "server.replication.info",
)  # fmt: skip
debug.declared_later.add(
    "scripting.debug", "server.clients.debug", "server.cluster.debug", "server.config.debug", "server.dispatch.debug",
    "server.dispatch.debug_clock", "server.dispatch.debug_failures", "server.dispatch.debug_faults",
    "server.dispatch.debug_propagation", "server.keyspace.debug", "server.persistence.debug",
    "server.replication.debug",
)  # fmt: skip
