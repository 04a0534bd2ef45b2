# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Output
from iothreads.resp_writer cimport write_bulk, write_header
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport FAST_KEYS, integer_at, is_word, length_at, word_at
from server.structures.long_double cimport parse_long_double

cdef enum:
    NUMBER_LENGTH = 256                # bytes: longer text may still be a number, for the definition
    LONGEST_SECONDS = 7                # digits of a timeout before its point


cdef bint read_pops(Op* op, uint32_t at, Pops* pops) noexcept:
    cdef int64_t keys
    if not integer_at(op, at, &keys) or not 0 < keys <= FAST_KEYS:
        return False
    pops.first = at + 1
    pops.end = pops.first + <uint32_t>keys
    pops.count = 1
    if op.r.arg_count == pops.end + 1:
        return True
    return (op.r.arg_count == pops.end + 3 and is_word(op, pops.end + 1, "count", 5)
            and read_count(op, pops.end + 2, False, &pops.count))


cdef bint read_count(Op* op, uint32_t at, bint negative, int64_t* count) noexcept:
    return (integer_at(op, at, count) and count[0] <= FAST_DRAWN
            and (count[0] > 0 or (negative and count[0] >= -FAST_DRAWN)))


cdef bint is_no_number(Op* op, uint32_t at) noexcept:
    cdef char first
    if length_at(op, at) == 0:
        return False
    first = word_at(op, at)[0] | 32
    return c'a' <= first <= c'z' and first != c'i' and first != c'n'


cdef bint read_wait(Op* op, uint32_t at, int64_t* ms) noexcept:
    """Digits, and maybe a point with one to three more: what is exact in milliseconds."""
    cdef const char* s = word_at(op, at)
    cdef size_t n = length_at(op, at)
    cdef size_t i = 0
    cdef int64_t scale = 1000
    ms[0] = 0
    while i < n and i < LONGEST_SECONDS and c'0' <= s[i] <= c'9':
        ms[0] = ms[0] * 10 + (s[i] - c'0')
        i += 1
    ms[0] *= 1000
    if i == 0 or i == n:
        return i > 0
    if s[i] != c'.' or i + 1 == n:
        return False
    for i in range(i + 1, n):
        scale //= 10
        if scale == 0 or not c'0' <= s[i] <= c'9':
            return False
        ms[0] += (s[i] - c'0') * scale
    return True


cdef bint is_wait(Op* op, uint32_t at) noexcept:
    cdef int64_t ms
    return read_wait(op, at, &ms)


cdef bint read_number(const char* s, size_t n, long double* value) noexcept:
    cdef char text[NUMBER_LENGTH + 1]
    if n > NUMBER_LENGTH:
        return False
    memcpy(text, s, n)
    text[n] = 0                        # the parser wants it
    return parse_long_double(text, n, value)


cdef int write_list(Output* out, char kind, list found) except -1:
    cdef bytes word
    write_header(out, kind, len(found))
    for word in found:
        write_bulk(out, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
    return 0
