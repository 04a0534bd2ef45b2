# cython: language_level=3
"""The keys of a slot, of a table that knows them (`Table.slots`): how many, which, and whether all is as it should be."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from server.structures.table cimport Entry, Table

ctypedef bint (*slot_visit_t)(void* context, Entry* entry) noexcept      # 1: enough

cdef void table_index_slots(Table* t) noexcept nogil                     # from now on; what it has, too. O(entries)
cdef size_t table_slot_count(const Table* t, uint32_t slot) noexcept nogil       # O(1); 0 of a table that is not indexed
cdef void table_slot_walk(Table* t, uint32_t slot, slot_visit_t visit, void* context) noexcept
    # each key of the slot once, in no order, until a visit says that it is enough; a visit changes nothing. O(keys visited)
cdef int table_slots_check(Table* t) except -1                           # both sides know the same keys. O(entries + slots)
