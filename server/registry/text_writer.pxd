# cython: language_level=3
"""Text that is put together in one go, for answers to people and monitors (INFO, CLIENT LIST): numbers become digits without
an object in between. On the stack of who writes it; `text_end` gives the memory back, whatever happened."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

cdef struct Text:
    char* bytes
    size_t used, room

cdef int text_begin(Text* text) except -1
cdef void text_end(Text* text) noexcept
cdef bytes text_made(const Text* text)                                 # a copy
cdef char* text_grow(Text* text, size_t more) except NULL              # slow half of text_reserve

cdef inline char* text_reserve(Text* text, size_t more) except NULL:
    """Where the next `more` bytes go."""
    return text.bytes + text.used if text.used + more <= text.room else text_grow(text, more)

cdef inline int text_add(Text* text, const char* bytes, size_t length) except -1:
    memcpy(text_reserve(text, length), bytes, length)
    text.used += length
    return 0

cdef inline int text_add_bytes(Text* text, bytes value) except -1:
    return text_add(text, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))

cdef int text_add_number(Text* text, int64_t value) except -1
cdef int text_add_value(Text* text, object value) except -1            # as str() prints it; a bool as 1 or 0
cdef int text_add_decimal(Text* text, double value, int digits) except -1              # with so many digits behind the point
cdef int text_add_size(Text* text, double bytes) except -1                             # for people: 1.50K, 3.20M
cdef int text_add_quoted(Text* text, const char* bytes, size_t length) except -1
    # in double quotes, with everything but printable ASCII escaped. Complexity: O(length)
