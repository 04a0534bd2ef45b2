"""The uniquely named module of the distribution: what the console scripts enter, and how other programs start a
server of their own.

    import remus_server
    with remus_server.start(maxmemory="100mb") as remus:      # a server process on a free port
        redis.Redis(port=remus.port).ping()

    remus_server.Redis().ping()                               # one beside this process, and a redis-py client on it

    with remus_server.start_cluster(masters=3, replicas=1) as cluster:      # six of them, one cluster
        redis.RedisCluster.from_url(cluster.url).set("k", "v")

    with remus_server.start_sentinels() as watched:           # a master, a replica, and three sentinels over them
        redis.sentinel.Sentinel(watched.addresses).master_for(watched.name).ping()

In pytest, the fixtures `remus_server` (one server for the session), `remus` (a redis-py client on it, emptied for each
test) and others (`remus_embedded.pytest_plugin`) are there as soon as the distribution is installed.

The rooms of the server have generic names (`server`, `metrics`...), which are other people's names, too. So nobody
imports them directly: installed, they stand in a folder that is on nobody's path, and `main` puts that folder first on
the path of its own process, then enters `server.__main__`. In a clone that folder is the clone itself.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from datetime import datetime

    from remus_embedded.cases import RemusMixin as RemusMixin, RemusTestCase as RemusTestCase
    from remus_embedded.clients import AsyncRemus, Remus
    from remus_embedded.clusters import RemusCluster as RemusCluster
    from remus_embedded.control import Control, Faults
    from remus_embedded.sentinels import RemusSentinels as RemusSentinels

# A server that starts needs none of what starting one needs: the functions below import it when they are called.
_HERE = os.path.dirname(os.path.realpath(__file__))
_INSTALLED = os.path.join(_HERE, "remus_server_home")
HOME = _INSTALLED if os.path.isdir(_INSTALLED) else _HERE
LIFELINE = "REMUS_LIFELINE"  # in the environment of a server that `start` made: a file descriptor, see _serve_parent
FOUND = "REMUS_FOUND"  # likewise, where it is a node of a cluster: what _found reads
ATTEMPTS = 5  # another process may take the free port before the server does
_started: Any = None  # a WeakSet of the servers of this process, once there is one


def _come_home() -> None:
    """From now on the rooms of the server come before anything else of their names."""
    sys.path[:] = [HOME, *(path for path in sys.path if path != HOME)]


def main() -> int:
    """`remus-server` and, by that name, `remus-sentinel` on the command line; the exit code."""
    _come_home()
    from server.__main__ import main as server_main

    return server_main() or 0


def _serve_parent(lifeline: int, folder: str) -> int:
    """The server that `start` made: it ends when its parent does, whatever ended that, and then removes the folder.

    lifeline: the reading end of a pipe that nobody writes to. Its other end closes with the parent, and the kernel then
    sends SIGTERM: that costs no thread, and unlike PR_SET_PDEATHSIG it does not mind which thread of the parent ends.
    """
    import fcntl
    import select
    import signal

    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.FASYNC)
    watch = select.poll()
    watch.register(lifeline, 0)  # a closed other end is always told
    try:
        if FOUND in os.environ:
            _found(folder, os.environ[FOUND])
        return 0 if watch.poll(0) else main()
    finally:
        if watch.poll(0):
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def _found(folder: str, words: str) -> None:
    """Write the nodes.conf of a node of a new cluster. words: its number, how many masters there are, a number by which
    all nodes find the same names, and the port of each."""
    from pathlib import Path
    from random import Random

    number, masters, seed, *ports = map(int, words.split())
    _come_home()
    from server.cluster.founding import Place, founded

    texts = founded([Place("127.0.0.1", port) for port in ports], masters, Random(seed))
    Path(folder, "nodes.conf").write_text(texts[number])


def check_rdb() -> int:
    """`remus-check-rdb` on the command line; the exit code."""
    _come_home()
    from server.persistence.check_rdb import main as check_main

    return check_main()


def check_aof() -> int:
    """`remus-check-aof` on the command line; the exit code."""
    _come_home()
    from server.persistence.check_aof import main as check_main

    return check_main()


def benchmark() -> int:
    """`remus-benchmark` on the command line; the exit code."""
    _come_home()
    from perf.benchmark.command_line import main as benchmark_main

    return benchmark_main()


def cluster() -> int:
    """`remus-cluster` on the command line: a cluster until Ctrl-C; the exit code."""
    from remus_embedded import clusters

    return clusters.run()


class RemusServer:
    """A running server process. `stop()` it, or use it in a `with`. It ends with this process, too, even by SIGKILL."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        port: int,
        folder: str,
        lifeline: int,
        password: str = "",
        unix_socket: str = "",
    ) -> None:
        import weakref
        from pathlib import Path

        self.host = "127.0.0.1"
        self.port = port  # 0: it listens at `unix_socket` alone
        self.unix_socket = unix_socket
        self.password = password  # of `requirepass` at the start; "" for none
        self.folder = Path(folder)  # its working directory and `dir`, removed by stop()
        self._process = process
        self._last_log: list[str] = []
        self._control: Control | None = None
        _note_started(self)
        self._end = weakref.finalize(self, _end, process, folder, lifeline, self._last_log, os.getpid())

    def __repr__(self) -> str:
        state = "running" if self.is_running() else "ended"
        where = f"{self.host}:{self.port}" if self.port else self.unix_socket
        return f"<RemusServer {where}, pid {self.pid}, {state}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """To its process; nothing happens to one that has ended."""
        self._process.send_signal(number)

    @property
    def url(self) -> str:
        """What `redis.Redis.from_url` and other clients take, password included."""
        return self.url_of(0)

    def url_of(self, db: int) -> str:
        """The same for another database."""
        from urllib.parse import quote

        who = f":{quote(self.password, safe='')}@" if self.password else ""
        if not self.port:
            return f"unix://{who}{quote(self.unix_socket)}?db={db}"
        return f"redis://{who}{self.host}:{self.port}/{db}"

    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    # ---- for tests: what needs `enable_debug_command="local"`
    @property
    def control(self) -> Control:
        """A connection of our own, for commands and for what follows."""
        if self._control is None:
            from remus_embedded.control import Control
            from remus_embedded.wire import Wire

            self._control = Control(Wire((self.host, self.port) if self.port else self.unix_socket, self.password))
        return self._control

    @property
    def faults(self) -> Faults:
        """Errors, lost connections, slow replies, a full disk on demand."""
        return self.control.faults

    def fast_forward(self, seconds: float) -> float:
        """Let so much time pass at once: expiry, idle times, clients that wait. Unix time at the server afterwards."""
        return self.control.fast_forward(seconds)

    def set_time(self, when: float | datetime, *, stopped: bool = False) -> float:
        """Set its Unix time, and have that stand still if `stopped`."""
        return self.control.set_time(when, stopped=stopped)

    def log(self) -> str:
        """What the server wrote to stdout and stderr so far; after stop(), all that it wrote."""
        return self._last_log[0] if self._last_log else _log_in(self.folder)

    def wrote_since(self, moment: float) -> bool:
        """Whether it has written to its log since then, Unix seconds."""
        try:
            return os.path.getmtime(self.folder / "server.log") >= moment
        except FileNotFoundError:
            return False

    def stop(self) -> None:
        """SIGTERM, wait, remove the folder. Harmless the second time."""
        if self._control is not None:
            self._control.close()
        self._end()
        _started.discard(self)

    def kill(self) -> None:
        """SIGKILL, as a machine that goes off. Its folder stays until stop()."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> RemusServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def running() -> list[RemusServer]:
    """The servers that this process has started and not stopped; some may have ended by themselves."""
    return sorted(_started or (), key=lambda server: server.pid)


# ---- beside this process
def Redis(
    path: str | os.PathLike[str] | None = None, *, directives: dict[str, Any] | None = None, **options: Any
) -> Remus:
    """A redis-py client with a server of its own, a child of this process at a Unix socket. It ends when the client is
    closed, or with the process.

    path        a folder where the data is kept (by an append only file), made if need be; None: nothing is kept. All
                clients of this process with the same path share one server; another process cannot have it meanwhile
    directives  of redis.conf, as `start` takes them
    options     of redis.Redis, such as decode_responses
    """
    from remus_embedded import beside, clients

    server, release = beside.server_for(path, directives)
    return clients.Remus.of(server, release, **options)


def AsyncRedis(
    path: str | os.PathLike[str] | None = None, *, directives: dict[str, Any] | None = None, **options: Any
) -> AsyncRemus:
    """The same with a client of redis.asyncio; `await client.aclose()` ends it. To start it blocks for a moment."""
    from remus_embedded import beside, clients

    server, release = beside.server_for(path, directives)
    return clients.AsyncRemus.of(server, release, **options)


def url(
    path: str | os.PathLike[str] | None = None, *, db: int = 0, directives: dict[str, Any] | None = None
) -> str:
    """A URL for `redis.Redis.from_url` and other clients, of a server that lives as long as this process. Asked again,
    it is the same server: one for each path, and one without. A fork of this process that asks has one of its own."""
    from remus_embedded import beside

    server = beside.own_server(directives) if path is None else beside.place_at(path, directives or {}).server
    return server.url_of(db)


def __getattr__(name: str) -> Any:
    """RemusTestCase and RemusMixin, for unittest; what start_cluster and start_sentinels return."""
    homes = {"RemusTestCase": "cases", "RemusMixin": "cases", "RemusCluster": "clusters", "RemusSentinels": "sentinels"}
    if name in homes:
        import importlib

        return getattr(importlib.import_module(f"remus_embedded.{homes[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _note_started(server: RemusServer) -> None:
    global _started
    import weakref

    if _started is None:
        _started = weakref.WeakSet()
    _started.add(server)


def start(port: int | None = None, *, timeout: float = 30.0, **directives: Any) -> RemusServer:
    """Start a server process and return when it answers PING.

    port        where to listen on 127.0.0.1; None for a free one, 0 for a Unix socket in its folder alone
    timeout     seconds until it must answer
    directives  of redis.conf, `_` for `-`: `start(appendonly=True, save=["900 1", "60 10"])`. A bool is yes or no, a
                list is the directive several times. Nothing is saved unless `save` or `appendonly` ask for it.

    Raises RuntimeError, with the server's log, when the server ends or does not answer in time.
    """
    for attempt in range(ATTEMPTS):
        chosen = port if port is not None else _free_port()
        try:
            return _start_on(chosen, timeout, directives)
        except RuntimeError as error:
            if port is not None or "Address already in use" not in str(error) or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("not reached")


def start_cluster(masters: int = 3, replicas: int = 1, *, ports: list[int] | None = None, timeout: float = 30.0,
                  **directives: Any) -> RemusCluster:
    """Start a cluster and return when all nodes say that it serves and every replica has its master's data.

    masters, replicas   how many masters, and how many replicas for each
    ports               of the nodes on 127.0.0.1, up to 55535, for the bus is 10,000 above; None for free ones
    timeout             seconds until it must serve
    directives          of each node, as for `start`

    Raises RuntimeError, with the log of the node that will not, when it does not serve in time.
    """
    from remus_embedded import clusters

    return clusters.start(masters, replicas, ports, timeout, directives)


def start_sentinels(
    sentinels: int = 3,
    replicas: int = 1,
    *,
    name: str = "mymaster",
    down_after: int = 1000,
    failover_timeout: int = 10_000,
    timeout: float = 60.0,
    **directives: Any,
) -> RemusSentinels:
    """Start a master, replicas of it and sentinels over them, and return when all know each other.

    name              what sentinels call the master
    down_after        ms without an answer, after which a sentinel takes a server for down
    failover_timeout  ms that a failover may take; twice as long must pass between two
    timeout           seconds until all must know each other
    directives        of the servers, as `start` takes them; with `requirepass` all of them use that password

    The quorum is the majority. Raises RuntimeError when they do not find each other in time.
    """
    from remus_embedded import sentinels as watchers

    return watchers.start(sentinels, replicas, name, down_after, failover_timeout, timeout, directives)


def _start_on(port: int, timeout: float, directives: dict[str, Any], *arguments: str) -> RemusServer:
    server = _launch(port, directives, {}, *arguments)
    _wait_for([server], timeout, _answers)
    return server


def _wait_for(servers: list[RemusServer], timeout: float, ready: Callable[[RemusServer], bool]) -> None:
    """Until all are; one that ends or takes too long is a RuntimeError with its log, and is stopped."""
    import time

    deadline = time.monotonic() + timeout
    for server in servers:
        while not ready(server):
            if not server.is_running() or time.monotonic() > deadline:
                what = "ended" if not server.is_running() else f"does not answer after {timeout} s"
                log_text = server.log()
                server.stop()
                raise RuntimeError(f"remus-server {what}:\n{log_text}")
            time.sleep(0.01)


def _launch(port: int, directives: dict[str, Any], environment: dict[str, str], *arguments: str) -> RemusServer:
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    from remus_embedded.directives import config_lines, password_in

    folder = tempfile.mkdtemp(prefix="remus-")
    config = Path(folder, "redis.conf")
    given = {"bind": "127.0.0.1", "save": "", "dir": folder, **directives, "port": port}
    if not port:
        given.setdefault("unixsocket", os.path.join(folder, "remus.sock"))
    unix_socket = str(given.get("unixsocket", ""))
    config.write_text("".join(config_lines(given)))
    reading, lifeline = os.pipe()
    try:
        with open(Path(folder, "server.log"), "wb") as log:
            process = subprocess.Popen(
                # This file by its path: it is found whatever PYTHONPATH says.
                [sys.executable, os.path.realpath(__file__), str(config), *arguments],
                cwd=folder,
                env={**os.environ, **environment, LIFELINE: str(reading)},
                pass_fds=(reading,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    except BaseException:
        os.close(lifeline)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(reading)
    return RemusServer(process, port, folder, lifeline, password_in(directives), unix_socket)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _asked(server: RemusServer, requests: bytes, end: bytes) -> bytes:
    """What a server answers to inline commands, until the end matches or the reply to the last is an error; b"" when it
    does not answer."""
    import re
    import socket

    text = b""
    try:
        with socket.socket(socket.AF_INET if server.port else socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect((server.host, server.port) if server.port else server.unix_socket)
            connection.sendall(requests)
            while not re.search(end + rb"|\A(?:.*\r\n){%d}-" % (requests.count(b"\n") - 1), text):
                received = connection.recv(65536)
                if not received:
                    return b""
                text += received
    except OSError:
        return b""
    return text


def _answers(server: RemusServer) -> bool:
    """Whether it is this server that answers. An error such as -NOAUTH is an answer, -LOADING is not yet."""
    text = _asked(server, b"PING\r\nINFO server\r\n", rb"process_id:\d+\r")
    ping, _, reply = text.partition(b"\r\n")
    return bool(text) and not ping.startswith(b"-LOADING") and (
        reply.startswith(b"-") or b"process_id:%d\r" % server.pid in reply)


def _logging_in(server: RemusServer) -> bytes:
    """An inline command."""
    from remus_embedded.directives import quoted

    return b"AUTH %s\r\n" % quoted(server.password).encode() if server.password else b"PING\r\n"


def _log_in(folder: str | os.PathLike[str]) -> str:
    try:
        with open(os.path.join(folder, "server.log"), errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _end(
    process: subprocess.Popen[bytes],
    folder: str,
    lifeline: int,
    last_log: list[str],
    owner: int,
) -> None:
    """SIGTERM, and SIGKILL after ten seconds; keep the log, remove the folder."""
    import shutil
    import signal
    import subprocess

    if os.getpid() != owner:  # a fork of the program that started it: not its server
        return
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    os.close(lifeline)
    last_log.append(_log_in(folder))
    shutil.rmtree(folder, ignore_errors=True)


pytest_plugins = ("remus_embedded.pytest_plugin",)  # this module is pytest's plugin `remus`, which loads that


if __name__ == "__main__":
    if LIFELINE in os.environ:
        sys.exit(_serve_parent(int(os.environ[LIFELINE]), os.path.dirname(sys.argv[1])))
    sys.exit(main())
