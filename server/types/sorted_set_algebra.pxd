# cython: language_level=3
"""Unions, intersections and differences of sorted sets, on entries alone.

Plain sets take part, each member with the score 1. A result is an array of (score, member) whose members point into the
inputs, or into its own texts where those keep an integer: it is good until one of the inputs changes.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

from iothreads.message cimport Output
from server.structures.table cimport Entry
from server.types.sorted_set cimport ZPair
from server.types.value cimport LooseEntry

cdef enum:                             # what becomes of a member's scores
    ZSUM = 0
    ZMIN = 1
    ZMAX = 2

cdef enum:                             # which members
    ZUNION = 0
    ZINTERSECTION = 1
    ZDIFFERENCE = 2

cdef struct ZSource:
    Entry* e                           # a sorted set or a set; NULL: a key that does not exist
    double weight

cdef struct Texts:                     # of members that the inputs keep as integers
    Texts* next
    size_t used
    char bytes[4072]

cdef struct ZResult:
    ZPair* pairs
    size_t count
    size_t capacity
    Texts* texts
    uint32_t* places                   # by hash of the member: number of its pair + 1, 0 for none; NULL while nothing is looked up
    size_t places_mask

cdef void zpairs_sort(ZPair* pairs, size_t count) noexcept     # by score and member
cdef void zresult_combine(ZResult* result, int which, ZSource* sources, int count, int aggregate) noexcept
    # in order of score and member. Changes the order of the sources. The owner calls zresult_free
cdef void zresult_free(ZResult* result) noexcept
cdef void zresult_write(ZResult* result, bint scores, Output* out, int resp) noexcept
cdef void zresult_store(ZResult* result, LooseEntry* into) noexcept     # a sorted set in no database
cdef uint64_t zset_count_common(ZSource* sources, int count, uint64_t limit) noexcept      # members that all have, no further than `limit` (0: all)
