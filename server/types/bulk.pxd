# cython: language_level=3
"""Elements of compact values as bulk replies: most are short strings, which get a short way, or integers.

Used by the types for replies that are written without a Python object per element.
"""
from libc.stddef cimport size_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Output, output_advance, output_reserve
from iothreads.resp_writer cimport write_bulk
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text

cdef inline void write_short(Output* out, const char* s, size_t n) noexcept nogil:
    """A bulk string; faster than write_bulk below 100 bytes."""
    cdef char* start
    cdef char* p
    if n >= 100:
        write_bulk(out, s, n)
        return
    start = p = output_reserve(out, n + 8)
    p[0] = c'$'
    if n >= 10:
        p[1] = <char>(48 + n // 10)
        p += 1
    p[1] = <char>(48 + n % 10)
    p[2] = c'\r'
    p[3] = c'\n'
    memcpy(p + 4, s, n)
    p += 4 + n
    p[0] = c'\r'
    p[1] = c'\n'
    output_advance(out, p + 2 - start)

cdef inline void write_element(Output* out, const LpValue* value) noexcept nogil:
    """The same for an element, integers as their decimal text."""
    cdef char digits[LP_INTEGER_TEXT]
    if value.s != NULL:
        write_short(out, value.s, value.length)
    else:
        write_short(out, digits, lp_integer_text(value.number, digits))

cdef inline bytes element_bytes(const LpValue* value):
    """An element as Python sees it."""
    cdef char digits[LP_INTEGER_TEXT]
    if value.s != NULL:
        return PyBytes_FromStringAndSize(value.s, value.length)
    return PyBytes_FromStringAndSize(digits, lp_integer_text(value.number, digits))
