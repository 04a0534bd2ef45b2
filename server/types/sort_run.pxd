# cython: language_level=3
"""The elements of a list, a set or a sorted set in another order: what SORT does to them, natively.

    sort_collect    the elements as they stand, and no order yet
    the caller      may give each a text to be compared by (BY), and ranks it with sort_rank
    sort_order      by numbers, or by bytes

Texts point into the value: a run is good until it changes. Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.table cimport Entry

cdef enum:
    SORT_DIGITS = 24                   # bytes that any integer's text fits in

cdef struct SortElement:
    const char* text                   # in the value, in `digits`, or in the texts of the run
    size_t length
    Entry* named                       # by BY; NULL: no such key, or not of the type
    const char* key                    # ALPHA BY: what is compared ...
    size_t key_length                  # ... NULL before all others
    char digits[SORT_DIGITS]
    char key_digits[SORT_DIGITS]

cdef union SortRank:
    double score
    uint64_t head                      # the first bytes, as a number that compares like them

cdef struct SortRanked:
    SortRank rank
    SortElement* element                   # in the order in which they stand

cdef struct SortRun:
    SortElement* elements
    SortRanked* ranked
    size_t count
    size_t room                        # of both arrays
    char* texts                        # of a list whose nodes may be packed away while it is walked
    size_t texts_size

cdef size_t sort_size(Entry* e) noexcept               # elements
cdef void sort_collect(SortRun* run, Entry* e, size_t first, size_t end) noexcept
    # elements first..end - 1 of a list or a sorted set, of a set all. The run was zeroed; the owner calls sort_free
cdef void sort_free(SortRun* run) noexcept
cdef bint sort_rank(SortRun* run, size_t at, const char* key, size_t length, bint alpha) noexcept
    # element `at` is compared by this text, which the owner keeps; NULL: none. 0: it is no number, or one that strtod reads otherwise
cdef void sort_order(SortRun* run, bint by, bint alpha, bint descending) noexcept      # by: other texts than the elements are compared
cdef void sort_reverse(SortRun* run) noexcept
