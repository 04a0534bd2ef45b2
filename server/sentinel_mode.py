"""class SentinelServer: a server without keys, that watches others (server.sentinel), put together from what it needs.

Its commands are those of Redis's that are for this mode, too, and SENTINEL. Commands reach it as `call.server`.
"""

import gc
import os
import secrets
import time

from iothreads import listen
from iothreads.handoff import IOThreads
from server.acl import configured
from server.acl.log import AclLog
from server.acl.users import Users
from server.clients import info as clients_info, tls
from server.clients.authentication import Authentication
from server.clients.blocking import BlockedCounts
from server.clients.client import Client
from server.clients.client_table import ClientTable
from server.clients.limits import Limits, RecentPeaks
from server.clients.multi import discard
from server.clients.pause import Pause
from server.clients.pubsub import PubSub
from server.clients.tls import Tls
from server.clients.tracking import Tracking
from server.commands import (
    connection,
    connection_client,
    connection_tracking,
    pubsub as pubsub_commands,
    server as server_commands,
    server_acl,
    server_command,
)
from server.config import info as config_info
from server.config.config import Config
from server.dispatch import conditions, door, gates, info_loop, record, signals, tracked
from server.dispatch.call import Call
from server.dispatch.collector import INTERVAL_MS, Collector
from server.dispatch.connector import Connector
from server.dispatch.cron import Cron
from server.dispatch.executor import Executor
from server.dispatch.lane_totals import LaneTotals, lane_totals
from server.dispatch.loop import Loop
from server.dispatch.propagate import Propagation
from server.dispatch.served import Served
from server.dispatch.shutdown import Shutdown
from server.front import Front
from server.keyspace.database import Keyspace
from server.observe import info as observe_info
from server.observe.cpu_seconds import CpuSeconds, cpu_seconds
from server.observe.crash import CrashReports
from server.observe.error_counts import ErrorCounts
from server.observe.internal_errors import InternalErrors, internal_errors
from server.observe.latency import LatencyMonitor
from server.observe.log import LEVELS, Log
from server.observe.now import Now
from server.observe.stats import Stats
from server.persistence.loading import Loading
from server.process import Process
from server.registry import clock
from server.registry.command import SENTINEL, Command, keep, redefine, rename_all
from server.registry.info import render
from server.registry.light import TYPE_CHECKING, cast
from server.registry.parts import Parts
from server.sentinel import commands, info as sentinel_info
from server.sentinel.driver import Driver
from server.sentinel.figures import figures
from server.sentinel.state import State
from server.structures.block_stream import Stream
from server.whole import Whole

if TYPE_CHECKING:
    from metrics.endpoint import Endpoint
    from server.server import Server

RATES_MS = 1000
NO_FILE = "Sentinel needs config file on disk to save state. Exiting..."


class SentinelServer(Front):
    """One sentinel. `run()` serves until it is told to stop and returns the exit status."""

    def __init__(self, config: Config) -> None:
        itself = cast("Server", self)       # what these parts ask of a server, this one has, too
        self.config: Config = config
        self.log: Log = Log(config.logfile, LEVELS.index(config.loglevel))
        self.log.role = "X"
        self.process: Process = Process(config, self.log)
        self.run_id: str = secrets.token_hex(20)
        self.start_us: int = clock.monotonic_now_us()
        self.loading: bool = False
        self.shutdown_signal: int | None = None
        self.exit_status: int = 0
        self.listeners: list[listen.Listener] = []
        self.monitors: list[Client] = []
        self.next_client_id: int = 1
        self.metrics: Endpoint | None = None
        # what is observed
        self.stats: Stats = Stats()
        self.parts: Parts = Parts()
        self.latency: LatencyMonitor = LatencyMonitor()
        self.crash: CrashReports = CrashReports(config, self.log, self.run_id, time.time(),
                                                lambda: render(self.parts, commands.info_words()))
        # how commands run; clients have a database, although nothing is in it
        self.keyspace: Keyspace = Keyspace(1)
        self.propagation: Propagation = Propagation(Stream())
        self.executor: Executor = Executor(itself, self.propagation)
        self.loop: Loop = Loop(IOThreads(config.io_threads), itself, self.executor)
        self.tls: Tls = Tls(config, self.log)
        self.cron: Cron = Cron(
            config, lambda: len(self.clients), lambda: clock.monotonic_now_us() // 1000, self.loop.somebody_waits
        )
        self.progress: Loading = Loading(itself)
        self.shutdown: Shutdown = Shutdown(itself)
        self.collector: Collector = Collector(self.log, lambda: self.commands_processed)
        # clients
        self.clients: ClientTable = ClientTable()
        self.pubsub: PubSub = PubSub()
        self.tracking: Tracking = Tracking(self.keyspace.lazyfree, self.clients.get, self.loop.attend)
        self.users: Users = Users(config)
        self.acl_log: AclLog = AclLog(config, self.stats.counters)
        self.authentication: Authentication = Authentication(config, self.users, self.clients, self.acl_log)
        self.limits: Limits = Limits(config, self.clients, self.loop, self.log, self.stats)
        self.pause: Pause = Pause(self.clients, self.keyspace, self.loop)
        load_commands(config)
        self.sentinel: Driver = Driver(config, self.log, Connector(self.loop), self.pubsub,
                                       self.tls.for_replication)
        put_in_touch(self)

    def new_endpoint(self) -> "Endpoint":
        """For serve_metrics."""
        from metrics.sentinel import SentinelEndpoint

        return SentinelEndpoint(cast("Server", self), commands.INFO_SECTIONS,
                                lambda: figures(self.sentinel.state_now()))

    # ---- what the parts ask of a server
    def forget(self, client: Client) -> None:
        discard(client)
        self.pubsub.forget(client)
        self.tracking.stop(client)
        self.tls.forget(client)
        self.pause.forget(client)
        self.shutdown.forget(client)

    def note_slow(self, client: Client, command: Command, argv: list[bytes], microseconds: int) -> None:
        """There is no slow log in this mode."""

    def feed_monitors(self, call: Call) -> None:
        """Nor is there MONITOR."""

    def make_room(self) -> bool:
        """Nor keys, for maxmemory to do without."""
        return True

    @property
    def commands_processed(self) -> int:
        """total_commands_processed."""
        return self.loop.fast_commands + self.executor.commands

    @property
    def connected_clients(self) -> int:
        """connected_clients."""
        return len(self.clients)

    def sample_rates(self) -> None:
        """instantaneous_* of INFO."""
        now = clock.monotonic_now_us()
        lanes = self.loop.lane_stats()
        self.stats.commands_rate.sample(now, self.commands_processed)
        self.stats.input_rate.sample(now, sum(lane["bytes_in"] for lane in lanes))
        self.stats.output_rate.sample(now, sum(lane["bytes_out"] for lane in lanes))
        self.stats.cycle_rate.sample(now, self.loop.cycles)
        self.stats.turn_us.sample(self.loop.cycles * 1000000, self.loop.duration_us)

    # ---- life
    def run(self) -> int:
        """Listen and serve until stopped; the exit status."""
        if not self.process.prepare():
            return 1
        signals.install(cast("Server", self))
        self.log_start()
        if (reason := self.unusable_file()) is not None:
            self.log.warning("%s", reason)
            return 1
        self.loop.io.start()
        try:
            self.listen()
        except listen.ListenError as error:
            for line in str(error).splitlines():
                self.log.warning("%s", line)
            self.loop.io.stop()
            return 1
        if (reason := self.serve_metrics(self.config)) is not None:
            self.log.warning("%s", reason)
            self.loop.io.stop()
            return 1
        self.process.write_pidfile()
        clock.refresh()
        self.sentinel.start()
        self.loop.timers.add(clock.monotonic_now_us(), 1, self.tick)
        self.process.ready()
        gc.collect()
        gc.freeze()
        gc.disable()
        self.loop.run()
        self.sentinel.stop()
        self.loop.listen([])
        listen.close_listeners(self.listeners)
        self.loop.io.stop()
        self.remove_files()
        return self.exit_status

    def tick(self) -> int:
        """The one time event: the cron's jobs, then the sentinel. ms until it goes on."""
        return self.sentinel.tick() if self.cron.tick() else 0

    def each_tick(self) -> None:
        """What a server with keys does by several jobs of its cron; here there is next to nothing to do."""
        self.shutdown.tick()
        self.pause.update()
        self.limits.tick(self.cron.hz)
        self.tracking.tick()

    def unusable_file(self) -> str | None:
        """Why the state cannot be kept; None when it can."""
        path = self.config.configfile
        if path is None:
            return NO_FILE
        if not os.access(path, os.W_OK):
            why = os.strerror(13 if os.path.exists(path) else 2)
            return f"Sentinel config file {path} is not writable: {why}. Exiting..."
        return None


def load_commands(config: Config) -> None:
    """Those of this mode; rename-command; their records."""
    keep(SENTINEL)
    redefine("publish", commands.publish)
    redefine("info", commands.info)
    rename_all(config.renamed_commands)
    gates.assign_gates()
    record.build_records()


def put_in_touch(server: SentinelServer) -> None:
    """Put the parts in touch, as server.wiring does it for a server with keys."""
    s, config = server, server.config
    configured.load(s.users, config)
    internal_errors.log_to(s.log)
    now, served = Now(s.start_us), Served(s.executor)
    for part, where in (
        (Whole, lambda: s), (Config, lambda: config), (Stats, lambda: s.stats), (CpuSeconds, cpu_seconds),
        (Now, lambda: now), (ErrorCounts, lambda: s.stats.error_counts), (BlockedCounts, lambda: s.clients.counts),
        (Served, lambda: served),
        (InternalErrors, lambda: internal_errors), (ClientTable, lambda: s.clients), (Limits, lambda: s.limits),
        (RecentPeaks, s.limits.recent_peaks),
        (Tls, lambda: s.tls), (PubSub, lambda: s.pubsub), (Tracking, lambda: s.tracking), (Loop, lambda: s.loop),
        (LaneTotals, lambda: lane_totals(s.loop)), (Cron, lambda: s.cron), (Collector, lambda: s.collector),
        (Shutdown, lambda: s.shutdown), (State, s.sentinel.state_now),
    ):
        s.parts.add(part, where)
    tracked.use(s.tracking, s.propagation)
    s.loop.on_accept = s.accepted
    s.loop.on_closed = s.closed
    s.loop.on_secured = s.tls.secured
    s.loop.on_transport_failed = s.tls.transport_failed
    s.loop.on_output = s.limits.check_output
    s.tls.on_context = lambda context: setattr(s.loop, "tls", context)
    s.pause.when_paused = door.pause
    conditions.set_slow_log(-1)
    s.limits.fit_to_files()
    s.limits.follow_output_limits(config)
    s.limits.follow_memory_limit(config)
    s.loop.io.set_limits(max_bulk=config.proto_max_bulk_len, query_buffer=config.client_query_buffer_limit,
                         keepalive=config.tcp_keepalive)
    config.on_change("loglevel", lambda c: setattr(s.log, "level", LEVELS.index(c.loglevel)))
    for interval_ms, job in (
        (0, s.each_tick), (RATES_MS, s.sample_rates), (tls.TICK_MS, s.tls.tick), (INTERVAL_MS, s.collector.tick),
    ):
        s.cron.every(interval_ms, job)
    s.cron.once(server_command.encode_ahead, after_ms=server_command.AHEAD_MS)


# imported for what they declare
_ = (clients_info, config_info, info_loop, observe_info, sentinel_info, connection, connection_client,
     connection_tracking, pubsub_commands, server_acl, server_commands)
