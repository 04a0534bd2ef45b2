"""Somebody sets the clock while the server runs: dates follow it; what is measured or due does not.

The server is ours with a signal handler that sets its wall clock an hour off (registry.clock.set_wall_clock, and
`time.time` for what reads that).
"""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.resp import Connection, NullArray
from tests.support.server import ROOT, Server, wait_until

HOUR = 3600
PROGRAM = """
import runpy, signal, sys, time
sys.path.insert(0, {root!r})
from server.registry import clock
seconds = {seconds}
def set_clock(*_, real=time.time):
    clock.set_wall_clock(seconds * 1_000_000)
    time.time = lambda: real() + seconds
signal.signal(signal.SIGUSR2, set_clock)
sys.argv[0] = {path!r}
runpy.run_path({path!r}, run_name="__main__")
"""


class SetClock(Server):
    """A server whose clock can be set once."""

    seconds = 0

    def command_line(self) -> list[str]:
        program = PROGRAM.format(root=str(ROOT), seconds=self.seconds, path=str(ROOT / "remus_server.py"))
        return [sys.executable, "-c", program]

    def set_clock(self, c: Connection) -> None:
        """Now."""
        before = int(c.ok("TIME")[0])
        self.signal(signal.SIGUSR2)
        wait_until(lambda: abs(int(c.ok("TIME")[0]) - before - self.seconds) < HOUR // 2, "another time")


@pytest.fixture
def with_clock(tmp_path: Path) -> Iterator[Callable[..., SetClock]]:
    def make(seconds: int, **directives: object) -> SetClock:
        made = SetClock(tmp_path, start=False, **directives)
        made.seconds = seconds
        made.start()
        servers.append(made)
        return made

    servers: list[SetClock] = []
    yield make
    for server in servers:
        server.stop()


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_intervals_stay(with_clock: Callable[..., SetClock], seconds: int) -> None:
    server = with_clock(seconds, save="1 1", appendonly=True)
    c, paused = server.connect(), server.connect()
    c.ok("SET", "k", "v")
    c.ok("HOTKEYS", "START", "METRICS", 1, "CPU", "DURATION", 600)
    paused.ok("CLIENT", "PAUSE", 600_000, "WRITE")
    last_save = c.ok("LASTSAVE")
    server.set_clock(c)
    assert c.ok("OBJECT", "IDLETIME", "k") < HOUR // 2
    fields = dict(zip((flat := c.ok("HOTKEYS", "GET")[0])[::2], flat[1::2], strict=True))
    assert fields[b"tracking-active"] == 1 and 0 <= fields[b"collection-duration-ms"] < HOUR * 500
    c.send("SET", "k", "w")
    assert c.nothing_comes()                       # the pause is not over
    paused.ok("CLIENT", "UNPAUSE")
    assert c.read() == "OK"
    c.ok("CLIENT", "PAUSE", 10, "WRITE")
    c.ok("SET", "k", "x")                          # this one ends
    assert c.ok("BLPOP", "none", 0.01) is NullArray
    c.send("BLPOP", "none", 600)
    assert c.nothing_comes()
    paused.ok("RPUSH", "none", "x")
    assert c.read() == [b"none", b"x"]
    wait_until(lambda: int(server.info("persistence")["rdb_saves"]), "a save point")
    wait_until(lambda: server.info("persistence")["rdb_bgsave_in_progress"] == "0")
    info = server.info("everything")
    assert 0 <= int(info["rdb_last_bgsave_time_sec"]) < HOUR // 2 and 0 <= int(info["uptime_in_seconds"]) < HOUR // 2
    assert abs(c.ok("LASTSAVE") - last_save - seconds) < HOUR // 2       # a date
    assert all(int(line.split(b" idle=")[1].split()[0]) < HOUR // 2 for line in c.ok("CLIENT", "LIST").splitlines())


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_dates_follow(with_clock: Callable[..., SetClock], seconds: int) -> None:
    server = with_clock(seconds)
    c = server.connect()
    c.ok("SET", "k", "v", "EX", HOUR // 2)
    first = c.ok("XADD", "s", "*", "f", "v")
    server.set_clock(c)
    assert c.ok("TTL", "k") == -2 if seconds > 0 else HOUR < c.ok("TTL", "k") <= HOUR * 3 // 2
    second = c.ok("XADD", "s", "*", "f", "v")
    apart = int(second.split(b"-")[0]) - int(first.split(b"-")[0])
    assert abs(apart - HOUR * 1000) < HOUR * 500 if seconds > 0 else apart == 0      # IDs never go back
