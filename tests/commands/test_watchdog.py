"""watchdog-period: what keeps the server busy is told to the log while it does.

An alarm rings once, until the next tick of the cron sets it anew: on a busy machine one may have rung just before, for
a turn that is not ours, so that it takes another sleep to be told of.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.pace import wait_until
from tests.support.resp import Status

EXPIRED = "--- WATCHDOG TIMER EXPIRED ---"
ASLEEP = "in sleep\n"


def sleep(server: Any, seconds: float = 0.3) -> None:
    with server.connect() as c:
        assert c("DEBUG", "SLEEP", str(seconds)) == Status("OK")


def told_of_sleeps(log: Callable[[], str], server: Any) -> int:
    """Sleep until one is told of; how many it took."""
    before, slept = log().count(ASLEEP), 0

    def one_more() -> bool:
        nonlocal slept
        sleep(server)
        slept += 1
        return log().count(ASLEEP) > before

    wait_until(one_more, "a report", 40)
    return slept


@pytest.mark.parametrize("directives", [{}, {"crash_log_enabled": False}])
def test_who_is_stuck_is_told_and_goes_on(new_server: Callable[..., Any], directives: dict[str, Any]) -> None:
    server = new_server(watchdog_period=200, **directives)
    slept = told_of_sleeps(server.log, server)
    [report] = [report for report in server.log().split(EXPIRED)[1:] if ASLEEP in report]
    assert "argv[1]: '\"SLEEP\"'" in report and "--------\n" in report
    slept += told_of_sleeps(server.log, server)
    assert 2 <= server.log().count(ASLEEP) <= slept, "once for a turn"


def test_it_may_come_and_go(new_server: Callable[..., Any]) -> None:
    server = new_server()
    with server.connect() as c:
        assert c("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"0"]
        for without in (0, 100_000, 0):
            c.ok("CONFIG", "SET", "watchdog-period", "200")
            told_of_sleeps(server.log, server)
            c.ok("CONFIG", "SET", "watchdog-period", str(without))
            told = server.log().count(EXPIRED)
            sleep(server)
            assert server.log().count(EXPIRED) == told


def test_the_shortest_period_is_two_ticks(new_server: Callable[..., Any]) -> None:
    server = new_server(hz=20, dynamic_hz=False)
    with server.connect() as c:
        c.ok("CONFIG", "SET", "watchdog-period", "1")
        assert c("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"100"]


def test_a_log_that_was_rotated(new_server: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "own.log"
    server = new_server(logfile=str(path), watchdog_period=200)
    path.rename(tmp_path / "old.log")
    told_of_sleeps(lambda: path.read_text() if path.exists() else "", server)
    assert EXPIRED in path.read_text()


def test_a_crash_is_reported_all_the_same(new_server: Callable[..., Any]) -> None:
    server = new_server(watchdog_period=200)
    told_of_sleeps(server.log, server)
    with server.connect() as c:
        c.send("DEBUG", "SEGFAULT")
    assert server.wait_exit() < 0
    assert "crashed by signal: 11" in server.log() and "in segfault\n" in server.log()
