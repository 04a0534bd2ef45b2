# cython: language_level=3
"""The order of a big sorted set: a counted B+-tree over (score, member).

A sorted set is a Table (member -> score) and this index. The member's bytes stay in the table's entry; the index keeps
a score and an Entry* per element, so two elements with different scores are compared without leaving the node.

    OiNode header (8 bytes) | leaf, level 0: capacity x OiItem (16 bytes) | inner: capacity x OiChild (32 bytes)

Order: score ascending, then member bytes as memcmp, then the shorter member first. Ranks are 0-based from the lowest.
An inner node keeps, per child, how many elements are below it (so ranks cost O(log n)) and the child's first key;
the key of child 0 is never read and holds entry NULL. There are no parent or sibling pointers: a change carries its
path from the root, a cursor finds its next leaf by rank. So a node can be moved to a bigger or smaller block for the
price of one pointer, and nodes have just the capacity that they need.
Owner: the main thread. The table must not move or free an entry while the index holds it; scores are never NaN.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t

from server.structures.table cimport Entry

cdef enum:
    OI_MAX = 63                        # most items of a leaf, most children of an inner node
    OI_MIN = 15                        # a deletion that leaves fewer merges or balances with a neighbour
    OI_MERGE = 47                      # neighbours that have so many together become one
    OI_HEIGHT = 24                     # levels; 15 children a node are 4e9 elements at level 8

cdef enum:                             # LexBound.kind
    LEX_LOWEST = 0                     # "-": before every member
    LEX_INCLUSIVE = 1                  # "[member"
    LEX_EXCLUSIVE = 2                  # "(member"
    LEX_HIGHEST = 3                    # "+": after every member

cdef struct OiItem:                    # one element
    double score
    Entry* entry                       # owned by the table

cdef struct OiChild:                   # one child of an inner node; begins like an OiItem
    double score                       # first key below the child; unset for child 0
    Entry* entry
    OiNode* node
    size_t size                        # elements below the child

cdef struct OiNode:
    uint16_t count                     # items or children in use, never 0
    uint16_t capacity                  # items or children that fit
    uint32_t level                     # 0: a leaf

cdef struct OrderedIndex:
    OiNode* root                       # NULL when empty
    size_t size                        # elements
    size_t bytes                       # memory of all nodes and of this header, as the allocator counts it

cdef struct OiCursor:                  # a place in the order; any change of the index invalidates it
    OrderedIndex* index
    OiNode* leaf                       # NULL: before the first or behind the last element
    int slot                           # item in the leaf
    size_t rank

cdef struct LexBound:                  # one end of a BYLEX range
    int kind
    const char* member                 # only for LEX_INCLUSIVE and LEX_EXCLUSIVE
    size_t length

ctypedef void (*oi_visit_t)(void* context, double score, Entry* entry) noexcept

# --- life
cdef OrderedIndex* oi_new() noexcept nogil
cdef void oi_free(OrderedIndex* oi) noexcept nogil                       # the nodes; entries belong to the table
cdef bint oi_free_step(OrderedIndex* oi, size_t nodes) noexcept nogil    # frees up to so many nodes; 1 = all gone

# --- one element, O(log n)
cdef void oi_insert(OrderedIndex* oi, double score, Entry* entry) noexcept nogil   # the member must be absent
cdef bint oi_delete(OrderedIndex* oi, double score, Entry* entry) noexcept nogil   # 0: not there; free the entry later
cdef void oi_update_score(OrderedIndex* oi, double score, Entry* entry, double new_score) noexcept nogil
cdef bint oi_pop_min(OrderedIndex* oi, OiItem* item) noexcept nogil      # 0: empty
cdef bint oi_pop_max(OrderedIndex* oi, OiItem* item) noexcept nogil
cdef const OiItem* oi_near_end(const OrderedIndex* oi, bint highest, int steps) noexcept nogil
    # so many places from the lowest or the highest; NULL when it is not in the outermost leaf
cdef size_t oi_rank(const OrderedIndex* oi, double score, const Entry* entry) noexcept nogil
cdef bint oi_at(const OrderedIndex* oi, size_t rank, OiItem* item) noexcept nogil  # 0: rank >= size
cdef void oi_prefetch(const OrderedIndex* oi, double score) noexcept nogil         # the leaf where such a score is

# --- ranges are pairs of ranks: [first, end). Every one O(log n).
cdef size_t oi_score_rank(const OrderedIndex* oi, double score, bint after_equal) noexcept nogil
    # elements with a lower score; with after_equal, also those with this score
cdef void oi_score_range(const OrderedIndex* oi, double low, bint low_exclusive, double high, bint high_exclusive,
                         size_t* first, size_t* end) noexcept nogil      # end - first is ZCOUNT
cdef void oi_lex_range(const OrderedIndex* oi, const LexBound* low, const LexBound* high,
                       size_t* first, size_t* end) noexcept nogil        # for sets whose scores are all equal
cdef size_t oi_delete_range(OrderedIndex* oi, size_t first, size_t end, oi_visit_t visit, void* context) noexcept
    # O(log n + deleted); returns how many. visit gets each element in order after it left the index: it may free the
    # entry, but not change the index.

# --- walking, O(1) a step (O(log n) from leaf to leaf)
cdef bint oi_seek(const OrderedIndex* oi, size_t rank, OiCursor* cursor) noexcept nogil  # 0: rank >= size
cdef bint oi_next(OiCursor* cursor) noexcept nogil                       # 0: that was the last
cdef bint oi_prev(OiCursor* cursor) noexcept nogil                       # 0: that was the first

cdef inline OiItem* oi_items(const OiNode* leaf) noexcept nogil:
    return <OiItem*>(<char*>leaf + sizeof(OiNode))

cdef inline OiChild* oi_children(const OiNode* inner) noexcept nogil:
    return <OiChild*>(<char*>inner + sizeof(OiNode))

cdef inline OiItem* oi_item(const OiCursor* cursor) noexcept nogil:      # only while the cursor is on an element
    return oi_items(cursor.leaf) + cursor.slot

cdef inline size_t oi_size(const OrderedIndex* oi) noexcept nogil:
    return oi.size

cdef inline size_t oi_memory(const OrderedIndex* oi) noexcept nogil:
    return oi.bytes

# --- proof
cdef const char* oi_check(const OrderedIndex* oi) noexcept nogil         # NULL, or what is wrong; O(n)
