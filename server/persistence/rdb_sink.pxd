# cython: language_level=3
"""Where RDB bytes go: a sink that grows or is flushed, and the lengths, numbers and strings that are put into it.

The counterpart of `rdb_input`. A sink collects bytes in one block from malloc. With `flush` it hands the block on (a
file, a socket) whenever enough has come together; without, it keeps all of it. No function here touches a Python object,
so a forked child may use them.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

cdef struct RdbSink:
    unsigned char* data                # malloc
    size_t length                      # bytes in use
    size_t capacity
    size_t flush_at                    # bytes that are enough for a flush
    void (*flush)(RdbSink* sink) noexcept nogil      # sets length to 0; NULL: everything stays here
    void* context                      # flush's own
    int version                        # RDB version to write: 9, 10 or 11
    bint compress                      # LZF for long strings

cdef void sink_init(RdbSink* sink, int version, bint compress) noexcept nogil
cdef void sink_free(RdbSink* sink) noexcept nogil
cdef unsigned char* sink_reserve(RdbSink* sink, size_t n) noexcept nogil       # room for so many bytes; add to length what was used

cdef void dismiss(const void* block, size_t n) noexcept nogil        # was written; in a forked child: its pages are given back

cdef void put_raw(RdbSink* sink, const void* s, size_t n) noexcept nogil
cdef void put_byte(RdbSink* sink, int byte) noexcept nogil
cdef void put_length(RdbSink* sink, uint64_t length) noexcept nogil
cdef void put_string(RdbSink* sink, const char* s, size_t n) noexcept nogil     # as an integer, compressed, or plain
cdef void put_integer(RdbSink* sink, int64_t number) noexcept nogil             # the string that is its decimal text
cdef void put_lzf(RdbSink* sink, const void* packed, size_t packed_length, size_t length) noexcept nogil
    # a string of `length` bytes that is compressed already
cdef void put_little(RdbSink* sink, uint64_t value, int n) noexcept nogil       # n bytes, little endian
cdef void put_double(RdbSink* sink, double value) noexcept nogil                # 8 bytes, little endian
cdef void put_footer(RdbSink* sink, size_t start) noexcept nogil                # of a payload, which begins there and is in the sink: version, checksum
cdef void put_milliseconds(RdbSink* sink, int64_t when) noexcept nogil          # 8 bytes, little endian
