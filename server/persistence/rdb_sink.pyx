# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport abort, free, realloc
from libc.string cimport memcpy, memmove

from iothreads.decimal cimport parse_int64
from server.persistence.rdb_format cimport RDB_INT8, RDB_INT16, RDB_INT32, RDB_LZF, RDB_LZF_MIN
from server.structures.crc64 cimport crc64
from server.structures.listpack cimport LP_INTEGER_TEXT
from server.structures.lzf cimport lzf_compress

cdef extern from "stdio.h" nogil:
    int snprintf(char* s, size_t n, const char* format, ...)

cdef extern from *:
    """
    #ifndef _DEFAULT_SOURCE
    #define _DEFAULT_SOURCE
    #endif
    #include <stdint.h>
    #include <sys/mman.h>
    #include <unistd.h>
    /* The whole pages of a block: what shares the first and the last page with others stays. */
    static void remus_dismiss(const void *block, size_t n) {
    #if defined(REMUS_LINUX) && defined(MADV_DONTNEED)
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t first = ((uintptr_t)block + page - 1) & ~(page - 1);
        uintptr_t end = ((uintptr_t)block + n) & ~(page - 1);
        if (end > first)
            madvise((void *)first, end - first, MADV_DONTNEED);
    #else
        (void)block; (void)n;
    #endif
    }
    """
    void remus_dismiss(const void* block, size_t n) nogil

cdef enum:
    DISMISS_MIN = 16384                # bytes of a block that are worth a system call
    DIRECT_MIN = 65536                 # bytes that are handed on without a copy
    LZF_GAIN = 4                       # bytes that compression must save at least
    HEAD_MAX = 19                      # bytes before LZF data: encoding and two lengths


cdef void sink_init(RdbSink* sink, int version, bint compress) noexcept nogil:
    sink.data = NULL
    sink.length = sink.capacity = 0
    sink.flush_at = 65536
    sink.flush = NULL
    sink.context = NULL
    sink.version = version
    sink.compress = compress


cdef void sink_free(RdbSink* sink) noexcept nogil:
    free(sink.data)
    sink.data = NULL
    sink.length = sink.capacity = 0


cdef unsigned char* sink_reserve(RdbSink* sink, size_t n) noexcept nogil:
    if sink.flush != NULL and sink.length >= sink.flush_at:
        sink.flush(sink)
    if sink.length + n > sink.capacity:
        sink.capacity = sink.length + n + (sink.length >> 1) + 64
        sink.data = <unsigned char*>realloc(sink.data, sink.capacity)
        if sink.data == NULL:
            abort()
    return sink.data + sink.length


# In a forked child: what was written is not read again, and the parent need not copy a page that only it has.
cdef bint _dismisses = False


def dismiss_written(bint yes) -> None:
    """Give large values back to the kernel as soon as they are written. For a forked child alone: they read as zeros
    afterwards."""
    global _dismisses
    _dismisses = yes


cdef void dismiss(const void* block, size_t n) noexcept nogil:
    if _dismisses and n >= DISMISS_MIN:
        remus_dismiss(block, n)


cdef void put_raw(RdbSink* sink, const void* s, size_t n) noexcept nogil:
    cdef unsigned char* kept
    if n >= DIRECT_MIN and sink.flush != NULL:
        sink.flush(sink)
        kept = sink.data
        sink.data = <unsigned char*>s
        sink.length = n
        sink.flush(sink)
        sink.data = kept
    elif n:
        memcpy(sink_reserve(sink, n), s, n)
        sink.length += n


cdef void put_byte(RdbSink* sink, int byte) noexcept nogil:
    sink_reserve(sink, 1)[0] = byte
    sink.length += 1


# ---- lengths and numbers
cdef size_t _length_bytes(unsigned char* at, uint64_t length) noexcept nogil:
    """Lay a length down; how many bytes it took."""
    cdef size_t n = 9 if length > 0xFFFFFFFFU else 5
    cdef size_t i
    if length < 64:
        at[0] = <unsigned char>length
        return 1
    if length < 16384:
        at[0] = 0x40 | <unsigned char>(length >> 8)
        at[1] = length & 0xFF
        return 2
    at[0] = 0x81 if n == 9 else 0x80
    for i in range(1, n):
        at[i] = (length >> (8 * (n - 1 - i))) & 0xFF
    return n


cdef void put_length(RdbSink* sink, uint64_t length) noexcept nogil:
    cdef unsigned char* at = sink_reserve(sink, 9)     # first: it may flush, which sets length to 0
    sink.length += _length_bytes(at, length)


cdef void put_little(RdbSink* sink, uint64_t value, int n) noexcept nogil:
    cdef unsigned char* at = sink_reserve(sink, n)
    cdef int i
    for i in range(n):
        at[i] = (value >> (8 * i)) & 0xFF
    sink.length += n


cdef void put_double(RdbSink* sink, double value) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, &value, 8)
    put_little(sink, word, 8)


cdef void put_milliseconds(RdbSink* sink, int64_t when) noexcept nogil:
    put_little(sink, <uint64_t>when, 8)


cdef void put_footer(RdbSink* sink, size_t start) noexcept nogil:
    put_little(sink, sink.version, 2)
    put_little(sink, crc64(0, sink.data + start, sink.length - start), 8)


# ---- strings
cdef bint _put_small_integer(RdbSink* sink, int64_t number) noexcept nogil:
    """0: it does not fit 32 bits."""
    if -128 <= number <= 127:
        put_byte(sink, 0xC0 | RDB_INT8)
        put_little(sink, <uint64_t>number, 1)
    elif -32768 <= number <= 32767:
        put_byte(sink, 0xC0 | RDB_INT16)
        put_little(sink, <uint64_t>number, 2)
    elif -2147483648LL <= number <= 2147483647LL:
        put_byte(sink, 0xC0 | RDB_INT32)
        put_little(sink, <uint64_t>number, 4)
    else:
        return False
    return True


cdef void put_integer(RdbSink* sink, int64_t number) noexcept nogil:
    cdef char text[LP_INTEGER_TEXT + 3]
    cdef size_t n
    if not _put_small_integer(sink, number):
        n = snprintf(text, sizeof(text), "%lld", <long long>number)
        put_length(sink, n)
        put_raw(sink, text, n)


cdef void put_lzf(RdbSink* sink, const void* packed, size_t packed_length, size_t length) noexcept nogil:
    put_byte(sink, 0xC0 | RDB_LZF)
    put_length(sink, packed_length)
    put_length(sink, length)
    put_raw(sink, packed, packed_length)


cdef bint _put_compressed(RdbSink* sink, const char* s, size_t n) noexcept nogil:
    """0: compression would not save enough."""
    cdef unsigned char* at = sink_reserve(sink, n + HEAD_MAX)
    cdef size_t packed = lzf_compress(s, n, at + HEAD_MAX, n - LZF_GAIN)
    cdef size_t head = 1
    if packed == 0:
        return False
    at[0] = 0xC0 | RDB_LZF
    head += _length_bytes(at + head, packed)
    head += _length_bytes(at + head, n)
    memmove(at + head, at + HEAD_MAX, packed)
    sink.length += head + packed
    return True


cdef void put_string(RdbSink* sink, const char* s, size_t n) noexcept nogil:
    cdef int64_t number
    if n <= 11 and parse_int64(s, n, &number) and _put_small_integer(sink, number):
        return
    if sink.compress and n > RDB_LZF_MIN and _put_compressed(sink, s, n):
        return
    put_length(sink, n)
    put_raw(sink, s, n)
