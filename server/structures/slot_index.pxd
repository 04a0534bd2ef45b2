# cython: language_level=3
"""Which keys of a table are in which slot of a cluster: for each slot the hashes of its keys, 24 bits of each.

A hash is enough to find its key again: the table's bucket for it holds few entries, and those of the slot are told by
their own hash and slot (`slot_keys`). So entries carry no links, may move as they like, and without a cluster cost
nothing; with it a key costs 3 bytes and its share of what is spare. (A table of more than 2^24 buckets has several for
such a hash: only who walks a slot's keys looks into more than one.)

    SlotIndex.of[slot]  ->  pages of hashes, unordered and without gaps     count / SLOT_PAGE, roughly, of them

The page of a hash is told by its low bits (linear hashing): one page more is split off, or one joined to another, when
the keys of a slot become more or fewer, so no insert pays for the size of the slot. Owner: the main thread.

A slot may be hidden: its keys are there for whoever names them, and for files, but walks of the keyspace pass over them
and nobody counts them. So are keys of a slot that left and are not deleted yet, and those of one that is not ours yet.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from server.structures.crc16 cimport CLUSTER_SLOTS

cdef enum:
    SLOT_PAGE = 96                     # hashes of a page, on average
    SLOT_HASH_BYTES = 3
    SLOT_HASH_MASK = 0xFFFFFF

cdef struct SlotPage:
    uint16_t count
    uint16_t capacity
    uint8_t hashes[SLOT_HASH_BYTES]    # as many as capacity, the lowest byte of each first

cdef struct SlotKeys:                  # of one slot
    uint32_t count                     # of its keys
    uint32_t pages                     # 0: no page was needed yet
    void* place                        # pages 1: a SlotPage*; more: a SlotPage** of as many; NULL without

cdef struct SlotIndex:
    SlotKeys of[CLUSTER_SLOTS]
    uint8_t hidden[CLUSTER_SLOTS]      # 1: nobody is shown its keys
    uint32_t hides                     # how many slots are hidden
    size_t hidden_keys                 # how many keys these have ...
    size_t hidden_expires              # ... and how many of them carry an expire
    uint32_t expires[CLUSTER_SLOTS]    # keys of each slot that carry one
    uint32_t freed                     # slots that slot_index_free_step is through with
    size_t bytes                       # of all pages and of the arrays that list them, good sizes

cdef SlotIndex* slot_index_new() noexcept nogil
cdef bint slot_index_free_step(SlotIndex* index, size_t pages) noexcept nogil              # frees up to so many; 1: it is gone
cdef void slot_index_add(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil
cdef void slot_index_remove(SlotIndex* index, uint32_t slot, uint32_t hash) noexcept nogil # it must be there
cdef void slot_index_expire(SlotIndex* index, uint32_t slot, int more) noexcept nogil      # so many keys more, -1: one fewer, carry an expire
cdef void slot_index_hide(SlotIndex* index, uint32_t slot, bint yes) noexcept nogil        # O(1)
cdef void slot_index_hide_as(SlotIndex* index, const SlotIndex* other) noexcept nogil      # the same slots as another one
cdef SlotPage* slot_index_page(const SlotIndex* index, uint32_t slot, uint32_t page) noexcept nogil    # of its pages
cdef size_t slot_index_memory(const SlotIndex* index) noexcept nogil                       # bytes, O(1)
cdef inline uint32_t slot_page_hash(const SlotPage* page, uint32_t i) noexcept nogil:
    """The i-th hash of a page: the low bits of a key's."""
    cdef const uint8_t* at = &page.hashes[SLOT_HASH_BYTES * i]
    return at[0] | <uint32_t>at[1] << 8 | <uint32_t>at[2] << 16

cdef int slot_index_check(const SlotIndex* index) except -1
