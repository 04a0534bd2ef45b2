# cython: language_level=3
"""The intset's data sheet: a sorted array of distinct integers, all of the width that the widest one needs.

    width of a number: 4 bytes (2, 4 or 8) | how many: 4 bytes | numbers, ascending          (all little endian)

The bytes are those of Redis, so a block goes into a DUMP payload as it is. The width only ever grows.
An intset is a bare `unsigned char*` of exactly `intset_bytes()` bytes from `mem_alloc`; whoever holds it owns it.
Functions that change one take `unsigned char**`, because the block may move.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t

from server.structures.memory cimport mem_free

cdef enum:
    INTSET_HEADER = 8                  # bytes before the first number

cdef inline uint32_t intset_load32(const unsigned char* p) noexcept nogil:
    return <uint32_t>p[0] | (<uint32_t>p[1] << 8) | (<uint32_t>p[2] << 16) | (<uint32_t>p[3] << 24)

cdef inline uint32_t intset_width(const unsigned char* set_) noexcept nogil:         # bytes of a number
    return intset_load32(set_)

cdef inline uint32_t intset_length(const unsigned char* set_) noexcept nogil:        # numbers
    return intset_load32(set_ + 4)

cdef inline size_t intset_bytes(const unsigned char* set_) noexcept nogil:
    return INTSET_HEADER + <size_t>intset_length(set_) * intset_width(set_)

cdef inline int64_t intset_at(const unsigned char* set_, uint32_t position) noexcept nogil:
    """The number at a position that is known to exist; 0 is the smallest."""
    cdef uint32_t width = intset_width(set_)
    cdef const unsigned char* p = set_ + INTSET_HEADER + <size_t>position * width
    if width == 2:
        return <int16_t>(p[0] | (<uint32_t>p[1] << 8))
    if width == 4:
        return <int32_t>intset_load32(p)
    return <int64_t>(<uint64_t>intset_load32(p) | (<uint64_t>intset_load32(p + 4) << 32))

cdef inline int64_t intset_min(const unsigned char* set_) noexcept nogil:            # the set must not be empty
    return intset_at(set_, 0)

cdef inline int64_t intset_max(const unsigned char* set_) noexcept nogil:            # the set must not be empty
    return intset_at(set_, intset_length(set_) - 1)

cdef inline bint intset_get(const unsigned char* set_, uint32_t position, int64_t* number) noexcept nogil:
    if position >= intset_length(set_):
        return False
    number[0] = intset_at(set_, position)
    return True

cdef inline void intset_free(unsigned char* set_) noexcept nogil:
    mem_free(set_, intset_bytes(set_))

cdef unsigned char* intset_new() noexcept nogil
cdef unsigned char* intset_dup(const unsigned char* set_) noexcept nogil
cdef bint intset_add(unsigned char** set_, int64_t number) noexcept nogil            # O(N); 1: it is new
cdef bint intset_remove(unsigned char** set_, int64_t number) noexcept nogil         # O(N); 1: it was there
cdef bint intset_find(const unsigned char* set_, int64_t number) noexcept nogil      # O(log N)
cdef int64_t intset_random(const unsigned char* set_, uint64_t* state) noexcept nogil    # state as in lp_random; not empty
cdef bint intset_validate(const unsigned char* p, size_t size, bint deep) noexcept nogil # foreign bytes; an empty set is refused as Redis does
