"""A sentinel's protocol on a real machine: ticks by the loop's timers, wires as links, its file and scripts."""

import os
import signal
import socket
from collections.abc import Callable
from random import Random

from iothreads.connect import LinkProtocol
from iothreads.link import Link
from iothreads.tls import TlsContext
from server.clients.pubsub import PubSub
from server.config.config import Config
from server.observe.log import Log
from server.registry import clock
from server.registry.light import Any, Protocol as Seam
from server.sentinel import conf_lines
from server.sentinel.actions import DEBUG, NOTICE, WARNING, Close, Event, Exit, Note, Open, Send
from server.sentinel.instance import Wire
from server.sentinel.names import HostNames
from server.sentinel.protocol import Protocol
from server.sentinel.scripts import Job
from server.sentinel.state import State
from server.sentinel.words import bytes_of, text_of

TICKS_A_SECOND = 10                 # at least; up to twice as many, by chance, so that sentinels do not act in step,
A_FEW = 2                           # ... but not while there is nothing to do
CANNOT_EXEC = 2                     # a script's status when it cannot be begun at all: it is not tried again


class Connector(Seam):
    """What makes connections (server.dispatch.connector)."""

    def connect(self, host: str, port: int, protocol: LinkProtocol, *, source: str, tls: TlsContext | None) -> Any:
        """Begin. Returns an Attempt: its `link` if there is one yet, and `abort()`."""


class Cable(LinkProtocol):
    """A wire as a link."""

    def __init__(self, driver: "Driver", wire: Wire, to: tuple[str, int], source: str) -> None:
        self._driver = driver
        self._wire = wire
        self._to = to
        self._source = source
        self._waiting: list[tuple[bytes, ...]] = []        # said before it is open
        self.attempt: Any = None
        self.link: Link | None = None

    def send(self, words: tuple[bytes, ...]) -> None:
        """A command."""
        if self.link is not None:
            self.link.command(*words)
        else:
            self._waiting.append(words)

    def close(self) -> None:
        """End it."""
        if self.link is not None:
            self.link.close()
        elif self.attempt is not None:
            self.attempt.abort()

    # ---- what the link says
    def connection_made(self, link: Link) -> None:
        """It is open."""
        self.link, self.attempt = link, None
        for words in self._waiting:
            link.command(*words)
        self._waiting.clear()
        self._driver.opened(self._wire, self._source or source_ip(self._to))

    def reply_received(self, link: Link, value: object) -> None:
        """A reply, or a message."""
        driver = self._driver
        driver.protocol.received(self._wire, value, clock.unix_ms())
        outbox = driver.state.outbox
        if outbox.actions or outbox.save:
            driver.carry_out()

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """It is gone."""
        self.attempt = None
        self._driver.lost(self._wire)


class Driver:
    """Runs one sentinel. tls: of its connections, None: they are plain."""

    def __init__(self, config: Config, log: Log, connector: Connector, pubsub: PubSub,
                 tls: Callable[[], TlsContext | None]) -> None:
        self._config = config
        self._log = log
        self._connector = connector
        self._pubsub = pubsub
        self._tls = tls
        self._cables: dict[Wire, Cable] = {}
        self._carrying = False
        self._rng = Random()
        clock.refresh()
        self.saved = True                   # whether sentinel.conf could be written when that was wanted last
        self.state = State(HostNames(), self._rng, self.now())
        self.protocol = Protocol(self.state)
        conf_lines.Reader(self.state).read(config.sentinel_lines)
        config.rewrite_sentinel = lambda rewrite: conf_lines.write(self.state, rewrite)

    def start(self) -> None:
        """Clients are served from now on."""
        config = self._config
        port = config.tls_port if config.tls_replication and config.tls_port else config.port
        self.protocol.links.announce_port = port
        self.protocol.links.password = text_of(config.requirepass or b"")
        self.protocol.start(self.now())
        self.carry_out()
        self._log.notice("Sentinel ID is %s", self.state.myid)

    def now(self) -> int:
        """ms of the wall clock, as the loop's turn has it."""
        return clock.unix_ms()

    def state_now(self) -> State:
        """The state, whose clock shows the time, for who may change it."""
        self.state.now = self.now()
        self.state.wake()
        return self.state

    def stop(self) -> None:
        """At the end."""
        for cable in list(self._cables.values()):
            cable.close()

    # ---- what comes in
    def tick(self) -> int:
        """A time event; ms until the next one."""
        now = self.now()
        self.protocol.tick(now)
        self._run_scripts()
        self.carry_out()
        more = A_FEW if self.state.quiet_until > now else TICKS_A_SECOND
        return 1000 // (TICKS_A_SECOND + self._rng.randrange(more))

    def opened(self, wire: Wire, local_ip: str) -> None:
        """It is open. local_ip: of our end."""
        self.protocol.opened(wire, local_ip, self.now())
        self.carry_out()

    def lost(self, wire: Wire) -> None:
        """It is gone."""
        if self._cables.pop(wire, None) is not None:
            self.protocol.lost(wire, self.now())
            self.carry_out()

    # ---- actions
    def carry_out(self) -> bool:
        """Do what is to be done. False: sentinel.conf was to be written, and could not be."""
        if self._carrying:                  # an action has told us of something: the one who began goes on with it
            return self.saved
        self._carrying = True
        well = True
        try:
            while self.state.outbox:
                save, actions = self.state.outbox.take()
                if save:
                    well = self._save() and well
                for action in actions:
                    self._do(action)
        finally:
            self._carrying = False
        return well

    def _do(self, action: Any) -> None:
        if isinstance(action, Send):
            cable = self._cables.get(action.wire)
            if cable is not None:
                cable.send(action.words)
        elif isinstance(action, Event):
            self._log.write(action.level, f"{action.name} {action.text}")
            if action.level != DEBUG:
                self._pubsub.publish(action.name.encode(), bytes_of(action.text))
        elif isinstance(action, Note):
            self._log.write(action.level, action.text)
        elif isinstance(action, Open):
            source = self._config.bind_source_addr or ""
            cable = self._cables[action.wire] = Cable(self, action.wire, (action.host, action.port), source)
            cable.attempt = self._connector.connect(action.host, action.port, cable, source=source, tls=self._tls())
        elif isinstance(action, Close):
            cable = self._cables.pop(action.wire, None)
            if cable is not None:
                cable.close()
        elif isinstance(action, Exit):
            os._exit(action.status)

    def _save(self) -> bool:
        try:
            self._config.rewrite()
        except OSError as error:
            self._log.write(WARNING, "WARNING: Sentinel was not able to save the new configuration on disk!!!: "
                                     f"{error.strerror}")
            self.saved = False
            return False
        self._log.write(NOTICE, "Sentinel new configuration saved on disk")
        self.saved = True
        return True

    # ---- scripts
    def _run_scripts(self) -> None:
        scripts = self.state.scripts
        if not scripts.jobs:
            return
        now = self.now()
        for job in scripts.due(now):
            self._begin(job, now)
        for job in list(scripts.jobs):
            if job.running and (ended := status_of(job.pid)) is not None:
                scripts.ended(job, *ended, now)
        for job in scripts.overdue(now):
            os.kill(job.pid, signal.SIGKILL)

    def _begin(self, job: Job, now: int) -> None:
        scripts = self.state.scripts
        ours = (signal.SIGHUP, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM)
        try:
            pid = os.posix_spawn(job.argv[0], job.argv, os.environ, setsigdef=ours)
        except BlockingIOError:
            scripts.not_begun(job)
        except (OSError, ValueError):
            scripts.ended(job, CANNOT_EXEC, 0, now)
        else:
            scripts.began(job, pid)


def source_ip(to: tuple[str, int]) -> str:
    """The ip that our connections there come from; "" when that cannot be told."""
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(to)               # nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def status_of(pid: int) -> tuple[int, int] | None:
    """(status, signal) of a child that has ended; None: it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0, 0
    if found != pid:
        return None
    return (0, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status), 0)
