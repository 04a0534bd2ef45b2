"""watchdog-period: what keeps the server busy is told to the log while it does."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.pace import wait_until
from tests.support.resp import Status

EXPIRED = "--- WATCHDOG TIMER EXPIRED ---"
ASLEEP = "in sleep\n"          # a busy machine may hold up other turns as well: only these are counted


def sleep(server: Any, seconds: float) -> None:
    with server.connect() as c:
        assert c("DEBUG", "SLEEP", str(seconds)) == Status("OK")


@pytest.mark.parametrize("directives", [{}, {"crash_log_enabled": False}])
def test_who_is_stuck_is_told_and_goes_on(new_server: Callable[..., Any], directives: dict[str, Any]) -> None:
    server = new_server(watchdog_period=200, **directives)
    sleep(server, 0.6)
    reports = [report for report in server.log().split(EXPIRED)[1:] if ASLEEP in report]
    assert len(reports) == 1, "once for a turn"
    assert "argv[1]: '\"SLEEP\"'" in reports[0] and "--------\n" in reports[0]

    def again() -> bool:
        sleep(server, 0.6)
        return bool(server.log().count(ASLEEP) == 2)

    wait_until(again, "a report of a later turn, before which the cron has ticked")


def test_it_may_come_and_go(new_server: Callable[..., Any]) -> None:
    server = new_server()
    with server.connect() as c:
        assert c("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"0"]
        for period, times in ((200, 1), (0, 1), (200, 2), (100_000, 2), (0, 2)):
            c.ok("CONFIG", "SET", "watchdog-period", str(period))
            sleep(server, 0.5)
            assert server.log().count(ASLEEP) == times


def test_the_shortest_period_is_two_ticks(new_server: Callable[..., Any]) -> None:
    server = new_server(hz=20, dynamic_hz=False)
    with server.connect() as c:
        c.ok("CONFIG", "SET", "watchdog-period", "1")
        assert c("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"100"]


def test_a_log_that_was_rotated(new_server: Callable[..., Any], tmp_path: Any) -> None:
    path = tmp_path / "own.log"
    server = new_server(logfile=str(path), watchdog_period=200)
    path.rename(tmp_path / "old.log")
    sleep(server, 0.6)
    assert EXPIRED in path.read_text() and ASLEEP in path.read_text()


def test_a_crash_is_reported_all_the_same(new_server: Callable[..., Any]) -> None:
    server = new_server(watchdog_period=200)
    sleep(server, 0.6)
    with server.connect() as c:
        c.send("DEBUG", "SEGFAULT")
    assert server.wait_exit() < 0
    assert "crashed by signal: 11" in server.log() and "in segfault\n" in server.log()
