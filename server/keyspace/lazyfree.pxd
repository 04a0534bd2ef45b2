# cython: language_level=3
"""Freeing large values without holding the loop: a queue of values and whole tables, emptied in short slices.

The keyspace's allocator belongs to the main thread, so the slices run there: in before_sleep and when the loop is idle.
"""
from libc.stdint cimport int64_t, uint64_t

from server.structures.table cimport Table

cdef class LazyFree:
    cdef object queue                  # deque of (type, encoding, word); type -1: word is a Table*
    cdef public uint64_t freed         # lazyfreed_objects
    cdef public int64_t pending        # lazyfree_pending_objects
    cdef void release(self, int type, int encoding, uint64_t word) noexcept     # now if small, queued if large
    cdef void release_table(self, Table* table) noexcept
    cdef bint _work_on_first(self, int64_t end) except -1
    cdef bint _table_step(self, Table* table) noexcept
    cdef bint _value_step(self, int type, int encoding, uint64_t* word) noexcept
