"""server_cron: what has to happen a few times a second, whatever clients do. `hz` times, more with many clients.

Rooms register their jobs at start with `cron.every(milliseconds, job)`; it runs on the first tick after its interval.
A tick does not keep clients waiting for all of its jobs: after SLICE_US it lets a turn of the loop come between if
somebody waits for one, and after TURN_US anyway. An idle server so turns its loop once a tick.
"""

import time
from collections import deque
from collections.abc import Callable

from server.config.config import Config
from server.observe.internal_errors import internal_errors
from server.registry.dataclass import dataclass
from server.registry.light import Any

MAX_HZ = 500
# dynamic-hz: more per tick, not counting those at rest, double the frequency. A look takes half a microsecond.
CLIENTS_PER_TICK = 2000
SLICE_US = 50
TURN_US = 2000  # within one turn: a longer one, which kept nobody waiting, looks like a stall to who counts turns
NEVER_AGAIN_MS = 1 << 62
AGAIN = object()  # what a job returns that wants to go on in this tick, after a turn of the loop for who waits


@dataclass
class Job:
    """One job: `run()` every so many milliseconds; 0 is every tick. It returns AGAIN to go on."""

    interval_ms: int
    run: Callable[[], Any]
    last_ms: int


class Cron:
    """The ticking. `paused` is DEBUG PAUSE-CRON."""

    def __init__(
        self,
        config: Config,
        clients_count: Callable[[], int],
        now_ms: Callable[[], int],
        somebody_waits: Callable[[], bool] = lambda: True,
    ) -> None:
        self._config = config
        self._clients_count = clients_count
        self._now_ms = now_ms
        self._somebody_waits = somebody_waits      # for a turn of the loop
        self.jobs: list[Job] = []
        self._due: deque[Job] = deque()    # of this tick
        self.ticks = 0
        self.hz = config.hz
        self.paused = False
        self.spent_us = 0

    def every(self, interval_ms: int, run: Callable[[], Any], *, after_ms: int = 0) -> None:
        """Register a job; it first runs when `after_ms` have passed from now."""
        self.jobs.append(Job(interval_ms, run, self._now_ms() - interval_ms + after_ms))

    def once(self, step: Callable[[], bool], *, after_ms: int) -> None:
        """After so much time run `step`, with turns of the loop between, until it says that nothing is left."""
        self.every(NEVER_AGAIN_MS, lambda: AGAIN if step() else None, after_ms=after_ms)

    def tick(self) -> int:
        """Run some of what is due; returns the milliseconds until it goes on, 0 within a tick: a time event."""
        started = time.monotonic_ns()
        if self.paused or not self._due:
            self._begin()
        end, last = started + SLICE_US * 1000, started + TURN_US * 1000
        while self._due:
            job = self._due.popleft()       # before it runs: a job that fails must not run at every tick
            again = self._run(job) is AGAIN
            if again:
                self._due.appendleft(job)
            now = time.monotonic_ns()
            if again or now > end:
                if now > last or self._somebody_waits():
                    break
                end = now + SLICE_US * 1000
        self.spent_us += (time.monotonic_ns() - started) // 1000
        return 0 if self._due else 1000 // self.hz

    def _run(self, job: Job) -> Any:
        try:
            return job.run()
        except Exception:
            internal_errors.note("A job of the cron")
            return None

    def _begin(self) -> None:
        """A tick begins: how long it is, and what is due."""
        self.ticks += 1
        self.hz = self._config.hz
        if self._config.dynamic_hz:
            while self._clients_count() // self.hz > CLIENTS_PER_TICK and self.hz < MAX_HZ:
                self.hz = min(self.hz * 2, MAX_HZ)
        self._due.clear()
        if self.paused:
            return
        now = self._now_ms()
        for job in self.jobs:
            if now - job.last_ms >= job.interval_ms:
                job.last_ms = now
                self._due.append(job)
