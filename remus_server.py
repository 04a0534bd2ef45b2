"""The one uniquely named module of the distribution: what the console scripts enter, and how other programs start a
server of their own.

    import remus_server
    with remus_server.start(maxmemory="100mb") as remus:      # a server process on a free port
        redis.Redis(port=remus.port).ping()

    with remus_server.start_cluster(masters=3, replicas=1) as cluster:      # six of them, one cluster
        redis.RedisCluster.from_url(cluster.url).set("k", "v")

In pytest, the fixtures `remus_server` (one server for the session), `remus` (a redis-py client on it, emptied for each
test) and `remus_cluster` (one cluster for the session) are there as soon as the distribution is installed.

The rooms of the server have generic names (`server`, `metrics`...), which are other people's names, too. So nobody
imports them directly: installed, they stand in a folder that is on nobody's path, and `main` puts that folder first on
the path of its own process, then enters `server.__main__`. In a clone that folder is the clone itself.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "pytest" in sys.modules:
    from collections.abc import Iterator
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

# A server that starts needs none of what starting one needs: the functions below import it when they are called.
_HERE = os.path.dirname(os.path.realpath(__file__))
_INSTALLED = os.path.join(_HERE, "remus_server_home")
HOME = _INSTALLED if os.path.isdir(_INSTALLED) else _HERE
NODE_PORTS = (11_000, 22_000)  # of nodes of a cluster, whose bus is 10,000 above
LIFELINE = "REMUS_LIFELINE"  # in the environment of a server that `start` made: a file descriptor, see _serve_parent
FOUND = "REMUS_FOUND"  # likewise, where it is a node of a cluster: what _found reads
ATTEMPTS = 5  # another process may take the free port before the server does


def _come_home() -> None:
    """From now on the rooms of the server come before anything else of their names."""
    sys.path[:] = [HOME, *(path for path in sys.path if path != HOME)]


def main() -> int:
    """`remus-server` on the command line; the exit code."""
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
    import argparse
    import signal

    parser = argparse.ArgumentParser("remus-cluster", description="Run a cluster on 127.0.0.1, until Ctrl-C.")
    parser.add_argument("--masters", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=1, help="of each master")
    parser.add_argument("--port", type=int, help="of the first node, the others follow; free ones without")
    parser.add_argument("directives", nargs="*", metavar="NAME=VALUE", help="directives for all nodes")
    given = parser.parse_args()
    count = given.masters * (1 + given.replicas)
    ports = list(range(given.port, given.port + count)) if given.port else None
    directives: dict[str, Any] = dict(word.split("=", 1) for word in given.directives)
    with start_cluster(given.masters, given.replicas, ports=ports, **directives) as made:
        for node in made.nodes:
            print(f"{node.host}:{node.port}  {node.folder}", flush=True)
        print(f"redis-cli -c -p {made.port}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


class RemusServer:
    """A running server process. `stop()` it, or use it in a `with`. It ends with this process, too, even by SIGKILL."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        port: int,
        folder: str,
        lifeline: int,
        password: str = "",
    ) -> None:
        import weakref
        from pathlib import Path

        self.host = "127.0.0.1"
        self.port = port
        self.password = password  # of `requirepass` at the start; "" for none
        self.folder = Path(folder)  # its working directory and `dir`, removed by stop()
        self._process = process
        self._last_log: list[str] = []
        self._end = weakref.finalize(self, _end, process, folder, lifeline, self._last_log, os.getpid())

    def __repr__(self) -> str:
        state = "running" if self._process.poll() is None else "ended"
        return f"<RemusServer {self.host}:{self.port}, pid {self.pid}, {state}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send_signal(self, number: int) -> None:
        """To its process; nothing happens to one that has ended."""
        self._process.send_signal(number)

    @property
    def url(self) -> str:
        """What `redis.Redis.from_url` and other clients take, password included."""
        from urllib.parse import quote

        who = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{who}{self.host}:{self.port}/0"

    def log(self) -> str:
        """What the server wrote to stdout and stderr so far; after stop(), all that it wrote."""
        return self._last_log[0] if self._last_log else _log_in(self.folder)

    def stop(self) -> None:
        """SIGTERM, wait, remove the folder. Harmless the second time."""
        self._end()

    def __enter__(self) -> RemusServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(port: int | None = None, *, timeout: float = 30.0, **directives: Any) -> RemusServer:
    """Start a server process and return when it answers PING.

    port        where to listen on 127.0.0.1; None for a free one
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


class RemusCluster:
    """Running servers that are one cluster. `nodes` are RemusServers, masters first, then their replicas in turns: with
    three masters and one replica nodes[3] follows nodes[0], at the beginning. `stop()` it, or use it in a `with`."""

    def __init__(self, nodes: list[RemusServer]) -> None:
        self.nodes = nodes

    def __repr__(self) -> str:
        return f"<RemusCluster of {len(self.nodes)}: {self.nodes}>"

    @property
    def host(self) -> str:
        return self.nodes[0].host

    @property
    def port(self) -> int:
        """Of the first node: clients find the others."""
        return self.nodes[0].port

    @property
    def url(self) -> str:
        """What `redis.RedisCluster.from_url` and other clients take, password included."""
        return self.nodes[0].url

    def stop(self) -> None:
        """Stop all nodes and remove their folders. Harmless the second time."""
        import signal

        for node in self.nodes:  # first all of them, or they would see each other fail
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> RemusCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_cluster(masters: int = 3, replicas: int = 1, *, ports: list[int] | None = None, timeout: float = 30.0,
                  **directives: Any) -> RemusCluster:
    """Start a cluster and return when all nodes say that it serves and every replica has its master's data.

    masters, replicas   how many masters, and how many replicas for each
    ports               of the nodes on 127.0.0.1, up to 55535, for the bus is 10,000 above; None for free ones
    timeout             seconds until it must serve
    directives          of each node, as for `start`

    Raises RuntimeError, with the log of the node that will not, when it does not serve in time.
    """
    import random

    count = masters * (1 + replicas)
    if masters < 1 or replicas < 0 or (ports is not None and len(ports) != count):
        raise ValueError("a cluster has masters, and a port for each of its nodes")
    chosen = ports if ports is not None else _free_node_ports(count)
    seed = random.getrandbits(63)
    given = {"cluster_node_timeout": 5000, "repl_diskless_sync_delay": 0, **directives, "cluster_enabled": True}
    if given.get("requirepass"):
        given.setdefault("masterauth", given["requirepass"])
    cluster = RemusCluster([])
    try:
        for number, port in enumerate(chosen):
            words = " ".join(map(str, (number, masters, seed, *chosen)))
            cluster.nodes.append(_launch(port, given, {FOUND: words}))
        _wait_for(cluster.nodes, timeout, _serves_in_cluster)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _start_on(port: int, timeout: float, directives: dict[str, Any]) -> RemusServer:
    server = _launch(port, directives, {})
    _wait_for([server], timeout, lambda server: _answers(server.port, server.pid))
    return server


def _wait_for(servers: list[RemusServer], timeout: float, ready: Callable[[RemusServer], bool]) -> None:
    """Until all are; one that ends or takes too long is a RuntimeError with its log, and is stopped."""
    import time

    deadline = time.monotonic() + timeout
    for server in servers:
        while not ready(server):
            if not server.alive or time.monotonic() > deadline:
                what = "ended" if not server.alive else f"does not answer after {timeout} s"
                log_text = server.log()
                server.stop()
                raise RuntimeError(f"remus-server {what}:\n{log_text}")
            time.sleep(0.01)


def _launch(port: int, directives: dict[str, Any], environment: dict[str, str]) -> RemusServer:
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    folder = tempfile.mkdtemp(prefix="remus-")
    config = Path(folder, "redis.conf")
    given = {"bind": "127.0.0.1", "save": "", "dir": folder, **directives, "port": port}
    config.write_text("".join(_config_lines(given)))
    reading, lifeline = os.pipe()
    try:
        with open(Path(folder, "server.log"), "wb") as log:
            process = subprocess.Popen(
                # This file by its path: it is found whatever PYTHONPATH says.
                [sys.executable, os.path.realpath(__file__), str(config)],
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
    password = directives.get("requirepass") or ""
    return RemusServer(process, port, folder, lifeline, password if isinstance(password, str) else "")


def _config_lines(directives: dict[str, Any]) -> Iterator[str]:
    for name, value in directives.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            text = {True: "yes", False: "no"}[one] if isinstance(one, bool) else str(one)
            several_words = isinstance(value, list | tuple) and text
            yield f"{name.replace('_', '-')} {text if several_words else _quoted(text)}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _free_node_ports(count: int) -> list[int]:
    """For nodes of a cluster, and with the one 10,000 above for the bus. Below those that the system gives to
    connections: nodes open many, and one could take the port of a node that is just starting."""
    import random
    import socket

    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*NODE_PORTS)
        try:
            for one in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found


def _asked(port: int, requests: bytes, end: bytes) -> bytes:
    """What a server answers to inline commands, until the end matches or the reply to the last is an error; b"" when it
    does not answer."""
    import re
    import socket

    text = b""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            connection.sendall(requests)
            while not re.search(end + rb"|\A(?:.*\r\n){%d}-" % (requests.count(b"\n") - 1), text):
                received = connection.recv(65536)
                if not received:
                    return b""
                text += received
    except OSError:
        return b""
    return text


def _answers(port: int, pid: int) -> bool:
    """Whether the server `pid` answers. An error such as -NOAUTH is an answer, -LOADING is not yet."""
    text = _asked(port, b"PING\r\nINFO server\r\n", rb"process_id:\d+\r")
    ping, _, reply = text.partition(b"\r\n")
    return bool(text) and not ping.startswith(b"-LOADING") and (
        reply.startswith(b"-") or b"process_id:%d\r" % pid in reply)


def _serves_in_cluster(server: RemusServer) -> bool:
    """Whether the cluster serves, for all this node knows, and it has what its master has."""
    login = b"AUTH %s\r\n" % _quoted(server.password).encode() if server.password else b"PING\r\n"
    asked = login + b"CLUSTER INFO\r\nINFO replication\r\n"
    text = _asked(server.port, asked, rb"(?s)cluster_state:.*master_repl_offset:")
    return b"cluster_state:ok" in text and b"master_link_status:down" not in text


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


if "pytest" in sys.modules:  # loaded as pytest's plugin `remus`; a server process has no use for it
    import contextlib

    import pytest

    @pytest.fixture(scope="session")
    def remus_server() -> Iterator[RemusServer]:
        """One server for the session; a RemusServer with .port, .host, .url, .pid."""
        with start() as server:
            yield server

    @pytest.fixture(scope="session")
    def remus_cluster() -> Iterator[RemusCluster]:
        """One cluster for the session, three masters with a replica each; a RemusCluster with .nodes, .port, .url."""
        with start_cluster() as cluster:
            yield cluster

    @pytest.fixture
    def remus(remus_server: RemusServer) -> Iterator[Any]:
        """A redis-py client on the session's server, which is emptied first."""
        redis = pytest.importorskip("redis")
        with contextlib.closing(redis.Redis(remus_server.host, remus_server.port)) as client:
            client.flushall()
            yield client


if __name__ == "__main__":
    if LIFELINE in os.environ:
        sys.exit(_serve_parent(int(os.environ[LIFELINE]), os.path.dirname(sys.argv[1])))
    sys.exit(main())
