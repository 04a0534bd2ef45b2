"""Active defragmentation: when it runs, and how much of the main thread's time it gets.

Once a second the allocator tells how much of the pages in use is room that deleted values have left. From
active-defrag-ignore-bytes and active-defrag-threshold-lower percent on a scan begins: first a plan, which pages are to
be emptied (structures.defrag_plan), then a walk over all keys that moves what lies in them (keyspace.defrag_walk). Its
share of the time grows from active-defrag-cycle-min at the lower threshold to -cycle-max at the upper; in the course of
a scan it may rise, not fall. At the end the next scan begins at once if there is still reason for one.

Each size class keeps a page that is partly used, and some blocks nobody can move; so what is wasted never becomes
nothing. When the plan promises less than active-defrag-ignore-bytes, or a walk has moved nothing, no other scan begins
before more is wasted than was then.

    tick of the cron        share x time between two ticks, in slices: no slice is longer than SLICE_US, and after each
                            the loop turns for whoever waits

While a forked child lives nothing is moved, for it would copy the pages that both share. Nor while a snapshot fills the
keyspace or a script lets others speak: they hold on to what they have in hand. Between two commands of an append only
file nobody does, so there a tick's share is spent as often as one would be due.
"""

from collections.abc import Callable

from server.config.config import Config
from server.keyspace.database import Keyspace
from server.keyspace.defrag_times import DefragTimes
from server.keyspace.defrag_walk import DefragWalk
from server.observe.log import Log
from server.registry import clock
from server.structures import defrag_plan
from server.structures.defrag_plan import PagePlan

DECIDE_US = 1_000_000
SLICE_US = 500
CHUNKS = 64                     # of the allocator that are looked at between two looks at the clock
PERCENT = 100
GROWTH = 0.05                   # by which more must be wasted for another try


class ActiveDefrag(DefragTimes):
    """One per server. hz(): ticks a second; has_child(): pages are shared; held(): somebody was interrupted with blocks
    in hand; note_latency(event, ms): how long a slice took."""

    def __init__(self, config: Config, keyspace: Keyspace, log: Log, hz: Callable[[], int],
                 has_child: Callable[[], bool], held: Callable[[], bool],
                 note_latency: Callable[[str, int], object]) -> None:
        self._config = config
        self._keyspace = keyspace
        self._log = log
        self._hz = hz
        self._has_child = has_child
        self._held = held
        self._note_latency = note_latency
        self._plan = PagePlan()
        self.walk = DefragWalk(keyspace)
        self.everything = False             # DEBUG DEFRAG-EVERYTHING: all blocks are moved, all the time
        self._planned = False
        self._hits_at_begin = 0
        self._in_vain = (0, 0)              # bytes wasted when nothing could be done about it; ignore-bytes then
        self._decide_at = 0                 # monotonic us
        self._left_us = 0                   # of this tick's share
        self._loading_at = 0                # when the next share is due while a file of commands is loaded
        self._scan_since_us = 0

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.reset_times()
        self.walk.reset_statistics()

    # ---- when
    def tick(self) -> bool:
        """From the cron: a slice. True when it wants another in this tick, after a turn of the loop for who waits."""
        if self._held():
            self._left_us = 0
            return False
        return self._slice()

    def while_loading(self) -> None:
        """Between two commands of a file, as often as one likes: a whole share when that is due."""
        now = clock.monotonic_now_us()
        if self._config.activedefrag and now >= self._loading_at:
            self._loading_at = now + 1_000_000 // self._hz()
            while self._slice():
                pass

    def _slice(self) -> bool:
        """True when there is more of the share, and to do."""
        if not self._config.activedefrag:
            self._stop()
            return False
        if self._has_child():
            self._left_us = 0
            return False
        start = clock.monotonic_now_us()
        if start >= self._decide_at:
            self._decide_at = start + DECIDE_US
            self._decide(start)
        if not self.running:
            return False
        if self._left_us <= 0:
            self._left_us = max(self.running * 1_000_000 // PERCENT // self._hz(), 1)
        done = self._work(start + min(self._left_us, SLICE_US))
        now = clock.monotonic_now_us()
        self._note_latency("active-defrag-cycle", (now - start) // 1000)
        self._left_us -= now - start
        if done:
            self._end(now)
        if not self.running:
            self._left_us = 0
        return self._left_us > 0

    def set_everything(self, yes: bool) -> None:
        """DEBUG DEFRAG-EVERYTHING."""
        self.everything = yes
        defrag_plan.move_all(yes)
        self._decide_at = 0

    def _decide(self, now: int) -> None:
        """Begin a scan, or give the one that is under way more time, as fragmentation asks for it."""
        config = self._config
        percent, wasted = self._fragmentation()
        if not self.running and (self._is_in_vain(wasted) or percent < config.active_defrag_threshold_lower
                                 or wasted < config.active_defrag_ignore_bytes):
            return
        share = self._share(percent)
        if share <= self.running:
            return
        if not self.running:
            self.since_us = self._scan_since_us = now
            self._begin()
        self.running = share
        self._log.verbose("Active defragmentation: %d%% of pages in use is wasted (%d bytes), it gets %d%% of the time",
                          int(percent), wasted, share)

    def _fragmentation(self) -> tuple[float, int]:
        """What is wasted in pages that are in use: percent of what is handed out, and bytes."""
        config = self._config
        if self.everything:
            return (max(config.active_defrag_threshold_upper, config.active_defrag_threshold_lower),
                    config.active_defrag_ignore_bytes)
        figures = self._keyspace.allocator()
        wasted = figures["active"] - figures["allocated"]
        return PERCENT * wasted / figures["allocated"] if figures["allocated"] else 0.0, wasted

    def _is_in_vain(self, wasted: int) -> bool:
        """Whether nothing could be done about this much before, and it has not been less since."""
        before, ignored = self._in_vain
        self._in_vain = min(before, wasted), ignored
        return (wasted <= before * (1 + GROWTH) and ignored == self._config.active_defrag_ignore_bytes
                and not self.everything)

    def _share(self, percent: float) -> int:
        """Of the time: between cycle-min and cycle-max as `percent` is between the thresholds."""
        config = self._config
        lower, upper = config.active_defrag_threshold_lower, config.active_defrag_threshold_upper
        least, most = config.active_defrag_cycle_min, config.active_defrag_cycle_max
        at = (percent - lower) / (upper - lower) if upper > lower else 1.0
        return int(max(least, min(least + at * (most - least), most)))

    # ---- a scan
    def _begin(self) -> None:
        self._plan.begin()
        self.walk.begin()
        self._planned = False
        self._hits_at_begin = defrag_plan.moved()[0]

    def _work(self, until_us: int) -> bool:
        """Go on with the scan until then; True when it is through."""
        while not self._planned:
            self._planned = self.everything or self._plan.step(CHUNKS)
            if self._planned and not self.everything and self._plan.bytes < self._config.active_defrag_ignore_bytes:
                return True            # whatever is wasted, little of it can be had
            if clock.monotonic_now_us() >= until_us:
                return False
        return self.walk.run(until_us, self._config.active_defrag_max_scan_fields)

    def _end(self, now: int) -> None:
        percent, wasted = self._fragmentation()
        self._log.verbose("Active defragmentation: a scan took %d ms and leaves %d%% of pages in use wasted (%d bytes)",
                          (now - self._scan_since_us) // 1000, int(percent), wasted)
        self._scan_since_us = now
        self._account(now)
        self.running = 0
        moved = defrag_plan.moved()[0] > self._hits_at_begin
        self._in_vain = (0, 0) if moved else (wasted, self._config.active_defrag_ignore_bytes)
        self._decide(now)

    def _stop(self) -> None:
        """activedefrag no: the next scan begins from the start."""
        if self.running:
            self._account(clock.monotonic_now_us())
            self.running = 0
            self._left_us = 0
        self._in_vain = (0, 0)

    def _account(self, now: int) -> None:
        self.total_us += now - self.since_us
        self.since_us = now
