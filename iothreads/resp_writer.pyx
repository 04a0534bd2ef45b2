# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Numbers as text, and the replies that are too seldom to be inlined."""
from libc.math cimport isinf, isnan, signbit
from libc.stdio cimport snprintf
from libc.stdlib cimport strtod
from libc.string cimport memset, strchr

cdef char PAIRS[200]


cdef void fill_pairs() noexcept:
    cdef int i
    for i in range(100):
        PAIRS[2 * i] = <char>(48 + i // 10)
        PAIRS[2 * i + 1] = <char>(48 + i % 10)


fill_pairs()


cdef char* format_unsigned(char* at, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int i = 20
    cdef uint64_t pair
    if value < 10:
        at[0] = <char>(48 + value)
        return at + 1
    while value >= 100:
        pair = value % 100
        value = value // 100
        i -= 2
        memcpy(&digits[i], &PAIRS[2 * pair], 2)
    if value >= 10:
        i -= 2
        memcpy(&digits[i], &PAIRS[2 * value], 2)
    else:
        i -= 1
        digits[i] = <char>(48 + value)
    memcpy(at, &digits[i], 20 - i)
    return at + (20 - i)


cdef size_t constant(char* at, const char* text, size_t length) noexcept nogil:
    memcpy(at, text, length)
    return length


cdef int shortest_digits(double value, char* digits, int* exponent) noexcept nogil:
    """The fewest significant digits that read back as `value` (positive); value = 0.d1d2... * 10 ** exponent."""
    cdef char text[40]
    cdef int precision, n = 0
    cdef char* p = text
    cdef char* e
    for precision in range(15, 18):
        snprintf(text, sizeof(text), "%.*e", precision - 1, value)
        if precision == 17 or strtod(text, NULL) == value:
            break
    e = strchr(text, c'e')
    while p < e:
        if p[0] >= c'0' and p[0] <= c'9':         # skips the point, whatever the locale calls it
            digits[n] = p[0]
            n += 1
        p += 1
    exponent[0] = <int>strtod(e + 1, NULL) + 1
    while n > 1 and digits[n - 1] == c'0':
        n -= 1
    return n


cdef size_t format_double(char* at, double value) noexcept nogil:
    """As Redis replies doubles: an integer in plain digits, else the shortest digits that read back the same; plain
    notation for exponents that need few zeros, else `d.ddde+x`."""
    cdef char digits[24]
    cdef char* p = at
    cdef int n, point, power, lead
    cdef int64_t whole
    if isnan(value):
        return constant(at, "nan", 3)
    if isinf(value):
        return constant(at, "-inf", 4) if value < 0 else constant(at, "inf", 3)
    if value == 0:
        return constant(at, "-0", 2) if signbit(value) else constant(at, "0", 1)
    if -4611686018427387904.0 <= value <= 4611686018427387904.0:
        whole = <int64_t>value
        if <double>whole == value:
            return format_signed(at, whole) - at
    if value < 0:
        p[0] = c'-'
        p += 1
        value = -value
    n = shortest_digits(value, digits, &point)
    power = point - n                  # of the last digit
    if power >= 0 and point - 1 < n + 7:
        memcpy(p, digits, n)
        memset(p + n, c'0', power)
        return p + n + power - at
    lead = point - 1 if point >= 1 else 1 - point          # size of the first digit's exponent
    if power < 0 and (power > -7 or lead < 4):
        if point <= 0:
            p[0] = c'0'
            p[1] = c'.'
            memset(p + 2, c'0', -point)
            memcpy(p + 2 - point, digits, n)
            return p + 2 - point + n - at
        memcpy(p, digits, point)
        p[point] = c'.'
        memcpy(p + point + 1, digits + point, n - point)
        return p + n + 1 - at
    p[0] = digits[0]
    p += 1
    if n > 1:
        p[0] = c'.'
        memcpy(p + 1, digits + 1, n - 1)
        p += n
    p[0] = c'e'
    p[1] = c'+' if point >= 1 else c'-'
    return format_unsigned(p + 2, <uint64_t>lead) - at


cdef void write_double(Output* out, double value, int resp) noexcept nogil:
    cdef char text[48]
    cdef size_t n
    cdef char* at
    if resp != 3:
        n = format_double(text, value)
        write_bulk(out, text, n)
        return
    at = output_reserve(out, 48)
    at[0] = c','
    n = format_double(at + 1, value)
    at[n + 1] = c'\r'
    at[n + 2] = c'\n'
    output_advance(out, n + 3)


cdef void line(Output* out, char kind, const char* text, size_t length) noexcept nogil:
    """A reply that ends at the first CRLF, so its text may hold none."""
    cdef char* at = output_reserve(out, length + 3)
    cdef size_t i
    at[0] = kind
    for i in range(length):
        at[i + 1] = c' ' if text[i] == c'\r' or text[i] == c'\n' else text[i]
    at[length + 1] = c'\r'
    at[length + 2] = c'\n'
    output_advance(out, length + 3)


cdef void write_error(Output* out, const char* text, size_t length) noexcept nogil:
    line(out, c'-', text, length)


cdef void write_status(Output* out, const char* text, size_t length) noexcept nogil:
    line(out, c'+', text, length)
