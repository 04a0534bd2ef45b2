"""How slow this machine is just now, and waits that grow with it.

    patience(10)                    10 on a quiet machine; more when others have the processors or everything is slow
    wait_until(condition, "it")     polls; gives up after so many seconds of a quiet machine

Slowness is the wall-clock time of a piece of work that takes WORK_SECONDS where nobody disturbs. It is measured when it
is asked for and the last answer is older than FRESH_SECONDS; the largest of the last minute counts, for load comes and
goes. REMUS_SLOWNESS multiplies it: a build with a sanitizer is slow on any machine.
"""

import os
import time
from collections.abc import Callable
from typing import Any

WORK_SECONDS = 0.01
WORK_ROUNDS = 150_000  # additions that take about WORK_SECONDS on a processor of 2020
FRESH_SECONDS = 5.0
REMEMBERED_SECONDS = 60.0
FACTOR = float(os.environ.get("REMUS_SLOWNESS", "1"))

_measured: list[tuple[float, float]] = []  # (when, slowness), oldest first


def _measure() -> None:
    start = time.monotonic()
    total = 0
    for number in range(WORK_ROUNDS):
        total += number
    end = time.monotonic()
    _measured.append((end, max(1.0, (end - start) / WORK_SECONDS)))
    while end - _measured[0][0] > REMEMBERED_SECONDS:
        _measured.pop(0)


def slowness() -> float:
    """1.0 on a quiet machine, 10.0 where the same takes ten times as long."""
    if not _measured or time.monotonic() - _measured[-1][0] > FRESH_SECONDS:
        _measure()
    return FACTOR * max(factor for _, factor in _measured)


def patience(seconds: float) -> float:
    """So many seconds of a quiet machine, on this one."""
    return seconds * slowness()


class Deadline:
    """`passed()` some seconds of a quiet machine from now. How slow it is, is looked at while one waits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = time.monotonic()

    def passed(self) -> bool:
        waited = time.monotonic() - self._start
        return waited > self._seconds and waited > patience(self._seconds)


def wait_until(condition: Callable[[], Any], what: str = "the condition", seconds: float = 20.0) -> Any:
    """Poll until `condition()` is true and return its value; AssertionError after `seconds` of a quiet machine."""
    deadline = Deadline(seconds)
    while True:
        value = condition()
        if value:
            return value
        if deadline.passed():
            raise AssertionError(f"{what} did not come true within {seconds} s (slowness {slowness():.1f})")
        time.sleep(0.005)
