# cython: language_level=3
"""A byte string that is too long for an entry: counted, shared with the replies in flight that send it."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

cdef struct Blob:
    uint32_t references                # main thread alone counts
    uint32_t offset                    # bytes of its block in front of it: of one that was read in place
    size_t length                      # bytes in use
    size_t capacity                    # bytes allocated behind the header
    char data[1]

cdef Blob* blob_new(const char* data, size_t length, size_t capacity) noexcept nogil
cdef Blob* blob_try_new(const char* data, size_t length, size_t capacity) noexcept nogil
cdef Blob* blob_reserve(Blob* b, size_t capacity) noexcept nogil         # references must be 1; may move
cdef void blob_release(Blob* b) noexcept nogil
cdef Blob* blob_adopt(char* block, size_t size, size_t data, size_t length) noexcept nogil    # malloc's block; takes it over
cdef size_t blob_memory(const Blob* b) noexcept nogil                    # bytes of its block
