# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.math cimport INFINITY, NAN
from libc.stddef cimport size_t
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc, strtod
from libc.string cimport memcpy

from server.persistence.rdb_format cimport (RDB_INT8, RDB_INT16, RDB_INT32, RDB_LZF, RDB_SCORE_NAN,
                                            RDB_SCORE_PLUS_INF)
from server.structures.listpack cimport lp_integer_text
from server.structures.lzf cimport lzf_decompress
from server.structures.memory cimport mem_free, mem_try_alloc
from server.structures.table cimport KEY_LENGTH_MASK

cdef enum:
    LZF_MOST = 88                      # text bytes that one byte of LZF data can stand for: 264 from 3

cdef struct Head:                      # what stands before the bytes of a string
    int encoding                       # -1 plain, RDB_LZF, or an integer
    uint64_t stored                    # bytes that follow
    uint64_t length                    # bytes of the text
    int64_t number


cdef void input_init(RdbInput* input, const void* s, size_t n) noexcept nogil:
    input.p = <const unsigned char*>s
    input.end = input.p + n
    input.fault = NULL
    input.hungry = False
    input.empty = False
    input.miscounted = False
    input.trusted = False


cdef void input_fail(RdbInput* input, const char* fault) noexcept nogil:
    if input.fault == NULL:
        input.fault = fault
    input.p = input.end


cdef void input_starve(RdbInput* input, const char* fault) noexcept nogil:
    if input.fault == NULL:
        input.hungry = True
    input_fail(input, fault)


cdef const unsigned char* take_raw(RdbInput* input, size_t n) noexcept nogil:
    cdef const unsigned char* at = input.p
    if input.fault != NULL or n > input_left(input):
        input_starve(input, "the bytes end too soon")
        return NULL
    input.p += n
    return at


cdef uint64_t _little(const unsigned char* at, int n) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(n):
        value |= <uint64_t>at[i] << (8 * i)
    return value


# ---- lengths
cdef bint _length_or_encoding(RdbInput* input, uint64_t* length, int* encoding) noexcept nogil:
    cdef const unsigned char* at = take_raw(input, 1)
    cdef unsigned char first
    cdef int n, i
    encoding[0] = -1
    length[0] = 0
    if at == NULL:
        return False
    first = at[0]
    if first < 0x40:
        length[0] = first
        return True
    if first >= 0xC0:
        encoding[0] = first & 0x3F
        return True
    if first < 0x80:
        at = take_raw(input, 1)
        if at == NULL:
            return False
        length[0] = (<uint64_t>(first & 0x3F) << 8) | at[0]
        return True
    if first > 0x81:
        input_fail(input, "an unknown form of length")
        return False
    n = 8 if first == 0x81 else 4
    at = take_raw(input, n)
    if at == NULL:
        return False
    for i in range(n):
        length[0] = (length[0] << 8) | at[i]
    return True


cdef bint take_length(RdbInput* input, uint64_t* length) noexcept nogil:
    cdef int encoding
    if not _length_or_encoding(input, length, &encoding):
        return False
    if encoding >= 0:
        input_fail(input, "a string where a length was expected")
        return False
    return True


cdef bint take_count(RdbInput* input, uint64_t* count) noexcept nogil:
    if not take_length(input, count):
        return False
    if count[0] > input_left(input):
        input_starve(input, "more elements than bytes")
        return False
    return True


# ---- strings
cdef bint _string_head(RdbInput* input, Head* head) noexcept nogil:
    cdef const unsigned char* at
    if not _length_or_encoding(input, &head.stored, &head.encoding):
        return False
    head.length = head.stored
    if head.encoding < 0:
        pass
    elif head.encoding == RDB_LZF:
        if not take_length(input, &head.stored) or not take_length(input, &head.length):
            return False
        if head.length // LZF_MOST > head.stored:
            input_fail(input, "Invalid LZF compressed string")
            return False
    elif head.encoding <= RDB_INT32:
        at = take_raw(input, 1 << head.encoding)
        if at == NULL:
            return False
        if head.encoding == RDB_INT8:
            head.number = <int8_t>at[0]
        elif head.encoding == RDB_INT16:
            head.number = <int16_t>_little(at, 2)
        else:
            head.number = <int32_t>_little(at, 4)
        return True
    else:
        input_fail(input, "an unknown form of string")
        return False
    if head.stored > input_left(input):
        input_starve(input, "a string longer than what is left" if head.encoding < 0
                     else "Invalid LZF compressed string")
        return False
    return True


cdef bint take_text(RdbInput* input, RdbText* text) noexcept nogil:
    cdef Head head
    cdef const unsigned char* at
    text.block = NULL
    if not _string_head(input, &head):
        return False
    if 0 <= head.encoding <= RDB_INT32:
        text.n = lp_integer_text(head.number, text.digits)
        text.s = text.digits
        return True
    at = take_raw(input, head.stored)
    if at == NULL:
        return False
    text.s = <const char*>at
    text.n = head.length
    if head.encoding == RDB_LZF:
        text.block = <char*>malloc(head.length + 1)
        if text.block == NULL or lzf_decompress(at, head.stored, text.block, head.length) != head.length:
            text_free(text)
            input_fail(input, "Invalid LZF compressed string")
            return False
        text.s = text.block
    return True


cdef bint take_name(RdbInput* input, RdbText* text) noexcept nogil:
    if not take_text(input, text):
        return False
    if text.n > KEY_LENGTH_MASK:
        text_free(text)
        input_fail(input, "a key, member or field that is too long")
        return False
    return True


cdef void text_free(RdbText* text) noexcept nogil:
    if text.block != NULL:
        free(text.block)
        text.block = NULL


cdef unsigned char* take_block(RdbInput* input, size_t* n) noexcept nogil:
    cdef Head head
    cdef const unsigned char* at
    cdef unsigned char* block
    cdef char digits[24]
    if not _string_head(input, &head):
        return NULL
    if 0 <= head.encoding <= RDB_INT32:
        head.length = lp_integer_text(head.number, digits)
        at = <unsigned char*>digits
    else:
        at = take_raw(input, head.stored)
    if at == NULL or head.length == 0:
        input_fail(input, "an empty string where a structure was expected")
        return NULL
    n[0] = head.length
    block = <unsigned char*>mem_try_alloc(n[0])
    if block == NULL:
        input_fail(input, "not enough memory")
        return NULL
    if head.encoding != RDB_LZF:
        memcpy(block, at, n[0])
    elif lzf_decompress(at, head.stored, block, n[0]) != n[0]:
        mem_free(block, n[0])
        input_fail(input, "Invalid LZF compressed string")
        return NULL
    return block


# ---- numbers
cdef bint take_double(RdbInput* input, double* value) noexcept nogil:
    cdef const unsigned char* at = take_raw(input, 8)
    cdef uint64_t word
    if at == NULL:
        return False
    word = _little(at, 8)
    memcpy(value, &word, 8)
    return True


cdef bint take_double_text(RdbInput* input, double* value) noexcept:
    cdef const unsigned char* at = take_raw(input, 1)
    cdef char text[256]
    cdef char* rest
    cdef size_t n
    if at == NULL:
        return False
    n = at[0]
    if n >= RDB_SCORE_NAN:
        value[0] = NAN if n == RDB_SCORE_NAN else INFINITY if n == RDB_SCORE_PLUS_INF else -INFINITY
        return True
    at = take_raw(input, n)
    if at == NULL:
        return False
    memcpy(text, at, n)
    text[n] = 0
    value[0] = strtod(text, &rest)
    if rest == text:
        input_fail(input, "a score that is no number")
        return False
    return True


cdef bint take_milliseconds(RdbInput* input, int64_t* when) noexcept nogil:
    cdef const unsigned char* at = take_raw(input, 8)
    if at == NULL:
        return False
    when[0] = <int64_t>_little(at, 8)
    return True
