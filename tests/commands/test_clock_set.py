"""Somebody sets the clock while the server runs: dates follow it; what is measured or due does not.

The server is ours with a signal handler that sets its wall clock an hour off (registry.clock.set_wall_clock, and
`time.time` for what reads that).
"""

import signal
from collections.abc import Callable

import pytest

from tests.support.resp import Connection, NullArray
from tests.support.server import Server, wait_until

HOUR = 3600
PRELUDE = """
import signal, time
from server.registry import clock
def set_clock(*_, real=time.time):
    clock.set_wall_clock({seconds} * 1_000_000)
    time.time = lambda: real() + {seconds}
signal.signal(signal.SIGUSR2, set_clock)
"""


def set_clock(server: Server, c: Connection, seconds: int) -> None:
    """Now."""
    before = int(c.ok("TIME")[0])
    server.signal(signal.SIGUSR2)
    wait_until(lambda: abs(int(c.ok("TIME")[0]) - before - seconds) < HOUR // 2, "another time")


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_intervals_stay(new_server: Callable[..., Server], seconds: int) -> None:
    server = new_server(prelude=PRELUDE.format(seconds=seconds), save="1 1", appendonly=True)
    c, paused = server.connect(), server.connect()
    c.ok("SET", "k", "v")
    c.ok("HOTKEYS", "START", "METRICS", 1, "CPU", "DURATION", 600)
    paused.ok("CLIENT", "PAUSE", 600_000, "WRITE")
    last_save = c.ok("LASTSAVE")
    set_clock(server, c, seconds)
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
def test_dates_follow(new_server: Callable[..., Server], seconds: int) -> None:
    server = new_server(prelude=PRELUDE.format(seconds=seconds))
    c = server.connect()
    c.ok("SET", "k", "v", "EX", HOUR // 2)
    first = c.ok("XADD", "s", "*", "f", "v")
    set_clock(server, c, seconds)
    assert c.ok("TTL", "k") == -2 if seconds > 0 else HOUR < c.ok("TTL", "k") <= HOUR * 3 // 2
    second = c.ok("XADD", "s", "*", "f", "v")
    apart = int(second.split(b"-")[0]) - int(first.split(b"-")[0])
    assert abs(apart - HOUR * 1000) < HOUR * 500 if seconds > 0 else apart == 0      # IDs never go back
