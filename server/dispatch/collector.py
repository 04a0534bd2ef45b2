"""The safety net under reference counting: small collections of cycles, though nothing should ever form one.

The collector is off while serving, for nothing that a request makes may form a cycle. Should something form one all the
same, this finds it; what it found is counted (gc_cycles_found of INFO) and logged, for it says that there is a mistake
of ours. But modules that are loaded late may leave cycles behind while they build themselves (`re` and `enum` do): what
is found first after one came is not told. A collection costs time for every object that it looks at, so:

    generation 0   what was made since the last look: once a second while nobody asks for anything, and as soon as
                   there are YOUNG_MAX of them
    generation 2   what is older: every FULL_EVERY looks, without commands. Beyond OLD_MAX objects they are frozen,
                   which means: each was looked at once, and is taken for good
"""

import gc
import sys
import time
from collections.abc import Callable

from server.observe.log import Log

INTERVAL_MS = 100
LOOKS_PER_SECOND = 1000 // INTERVAL_MS
FULL_EVERY = 10 * LOOKS_PER_SECOND
YOUNG_MAX = 3000
OLD_MAX = 6000


class Collector:
    """Its turns and what it found. `served()` is how many commands were served altogether."""

    def __init__(self, log: Log, served: Callable[[], int]) -> None:
        self._log = log
        self._served = served
        self._last_served = -1
        self._idle_looks = 0
        self._old = 0           # objects that came out of generation 0, about
        self._modules = len(sys.modules)
        self.cycles_found = 0   # objects in them
        self.collections = 0
        self.longest_us = 0

    def tick(self) -> None:
        """A job of the cron, every INTERVAL_MS."""
        served = self._served()
        self._idle_looks = self._idle_looks + 1 if served == self._last_served else 0
        self._last_served = served
        young = gc.get_count()[0]
        if young >= YOUNG_MAX or (young and self._idle_looks and self._idle_looks % LOOKS_PER_SECOND == 0):
            self._old += young
            self._collect(0)
        if self._old > OLD_MAX:
            gc.freeze()
            self._old = 0
        elif self._idle_looks and self._idle_looks % FULL_EVERY == 0:
            self._collect(2)

    def _collect(self, generation: int) -> None:
        started = time.perf_counter()
        found = gc.collect(generation)
        self.longest_us = max(self.longest_us, int((time.perf_counter() - started) * 1e6))
        self.collections += 1
        modules, self._modules = self._modules, len(sys.modules)
        if found and self._modules == modules:
            self.cycles_found += found
            self._log.warning(
                "The collector found %d objects in cycles, which nothing else had freed: a mistake of the server.",
                found,
            )
