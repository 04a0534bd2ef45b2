"""Files that are read anew when they have changed, looked at now and then: certificates."""

import os
from collections.abc import Iterable

State = tuple[int, int, int] | None


class WatchedFiles:
    """What they looked like when they were read. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._seen: tuple[State, ...] = ()
        self._looked = 0.0

    def read(self, names: Iterable[str]) -> None:
        """They have just been read; "" is no file."""
        self._seen = _states(names)

    def changed(self, names: Iterable[str], every: int, now: float) -> bool:
        """Whether it is time to look (every: seconds, 0 = never) and they are not as they were. Once for each change,
        be it good or bad."""
        if not every or now - self._looked < every:
            return False
        self._looked = now
        seen, before = _states(names), self._seen
        self._seen = seen
        return seen != before


def _states(names: Iterable[str]) -> tuple[State, ...]:
    return tuple(_state_of(name) for name in names if name)


def _state_of(name: str) -> State:
    try:
        state = os.stat(name)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
