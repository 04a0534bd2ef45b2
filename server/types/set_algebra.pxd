# cython: language_level=3
"""Set algebra on entries alone, for the fast paths. NULL stands for a key that does not exist.

`into` is a loose set (set_loose), which its owner frees with release_value, or gives to a key (Database.store_loose).
"""
from libc.stdint cimport uint64_t

from iothreads.message cimport Output
from server.structures.table cimport Entry
from server.types.value cimport LooseEntry

cdef void set_loose(LooseEntry* loose) noexcept                         # an empty set in no database
cdef void set_order(Entry** sets, int count) noexcept                   # the smallest first; none of them NULL
cdef void set_write_intersection(Entry** sets, int count, Output* out, int resp) noexcept     # of sets in order
cdef uint64_t set_count_intersection(Entry** sets, int count, uint64_t limit) noexcept        # likewise, and no further than `limit` (0: all)
cdef void set_intersect(Entry* into, Entry** sets, int count) noexcept                        # likewise
cdef void set_unite(Entry* into, Entry** sets, int count) noexcept
cdef void set_subtract(Entry* into, Entry** sets, int count) noexcept   # what is in the first and in no other
