"""Time events: functions that run again after the interval they return. A handful of them, so a list will do."""

from collections.abc import Callable
from dataclasses import dataclass

_LONGEST_MS = 1 << 30           # a C int holds it: what no timer at all comes to


@dataclass(eq=False)
class Timer:
    """One time event. `run()` returns the milliseconds until it is due again, or None to be removed."""

    due_us: int
    run: Callable[[], int | None]


class Timers:
    """All of them. Times are monotonic microseconds and come in as arguments."""

    def __init__(self) -> None:
        self._timers: list[Timer] = []
        self.next_due_us = 1 << 62

    def add(self, now_us: int, delay_ms: int, run: Callable[[], int | None]) -> Timer:
        """Call `run` after so many milliseconds."""
        timer = Timer(now_us + delay_ms * 1000, run)
        self._timers.append(timer)
        self.next_due_us = min(self.next_due_us, timer.due_us)
        return timer

    def remove(self, timer: Timer) -> None:
        """Never call it again."""
        if timer in self._timers:
            self._timers.remove(timer)

    def wait_ms(self, now_us: int) -> int:
        """Milliseconds until the next one is due, rounded up; 0 when one is."""
        return max(0, min(_LONGEST_MS, (self.next_due_us - now_us + 999) // 1000))

    def run_due(self, now_us: int) -> None:
        """Run what is due."""
        for timer in list(self._timers):
            if timer.due_us <= now_us and timer in self._timers:
                again_ms = timer.run()
                if again_ms is None:
                    self.remove(timer)
                else:
                    timer.due_us = now_us + again_ms * 1000
        self.next_due_us = min((timer.due_us for timer in self._timers), default=1 << 62)
