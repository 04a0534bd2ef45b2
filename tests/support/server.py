"""Our server as a child process.

    from tests.support.server import Server
    with Server(tmp_path, maxmemory="10mb", save=["900 1", "60 5"]) as server:
        server.connect()("PING")                          # a raw Connection (tests.support.resp)
        server.redis().ping()                             # redis-py
        server.wait_for_log("Ready to accept connections")
        server.kill()                                     # kill -9
        server.restart(appendonly="yes")                  # same folder, same port, directives added

Directives are keyword arguments with `_` for `-`. A bool is yes/no; a list is that many lines of the directive
(`save=["900 1", "60 5"]`); `save=""` is `save ""`. They go into `redis.conf` in the folder; `config` is text put before
them. `arguments` are given on the command line as they are. The folder is also `dir` and the working directory.
`prelude` is Python that the server's process runs before everything else: a disk that fails, a clock that is set.

Most tests want no server of their own: see the fixtures in tests/conftest.py.
"""

import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.pace import Deadline, patience, wait_until
from tests.support.resp import Connection, ConnectionClosed, RespError

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0  # of a quiet machine
TERM_SECONDS = 20.0
SHOWN_OF_A_LOG = 6000  # characters, in a failure

PORTS = (5_000, 11_000)
NODE_PORTS = (11_000, 22_000)
_given: deque[int] = deque(maxlen=200)  # ports, lately
_chance = random.Random()  # not that of tests, which may be the same for each


def free_port() -> int:
    """A TCP port that was free a moment ago, and that nobody else will take before a server binds it: below those that
    the system gives to connections, and none of another worker's."""
    return _free(PORTS, (0,))


def free_node_port() -> int:
    """The same for a node of a cluster, whose bus is 10,000 above."""
    return _free(NODE_PORTS, (0, 10_000))


def _free(ports: tuple[int, int], above: tuple[int, ...]) -> int:
    while True:
        port = _chance.randrange(*_own_share(*ports))
        if port in _given:
            continue
        try:
            for offset in above:
                with socket.socket() as probe:
                    probe.bind(("", port + offset))
        except OSError:
            continue
        _given.append(port)
        return port


def _own_share(low: int, high: int) -> tuple[int, int]:
    """Of a range, what this worker of pytest-xdist takes from."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (high - low) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return low + number * size, low + (number + 1) * size


def quoted(value: Any) -> str:
    """One word of a config file; anything but a plain word in double quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if text and all(c.isalnum() or c in "-_./:*+@~,%&" for c in text):
        return text
    return '"' + "".join(f"\\{c}" if c in '"\\' else c for c in text) + '"'


def config_lines(directives: dict[str, Any]) -> Iterable[str]:
    """The lines of a config file; `save=["900 1"]` is split into words, `requirepass="a b"` is one."""
    for name, value in directives.items():
        if isinstance(value, list | tuple):
            for line in value:
                yield f"{name} {line}" if line != "" else f'{name} ""'
        else:
            yield f"{name} {quoted(value)}"


class Process:
    """A server child that speaks RESP: what ours and the peer have in common. Subclasses say what to execute."""

    defaults: dict[str, Any] = {"save": "", "appendonly": "no", "enable-debug-command": "yes"}
    known: "weakref.WeakSet[Process]" = weakref.WeakSet()  # all, for the report of a failure

    def __init__(
        self,
        folder: Path,
        *,
        config: str = "",
        arguments: Iterable[str] = (),
        env: dict[str, str] | None = None,
        prelude: str = "",
        start: bool = True,
        **directives: Any,
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.config_text = config
        self.directives = {**self.defaults, **{name.replace("_", "-"): value for name, value in directives.items()}}
        given = free_node_port if self.directives.get("cluster-enabled") else free_port
        self.port = int(self.directives.pop("port", 0)) or given()
        self.arguments = list(arguments)
        self.env = env or {}
        self.prelude = prelude
        self.child: subprocess.Popen[bytes] | None = None
        self._connections: list[Connection] = []
        Process.known.add(self)
        if start:
            self.start()

    def command_line(self) -> list[str]:
        raise NotImplementedError

    def last_arguments(self) -> list[str]:
        return []

    # ---- life

    def start(self, wait: bool = True) -> None:
        """Write redis.conf, execute, wait for PONG (an error reply to PING counts: NOAUTH, but not LOADING)."""
        directives = {"port": self.port, "dir": str(self.folder), **self.directives}
        text = "\n".join([self.config_text, *config_lines(directives), ""])
        self.config_file.write_text(text)
        if self.prelude:
            (self.folder / "sitecustomize.py").write_text(self.prelude)
        path = os.pathsep.join([str(self.folder)] * bool(self.prelude) + [str(ROOT)])
        with open(self.log_file, "ab") as out:
            self.child = subprocess.Popen(
                [*self.command_line(), str(self.config_file), *self.arguments, *self.last_arguments()],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                # Bytecode is kept, whatever the caller's environment says: it halves the time of a start.
                env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", **self.env},
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        deadline = Deadline(seconds)
        while not deadline.passed():
            if not self.alive():
                raise AssertionError(f"the server did not start: {self.last_words()}")
            try:
                with Connection(self.port, timeout=seconds) as probe:
                    ping, info = probe.pipeline([("PING",), ("INFO", "server")])
                told = isinstance(info, bytes) and b"process_id:" in info
                another = told and b"process_id:%d\r" % self.pid not in info  # that had the port
                if not another and not (isinstance(ping, RespError) and ping.code == "LOADING"):
                    return
            except (ConnectionError, ConnectionClosed, TimeoutError):
                pass
            time.sleep(0.01)
        raise AssertionError(f"the server does not answer: {self.last_words()}")

    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def stop(self) -> int | None:
        """SIGTERM (then SIGKILL); the exit code. Harmless when it has ended already."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def wait_exit(self, seconds: float = TERM_SECONDS) -> int:
        """The exit code of a server that is ending by itself (SHUTDOWN, a bad config)."""
        assert self.child is not None
        return self.child.wait(patience(seconds))

    def restart(self, **directives: Any) -> None:
        """Stop (if it runs) and start again in the same folder on the same port; more directives may be given."""
        self.stop()
        self.directives.update((name.replace("_", "-"), value) for name, value in directives.items())
        self.start()

    def start_again(self) -> None:
        """Start it with the file as it left it, where it has written that itself."""
        text = self.config_file.read_text()
        self.stop()
        self.config_text, self.directives = text, {}
        self.start()

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def disconnect(self) -> None:
        """Close what `connect` opened."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _end(self, number: int) -> int | None:
        self.disconnect()
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
            try:
                self.child.wait(patience(TERM_SECONDS))
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- talking to it

    def connect(self, protocol: int = 2, **options: Any) -> Connection:
        """A new raw connection; closed with the server."""
        connection = Connection(self.port, self.host, protocol=protocol, **options)
        self._connections.append(connection)
        return connection

    def redis(self, **options: Any) -> Any:
        """A redis-py client (bytes in, bytes out unless decode_responses=True)."""
        import redis

        return redis.Redis(self.host, self.port, **{"socket_timeout": patience(10), **options})

    def info(self, section: str = "default") -> dict[str, str]:
        """INFO as text fields."""
        with Connection(self.port, self.host) as c:
            text = c.ok("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    # ---- looking at it

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    @property
    def config_file(self) -> Path:
        return self.folder / "redis.conf"

    @property
    def log_file(self) -> Path:
        return self.folder / "server.log"

    def log(self) -> str:
        """Everything that it wrote to stdout and stderr so far, over all restarts."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def last_words(self) -> str:
        """How it is, and the end of its log."""
        code = self.child and self.child.poll()
        state = "not started" if self.child is None else "alive" if code is None else f"ended with {code}"
        return f"{type(self).__name__} on port {self.port}, {state}:\n{self.log()[-SHOWN_OF_A_LOG:]}"

    def wait_for_log(self, text: str, seconds: float = 20.0) -> str:
        """Wait for a line that contains `text` and return it."""
        found: str = wait_until(
            lambda: next((line for line in self.log().splitlines() if text in line), None), f"log {text!r}", seconds
        )
        return found


class Server(Process):
    """Our server: of this clone, or REMUS_SERVER_COMMAND (a build with a sanitizer, another interpreter).

    REMUS_SERVER_ARGUMENTS are put last on the command line of each: `REMUS_SERVER_ARGUMENTS='--io-threads 4'`. Where
    there are I/O threads they serve every connection, which they would not with as little to do as in a test.
    """

    defaults: dict[str, Any] = {**Process.defaults, "io-threads-always-active": "yes"}

    def command_line(self) -> list[str]:
        named = os.environ.get("REMUS_SERVER_COMMAND")
        return shlex.split(named) if named else [sys.executable, str(ROOT / "remus_server.py")]

    def last_arguments(self) -> list[str]:
        return shlex.split(os.environ.get("REMUS_SERVER_ARGUMENTS", ""))
