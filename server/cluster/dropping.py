"""Keys of slots that are somebody else's go in slices: a slot may have a million, and the loop is not held for them.

    begin(slots)   at once: nobody is shown these keys any more, and who watches one has lost it
    step           before each sleep of the loop: a millisecond's worth of them is deleted, and who must hear is told
    pending        the slots that are not empty yet. A command for one that is ours again meanwhile is to come again
                   (TRYAGAIN, `redirects`): it must find none of the old keys

AOF and replicas hear DEL or UNLINK of each key, as they do of any other. A server that ends in the middle has the rest
when it starts again. What it handed over at once it knows (`dispatch.slot_migrating`), and goes on; other slots it then
imports, as one that was killed does with Redis (`operator.has_keys`).
"""

from collections.abc import Callable, Iterable

from server.cluster import slots
from server.keyspace import by_slot
from server.keyspace.database import Database
from server.keyspace.effects import Effects, Propagates
from server.registry import clock
from server.structures.crc16 import hash_slot

SLICE_US = 1000             # of a turn of the loop
STEP = 64                   # keys between two looks at the clock


class Dropping:
    """Of one node. attend(hook, yes): have `hook()` called before the loop sleeps; lazy(): whether others
    hear UNLINK rather than DEL; paused(): whether nothing may be written now; changed(): `pending` has."""

    def __init__(self, db: Database, effects: Effects, propagation: Propagates,
                 attend: Callable[[Callable[[], bool], bool], object], *, lazy: Callable[[], bool],
                 paused: Callable[[], bool], changed: Callable[[], object]) -> None:
        self._db = db
        self._effects = effects
        self._propagation = propagation
        self._attend = attend
        self._lazy = lazy
        self._paused = paused
        self._changed = changed
        self._left: list[int] = []      # of `pending`, the last one first
        self._page = 0                  # of that slot
        self.pending = 0
        self.dropped = 0                # keys, since the start

    def begin(self, those: int) -> None:
        """Drop the keys of a set of slots, also of those that are hidden. Complexity: O(slots + watched keys)."""
        db = self._db
        found = [slot for slot in slots.each(those & ~self.pending)
                 if by_slot.count_in_slot(db, slot) or by_slot.hidden_count(db, slot)]
        by_slot.show(db, slots.each(those & ~self.pending & ~slots.of(found)))
        if not found:
            return
        by_slot.hide(db, found)
        self._left = found + self._left
        self.pending |= slots.of(found)
        self._watchers_lose(self.pending)
        self._attend(self.step, True)
        self._changed()

    def _watchers_lose(self, those: int) -> None:
        lose = self._effects.watched_changed
        if lose is not None:
            for key in [key for key in self._db.watched if those >> hash_slot(key) & 1]:
                lose(self._db, key)

    def step(self) -> bool:
        """A slice; True when there is more to do."""
        if self._paused():
            return False                # whoever ends the pause has the loop turn
        end = clock.monotonic_now_us() + SLICE_US
        while self._left:
            slot = self._left[-1]
            keys, self._page = by_slot.some_keys(self._db, slot, self._page, STEP)
            self._delete(keys)
            if not by_slot.hidden_count(self._db, slot):
                self._left.pop()
                self._page = 0
                self._empty([slot])
            if clock.monotonic_now_us() >= end:
                break
        if not self._left:
            self._attend(self.step, False)
        return bool(self._left)

    def _delete(self, keys: list[bytes]) -> None:
        db, verb = self._db, b"UNLINK" if self._lazy() else b"DEL"
        for key in keys:
            if db.unlink(key):          # a large value goes in slices, too; else it had expired, and went as such
                self._effects.changed(db, key, "del")
                self._propagation.also(db, [verb, key])
                self.dropped += 1

    def _empty(self, those: Iterable[int]) -> None:
        """Nothing of these slots is left, or it is somebody else's now."""
        by_slot.show(self._db, those)
        self.pending &= ~slots.of(those)
        self._changed()

    def forget(self) -> None:
        """Our data will be another's: what is left goes with all the rest. Complexity: O(slots)."""
        if self._left:
            left, self._left, self._page = self._left, [], 0
            self._empty(left)
            self._attend(self.step, False)
