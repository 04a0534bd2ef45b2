"""class Server: the parts of a server, all made here, started and stopped; `server.wiring` puts them in touch.

Commands reach it as `call.server`. Rooms below `dispatch` do not know it: they are given the parts that they use.
"""

import gc
import os
import time

from iothreads import listen
from iothreads.ends import ends_of
from iothreads.handoff import IOThreads
from iothreads.listen import Listener
from scripting.run import Scripting
from server import wiring
from server.acl.log import AclLog
from server.acl.users import Users
from server.clients import tls
from server.clients.authentication import Authentication
from server.clients.blocking import Blocking
from server.clients.client import Client
from server.clients.client_table import ClientTable
from server.clients.key_events import KeyEvents
from server.clients.limits import Limits
from server.clients.multi import discard
from server.clients.pause import Pause
from server.clients.pubsub import PubSub
from server.clients.tls import Tls
from server.clients.tracking import Tracking
from server.cluster.migrate_target import Targets
from server.config.config import Config
from server.config_changes import ConfigChanges
from server.dispatch import appending, big_keys, conditions, evicting, hot_keys, monitors, record, replicating, signals
from server.dispatch.call import Call
from server.dispatch.collector import Collector
from server.dispatch.connector import Connector
from server.dispatch.cron import AGAIN, Cron
from server.dispatch.executor import Executor
from server.dispatch.faults import Faults
from server.dispatch.io_sharing import IOSharing
from server.dispatch.loop import Loop
from server.dispatch.node import PORT_MAX, bus_port
from server.dispatch.propagate import Propagation
from server.dispatch.replacing import Replacing
from server.dispatch.replicating import Replicating
from server.dispatch.shutdown import Shutdown
from server.front import Front
from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.defrag import ActiveDefrag
from server.keyspace.effects import Effects
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.observe.crash import CrashReports
from server.observe.latency import LatencyMonitor
from server.observe.log import LEVELS, Log
from server.observe.memory_account import MemoryAccount
from server.observe.slowlog import SlowLog
from server.observe.stats import Stats
from server.observe.watchdog import Watchdog
from server.persistence.aof import AppendOnlyFile
from server.persistence.aof_rewrite import Rewriter
from server.persistence.child import Child
from server.persistence.loading import Loading
from server.persistence.snapshot import Snapshots
from server.process import Process
from server.registry import clock
from server.registry.command import SKIP_SLOWLOG, Command
from server.registry.info import render
from server.registry.light import TYPE_CHECKING, Any
from server.registry.parts import Parts
from server.replication.node import Node
from server.structures.block_stream import Stream

if TYPE_CHECKING:
    from metrics.endpoint import Endpoint
    from server.cluster.redirects import Redirects
    from server.dispatch.clustering import Clustering

REHASH_SLICE_US = 1000
KINDS = ("tcp", "tls", "unix")  # of listeners, as INFO lists them
BUS = "cluster"  # the kind of those that are for other nodes


class Server(Front):
    """One server. `run()` serves until it is told to stop and returns the exit status."""

    def __init__(self, config: Config) -> None:
        # Types are written out, for files that declare fields of INFO are checked before this one.
        self.config: Config = config
        self.log: Log = Log(config.logfile, LEVELS.index(config.loglevel))
        self.process: Process = Process(config, self.log)
        self.run_id: str = os.urandom(20).hex()
        self.start_time: float = time.time()
        self.start_us: int = clock.monotonic_now_us()
        self.loading: bool = False
        self.stale: bool = False           # a replica that must not serve, for its link is down
        self.shutdown_signal: int | None = None
        self.exit_status: int = 0
        self.listeners: list[listen.Listener] = []
        self.bus_listeners: list[listen.Listener] = []      # of a cluster's node, for other nodes
        self.bound: dict[str, tuple[Any, int]] = {}         # where each kind of listener listens: (addresses, port)
        self.monitors: list[Client] = []
        self.next_client_id: int = 1
        self.metrics: Endpoint | None = None        # only a server that has a metrics port loads that room
        # what is observed
        self.stats: Stats = Stats()
        self.parts: Parts = Parts()        # who answers for what rooms declare of INFO and DEBUG
        self.slowlog: SlowLog = SlowLog(config.slowlog_max_len)
        self.latency: LatencyMonitor = LatencyMonitor()
        self.crash: CrashReports = CrashReports(
            config, self.log, self.run_id, self.start_time, lambda: render(self.parts, (b"everything",))
        )
        self.watchdog: Watchdog = Watchdog(config, self.log, lambda: self.cron.hz)
        # the data
        self.keyspace: Keyspace = Keyspace(config.databases, config.cluster_enabled)
        self.redirects: Redirects | None = None     # of a node of a cluster
        self.effects: Effects = Effects()
        self.propagation: Propagation = Propagation(Stream())
        self.big_keys: BigKeys = BigKeys(self.keyspace)
        # how commands run
        self.executor: Executor = Executor(self, self.propagation)
        self.loop: Loop = Loop(IOThreads(config.io_threads), self, self.executor)
        self.faults: Faults = Faults(self.loop)
        self.tls: Tls = Tls(config, self.log)
        self.connector: Connector = Connector(self.loop)
        self.migrate_targets: Targets = Targets(self.connector, self.loop.links)
        self.cron: Cron = Cron(
            config, lambda: self.limits.stirring, lambda: clock.monotonic_now_us() // 1000, self.loop.somebody_waits
        )
        self.shutdown: Shutdown = Shutdown(self)
        self.collector: Collector = Collector(self.log, lambda: self.commands_processed)
        self.io_sharing: IOSharing = IOSharing(self.loop.io)
        self.walking: big_keys.Walking = big_keys.Walking(self)
        self.hot_keys: hot_keys.Session | None = None       # of HOTKEYS START
        self.hot_keys_upkeep: hot_keys.Upkeep = hot_keys.Upkeep(self)
        # clients
        self.clients: ClientTable = ClientTable()
        self.pubsub: PubSub = PubSub()
        self.key_events: KeyEvents = KeyEvents(self.pubsub, config.databases)
        self.tracking: Tracking = Tracking(self.keyspace.lazyfree, self.clients.get, self.loop.attend)
        self.users: Users = Users(config)
        self.acl_log: AclLog = AclLog(config, self.stats.counters)
        self.authentication: Authentication = Authentication(config, self.users, self.clients, self.acl_log)
        self.limits: Limits = Limits(config, self.clients, self.loop, self.log, self.stats)
        self.pause: Pause = Pause(self.clients, self.keyspace, self.loop)
        self.blocking: Blocking = Blocking(
            self.clients, self.loop, self.executor, self.stats, self.latency, lambda: self.propagation.depth
        )
        self.scripting: Scripting = Scripting(self)
        # files
        self.child: Child = Child(self)
        self.progress: Loading = Loading(self)
        self.snapshots: Snapshots = Snapshots(self)
        self.aof: AppendOnlyFile = AppendOnlyFile(self)
        self.aof_rewrite: Rewriter = Rewriter(self)
        self.appending: appending.Appending = appending.Appending(self)
        # what data and clients cost
        self.memory: MemoryAccount = MemoryAccount(
            self.keyspace, self.limits.accounts, self.scripting, lambda: self.loop.partial_memory,
            self.appending.pending,
        )
        self.expiry: ActiveExpire = ActiveExpire(
            config, self.keyspace, self.loop.attend, lambda: self.cron.hz, self.latency.add
        )
        self.defrag: ActiveDefrag = ActiveDefrag(config, self.keyspace, self.log, lambda: self.cron.hz,
                                                 lambda: self.child.alive, self.holds_blocks, self.latency.add)
        self.evictor: Evictor = Evictor(self.keyspace, config, evicting.key_evicted, lambda: self.memory.besides_keys)
        self.config_changes: ConfigChanges = ConfigChanges(self)
        self.replicating: Replicating = Replicating(self)
        self.replication: Node = self.replicating.node
        self.replacing: Replacing = Replacing(self)
        self.cluster: Clustering | None = self._new_node() if config.cluster_enabled else None
        wiring.wire(self)

    def _new_node(self) -> "Clustering":
        from server.dispatch.clustering import Clustering

        return Clustering(self)

    # ---- listening
    def listen(self) -> None:
        super().listen()
        if self.cluster is not None:
            config = self.config
            self.bus_listeners = listen.open_tcp(list(config.bind), bus_port(config), config.tcp_backlog, BUS)
            self.bound[BUS] = (config.bind, bus_port(config))
            self._listen_to(self.listeners)

    def _listen_to(self, listeners: list[Listener]) -> None:
        """These are for clients; the bus's stand behind them."""
        self.loop.listen([*listeners, *self.bus_listeners])

    def rebind(self, config: Config) -> str | None:
        """CONFIG SET port / tls-port / bind: close the listeners that change and open the new ones; when that fails,
        the old ones again."""
        if not self.tls.prepare():
            return tls.REFUSED
        reason = None
        for kind, port in (("tcp", config.port), ("tls", config.tls_port)):
            if self.bound.get(kind, ((), 0)) != (config.bind, port):
                reason = reason or self.reopen(kind, port)
        return reason

    def reopen(self, kind: str, port: int) -> str | None:
        """Other listeners of a kind; the reason when they cannot be had."""
        kept = [listener for listener in self.listeners if listener.kind != kind]
        closed = [listener for listener in self.listeners if listener.kind == kind]
        self._listen_to(kept)
        opened, failed = self._in_place_of(closed, kind, port)
        self.listeners = sorted(opened + kept, key=lambda listener: KINDS.index(listener.kind))
        self._listen_to(self.listeners)
        return failed

    def move_bus(self, config: Config) -> str | None:
        """CONFIG SET port / tls-port / bind of a node of a cluster: its bus goes along, unless cluster-port says where
        it is. The nodes hear of it with the next message."""
        port = bus_port(config)
        if self.cluster is None or self.bound.get(BUS) in (None, (config.bind, port)):
            return None
        if port > PORT_MAX:
            return "The port of the cluster bus, which is 10,000 higher, must be 65535 or less."
        closed, self.bus_listeners = self.bus_listeners, []
        self._listen_to(self.listeners)
        self.bus_listeners, failed = self._in_place_of(closed, BUS, port)
        self._listen_to(self.listeners)
        if failed is None:
            self.cluster.bus_port = port
        return failed

    def _in_place_of(self, closed: list[Listener], kind: str, port: int) -> tuple[list[Listener], str | None]:
        """Close some, and open others; the same again, and the reason, when these cannot be had."""
        config = self.config
        old = [listener.socket.getsockname()[:2] for listener in closed]
        listen.close_listeners(closed)
        try:
            opened = listen.open_tcp(list(config.bind), port, config.tcp_backlog, kind) if port else []
        except listen.ListenError as error:
            for line in str(error).splitlines():
                self.log.warning("%s", line)
            failed = "Unable to listen on this port. Check server logs."
            if old and port == old[0][1]:
                failed = "Failed to bind to specified addresses."
            return [one for address, before in old
                    for one in listen.open_tcp([address], before, config.tcp_backlog, kind)], failed
        self.bound[kind] = (config.bind, port)
        return opened, None

    def new_endpoint(self) -> "Endpoint":
        """For serve_metrics."""
        from metrics.endpoint import Endpoint

        return Endpoint(self)

    def look_at_metrics_files(self) -> None:
        """From the cron: the certificate of the metrics port, which may have been renewed."""
        if self.metrics is not None:
            self.metrics.tick(self.config, time.monotonic())

    # ---- clients
    def accepted(self, fd: int, listener: int, error: int) -> Client | None:
        if fd >= 0 and listener >= len(self.listeners):
            self._accept_node(fd)
            return None
        return super().accepted(fd, listener, error)

    def _accept_node(self, fd: int) -> None:
        """A socket came to the bus port. While our own data are loaded nobody may tell us of slots that we lost."""
        if self.cluster is None or self.loading and not self.cluster.view.myself.is_replica:
            os.close(fd)
            return
        self.cluster.accept(fd, *ends_of(fd))

    def forget(self, client: Client) -> None:
        self.replication.forget(client)
        discard(client)
        self.blocking.forget(client)
        self.pubsub.forget(client)
        self.tracking.stop(client)
        if self.cluster is not None:
            self.cluster.migrating.gone(client)
        self.tls.forget(client)
        self.pause.forget(client)
        self.shutdown.forget(client)
        self.faults.forget(client)
        if client in self.monitors:
            self.monitors.remove(client)
            conditions.slow_because("monitors", bool(self.monitors))

    def note_slow(self, client: Client, command: Command, argv: list[bytes], microseconds: int) -> None:
        """A command took as long as one of them asks about."""
        if 0 <= self.config.slowlog_log_slower_than <= microseconds and not command.has(SKIP_SLOWLOG):
            self.slowlog.add(client, argv, microseconds)
        self.latency.command(command, microseconds // 1000)

    def feed_monitors(self, call: Call) -> None:
        """MONITOR: show a command to those who watch."""
        if not self.loading and not self.blocking.runs_again(call.client):
            monitors.show(call)

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
        self.stats.repl_input_rate.sample(now, self.replication.received_bytes)
        self.stats.repl_output_rate.sample(now, self.replication.sent_bytes)
        self.stats.cycle_rate.sample(now, self.loop.cycles)
        self.stats.turn_us.sample(self.loop.cycles * 1000000, self.loop.duration_us)

    @property
    def commands_processed(self) -> int:
        """total_commands_processed."""
        return self.loop.fast_commands + self.executor.commands

    @property
    def connected_clients(self) -> int:
        """connected_clients: without replicas."""
        return len(self.clients) - len(self.replication.master.replicas)

    @property
    def dirty(self) -> int:
        """rdb_changes_since_last_save."""
        self.executor.dirty += conditions.take_dirty()
        return self.executor.dirty

    def holds_blocks(self) -> bool:
        """Whether who was interrupted may have blocks of the data in hand, so that none can be moved."""
        return self.progress.under_way or self.scripting.slow_run is not None

    def defragment(self) -> object:
        """From the cron: a slice of active defragmentation."""
        return AGAIN if self.defrag.tick() else None

    def make_room(self) -> bool:
        """Evict until below maxmemory; False when that is not possible. Nothing is evicted while clients are paused,
        while a file fills the keyspace, nor under the hands of a script that lets others speak."""
        ignores = self.replication.following is not None and self.config.replica_ignore_maxmemory
        if self.pause.stands_still or ignores or self.loading or self.scripting.slow_run is not None:
            return True
        done = self.evictor.make_room()
        if not self.propagation.depth:     # before a command: what goes is told before that is answered
            self.tracking.settle_now()
        return done


    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT: what the rooms without a hook of their own count."""
        self.stats.reset()
        self.keyspace.reset_stats()
        self.evictor.reset_statistics()
        self.expiry.reset_statistics()
        self.defrag.reset_statistics()
        self.loop.reset_stats()
        self.executor.commands = 0
        record.reset_records()

    # ---- life
    def run(self) -> int:
        """Listen and serve until stopped; the exit status."""
        if not self.process.prepare():
            return 1
        signals.install(self)
        self.log_start()
        self.loop.io.start()
        if self.cluster is not None and not self.cluster.begin():
            return 1
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
        replicating.start(self)
        if self.cluster is not None:
            self.cluster.data_loaded()
        for kind in dict.fromkeys(listener.kind for listener in self.listeners):
            self.log.notice("Ready to accept connections %s", kind)
        self.process.ready()
        gc.freeze()        # what is here stays: nobody looks for garbage in it (a look now takes 10 ms and finds none)
        gc.disable()
        self.loop.run()
        self.loop.listen([])
        # First: a client that sees the end finds nobody listening.
        listen.close_listeners(self.listeners + self.bus_listeners)
        self.loop.io.stop()
        self.remove_files()
        return self.exit_status

