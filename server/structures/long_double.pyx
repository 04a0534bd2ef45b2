# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sums of decimal text as Redis shows them: added as long double, printed with 17 decimals, trailing zeros cut.

Where long double has 64 bits of mantissa or more, 17 decimals hide the binary rounding: 0.1 + 0.2 shows as 0.3.
"""
from libc cimport errno as c_errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char* text, char** end)

cdef extern from "<math.h>" nogil:
    long double ceill(long double)
    bint isnan(long double)
    bint isinf(long double)
    double HUGE_VAL

cdef long double TWO_63 = 9223372036854775808.0


cdef bint parse_long_double(const char* text, size_t length, long double* value) noexcept nogil:
    cdef char* end
    cdef char first
    if length == 0 or length >= LONG_DOUBLE_TEXT:
        return False
    first = text[0]
    if first == c' ' or 9 <= first <= 13:
        return False
    c_errno.errno = 0
    value[0] = strtold(text, &end)
    if <size_t>(end - text) != length or isnan(value[0]) or c_errno.errno == c_errno.EINVAL:
        return False
    return c_errno.errno != c_errno.ERANGE or not (value[0] == HUGE_VAL or value[0] == -HUGE_VAL or value[0] == 0)


cdef size_t format_long_double(char* out, long double value) noexcept nogil:
    cdef size_t length = snprintf(out, LONG_DOUBLE_TEXT, "%.17Lf", value)
    while out[length - 1] == c'0':         # there is always a point to stop at
        length -= 1
    if out[length - 1] == c'.':
        length -= 1
    if length == 2 and out[0] == c'-' and out[1] == c'0':
        out[0] = c'0'
        length = 1
    return length


def is_number(bytes text) -> bool:
    """Whether the whole text is a number as strtold reads it: no space around it, no NaN, no overflow; inf is one."""
    cdef long double value
    return parse_long_double(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value)


def is_finite(bytes text) -> bool:
    """Whether it is a number and not infinite."""
    cdef long double value
    return parse_long_double(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value) and not isinf(value)


def ceiling(bytes text, int factor) -> int | None:
    """The smallest whole number that is not less than the number times `factor`; of one outside 64 bits the nearest that
    is within them, or 2^63 when it is too large. None: text is no number."""
    cdef long double value
    if not parse_long_double(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &value):
        return None
    value = ceill(value * factor)
    if value >= TWO_63:
        return 1 << 63
    return <int64_t>value if value > -TWO_63 else -1 << 63


def add(bytes first, bytes second) -> bytes | None:
    """The sum of two numbers (see is_number) as text; None when it is infinite or none (inf - inf)."""
    cdef long double a, b
    cdef char out[LONG_DOUBLE_TEXT]
    if not (parse_long_double(PyBytes_AS_STRING(first), PyBytes_GET_SIZE(first), &a)
            and parse_long_double(PyBytes_AS_STRING(second), PyBytes_GET_SIZE(second), &b)):
        raise ValueError("not a number")
    a += b
    if isnan(a) or isinf(a):
        return None
    return PyBytes_FromStringAndSize(out, format_long_double(out, a))


def format_double(double value) -> bytes:
    """A finite double with up to 17 decimals and no exponent."""
    cdef char out[LONG_DOUBLE_TEXT]
    return PyBytes_FromStringAndSize(out, format_long_double(out, value))
