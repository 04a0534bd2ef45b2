# cython: language_level=3
"""How many error replies there were, by code. Nearly all are of two codes, which cost an increment."""
from libc.stdint cimport uint64_t

cdef class ErrorCounts:
    cdef readonly uint64_t replies     # of all codes
    cdef uint64_t plain                # of code ERR
    cdef uint64_t wrong_type           # of code WRONGTYPE
    cdef dict others                   # code -> number, in the order of the first
    cpdef int count(self, bytes text) except -1
    cdef int _count_other(self, bytes code) except -1
    cdef inline void count_plain(self) noexcept:
        self.replies += 1
        self.plain += 1

    cdef inline void count_wrong_type(self) noexcept:
        self.replies += 1
        self.wrong_type += 1
