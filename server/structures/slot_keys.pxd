# cython: language_level=3
"""The keys of a slot, of a table that knows them (`Table.slots`): how many, which, and whether all is as it should be."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from server.structures.crc16 cimport key_hash_slot
from server.structures.table cimport Entry, Table, entry_key, entry_key_length, table_size

cdef extern from *:
    """
    #define SLOT_SCAN_END ((uint64_t)1 << 32)
    """
    const uint64_t SLOT_SCAN_END

ctypedef bint (*slot_visit_t)(void* context, Entry* entry) noexcept      # 1: enough

cdef void table_index_slots(Table* t) noexcept nogil                     # from now on; what it has, too. O(entries)
cdef size_t table_slot_count(const Table* t, uint32_t slot) noexcept nogil       # O(1); 0 of a table that is not indexed
cdef void table_slot_walk(Table* t, uint32_t slot, slot_visit_t visit, void* context) noexcept
    # each key of the slot once, in no order, until a visit says that it is enough; a visit changes nothing. O(keys visited)
cdef uint32_t table_slot_walk_on(Table* t, uint32_t slot, uint32_t page, size_t effort, slot_visit_t visit, void* context) noexcept
    # the same from a page of the slot on, 0 the first, until about so many keys and pages were visited, whatever visits
    # say; returns the page to go on with, 0: that was the last. The table may change between two calls
cdef Entry* table_shown_random(Table* t, uint64_t chance) noexcept       # some entry of a slot that is not hidden, by a random number. O(slots)

cdef inline size_t table_shown_size(const Table* t) noexcept nogil:
    """Entries without those of hidden slots."""
    return table_size(t) - (t.slots.hidden_keys if t.slots != NULL else 0)

cdef inline size_t table_shown_expires(const Table* t) noexcept nogil:
    """Entries with an expire, without those of hidden slots."""
    return t.expires - (t.slots.hidden_expires if t.slots != NULL else 0)

cdef inline bint table_hides(const Table* t) noexcept nogil:
    """Whether any slot is hidden."""
    return t.slots != NULL and t.slots.hides != 0

cdef inline bint entry_is_hidden(const Table* t, Entry* e) noexcept nogil:
    """Whether it is in a hidden slot."""
    return table_hides(t) and t.slots.hidden[key_hash_slot(entry_key(e), entry_key_length(e))] != 0

cdef int table_slots_check(Table* t) except -1                           # both sides know the same keys. O(entries + slots)
cdef uint64_t table_slot_scan(Table* t, uint32_t slot, uint64_t cursor, slot_visit_t visit, void* context) noexcept
    # the keys of one page, and where to go on; SLOT_SCAN_END: that was all. Begins at 0. What is there from the first call
    # to the last is visited, once or more often, whatever comes and goes between; `visit` returns 0. O(SLOT_PAGE)
