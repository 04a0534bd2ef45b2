# cython: language_level=3
"""An ordered map from 128-bit stream IDs to pointers: a stream's nodes, and pending entries lists.

Redis keeps both in a radix tree over the ID's 16 big-endian bytes. Their order is that of (ms, seq) as numbers, so here
it is a B+-tree whose keys are two words: a search touches a few cache lines, and IDs that only grow fill nodes full.

    RaxNode header (8 bytes) | capacity x RaxItem (24 bytes): leaf: value; inner: child

The key of an inner node's item is the first key below it; item 0's is never read and kept 0-0. Nodes have no links to
parents or neighbours; a cursor finds the next leaf by its last key. Nodes have just the capacity that they need.
What a value points to is its owner's: a Rax neither reads nor frees it, except through a callback it was given.
For an ordered map of arbitrary byte strings take a Table and an OrderedIndex with one score for all.
Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t

cdef enum:
    RAX_MAX = 42                       # most items of a node: 1,016 bytes
    RAX_MIN = 10                       # a removal that leaves fewer merges or balances with a neighbour
    RAX_MERGE = 31                     # neighbours that have so many together become one
    RAX_HEIGHT = 24                    # levels

cdef struct StreamId:
    uint64_t ms                        # Unix time, milliseconds, for IDs that the server made
    uint64_t seq

cdef struct RaxItem:
    StreamId id
    void* value                        # of a leaf: the owner's; of an inner node: the RaxNode below

cdef struct RaxNode:
    uint16_t count                     # items in use, never 0
    uint16_t capacity
    uint32_t level                     # 0: a leaf

cdef struct Rax:
    RaxNode* root                      # NULL when empty
    size_t size                        # keys
    size_t bytes                       # memory of all nodes and of this header, as the allocator counts it

cdef struct RaxCursor:                 # a place in the order; after a change seek again by its id
    Rax* rax
    RaxNode* leaf                      # NULL: not on a key
    int slot
    StreamId id                        # the key it is on, or was last on

cdef enum:                             # where rax_seek goes, relative to an ID
    RAX_GE = 0                         # the lowest key >= ID
    RAX_GT = 1
    RAX_LE = 2                         # the highest key <= ID
    RAX_LT = 3

ctypedef void (*rax_free_t)(void* value) noexcept

cdef inline bint id_less(const StreamId* a, const StreamId* b) noexcept nogil:
    return (a.ms < b.ms) | ((a.ms == b.ms) & (a.seq < b.seq))

cdef inline bint id_equal(const StreamId* a, const StreamId* b) noexcept nogil:
    return a.ms == b.ms and a.seq == b.seq

# --- life
cdef Rax* rax_new() noexcept nogil
cdef void rax_free(Rax* rax, rax_free_t free_value) noexcept             # free_value may be NULL
cdef bint rax_free_step(Rax* rax, size_t keys, rax_free_t free_value) noexcept   # about so many keys; 1 = all gone

# --- one key, O(log n)
cdef bint rax_insert(Rax* rax, StreamId id, void* value, void** old) noexcept nogil
    # 1: new; 0: it was there, its value is replaced and given to old (which may be NULL)
cdef void** rax_find(const Rax* rax, StreamId id) noexcept nogil         # the place of the value, until the next change
cdef bint rax_remove(Rax* rax, StreamId id, void** value) noexcept nogil # 0: not there; value may be NULL

# --- walking, O(1) a step (O(log n) from leaf to leaf)
cdef bint rax_seek(const Rax* rax, StreamId id, int where, RaxCursor* cursor) noexcept nogil     # 0: no such key
cdef bint rax_first(const Rax* rax, RaxCursor* cursor) noexcept nogil
cdef bint rax_last(const Rax* rax, RaxCursor* cursor) noexcept nogil
cdef bint rax_next(RaxCursor* cursor) noexcept nogil                     # 0: that was the last
cdef bint rax_prev(RaxCursor* cursor) noexcept nogil

cdef inline RaxItem* rax_items(const RaxNode* node) noexcept nogil:
    return <RaxItem*>(<char*>node + sizeof(RaxNode))

cdef inline RaxItem* rax_item(const RaxCursor* cursor) noexcept nogil:   # only while the cursor is on a key
    return rax_items(cursor.leaf) + cursor.slot

cdef inline size_t rax_size(const Rax* rax) noexcept nogil:
    return rax.size

cdef inline size_t rax_memory(const Rax* rax) noexcept nogil:
    return rax.bytes

# --- what XINFO STREAM says
cdef size_t rax_nodes(const Rax* rax) noexcept nogil
    # nodes that Redis's radix tree of the same keys has; O(n) over keys, which are a stream's nodes and not its entries

# --- proof
cdef const char* rax_check(const Rax* rax) noexcept nogil                # NULL, or what is wrong; O(n)
