# cython: language_level=3
"""Counting, finding and combining the bits of byte strings. Bit 0 is the highest bit of byte 0.

Pure functions over memory of the caller; any thread may call them.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:                             # operations of bits_combine
    BITS_AND = 0
    BITS_OR = 1
    BITS_XOR = 2

cdef uint64_t bits_count(const uint8_t* p, size_t n) noexcept nogil            # set bits of n bytes
cdef int64_t bits_find(const uint8_t* p, size_t n, bint bit) noexcept nogil    # first such bit; 8 * n or -1 without one
cdef uint64_t bits_count_range(const uint8_t* p, int64_t first, int64_t last) noexcept nogil   # set bits from bit `first` to bit `last`, both included; none when last < first
cdef int64_t bits_find_range(const uint8_t* p, bint bit, int64_t first, int64_t last) noexcept nogil   # the first such bit among them; -1 without one
cdef void bits_combine(uint8_t* target, const uint8_t* source, size_t n, int operation) noexcept nogil    # target op= source
cdef void bits_invert(uint8_t* target, size_t n) noexcept nogil
