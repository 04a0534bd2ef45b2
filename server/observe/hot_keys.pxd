# cython: language_level=3
"""Which few keys have most of something (accesses, time, bytes), out of a stream of keys that is not kept.

This is the space-saving algorithm (Metwally, Agrawal, El Abbadi 2005): `capacity` keys have a counter. A key that has one
adds to it. A key that has none takes over the smallest counter, with its value, which it remembers as its possible
error. So a counter is never too small, at most its error too large, and any key that has more than 1/capacity of the
whole has one. Counters stand in a heap, the smallest on top, and are found by an open-addressed table of their own.

Memory: bounded. Of keys longer than KEY_KEPT bytes only so many are kept; they are told apart by their length and hash.
Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef enum:
    KEY_KEPT = 512                     # bytes

cdef struct Counter:
    double count                       # at most `error` too large
    double error
    uint64_t hash
    size_t length                      # of the key, bytes
    char* key                          # min(length, KEY_KEPT) bytes; malloc
    uint32_t room                      # bytes that `key` can hold
    uint32_t place                     # in the heap
    int32_t db

cdef class HotKeys:
    cdef readonly uint32_t capacity
    cdef readonly uint32_t used
    cdef readonly double total         # of all that was added
    cdef Counter* counters             # [capacity]
    cdef uint32_t* heap                # [capacity] indexes of counters
    cdef int32_t* table                # [mask + 1] index of a counter or -1
    cdef uint32_t mask
    cdef void note(self, int32_t db, const char* key, size_t length, double weight) noexcept
    cdef uint32_t find(self, int32_t db, const char* key, size_t length, uint64_t hash) noexcept
    cdef void enter(self, uint32_t at) noexcept
    cdef void leave(self, uint32_t at) noexcept
    cdef void name(self, uint32_t at, int32_t db, const char* key, size_t length, uint64_t hash) noexcept
    cdef void sink(self, uint32_t place) noexcept
    cdef void rise(self, uint32_t place) noexcept
