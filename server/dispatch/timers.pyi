from collections.abc import Callable

class Timer:
    due_us: int
    run: Callable[[], int | None]

class Timers:
    next_due_us: int
    def add(self, now_us: int, delay_ms: int, run: Callable[[], int | None]) -> Timer: ...
    def remove(self, timer: Timer) -> None: ...
    def run_due(self, now_us: int) -> None: ...
