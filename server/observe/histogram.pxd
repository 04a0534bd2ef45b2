# cython: language_level=3
"""Histograms whose classes are powers of two: counting costs a handful of instructions, and no memory but their own."""
from libc.stdint cimport uint64_t

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil

cdef enum:
    CLASSES = 40                       # that Python sees

cdef struct Histogram:
    uint64_t counts[63]                # item n: values of 2**n to 2**(n+1) - 1, item 0 also 0; with the sum 512 bytes
    uint64_t sum                       # of all values, in their unit

cdef inline void histogram_add(Histogram* h, uint64_t value) noexcept nogil:
    """value: below 2**63."""
    h.counts[<size_t>63 ^ <size_t>__builtin_clzll(value | 1)] += 1
    h.sum += value

cdef inline tuple histogram_shown(const Histogram* h):
    """(counts, sum) for Python: class n counts values below 2**n that are not in class n - 1; the last all larger ones."""
    cdef list counts = [0] * CLASSES
    cdef int n
    for n in range(63):
        if h.counts[n]:
            counts[min(n + 1, CLASSES - 1)] += h.counts[n]
    return counts, h.sum
