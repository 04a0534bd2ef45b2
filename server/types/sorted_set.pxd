# cython: language_level=3
"""The sorted set's data sheet: members with a score, in the order of (score, member bytes).

    ZSET_LISTPACK   word = a bare listpack: member, score, member, score ... in order; scores as integers where they are
                    some, else as text ("1.5", "inf"): the bytes of Redis 7.2
    ZSET_SKIPLIST   word = ZSet*: a Table (member -> score bits in the entry's word) and an OrderedIndex over its entries

A listpack grows into the other form and never goes back by itself (zset-max-listpack-entries, -value).
Functions take the key's Entry and may change its word and its encoding, never its address. An element is read as a
ZElement whose member points into the value: it dies with the next change. Ranges are ranks [first, end) from the lowest.
Owner: the main thread. A forked child may read everything here.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from iothreads.message cimport Output
from server.structures.ordered_index cimport LexBound, OiCursor, OrderedIndex
from server.structures.table cimport Entry, Table, entry_word_ref
from server.types.value cimport LooseEntry, Value

cdef enum:                             # Entry.meta, encoding bits
    ZSET_LISTPACK = 0
    ZSET_SKIPLIST = 1                  # the name OBJECT ENCODING says; there is no skiplist

cdef enum:
    ZSET_DRAWN = 64                    # different members drawn at once

cdef enum:                             # what zset_add is told
    ZADD_INCR = 1                      # the score is an increment
    ZADD_NX = 2                        # only new members
    ZADD_XX = 4                        # only members that are there
    ZADD_GT = 8                        # change a score only upwards
    ZADD_LT = 16

cdef enum:                             # what zset_add says
    ZADDED = 1
    ZUPDATED = 2
    ZNOTHING = 4                       # an option forbade it
    ZNAN = 8                           # inf - inf: nothing was done
    ZSAME = 0                          # the score was that already

cdef struct ZSet:
    Table* members
    OrderedIndex* index

cdef struct ZSetLimits:                # of the listpack; from the configuration
    size_t entries
    size_t value                       # bytes

cdef struct ZElement:
    double score
    const char* member                 # in the value, or in `text`
    size_t length
    char text[24]                      # an integer member of a listpack in decimal

cdef struct ZCursor:                   # a walk over some ranks; any change of the value ends it
    unsigned char* lp                  # NULL: the index is walked
    unsigned char* p                   # next member
    OiCursor at
    bint backwards
    size_t left                        # elements still to come

cdef struct ZPair:                     # what ZADD is told of one member
    double score
    const char* member
    size_t length

cdef ZSetLimits zset_limits

cdef inline Table* zset_members(Entry* e) noexcept nogil:              # only with ZSET_SKIPLIST
    return (<ZSet*>entry_word_ref(e)[0]).members

# --- one value
cdef void zset_create(Entry* e, size_t elements, size_t member_length) noexcept     # empty; hints choose the encoding
cdef void zset_convert(Entry* e, size_t elements) noexcept               # listpack to skiplist, with room for so many
cdef void zset_compact(Entry* e, size_t longest, size_t total) noexcept  # back to a listpack if so many bytes allow it
cdef void zset_fill(Entry* e, const ZPair* pairs, size_t count) noexcept
    # these, distinct and in order, become the value in place of an empty one (or none, word 0); the encoding follows from them
cdef void zset_copy_range(Entry* e, size_t first, size_t end, LooseEntry* into) noexcept     # a sorted set in no database, of these ranks
cdef size_t zset_size(Entry* e) noexcept
cdef int zset_add(Entry* e, double score, const char* member, size_t length, int flags, double* result) noexcept
cdef int zset_add_pairs(Entry* e, const ZPair* pairs, size_t count, int flags, int* updated) noexcept
    # the same for several, without ZADD_INCR: how many are new, and how many got another score
cdef bint zset_score(Entry* e, const char* member, size_t length, double* score) noexcept     # 0: not a member
cdef void zset_warm_place(Entry* e, const char* member, size_t length) noexcept     # fetch the index around a member; only with ZSET_SKIPLIST
cdef bint zset_rank(Entry* e, const char* member, size_t length, size_t* rank, double* score) noexcept
cdef bint zset_remove(Entry* e, const char* member, size_t length) noexcept
cdef size_t zset_delete_range(Entry* e, size_t first, size_t end) noexcept           # how many
cdef void zset_delete_first(Entry* e, bint highest) noexcept             # the lowest or the highest; not of an empty one

# --- ranges
cdef void zset_score_range(Entry* e, double low, bint low_exclusive, double high, bint high_exclusive,
                           size_t* first, size_t* end) noexcept
cdef void zset_lex_range(Entry* e, const LexBound* low, const LexBound* high, size_t* first, size_t* end) noexcept
cdef bint zset_rank_range(int64_t start, int64_t stop, size_t size, size_t* first, size_t* end) noexcept    # 0: empty
cdef void zset_walk(Entry* e, size_t first, size_t end, bint backwards, ZCursor* c) noexcept  # backwards: from end - 1
cdef bint zset_next(ZCursor* c, ZElement* element) noexcept              # 0: that was all
cdef size_t zset_random_rank(Entry* e) noexcept                          # each as likely as another; not of an empty one
cdef void zset_write_member(Entry* e, size_t rank, bint scores, Output* out, int resp) noexcept    # one, without an array around it
cdef void zset_write_random(Entry* e, size_t count, bint scores, Output* out, int resp) noexcept   # an array of members drawn, any of them repeatedly
cdef void zset_write_distinct(Entry* e, size_t count, bint scores, Output* out, int resp) noexcept # the same of different ones, in any order; at most ZSET_DRAWN unless it is all
cdef void zset_write_range(Entry* e, size_t first, size_t end, bint backwards, bint scores, Output* out, int resp) noexcept

# --- text
cdef bint zset_parse_score(const char* text, size_t length, double* score) noexcept  # as strtod; no NaN, no overflow
cdef bint zset_parse_bound(const char* text, size_t length, double* score, bint* exclusive) noexcept   # "1", "(1", "-inf"
cdef bint zset_parse_lex(const char* text, size_t length, LexBound* bound) noexcept nogil          # "-", "+", "[member", "(member"

cdef class SortedSet(Value):
    cdef object _items(self, size_t first, size_t end, bint backwards)
