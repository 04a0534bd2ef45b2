"""What rooms below the loop ask of it, as protocols; `server.dispatch` has the classes that fit."""

from collections.abc import Callable

from server.registry.light import Any, Protocol


class Timer(Protocol):
    """A time event that was registered."""

    @property
    def due_us(self) -> int:
        """When it is due, by the monotonic clock."""


class Timers(Protocol):
    """Time events."""

    def add(self, now_us: int, delay_ms: int, run: Callable[[], int | None]) -> Timer:
        """Have `run()` called after so long; it returns the milliseconds until it is called again, None for never."""

    def remove(self, timer: Any) -> None:
        """Not that one any more."""


class LoopSeam(Protocol):
    """The event loop."""

    @property
    def timers(self) -> Timers:
        """Its time events."""

    def attend(self, hook: Callable[[], Any], yes: bool = True) -> None:
        """Have `hook()` called each turn before replies leave, or no more."""

    def turn_once(self, timeout_ms: int) -> None:
        """One turn that waits at most so long: for code that must keep serving while it works."""
