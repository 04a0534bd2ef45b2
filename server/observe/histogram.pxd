# cython: language_level=3
"""Histograms whose classes are powers of two: counting costs an add, a count of leading zeros and an increment."""
from libc.stdint cimport uint64_t

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil

cdef enum:
    CLASSES = 40                       # class n counts values of 2**(n-1) to 2**n - 1, class 1 also 0, the last all larger ones

cdef struct Histogram:
    uint64_t counts[CLASSES]
    uint64_t sum                       # of all values, in their unit

cdef inline void histogram_add(Histogram* h, uint64_t value) noexcept nogil:
    cdef int n = 64 - __builtin_clzll(value | 1)
    h.counts[n if n < CLASSES else CLASSES - 1] += 1
    h.sum += value

cdef inline tuple histogram_shown(const Histogram* h):
    """(counts, sum) for Python."""
    return [h.counts[n] for n in range(CLASSES)], h.sum
