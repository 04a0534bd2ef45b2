# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from bisect import insort

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef enum:
    SLOTS = 16384


cdef class SlotUses:
    """Counters of all slots, 0 at first: 384 KiB."""

    def __cinit__(self):
        self.of = <SlotUse*>calloc(SLOTS, sizeof(SlotUse))
        if self.of == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.of)

    def use(self, uint32_t slot) -> tuple[int, int, int]:
        """Microseconds, bytes of requests and bytes of replies of a slot's commands."""
        cdef SlotUse* use = &self.of[slot & (SLOTS - 1)]
        return use.ns // 1000, use.bytes_in, use.bytes_out

    def busiest(self, int most) -> list[int]:
        """The slots whose commands took most time, so many at most, that which took most first; none without any.
        Complexity: O(slots)."""
        cdef list found = []           # (ns, -slot), ascending
        cdef uint64_t least = 0
        cdef int slot
        if most <= 0:
            return found
        for slot in range(SLOTS):
            if self.of[slot].ns <= least:
                continue
            insort(found, (self.of[slot].ns, -slot))
            if len(found) > most:
                del found[0]
            if len(found) == most:
                least = found[0][0]
        return [-negative for _, negative in reversed(found)]

    def forget(self, slots) -> None:
        """Count from 0 for these slots. Complexity: O(slots given)."""
        cdef uint32_t slot
        for slot in slots:
            memset(&self.of[slot & (SLOTS - 1)], 0, sizeof(SlotUse))
