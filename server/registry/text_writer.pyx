# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc, realloc

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_GET_LENGTH

from iothreads.resp_writer cimport format_signed

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) except? -1
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef enum:
    FIRST_ROOM = 16384                 # bytes: INFO without arguments needs less than half
    NUMBER_ROOM = 24
    DECIMAL_ROOM = 400                 # the largest double, and some digits behind the point
    DIGITS = 6                         # behind the point that need no printf ...
    EXACT = 1000000000                 # ... of a number that has less than this many steps of the last digit

cdef double UNSURE = 1e-6              # how near to a half of such a step rounding is printf's
cdef int64_t[7] _POWERS = [1, 10, 100, 1000, 10000, 100000, 1000000]
cdef char* _UNITS = b"BKMGTP"


cdef int text_begin(Text* text) except -1:
    text.bytes, text.used, text.room = <char*>malloc(FIRST_ROOM), 0, FIRST_ROOM
    if text.bytes == NULL:
        raise MemoryError
    return 0


cdef void text_end(Text* text) noexcept:
    free(text.bytes)
    text.bytes = NULL


cdef bytes text_made(const Text* text):
    return PyBytes_FromStringAndSize(text.bytes, text.used)


cdef char* text_grow(Text* text, size_t more) except NULL:
    cdef char* grown = <char*>realloc(text.bytes, (text.used + more) * 2)
    if grown == NULL:
        raise MemoryError
    text.bytes, text.room = grown, (text.used + more) * 2
    return text.bytes + text.used


cdef int text_add_number(Text* text, int64_t value) except -1:
    cdef char* at = text_reserve(text, NUMBER_ROOM)
    text.used += format_signed(at, value) - at
    return 0


cdef int text_add_value(Text* text, object value) except -1:
    cdef int overflow = 0
    cdef long long number
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            return text_add_number(text, number)
    if type(value) is bool:
        return text_add(text, "1" if value else "0", 1)
    if type(value) is not str:
        value = str(value)
    if PyUnicode_IS_COMPACT_ASCII(value):
        return text_add(text, <const char*>PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
    return text_add_bytes(text, (<str>value).encode("utf-8", "surrogateescape"))


cdef int text_add_decimal(Text* text, double value, int digits) except -1:
    """As printf rounds it. Where that cannot depend on the last bit of the product, whole numbers do, which are quicker."""
    cdef char* at = text_reserve(text, DECIMAL_ROOM)
    cdef char* end
    cdef double scaled = value * _POWERS[digits] if 0 < digits <= DIGITS else -1
    cdef int64_t whole
    cdef int i
    if not 0 <= scaled < EXACT or -UNSURE < scaled - <int64_t>scaled - 0.5 < UNSURE:
        text.used += snprintf(at, DECIMAL_ROOM, "%.*f", digits, value)
        return 0
    whole = <int64_t>(scaled + 0.5)
    end = format_signed(at, whole // _POWERS[digits])
    end[0] = c'.'
    whole %= _POWERS[digits]
    for i in range(digits, 0, -1):
        end[i] = <char>(c'0' + whole % 10)
        whole //= 10
    text.used += end + 1 + digits - at
    return 0


cdef int text_add_size(Text* text, double bytes) except -1:
    cdef int unit = 0
    if bytes < 1024:
        text_add_number(text, <int64_t>bytes)
        return text_add(text, "B", 1)
    while unit < 5 and (unit == 0 or bytes >= 1024):
        bytes /= 1024
        unit += 1
    text_add_decimal(text, bytes, 2)
    return text_add(text, &_UNITS[unit], 1)


# ---- quotes
cdef inline bint _is_plain(unsigned char byte) noexcept:
    return 32 <= byte < 127 and byte != c'"' and byte != c'\\'


cdef inline char _letter(unsigned char byte) noexcept:
    """What stands behind the backslash; 0: its number does."""
    if byte == c'"' or byte == c'\\':
        return byte
    if byte == c'\n':
        return c'n'
    if byte == c'\r':
        return c'r'
    if byte == c'\t':
        return c't'
    return c'a' if byte == c'\a' else c'b' if byte == c'\b' else 0


cdef int _add_escaped(Text* text, unsigned char byte) except -1:
    cdef char* at = text_reserve(text, NUMBER_ROOM)
    at[0], at[1] = c'\\', _letter(byte)
    text.used += 2 if at[1] else snprintf(at, NUMBER_ROOM, "\\x%02x", byte)
    return 0


cdef int text_add_quoted(Text* text, const char* bytes, size_t length) except -1:
    cdef size_t i, from_ = 0
    text_add(text, '"', 1)
    for i in range(length):
        if not _is_plain(bytes[i]):
            text_add(text, bytes + from_, i - from_)
            _add_escaped(text, bytes[i])
            from_ = i + 1
    text_add(text, bytes + from_, length - from_)
    return text_add(text, '"', 1)


def quoted(bytes word) -> bytes:
    """The word in double quotes, with everything but printable ASCII escaped. Complexity: O(N)."""
    cdef Text text
    text_begin(&text)
    try:
        text_add_quoted(&text, PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        return text_made(&text)
    finally:
        text_end(&text)
