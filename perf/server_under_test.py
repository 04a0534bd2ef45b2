"""A server seen from outside: a command line, a port, and the processor time and memory that the kernel says it has.

Nothing here knows which server it is; so ours and the peer are measured by the same yardstick. Processor time comes
from `/proc/PID/task/*/schedstat` (nanoseconds, every thread), because `/proc/PID/stat` counts in ticks of 10 ms. A
wrapper script may stand between: everything sums over the process and its descendants.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

START_SECONDS = 60.0
CHUNK_BYTES = 1 << 18
MARK = b"perf-end-of-chunk"


class ServerFailed(Exception):
    """The server did not start, ended, or answered with an error."""


def exit_on_sigterm() -> None:
    """For programs: SIGTERM ends them as an exception does, so that their servers end, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def encode(*words: bytes | str | int | float) -> bytes:
    """One command as a RESP array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class ServerUnderTest:
    """A running server; use it in a `with`. `name` is what messages and tables call it."""

    def __init__(self, name: str, command: str, arguments: str = "") -> None:
        self.name = name
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="perf-"))
        given = ["--port", str(self.port), "--save", "", "--dir", str(self.folder), *shlex.split(arguments)]
        self.command = [*shlex.split(command), *given]
        self.log_file = self.folder / "out.log"
        began = time.perf_counter()
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
            )
        try:
            self._wait_for_pong(began + START_SECONDS)
        except BaseException:
            self.stop()
            raise
        self.startup_ms = (time.perf_counter() - began) * 1e3

    def __enter__(self) -> "ServerUnderTest":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill it and all that it started; remove its folder."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), START_SECONDS)

    def _wait_for_pong(self, end: float) -> None:
        while True:
            try:
                with self.connect() as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.perf_counter() > end:
                log = self.log_file.read_text(errors="replace")[-2000:]
                raise ServerFailed(f"{self.name} did not start: {shlex.join(self.command)}\n{log}")
            time.sleep(0.002)

    # ---- commands

    def send(self, commands: Iterable[bytes]) -> None:
        """Send encoded commands in large chunks and wait for all replies; ServerFailed on an error reply.

        Replies must be integers or simple strings: an error is recognised by the minus that begins its line.
        """
        with self.connect() as connection:
            for chunk in chunks(commands):
                connection.sendall(chunk + encode("ECHO", MARK))
                received = b"\r\n"
                while MARK not in received[-len(MARK) - 2 :]:
                    data = connection.recv(1 << 16)
                    if not data:
                        raise ServerFailed(f"{self.name} closed the connection")
                    received += data
                if b"\r\n-" in received:
                    error = received.partition(b"\r\n-")[2].partition(b"\r\n")[0]
                    raise ServerFailed(f"{self.name}: {error.decode(errors='replace')}")

    def info(self, field: str, section: str = "default") -> str:
        """One field of INFO, or an empty string."""
        with self.connect() as connection:
            connection.sendall(encode("INFO", section) + encode("ECHO", MARK))
            received = b""
            while MARK not in received:
                data = connection.recv(1 << 16)
                if not data:
                    break
                received += data
        for line in received.decode(errors="replace").splitlines():
            if line.startswith(field + ":"):
                return line.partition(":")[2]
        return ""

    # ---- what the kernel accounts to it

    def pids(self) -> list[int]:
        """The process and its descendants."""
        family = [self.process.pid]
        for pid in family:  # grows while it is walked
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    family += [int(child) for child in path.read_text().split()]
                except OSError:
                    pass
        return family

    def cpu_us(self) -> float:
        """Processor time so far of all its threads, user and system, in microseconds."""
        total_ns = 0
        if not os.path.isdir("/proc/self/task"):
            return sum(us for us, _ in self.told_by_psutil())
        for pid in self.pids():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total_ns += int(path.read_text().split()[0])
                except OSError:  # a thread that ended just now
                    pass
        return total_ns / 1e3

    def rss_bytes(self) -> int:
        """Resident memory, as `ps` shows it."""
        if not os.path.isdir("/proc/self/task"):
            return sum(rss for _, rss in self.told_by_psutil())
        return sum(status_bytes(Path(f"/proc/{pid}/status").read_text(), "VmRSS") for pid in self.pids())

    def told_by_psutil(self) -> list[tuple[float, int]]:
        """Where there is no Linux to ask: processor time and resident memory of the process and each descendant."""
        import psutil

        family = psutil.Process(self.process.pid)
        seen = [(each.cpu_times(), each.memory_info()) for each in (family, *family.children(recursive=True))]
        return [((cpu.user + cpu.system) * 1e6, memory.rss) for cpu, memory in seen]


def chunks(commands: Iterable[bytes]) -> Iterator[bytes]:
    """Join commands into pieces of at least CHUNK_BYTES (the last one may be shorter)."""
    waiting: list[bytes] = []
    size = 0
    for command in commands:
        waiting.append(command)
        size += len(command)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def status_bytes(status: str, field: str) -> int:
    """A size in /proc/PID/status, which the kernel prints in kB; 0 when it is not there."""
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return 0
