"""class Server: the rooms put together, started and stopped.

What commands reach as `call.server`: config, log, keyspace, effects, propagation, executor, loop, clients, pubsub,
stats, slowlog, latency, cron, monitors. Upward needs are wired here: hooks of lower rooms get functions of higher ones.
"""

import gc
import importlib
import os
import pkgutil
import platform
import secrets
import sys
import time
from typing import Any

from iothreads import listen
from iothreads.handoff import IOThreads
from scripting import run as scripting
from server.clients import authentication, blocking, client as client_state, limits, multi, pubsub
from server.clients.client import Client
from server.clients.table import ClientTable
from server.commands import server_command
from server.dispatch import (
    appending,
    big_keys,
    collector,
    conditions,
    debug_failures,
    gates,
    hot_keys,
    io_sharing,
    record,
    saving,
    shapes,
    shutdown,
    signals,
)
from server.dispatch.connector import Connector
from server.dispatch.cron import Cron
from server.dispatch.executor import Executor
from server.dispatch.loop import Loop
from server.dispatch.propagate import Propagation
from server.keyspace import expire
from server.keyspace.database import Keyspace, when_expire_takes_long
from server.keyspace.effects import Effects
from server.keyspace.evict import Evictor
from server.observe import info_data, info_keys, info_load, info_server
from server.observe.internal_errors import internal_errors
from server.observe.latency import LatencyMonitor
from server.observe.log import LEVELS, Log
from server.observe.memory_account import MemoryAccount
from server.observe.slowlog import SlowLog
from server.observe.stats import Stats
from server.process import Process, program_name
from server.registry import clock
from server.registry.command import COMMANDS, SKIP_SLOWLOG, rename
from server.structures import table
from server.structures.block_stream import Stream
from server.types import hash as hash_, list as list_, set as set_, sorted_set, stream
from server.version import REDIS_VERSION, VERSION

REHASH_SLICE_US = 1000
METRICS = ("metrics-port", "metrics-bind", "metrics-tls-cert-file", "metrics-tls-key-file", "metrics-tls-ca-cert-file")


class Server:
    """One server. `run()` serves until it is told to stop and returns the exit status."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.log = Log(config.logfile, LEVELS.index(config.loglevel))
        internal_errors.log_to(self.log)
        self.process = Process(config, self.log)
        self.run_id = secrets.token_hex(20)
        self.replid = secrets.token_hex(20)
        self.start_time = time.time()
        self.start_us = clock.monotonic_now_us()
        self.stats = Stats()
        self.slowlog = SlowLog(config.slowlog_max_len)
        self.latency = LatencyMonitor()
        self.effects = Effects()
        self.propagation = Propagation(Stream())
        self.keyspace = Keyspace(config.databases)
        self.clients = ClientTable()
        self.pubsub = pubsub.PubSub()
        self.executor = Executor(self, self.propagation)
        self.loop = Loop(IOThreads(config.io_threads), self, self.executor)
        self.connector = Connector(self.loop)
        self.cron = Cron(config, lambda: len(self.clients), lambda: clock.monotonic_now_us() // 1000)
        self.memory = MemoryAccount(self)
        self.monitors: list[Client] = []
        self.paused: Any = None
        self.loading = False
        self.good_replicas = 0             # replicas that min-replicas-max-lag counts as good
        self.shutdown_signal: int | None = None
        self.exit_status = 0
        self.listeners: list[Any] = []
        self.shutdown: Any = None          # dispatch.shutdown's state machine: its wire() puts it here
        self.metrics: Any = None
        self.next_client_id = 1
        self.wire()

    # ---- putting together
    def wire(self) -> None:
        """Fill the hooks, load the commands, register jobs and what follows configuration changes."""
        self.load_commands()
        self.effects.publish = self.pubsub.publish
        self.effects.on_audience = self.hear_events
        self.pubsub.on_key_listeners = self.effects.set_heard
        self.keyspace.on_expired = expire.on_expired(self.effects, self.propagation, self.config)
        self.loop.on_accept = self.accepted
        self.loop.on_closed = self.closed
        shapes.use(self.propagation, self.effects)
        multi.wire(self)
        blocking.wire(self)
        limits.wire(self)
        self.follow_config()
        authentication.wire(self)
        shutdown.wire(self)
        saving.wire(self)
        appending.wire(self)
        hot_keys.wire(self)
        io_sharing.wire(self)
        big_keys.wire(self)
        scripting.wire(self)
        server_command.wire(self)
        self.expiry = expire.ActiveExpire(self)
        self.evictor = Evictor(self.keyspace, self.config, self.key_evicted, lambda: self.memory.besides_keys)
        self.evictor.took = self.latency.add
        when_expire_takes_long(self.latency.add)
        self.config.on_reset_statistics(self.reset_statistics)
        self.cron.every(0, self.shutdown.tick)
        self.cron.every(0, self.rehash)
        self.cron.every(100, self.sample_rates)
        self.cron.every(100, self.note_client_memory)
        self.collector = collector.Collector(self.log, lambda: self.commands_processed)
        self.cron.every(collector.INTERVAL_MS, self.collector.tick)

    def load_commands(self) -> None:
        """Import every command file and every room that declares commands; apply rename-command; make the records."""
        import server.commands as commands

        for module in pkgutil.iter_modules(commands.__path__):
            importlib.import_module(f"server.commands.{module.name}")
        for name in ("eval", "script", "function"):
            importlib.import_module(f"scripting.commands_{name}")
        for statement in self.config.renamed_commands:
            try:
                rename(statement.words[1], statement.words[2])
            except KeyError:
                raise statement.error("No such command in rename-command") from None
            except ValueError as error:
                raise statement.error(str(error)) from None
        gates.assign_gates()
        record.build_records()
        shapes.attach(COMMANDS)

    def follow_config(self) -> None:
        """What changes when CONFIG SET changes a directive, and the same once at start."""
        follow = {
            ("loglevel",): lambda c: setattr(self.log, "level", LEVELS.index(c.loglevel)),
            ("maxmemory",): self.set_max_memory,
            ("min-replicas-to-write",): lambda c: conditions.slow_because("few-replicas", c.min_replicas_to_write > 0),
            ("slowlog-log-slower-than", "latency-monitor-threshold"): self.set_slow,
            ("slowlog-max-len",): self.set_slowlog_length,
            ("latency-tracking",): lambda c: conditions.set_latency_tracking(c.latency_tracking),
            ("notify-keyspace-events",): self.set_notifications,
            ("maxmemory-policy", "lfu-log-factor", "lfu-decay-time", "lazyfree-lazy-expire"): self.set_keyspace_rules,
            ("list-max-listpack-size", "list-compress-depth"): list_.set_limits,
            ("zset-max-listpack-entries", "zset-max-listpack-value"): sorted_set.set_limits,
            ("hash-max-listpack-entries", "hash-max-listpack-value"): hash_.set_limits,
            ("set-max-intset-entries", "set-max-listpack-entries", "set-max-listpack-value"): set_.set_limits,
            ("stream-node-max-bytes", "stream-node-max-entries"): stream.set_limits,
            ("port", "bind"): self.rebind,
            METRICS: self.serve_metrics,
            ("io-threads",): lambda c: self.loop.resize(c.io_threads),
            ("proto-max-bulk-len", "client-query-buffer-limit", "tcp-keepalive"): self.set_lane_limits,
        }
        for names, apply in follow.items():
            for name in names:
                self.config.on_change(name, apply)
            if names not in (("port", "bind"), ("io-threads",), METRICS):
                apply(self.config)

    def set_max_memory(self, config: Any) -> None:
        """maxmemory: what fast paths test each write against; a limit below what is used evicts at once."""
        self.note_client_memory()
        if config.maxmemory and self.listeners and self.memory.used > config.maxmemory:
            self.log.warning(
                "WARNING: the new maxmemory value set via CONFIG SET (%d) is smaller than the current memory usage "
                "(%d). This will result in key eviction and/or the inability to accept new write commands depending "
                "on the maxmemory-policy.",
                config.maxmemory,
                self.memory.used,
            )
            self.loop.attend(self.evict_before_sleep)

    def evict_before_sleep(self) -> bool:
        """Evict although nobody writes, until there is room or nothing to evict."""
        done = self.make_room()
        self.loop.attend(self.evict_before_sleep, done and self.evictor.over() > 0)
        return bool(done and self.evictor.over() > 0)

    def note_client_memory(self) -> None:
        """Client buffers and scripts count against maxmemory; fast paths compare with the keyspace alone."""
        for_keys = max(1, self.config.maxmemory - self.memory.besides_keys) if self.config.maxmemory else 0
        conditions.set_max_memory(for_keys)
        table.resize_limit(for_keys)

    def set_slow(self, config: Any) -> None:
        """slowlog-log-slower-than, latency-monitor-threshold: from where on a command is looked at by `note_slow`."""
        self.latency.threshold_ms = config.latency_monitor_threshold
        limits = [config.slowlog_log_slower_than] if config.slowlog_log_slower_than >= 0 else []
        limits += [config.latency_monitor_threshold * 1000] if config.latency_monitor_threshold else []
        conditions.set_slow_log(min(limits, default=-1))

    def note_slow(self, client: Client, command: Any, argv: list[bytes], microseconds: int) -> None:
        """A command took as long as one of them asks about."""
        if 0 <= self.config.slowlog_log_slower_than <= microseconds and not command.has(SKIP_SLOWLOG):
            self.slowlog.add(client, argv, microseconds)
        self.latency.command(command, microseconds // 1000)

    def set_slowlog_length(self, config: Any) -> None:
        """slowlog-max-len."""
        self.slowlog.max_len = config.slowlog_max_len
        self.slowlog.trim()

    def set_notifications(self, config: Any) -> None:
        """notify-keyspace-events."""
        self.effects.set_flags("".join(sorted(config.notify_keyspace_events)))

    def hear_events(self, classes: str) -> None:
        """Of which classes of keyspace events somebody may hear: fast paths and the keyspace make only those."""
        conditions.hear_events(classes)
        self.keyspace.on_miss = (lambda db, key: self.effects.notify(db, "keymiss", key)) if "m" in classes else None
        self.keyspace.on_new = (lambda db, key: self.effects.notify(db, "new", key)) if "n" in classes else None

    def set_keyspace_rules(self, config: Any) -> None:
        """LRU or LFU, and what is freed in the background."""
        self.keyspace.lfu = "lfu" in config.maxmemory_policy
        self.keyspace.lfu_log_factor = config.lfu_log_factor
        self.keyspace.lfu_decay_time = config.lfu_decay_time
        self.keyspace.lazy_expire = config.lazyfree_lazy_expire

    def set_lane_limits(self, config: Any) -> None:
        """What the lanes check by themselves."""
        self.loop.io.set_limits(
            max_bulk=config.proto_max_bulk_len,
            query_buffer=config.client_query_buffer_limit,
            keepalive=config.tcp_keepalive,
        )

    # ---- listening
    def listen(self) -> None:
        """Open the listeners that the configuration asks for. ListenError says why not."""
        self.listeners = listen.open_listeners(self.config)
        for warning in (line for listener in self.listeners for line in listener.warnings):
            self.log.warning("%s", warning)
        self.loop.listen(self.listeners)

    def rebind(self, config: Any) -> str | None:
        """CONFIG SET port / bind: close the TCP listeners, open the new ones; when that fails, the old ones again."""
        kept = [listener for listener in self.listeners if listener.kind != "tcp"]
        old = [listener.socket.getsockname()[:2] for listener in self.listeners if listener.kind == "tcp"]
        self.loop.listen(kept)
        listen.close_listeners([listener for listener in self.listeners if listener.kind == "tcp"])
        failed = None
        try:
            opened = listen.open_tcp(list(config.bind), config.port, config.tcp_backlog) if config.port else []
        except listen.ListenError as error:
            for line in str(error).splitlines():
                self.log.warning("%s", line)
            failed = "Unable to listen on this port. Check server logs."
            if old and config.port == old[0][1]:
                failed = "Failed to bind to specified addresses."
            opened = [one for address, port in old for one in listen.open_tcp([address], port, config.tcp_backlog)]
        self.listeners = opened + kept
        self.loop.listen(self.listeners)
        return failed

    def serve_metrics(self, config: Any) -> str | None:
        """metrics-port and its kin: the endpoint begins, moves or ends. Only a server that has one loads the room."""
        if self.metrics is None:
            if not config.metrics_port:
                return None
            try:
                from metrics.endpoint import Endpoint
            except ImportError as error:
                return f"The metrics port needs prometheus-client and psutil: {error}"
            self.metrics = Endpoint(self)
        return self.metrics.follow(config)

    # ---- clients
    def accepted(self, fd: int, listener: int, error: int) -> Client | None:
        """A new socket: a Client for it, or None after refusing it."""
        if fd < 0:
            if error:
                self.log.warning("Error accepting a client connection: %s", os.strerror(error))
            return None
        client = Client(self.next_client_id, self.keyspace.databases[0], self.loop)
        client.fd = fd
        listen.name_client(client, fd, self.listeners[listener])
        if self.listeners[listener].kind == "unix":
            client.set(client_state.UNIX_SOCKET)
        refusal = limits.refusal(self, client) or authentication.refusal(self, client)
        if refusal:
            self.refuse(fd, refusal)
            return None
        self.next_client_id += 1
        authentication.greet(self, client)
        self.clients.add(client)
        return client

    def refuse(self, fd: int, error: bytes) -> None:
        """Tell a new connection why not, as far as it listens, and close it."""
        try:
            os.write(fd, error)
        except OSError:
            pass
        os.close(fd)

    def closed(self, client: Client) -> None:
        """A connection is gone: every room forgets the client."""
        multi.forget(self, client)
        blocking.forget(self, client)
        self.pubsub.forget(client)
        limits.forget(self, client)
        self.shutdown.forget(client)
        if client in self.monitors:
            self.monitors.remove(client)
            conditions.slow_because("monitors", bool(self.monitors))
        self.clients.remove(client)

    def protocol_error(self, client: Client, text: str) -> None:
        """A client does not speak the protocol: say so, and close."""
        from server.registry.errors import CommandError

        if text:
            error = CommandError(f"ERR Protocol error: {text}")
            self.stats.count_error(error)
            client.reply(error)
            self.log.verbose("Protocol error (%s) from client: %s", text, client.address)
            client.close(after_reply=True)
        else:
            self.log.warning("Closing client that reached max query buffer length: %s", client.address)
            client.close()

    def feed_monitors(self, call: Any) -> None:
        """MONITOR: show a command to those who watch."""
        from server.observe import monitor

        monitor.feed(self.monitors, call)

    # ---- turns and ticks
    def rehash(self) -> None:
        """activerehashing: a millisecond per tick for tables that are growing or shrinking."""
        if self.config.activerehashing:
            self.keyspace.rehash(REHASH_SLICE_US)

    def sample_rates(self) -> None:
        """instantaneous_* of INFO."""
        now = clock.monotonic_now_us()
        lanes = self.loop.lane_stats()
        self.stats.net_input_bytes = sum(lane["bytes_in"] for lane in lanes)
        self.stats.net_output_bytes = sum(lane["bytes_out"] for lane in lanes)
        self.stats.commands_rate.sample(now, self.commands_processed)
        self.stats.input_rate.sample(now, self.stats.net_input_bytes)
        self.stats.output_rate.sample(now, self.stats.net_output_bytes)
        self.stats.cycle_rate.sample(now, self.loop.cycles)
        self.stats.turn_us.sample(self.loop.cycles * 1000000, self.loop.duration_us)

    @property
    def commands_processed(self) -> int:
        """total_commands_processed."""
        return self.loop.fast_commands + self.executor.commands

    @property
    def dirty(self) -> int:
        """rdb_changes_since_last_save."""
        self.executor.dirty += conditions.take_dirty()
        return self.executor.dirty

    def make_room(self) -> bool:
        """Evict until below maxmemory; False when that is not possible. Nothing is evicted while clients are paused."""
        return self.paused is not None or self.evictor.make_room()

    def eviction_exceeded_ms(self) -> int:
        """How long memory has been above maxmemory, 0 when it is not."""
        since = self.evictor.exceeded_since_us
        return (clock.monotonic_now_us() - since) // 1000 if since else 0

    def key_evicted(self, db: Any, key: bytes) -> None:
        """A key went to make room: AOF, replicas, watchers and listeners hear of it."""
        self.stats.evicted_keys += 1
        self.propagation.also(db, [b"UNLINK" if self.config.lazyfree_lazy_eviction else b"DEL", key])
        self.effects.changed(db, key, "evicted")

    def hottest_keys(self, count: int) -> list[Any]:
        """The keys with most accesses lately, each with its accesses per second."""
        return list(hot_keys.hottest(self, count))

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT: what the rooms without a hook of their own count."""
        self.stats.reset()
        self.keyspace.reset_stats()
        self.expiry.reset_statistics()
        self.loop.reset_stats()
        self.executor.commands = 0
        for entry in record.all_records():
            entry.reset()

    # ---- life
    def run(self) -> int:
        """Listen and serve until stopped; the exit status."""
        if not self.process.prepare():
            return 1
        signals.install(self)
        self.log_start()
        self.loop.io.start()
        try:
            self.listen()
        except listen.ListenError as error:
            for line in str(error).splitlines():
                self.log.warning("%s", line)
            return 1
        if (reason := self.serve_metrics(self.config)) is not None:
            self.log.warning("%s", reason)
            return 1
        self.process.write_pidfile()
        clock.refresh()
        self.log.notice("Server initialized")
        if not appending.load(self):
            self.loop.io.stop()
            self.remove_files()
            return self.exit_status
        self.loop.timers.add(clock.monotonic_now_us(), 1, self.cron.tick)
        for kind in dict.fromkeys(listener.kind for listener in self.listeners):
            self.log.notice("Ready to accept connections %s", kind)
        self.process.ready()
        gc.collect()
        gc.freeze()
        gc.disable()
        self.loop.run()
        self.loop.io.stop()
        self.remove_files()
        return self.exit_status

    def log_start(self) -> None:
        """The lines that Redis begins its log with; tools look for the PID."""
        self.log.notice("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo (Remus %s)", VERSION)
        self.log.notice(
            "Redis version=%s, bits=%d, commit=00000000, modified=0, pid=%d, just started (Remus %s, Python %s)",
            REDIS_VERSION,
            64 if sys.maxsize > 2**32 else 32,
            os.getpid(),
            VERSION,
            platform.python_version(),
        )
        if len(self.config.exec_argv) > 1:
            self.log.notice("Configuration loaded")
        else:
            self.log.warning(
                "Warning: no config file specified, using the default config. In order to specify a config "
                "file use %s /path/to/redis.conf",
                program_name(),
            )
        self.config.log_to(lambda level, text: self.log.write(LEVELS.index(level), text))
        self.process.name()
        mode = "cluster" if self.config.cluster_enabled else "standalone"
        on_terminal = sys.stdout.isatty() and not self.config.logfile and not self.config.syslog_enabled
        if self.config.always_show_logo or on_terminal:
            self.log.raw(
                LOGO.format(version=VERSION, redis=REDIS_VERSION, mode=mode, port=self.config.port, pid=os.getpid())
            )
        else:
            self.log.notice("Running mode=%s, port=%d.", mode, self.config.port)
        self.process.check_backlog()

    def remove_files(self) -> None:
        """At the end: the pid file and the unix socket."""
        self.process.gone()
        if self.config.unixsocket:
            try:
                os.unlink(self.config.unixsocket)
            except OSError:
                pass

    def shutdown_in_ms(self) -> int | None:
        """shutdown_in_milliseconds of INFO; None when no shutdown waits."""
        return self.shutdown.remaining_ms()

    def stop(self) -> None:
        """End the loop after this turn."""
        self.log.warning("Redis is now ready to exit, bye bye...")
        self.loop.stopping = True


LOGO = r"""
          /\___/\
         ( o   o )     Remus {version} (Redis {redis} protocol)
         (  =^=  )
          )     (      Running in {mode} mode
         (       )     Port: {port}
         ( (   ) )     PID: {pid}
        (__(__)___)

"""

_ = client_state, debug_failures, info_data, info_keys, info_load, info_server  # imported for what they declare
