# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from collections import deque

from libc.stdint cimport int64_t, uint64_t

from server.registry.clock cimport monotonic_us
from server.registry.number_places cimport integers_at
from server.structures.table cimport (ENTRY_WORD, Entry, Table, entry_encoding, entry_type, entry_word_ref,
                                      table_free_step, table_size)
from server.types.value cimport LAZY_EFFORT, TypeTraits, release_word, traits_of

cdef enum:
    STEP = 32                          # elements freed between two looks at the clock; each may give a page back, 10 us


cdef LazyFree _freeing = None          # whose queue a table that is taken apart puts its large values in


cdef void _release_or_queue(Entry* e) noexcept:
    """A value_free_t for the entries of a flushed database: one large value alone may take too long for a step."""
    if e.klen & ENTRY_WORD:
        _freeing.release(entry_type(e), entry_encoding(e), entry_word_ref(e)[0])


cdef class LazyFree:
    """The queue. `run(budget_us)` frees for about so long; `pending` is what waits."""

    def __cinit__(self):
        self.queue = deque()

    cdef void release(self, int type, int encoding, uint64_t word) noexcept:
        cdef TypeTraits* traits = traits_of(type)
        if word == 0:
            return
        if traits.effort == NULL or traits.release_step == NULL or traits.effort(encoding, word) <= LAZY_EFFORT:
            release_word(type, encoding, word)
            return
        self.queue.append((type, encoding, word))
        self.pending += 1

    cdef void release_table(self, Table* table) noexcept:
        self.pending += table_size(table)
        self.queue.append((-1, 0, <uint64_t>table))

    def run(self, int64_t budget_us) -> bool:
        """Free for about so many microseconds; True when more waits."""
        cdef int64_t end = monotonic_us() + budget_us
        while self.queue:
            if not self._work_on_first(end):
                self.queue.popleft()
            if monotonic_us() >= end:
                break
        return bool(self.queue)

    cdef bint _work_on_first(self, int64_t end) except -1:
        """Steps on the value at the front until the time is up, one at least; True when it needs more."""
        cdef int type
        cdef int encoding
        cdef uint64_t word
        type, encoding, word = self.queue[0]
        while not (self._table_step(<Table*>word) if type < 0 else self._value_step(type, encoding, &word)):
            if monotonic_us() >= end:
                self.queue[0] = (type, encoding, word)
                return True
        return False

    cdef bint _table_step(self, Table* table) noexcept:
        global _freeing
        cdef size_t before = table_size(table)
        cdef bint gone
        _freeing = self
        gone = table_free_step(table, _release_or_queue, STEP)
        if not gone:
            before -= table_size(table)
        self.pending -= before
        self.freed += before
        return gone

    cdef bint _value_step(self, int type, int encoding, uint64_t* word) noexcept:
        if not traits_of(type).release_step(encoding, word, STEP):
            return False
        self.pending -= 1
        self.freed += 1
        return True


cdef LazyFree _model = LazyFree.__new__(LazyFree)
integers_at(_model, {"pending": <size_t>&_model.pending, "freed": <size_t>&_model.freed})
