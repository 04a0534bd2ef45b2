"""Who serves the sockets: the main thread while it has time for them, the I/O threads when it has none left.

A request that crosses to another thread and back costs two wake-ups: at depth 1 that is a third on top of what the
request costs. It buys nothing while the main thread could have read and answered it between two commands. So
connections stay with the main thread until that fills its processor; then they move away, some at a time, until it has
room again, and come back when it has been at ease for a while. With `io-threads 2` two threads serve sockets then.

`io-threads-always-active yes` turns this off: every connection is on an I/O thread, always.

Its full time is processor time, not the clock's: a main thread that waits for a processor would not gain from one more
thread that wants one.
"""

import time

from server.config.config import Config
from server.registry.light import Protocol

LOOK_MS = 100
FULL = 0.85  # of a processor: no time for more
AT_EASE = 0.60  # below this, connections may come back ...
EASE_LOOKS = 10  # ... once this many looks in a row have found it so
SHARE = 4  # one of so many connections moves at a look
AT_LEAST = 4
AT_MOST = 500  # moves in a look: about 2 us each


class Movable(Protocol):
    """Connections that move: iothreads.handoff.IOThreads."""

    @property
    def away(self) -> int:
        """How many are on I/O threads."""

    @property
    def at_home(self) -> int:
        """How many the main thread serves itself."""

    def move_away(self, count: int) -> object:
        """Have so many go to I/O threads."""

    def take_home(self, count: int) -> object:
        """Have so many come back."""

    def keep_away(self, yes: bool) -> object:
        """Whether all of them are on I/O threads, always."""


class IOSharing:
    """Looks at the main thread every LOOK_MS and moves connections."""

    def __init__(self, io: Movable) -> None:
        self._io = io
        self._easy_looks = 0
        self._busy_ns = self._wall_ns = 0

    def look(self, busy_ns: int, wall_ns: int) -> None:
        """busy_ns: processor time of the main thread so far; wall_ns: the clock.

        Complexity: O(1), O(connections) when some move.
        """
        busy, wall = busy_ns - self._busy_ns, wall_ns - self._wall_ns
        self._busy_ns, self._wall_ns = busy_ns, wall_ns
        if wall <= 0:
            return
        if busy > FULL * wall:
            self._easy_looks = 0
            self._io.move_away(part_of(self._io.at_home))
        elif busy > AT_EASE * wall:
            self._easy_looks = 0
        elif self._easy_looks < EASE_LOOKS:
            self._easy_looks += 1
        elif self._io.away:
            self._io.take_home(part_of(self._io.away))

    def tick(self, config: Config) -> None:
        """From the cron, every LOOK_MS."""
        if config.io_threads > 1 and not config.io_threads_always_active:
            self.look(time.thread_time_ns(), time.monotonic_ns())

    def follow(self, config: Config) -> None:
        """io-threads-always-active."""
        self._io.keep_away(config.io_threads_always_active)


def part_of(connections: int) -> int:
    """How many of so many connections move at a look."""
    return min(max(connections // SHARE, AT_LEAST), AT_MOST)
