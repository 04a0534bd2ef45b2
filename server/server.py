"""class Server: the parts of a server, all made here, started and stopped; `server.wiring` puts them in touch.

Commands reach it as `call.server`. Rooms below `dispatch` do not know it: they are given the parts that they use.
"""

import gc
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from iothreads import listen
from iothreads.handoff import IOThreads
from scripting.run import Scripting
from server import wiring
from server.acl.log import AclLog
from server.acl.users import Users
from server.clients import client as client_state, tls
from server.clients.authentication import Authentication
from server.clients.blocking import Blocking
from server.clients.client import Client
from server.clients.key_events import KeyEvents
from server.clients.limits import Limits
from server.clients.multi import discard
from server.clients.pause import Pause
from server.clients.pubsub import PubSub
from server.clients.table import ClientTable
from server.clients.tls import Tls
from server.clients.tracking import Tracking
from server.cluster.migrate_target import Targets
from server.config.config import Config
from server.config_changes import ConfigChanges
from server.dispatch import appending, big_keys, conditions, evicting, hot_keys, record, replicating, signals
from server.dispatch.call import Call
from server.dispatch.collector import Collector
from server.dispatch.connector import Connector
from server.dispatch.cron import Cron
from server.dispatch.executor import Executor
from server.dispatch.faults import Faults
from server.dispatch.io_sharing import IOSharing
from server.dispatch.loop import Loop
from server.dispatch.propagate import Propagation
from server.dispatch.replacing import Replacing
from server.dispatch.replicating import Replicating
from server.dispatch.shutdown import Shutdown
from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.effects import Effects
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.observe import monitor
from server.observe.crash import CrashReports
from server.observe.latency import LatencyMonitor
from server.observe.log import LEVELS, Log
from server.observe.memory_account import MemoryAccount
from server.observe.slowlog import SlowLog
from server.observe.stats import Stats
from server.persistence.aof import AppendOnlyFile
from server.persistence.aof_rewrite import Rewriter
from server.persistence.child import Child
from server.persistence.loading import Loading
from server.persistence.snapshot import Snapshots
from server.process import Process, program_name
from server.registry import clock
from server.registry.command import SKIP_SLOWLOG, Command
from server.registry.errors import CommandError
from server.registry.info import render
from server.registry.parts import Parts
from server.replication.node import Node
from server.structures.block_stream import Stream
from server.version import REDIS_VERSION, VERSION

if TYPE_CHECKING:
    from metrics.endpoint import Endpoint

REHASH_SLICE_US = 1000
KINDS = ("tcp", "tls", "unix")  # of listeners, as INFO lists them


class Server:
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
            config, self.log, self.run_id, self.start_time, lambda: render(self.parts, ["everything"])
        )
        # the data
        self.keyspace: Keyspace = Keyspace(config.databases)
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
            config, lambda: len(self.clients), lambda: clock.monotonic_now_us() // 1000, self.loop.somebody_waits
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
        self.acl_log: AclLog = AclLog(lambda: config.acllog_max_len, self.stats.add)
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
            self.keyspace, self.limits, self.scripting, lambda: self.loop.partial_memory, self.appending.pending
        )
        self.expiry: ActiveExpire = ActiveExpire(
            config, self.keyspace, self.loop.attend, lambda: self.cron.hz, self.latency.add
        )
        self.evictor: Evictor = Evictor(self.keyspace, config, evicting.key_evicted, lambda: self.memory.besides_keys)
        self.config_changes: ConfigChanges = ConfigChanges(self)
        self.replicating: Replicating = Replicating(self)
        self.replication: Node = self.replicating.node
        self.replacing: Replacing = Replacing(self)
        wiring.wire(self)

    # ---- listening
    def listen(self) -> None:
        """Open the listeners that the configuration asks for. ListenError says why not."""
        config = self.config
        if not self.tls.prepare():
            raise listen.ListenError("Failed to configure TLS. Check logs for more info.")
        self.listeners = listen.open_listeners(config)
        self.bound = {"tcp": (config.bind, config.port), "tls": (config.bind, config.tls_port)}
        for warning in (line for listener in self.listeners for line in listener.warnings):
            self.log.warning("%s", warning)
        self.loop.listen(self.listeners)

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
        config = self.config
        kept = [listener for listener in self.listeners if listener.kind != kind]
        closed = [listener for listener in self.listeners if listener.kind == kind]
        old = [listener.socket.getsockname()[:2] for listener in closed]
        self.loop.listen(kept)
        listen.close_listeners(closed)
        failed = None
        try:
            opened = listen.open_tcp(list(config.bind), port, config.tcp_backlog, kind) if port else []
            self.bound[kind] = (config.bind, port)
        except listen.ListenError as error:
            for line in str(error).splitlines():
                self.log.warning("%s", line)
            failed = "Unable to listen on this port. Check server logs."
            if old and port == old[0][1]:
                failed = "Failed to bind to specified addresses."
            opened = [one for address, before in old
                      for one in listen.open_tcp([address], before, config.tcp_backlog, kind)]
        self.listeners = sorted(opened + kept, key=lambda listener: KINDS.index(listener.kind))
        self.loop.listen(self.listeners)
        return failed

    def serve_metrics(self, config: Config) -> str | None:
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
        refusal = self.limits.refusal() or self.authentication.refusal(client)
        if refusal:
            self.refuse(fd, refusal)
            return None
        if self.listeners[listener].kind == "tls":
            self.tls.shakes_hands(client)
        self.next_client_id += 1
        self.authentication.log_in_by_default(client)
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
        self.replication.forget(client)
        discard(client)
        self.blocking.forget(client)
        self.pubsub.forget(client)
        self.tracking.stop(client)
        self.limits.forget(client)
        self.tls.forget(client)
        self.pause.forget(client)
        self.shutdown.forget(client)
        self.faults.forget(client)
        if client in self.monitors:
            self.monitors.remove(client)
            conditions.slow_because("monitors", bool(self.monitors))
        self.clients.remove(client)

    def protocol_error(self, client: Client, text: str) -> None:
        """A client does not speak the protocol: say so, and close."""
        if text:
            error = CommandError(f"ERR Protocol error: {text}")
            self.stats.count_error(error)
            client.reply(error)
            self.log.verbose("Protocol error (%s) from client: %s", text, client.address)
            client.close(after_reply=True)
        else:
            self.log.warning("Closing client that reached max query buffer length: %s", client.address)
            client.close()

    def note_slow(self, client: Client, command: Command, argv: list[bytes], microseconds: int) -> None:
        """A command took as long as one of them asks about."""
        if 0 <= self.config.slowlog_log_slower_than <= microseconds and not command.has(SKIP_SLOWLOG):
            self.slowlog.add(client, argv, microseconds)
        self.latency.command(command, microseconds // 1000)

    def feed_monitors(self, call: Call) -> None:
        """MONITOR: show a command to those who watch."""
        if not self.loading and not self.blocking.runs_again(call.client):
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
        self.stats.repl_input_rate.sample(now, self.replication.received_bytes)
        self.stats.repl_output_rate.sample(now, self.replication.sent_bytes)
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
        ignores = self.replication.following is not None and self.config.replica_ignore_maxmemory
        if self.pause.strength > 0 or ignores:
            return True
        done = self.evictor.make_room()
        if not self.propagation.depth:     # before a command: what goes is told before that is answered
            self.tracking.settle_now()
        return done


    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT: what the rooms without a hook of their own count."""
        self.stats.reset()
        self.keyspace.reset_stats()
        self.evictor.evicted_keys = 0
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
        replicating.start(self)
        for kind in dict.fromkeys(listener.kind for listener in self.listeners):
            self.log.notice("Ready to accept connections %s", kind)
        self.process.ready()
        gc.freeze()        # what is here stays: nobody looks for garbage in it (a look now takes 10 ms and finds none)
        gc.disable()
        self.loop.run()
        self.loop.listen([])
        listen.close_listeners(self.listeners)         # first: a client that sees the end finds nobody listening
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
            sys.version.split()[0],
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
