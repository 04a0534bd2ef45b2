"""How old is what a replica does not have yet? Offsets are noted with their time; the age of an offset is that of the
first note beyond it."""

from bisect import bisect_right
from collections import deque
from itertools import islice

KEPT = 3600                            # notes: an hour of one a second; beyond that a lag counts as an hour


class OffsetTimes:
    """Notes of (seconds, offset), both growing."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=KEPT)
        self._offsets: deque[int] = deque(maxlen=KEPT)

    def note(self, now: float, offset: int) -> None:
        """So far the stream is. Where nothing was written since, nothing is noted. Complexity: O(1)."""
        if not self._offsets or offset > self._offsets[-1]:
            self._seconds.append(now)
            self._offsets.append(offset)

    def forget(self) -> None:
        """Another history begins, or nobody follows."""
        self._seconds.clear()
        self._offsets.clear()

    def age(self, now: float, offset: int) -> float:
        """Seconds since the stream was first seen to be beyond this offset, 0 when it was not. Complexity: O(N), N
        being KEPT."""
        place = bisect_right(self._offsets, offset)
        return max(0.0, now - next(islice(self._seconds, place, None))) if place < len(self._offsets) else 0.0
