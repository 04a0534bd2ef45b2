"""A server process of this one's own: started, asked whether it answers, ended, and what it wrote."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import remus_server
from remus_embedded.directives import config_lines, password_in, quoted

if TYPE_CHECKING:
    from datetime import datetime

    from remus_embedded.control import Control, Faults

_started: weakref.WeakSet[RemusServer] = weakref.WeakSet()          # by this process, and not stopped


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
        self.host = "127.0.0.1"
        self.port = port  # 0: it listens at `unix_socket` alone
        self.unix_socket = unix_socket
        self.password = password  # of `requirepass` at the start; "" for none
        self.folder = Path(folder)  # its working directory and `dir`, removed by stop()
        self._process = process
        self._last_log: list[str] = []
        self._control: Control | None = None
        _started.add(self)
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
        return self._last_log[0] if self._last_log else log_in(self.folder)

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


def start_on(port: int, timeout: float, directives: dict[str, Any], *arguments: str) -> RemusServer:
    server = launch(port, directives, {}, *arguments)
    wait_for([server], timeout, answers)
    return server


def wait_for(servers: list[RemusServer], timeout: float, ready: Callable[[RemusServer], bool]) -> None:
    """Until all are; one that ends or takes too long is a RuntimeError with its log, and is stopped."""
    deadline = time.monotonic() + timeout
    for server in servers:
        while not ready(server):
            if not server.is_running() or time.monotonic() > deadline:
                what = "ended" if not server.is_running() else f"does not answer after {timeout} s"
                log_text = server.log()
                server.stop()
                raise RuntimeError(f"remus-server {what}:\n{log_text}")
            time.sleep(0.01)


def launch(port: int, directives: dict[str, Any], environment: dict[str, str], *arguments: str) -> RemusServer:
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
                # The file by its path: it is found whatever PYTHONPATH says.
                [sys.executable, remus_server.PROGRAM, str(config), *arguments],
                cwd=folder,
                env={**os.environ, **environment, remus_server.LIFELINE: str(reading)},
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def asked(server: RemusServer, requests: bytes, end: bytes) -> bytes:
    """What a server answers to inline commands, until the end matches or the reply to the last is an error; b"" when it
    does not answer."""

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


def answers(server: RemusServer) -> bool:
    """Whether it is this server that answers. An error such as -NOAUTH is an answer, -LOADING is not yet."""
    text = asked(server, b"PING\r\nINFO server\r\n", rb"process_id:\d+\r")
    ping, _, reply = text.partition(b"\r\n")
    return bool(text) and not ping.startswith(b"-LOADING") and (
        reply.startswith(b"-") or b"process_id:%d\r" % server.pid in reply)


def logging_in(server: RemusServer) -> bytes:
    """An inline command."""
    return b"AUTH %s\r\n" % quoted(server.password).encode() if server.password else b"PING\r\n"


def log_in(folder: str | os.PathLike[str]) -> str:
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
    last_log.append(log_in(folder))
    shutil.rmtree(folder, ignore_errors=True)


def running() -> list[RemusServer]:
    """The servers that this process has started and not stopped; some may have ended by themselves."""
    return sorted(_started, key=lambda server: server.pid)
