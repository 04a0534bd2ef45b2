# cython: language_level=3
"""Reading integers: RESP headers, arguments and what packed values keep as numbers all mean the same by one."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef inline bint parse_int64(const char* text, size_t length, int64_t* value) noexcept nogil:
    """Whether a text is the one canonical form of a 64-bit integer: no sign but `-`, no leading zero, no blanks, nothing
    that would not print back the same. Otherwise the value stays as it was."""
    cdef uint64_t v = 0
    cdef size_t i = 0
    cdef bint negative = False
    cdef uint32_t digit
    if length == 0:
        return False
    if text[0] == c'-':
        negative = True
        i = 1
    if length - i - 1 > 18:            # no digits, or more than 64 bits have: 19 of them fit in `v`
        return False
    if text[i] == c'0':
        if length == 1:
            value[0] = 0
            return True
        return False
    while i < length:
        digit = <uint32_t>(<uint8_t>text[i]) - 48
        if digit > 9:
            return False
        v = v * 10 + digit
        i += 1
    if negative:
        if v > 9223372036854775808ULL:
            return False
        value[0] = <int64_t>(<uint64_t>0 - v)
    else:
        if v > 9223372036854775807ULL:
            return False
        value[0] = <int64_t>v
    return True
