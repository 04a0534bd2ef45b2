"""A running server watched from beside: what its threads cost, what its lanes say, and how full the machine is.

Works on a server that somebody else started. Processor times of its threads are read from /proc, so only where its
process is on this machine; what INFO says is there everywhere.
"""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from perf.server_under_test import ServerFailed, encode

SECONDS = 30.0
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Connection:
    """Commands to a server, one at a time; replies as text."""

    def __init__(self, host: str, port: int, password: str = "") -> None:
        self.address = f"{host}:{port}"
        self.file = socket.create_connection((host, port), SECONDS).makefile("rwb")
        if password:
            self.ask("AUTH", password)

    def close(self) -> None:
        self.file.close()

    def ask(self, *words: str | int) -> str:
        """One command; ServerFailed with the server's words when it answers an error."""
        self.file.write(encode(*words))
        self.file.flush()
        return self._reply()

    def _reply(self) -> str:
        line = self.file.readline().decode(errors="replace").rstrip("\r\n")
        kind, rest = line[:1], line[1:]
        if kind == "$":
            return self.file.read(int(rest) + 2)[:-2].decode(errors="replace") if int(rest) >= 0 else ""
        if kind == "*":
            return "\n".join(self._reply() for _ in range(int(rest)))
        if kind in "+:" and kind:
            return rest
        raise ServerFailed(f"{self.address}: {rest or 'the connection was closed'}")

    def info(self, section: str) -> dict[str, str]:
        """The fields of a section of INFO."""
        lines = (line.partition(":") for line in self.ask("INFO", section).splitlines() if ":" in line)
        return {name: value for name, _, value in lines}


@dataclass(frozen=True)
class Look:
    """All counters at one moment; microseconds. Two of them give shares."""

    threads: dict[int, float]  # processor time of each thread of the server's process, by thread id
    lanes: list[tuple[float, float]]  # busy and idle of each lane, the main thread first
    wall_us: float
    used: float  # of all processors of this machine, by anybody
    stolen: float  # of it, by the host for other machines


class Watched:
    """A server by its address. `pid` is None where its process is out of sight."""

    def __init__(self, connection: Connection, local: bool) -> None:
        self.connection = connection
        self.pid = own_pid(connection) if local else None

    def look(self) -> Look:
        now = time.perf_counter() * 1e6
        used, stolen = machine_us()
        return Look(thread_times(self.pid) if self.pid else {}, lane_times(self.connection), now, used, stolen)

    def main_and_others(self, before: Look, after: Look) -> tuple[float, float]:
        """Microseconds of the main thread and of all other threads between two looks; the ended ones are not seen."""
        spent = {tid: after.threads[tid] - before.threads.get(tid, 0.0) for tid in after.threads}
        main = spent.pop(self.pid or 0, 0.0)
        return main, sum(spent.values())


def own_pid(connection: Connection) -> int | None:
    """The server's process, when /proc shows one of that number; None when it runs in another container."""
    pid = connection.info("server").get("process_id", "")
    return int(pid) if pid.isdigit() and Path(f"/proc/{pid}/task/{pid}/schedstat").exists() else None


def thread_times(pid: int) -> dict[int, float]:
    """Processor time of each thread, microseconds."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().split()[0]) / 1e3
        except OSError:  # it ended just now
            pass
    return found


def lane_times(connection: Connection) -> list[tuple[float, float]]:
    """Busy and idle of each lane as INFO iothreads tells them; empty for a server that does not."""
    lanes = []
    for name, value in connection.info("iothreads").items():
        if name.startswith("io_thread_"):
            fields = dict(pair.split("=") for pair in value.split(","))
            lanes.append((float(fields.get("busy_us", 0)), float(fields.get("idle_us", 0))))
    return lanes


def busy_shares(before: Look, after: Look) -> tuple[float, ...]:
    """The share of the time between two looks that each lane did not wait."""
    shares = []
    for (busy, idle), (busy_then, idle_then) in zip(after.lanes, before.lanes):
        passed = busy - busy_then + idle - idle_then
        shares.append((busy - busy_then) / passed if passed > 0 else 0.0)
    return tuple(shares)


def machine_us() -> tuple[float, float]:
    """Processor time used on this machine since it started, and stolen by its host; 0 where /proc has no stat."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0, 0.0
    user, nice, system, _, _, irq, softirq, steal = (int(word) * 1e6 / CLOCK_TICKS for word in words)
    return user + nice + system + irq + softirq, steal
