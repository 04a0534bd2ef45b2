"""server_cron: what has to happen a few times a second, whatever clients do. `hz` times, more with many clients.

Rooms register their jobs at start with `cron.every(milliseconds, job)`; it runs on the first tick after its interval.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_HZ = 500
CLIENTS_PER_TICK = 200  # dynamic-hz: more clients than this per tick double the frequency


@dataclass
class Job:
    """One job: `run()` every so many milliseconds; 0 is every tick."""

    interval_ms: int
    run: Callable[[], Any]
    last_ms: int = -(1 << 40)


class Cron:
    """The ticking. `paused` is DEBUG PAUSE-CRON."""

    def __init__(self, config: Any, clients_count: Callable[[], int], now_ms: Callable[[], int]) -> None:
        self._config = config
        self._clients_count = clients_count
        self._now_ms = now_ms
        self.jobs: list[Job] = []
        self.ticks = 0
        self.hz = config.hz
        self.paused = False
        self.spent_us = 0

    def every(self, interval_ms: int, run: Callable[[], Any]) -> None:
        """Register a job."""
        self.jobs.append(Job(interval_ms, run))

    def tick(self) -> int:
        """Run what is due; returns the milliseconds until the next tick (the time event's contract)."""
        self.hz = self._config.hz
        if self._config.dynamic_hz:
            while self._clients_count() // self.hz > CLIENTS_PER_TICK and self.hz < MAX_HZ:
                self.hz = min(self.hz * 2, MAX_HZ)
        if not self.paused:
            started = time.monotonic_ns()
            now = self._now_ms()
            for job in self.jobs:
                if now - job.last_ms >= job.interval_ms:
                    job.last_ms = now       # before it runs: a job that fails must not run at every tick
                    job.run()
            self.spent_us += (time.monotonic_ns() - started) // 1000
        self.ticks += 1
        return 1000 // self.hz
