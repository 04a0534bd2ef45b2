# cython: language_level=3
"""The error that a command raises, as native code sees it."""
from libc.stddef cimport size_t

cdef class CommandError(Exception):
    cdef readonly bytes text

cdef Py_ssize_t error_code_length(const char* text, size_t length) noexcept nogil     # of its code; -1: it counts as ERR
