# cython: language_level=3
"""What HSCAN, SSCAN and ZSCAN are asked on their fast paths, and how they answer."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from iothreads.message cimport Output
from server.dispatch.record cimport Op
from server.structures.glob cimport glob_begins, glob_match
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text

cdef struct Scanning:
    uint64_t cursor
    int64_t count
    const char* pattern                # NULL: everything is let through
    size_t length
    size_t prefix                      # bytes of it that are plain

cdef bint read_scanning(Op* op, Scanning* scanning) noexcept           # `key cursor [MATCH pattern] [COUNT count]`
cdef bytes pattern_of(const Scanning* scanning)                        # None without one
cdef void write_all_scanned(Output* out, size_t count) noexcept        # the end of the walk, and how many elements follow
cdef int write_scanned(Output* out, uint64_t cursor, list found) except -1     # the next cursor, and byte strings

cdef inline bint lets_through(const Scanning* scanning, const char* text, size_t length) noexcept nogil:
    return (scanning.pattern == NULL
            or glob_begins(scanning.pattern, scanning.prefix, text, length)
            and glob_match(scanning.pattern, scanning.length, text, length, False))

cdef inline bint lets_element_through(const Scanning* scanning, const LpValue* element) noexcept nogil:
    cdef char digits[LP_INTEGER_TEXT]
    if element.s != NULL:
        return lets_through(scanning, element.s, element.length)
    return lets_through(scanning, digits, lp_integer_text(element.number, digits))
