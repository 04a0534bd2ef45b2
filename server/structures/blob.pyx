# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A header of 24 bytes and the bytes, in one block of the keyspace's allocator. One that was read in place has more of
its block in front of it: the command that brought it.
"""
from libc.string cimport memcpy

from server.structures.memory cimport mem_adopt, mem_alloc, mem_free, mem_good_size, mem_realloc, mem_try_alloc

cdef enum:
    BLOB_HEADER = 24                   # bytes before data: ROOMY_HEAD of iothreads.message is for it


cdef inline Blob* _blob_fill(Blob* b, const char* data, size_t length, size_t capacity) noexcept nogil:
    b.references = 1
    b.offset = 0
    b.length = length
    b.capacity = capacity
    if data != NULL:
        memcpy(b.data, data, length)
    return b


cdef Blob* blob_new(const char* data, size_t length, size_t capacity) noexcept nogil:
    """A blob with one reference. data: copied; NULL leaves the bytes to the caller. capacity: not below length."""
    if capacity < length:
        capacity = length
    return _blob_fill(<Blob*>mem_alloc(BLOB_HEADER + capacity), data, length, capacity)


cdef Blob* blob_try_new(const char* data, size_t length, size_t capacity) noexcept nogil:
    """The same, but NULL when there is no memory."""
    cdef Blob* b
    if capacity < length:
        capacity = length
    b = <Blob*>mem_try_alloc(BLOB_HEADER + capacity)
    return _blob_fill(b, data, length, capacity) if b != NULL else NULL


cdef Blob* blob_reserve(Blob* b, size_t capacity) noexcept nogil:
    """Give the blob exactly this capacity (but never less than its length). It may move; references must be 1."""
    cdef Blob* moved
    if capacity < b.length:
        capacity = b.length
    if b.offset:
        moved = blob_new(b.data, b.length, capacity)
        blob_release(b)
        return moved
    if capacity != b.capacity:
        b = <Blob*>mem_realloc(b, BLOB_HEADER + b.capacity, BLOB_HEADER + capacity)
        b.capacity = capacity
    return b


cdef void blob_release(Blob* b) noexcept nogil:
    """Drop a reference; the last one frees the blob."""
    b.references -= 1
    if b.references == 0:
        mem_free(<char*>b - b.offset, b.offset + BLOB_HEADER + b.capacity)


cdef Blob* blob_adopt(char* block, size_t size, size_t data, size_t length) noexcept nogil:
    """The `length` bytes at offset `data` of a block of `size` bytes become a blob with one reference, where they are: the
    block is its own from now on. data - BLOB_HEADER must be a multiple of 8, size above SMALL_MAX."""
    cdef Blob* b = <Blob*>(block + data - BLOB_HEADER)
    mem_adopt(size)
    b.references = 1
    b.offset = <uint32_t>(data - BLOB_HEADER)
    b.length = length
    b.capacity = size - data
    return b


cdef size_t blob_memory(const Blob* b) noexcept nogil:
    return mem_good_size(b.offset + BLOB_HEADER + b.capacity)
