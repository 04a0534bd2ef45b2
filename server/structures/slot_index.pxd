# cython: language_level=3
"""Which keys of a table are in which slot of a cluster: for each slot the hashes of its keys, 32 bits of each.

A hash is enough to find its key again: the table's bucket for it holds few entries, and those of the slot are told by
their own hash and slot (`slot_keys`). So entries carry no links, may move as they like, and without a cluster cost
nothing; with it a key costs 4 bytes and its share of what is spare.

    SlotIndex.of[slot]  ->  pages of hashes, unordered and without gaps     count / SLOT_PAGE, roughly, of them

The page of a hash is told by its low bits (linear hashing): one page more is split off, or one joined to another, when
the keys of a slot become more or fewer, so no insert pays for the size of the slot. Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from server.structures.crc16 cimport CLUSTER_SLOTS

cdef enum:
    SLOT_PAGE = 64                     # hashes of a page, on average

cdef struct SlotPage:
    uint32_t count
    uint32_t capacity
    uint32_t hashes[1]                 # as many as capacity

cdef struct SlotKeys:                  # of one slot
    uint32_t count                     # of its keys
    uint32_t pages                     # 0: no page was needed yet
    void* place                        # pages 1: a SlotPage*; more: a SlotPage** of as many; NULL without

cdef struct SlotIndex:
    SlotKeys of[CLUSTER_SLOTS]
    uint32_t freed                     # slots that slot_index_free_step is through with
    size_t bytes                       # of all pages and of the arrays that list them, good sizes

cdef SlotIndex* slot_index_new() noexcept nogil
cdef bint slot_index_free_step(SlotIndex* index, size_t pages) noexcept nogil              # frees up to so many; 1: it is gone
cdef void slot_index_add(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil
cdef void slot_index_remove(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil # it must be there
cdef SlotPage* slot_index_page(const SlotIndex* index, uint32_t slot, uint32_t page) noexcept nogil    # of its pages
cdef size_t slot_index_memory(const SlotIndex* index) noexcept nogil                       # bytes, O(1)
cdef int slot_index_check(const SlotIndex* index) except -1
