# cython: language_level=3
"""Decimal text and the platform's long double: what INCRBYFLOAT and HINCRBYFLOAT calculate with."""
from libc.stddef cimport size_t

cdef enum:
    LONG_DOUBLE_TEXT = 5120            # bytes: longer text is no number, and every result fits

cdef bint parse_long_double(const char* text, size_t length, long double* value) noexcept nogil   # text ends in a zero byte
cdef size_t format_long_double(char* out, long double value) noexcept nogil    # LONG_DOUBLE_TEXT bytes of room; finite values
