"""Class Front: what a server is towards its clients and its log, with keys or without (server.sentinel_mode)."""

import os
import sys
from abc import ABC, abstractmethod

from iothreads import listen
from server.acl.users import Users
from server.clients import client as client_state
from server.clients.authentication import Authentication
from server.clients.client import Client
from server.clients.client_table import ClientTable
from server.clients.limits import Limits
from server.clients.tls import Tls
from server.config.config import Config
from server.dispatch.loop import Loop
from server.keyspace.database import Keyspace
from server.observe.log import LEVELS, Log
from server.observe.stats import Stats
from server.process import Process, program_name
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING, Any
from server.version import REDIS_VERSION, VERSION

if TYPE_CHECKING:
    from metrics.endpoint import Endpoint

LOGO = r"""
          /\___/\
         ( o   o )     Remus {version} (Redis {redis} protocol)
         (  =^=  )
          )     (      Running in {mode} mode
         (       )     Port: {port}
         ( (   ) )     PID: {pid}
        (__(__)___)

"""


class Front(ABC):
    """Listens, takes clients in, says who it is. Who is made of it makes these parts."""

    config: Config
    log: Log
    process: Process
    stats: Stats
    keyspace: Keyspace
    loop: Loop
    tls: Tls
    clients: ClientTable
    users: Users
    authentication: Authentication
    limits: Limits
    listeners: list[listen.Listener]
    bound: dict[str, tuple[Any, int]]
    next_client_id: int
    metrics: "Endpoint | None"

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

    @abstractmethod
    def new_endpoint(self) -> "Endpoint":
        """The metrics port of such a server. Errors: ImportError."""

    def serve_metrics(self, config: Config) -> str | None:
        """metrics-port and its kin: the endpoint begins, moves or ends. Only a server that has one loads the room."""
        if self.metrics is None:
            if not config.metrics_port:
                return None
            try:
                self.metrics = self.new_endpoint()
            except ImportError as error:
                return f"The metrics port needs prometheus-client and psutil: {error}"
        return self.metrics.follow(config)

    # ---- clients
    def accepted(self, fd: int, listener: int, error: int) -> Client | None:
        """A new socket: a Client for it, or None after refusing it."""
        if fd < 0:
            if error:
                self.log.warning("Error accepting a client connection: %s", os.strerror(error))
            return None
        client = Client(self.next_client_id, self.keyspace.databases[0], self.loop)
        client.comes_from(fd)
        came_to = self.listeners[listener]
        if came_to.kind == "unix":
            client.set(client_state.UNIX_SOCKET)
            client.address = client.local_address = f"{came_to.path}:0"
        refusal = self.limits.refusal() or self.authentication.refusal(client)
        if refusal:
            self.refuse(fd, refusal)
            return None
        if came_to.kind == "tls":
            self.tls.shakes_hands(client)
        self.next_client_id += 1
        self.authentication.log_in_by_default(client)
        self.clients.add(client)
        return client

    def closed(self, client: Client) -> None:
        """A connection is gone: every room forgets the client."""
        if not client.is_bare():
            self.forget(client)
        self.limits.forget(client)
        self.clients.remove(client)

    @abstractmethod
    def forget(self, client: Client) -> None:
        """One of which rooms may know something."""

    def refuse(self, fd: int, error: bytes) -> None:
        """Tell a new connection why not, as far as it listens, and close it."""
        try:
            os.write(fd, error)
        except OSError:
            pass
        os.close(fd)

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

    # ---- life
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
        config = self.config
        mode = "sentinel" if config.sentinel_mode else "cluster" if config.cluster_enabled else "standalone"
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
