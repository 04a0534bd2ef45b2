# cython: language_level=3
"""A list's data sheet: one listpack while it is small, a quicklist beyond `list-max-listpack-size`.

The entry's word is a bare listpack (LIST_LISTPACK) or a Quicklist* (LIST_QUICKLIST); an empty list exists only between
a command's lookup and its push. The functions here work on the entry alone, so the fast paths need no view.
Sizes and counts decide about conversions as in Redis 7.2: before elements are added by what comes with them, after
elements were removed only below half of the limit, so that a list on the border does not flap.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from iothreads.message cimport Output
from server.structures.listpack cimport LpValue
from server.structures.table cimport Entry
from server.types.value cimport Value

cdef enum:                             # encodings
    LIST_LISTPACK = 0
    LIST_QUICKLIST = 1

cdef struct ListLimits:
    int fill                           # list-max-listpack-size
    int compress                       # list-compress-depth, nodes at each end

cdef ListLimits limits

cdef class List(Value):
    pass

cdef uint64_t list_length(Entry* e) noexcept nogil
cdef void list_grow(Entry* e, size_t bytes, uint64_t count) noexcept nogil     # due before `count` elements of so many bytes come
cdef void list_push(Entry* e, const char* s, size_t n, int end) noexcept nogil # QL_HEAD or QL_TAIL
cdef bint list_peek(Entry* e, int end, LpValue* value) noexcept nogil          # 0 in an empty list; good until the next change
cdef void list_drop(Entry* e, int end) noexcept nogil                          # the element that list_peek shows
cdef void list_shrink(Entry* e) noexcept nogil                                 # due after elements went (not from an empty list)
cdef void list_settle(Entry* e) noexcept nogil                                 # due after a list was built: either encoding may result
cdef bint list_near(Entry* e, int64_t at, LpValue* value) noexcept nogil       # one element; 0: none, or none that is found in no time (see List.index)
cdef bint list_replace(Entry* e, int64_t at, const char* s, size_t n) noexcept nogil       # 0: no such index. list_shrink is due afterwards
cdef int64_t list_position(Entry* e, const char* s, size_t n) noexcept nogil    # index of the first element equal to these bytes, -1 without one
cdef bint list_insert(Entry* e, const char* pivot, size_t n, const char* s, size_t m, bint after) noexcept nogil  # beside the first that equals the pivot; 0: none does
cdef bint list_bounds(Entry* e, int64_t* start, int64_t* stop) noexcept nogil  # negative indexes resolved and cut to the list; 0: empty range
cdef void list_write_range(Entry* e, Output* out, int64_t start, int64_t stop) noexcept   # an array reply; start and stop from list_bounds
cdef uint64_t list_new_word() noexcept nogil                                   # an empty list, LIST_LISTPACK
