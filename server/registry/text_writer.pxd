# cython: language_level=3
"""Text that is put together in one go, for answers to people and monitors (INFO, CLIENT LIST): numbers become digits without
an object in between. On the stack of who writes it; `text_end` gives the memory back, whatever happened."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

cdef struct Text:
    char* bytes
    size_t used, room

cdef int text_begin(Text* text) except -1
cdef void text_end(Text* text) noexcept
cdef bytes text_made(const Text* text)                                 # a copy
cdef int text_add(Text* text, const char* bytes, size_t length) except -1
cdef int text_add_bytes(Text* text, bytes value) except -1
cdef int text_add_number(Text* text, int64_t value) except -1
cdef int text_add_value(Text* text, object value) except -1            # as str() prints it
cdef int text_add_decimal(Text* text, double value, int digits) except -1              # with so many digits behind the point
cdef int text_add_size(Text* text, double bytes) except -1                             # for people: 1.50K, 3.20M
cdef int text_add_quoted(Text* text, const char* bytes, size_t length) except -1
    # in double quotes, with everything but printable ASCII escaped. Complexity: O(length)
