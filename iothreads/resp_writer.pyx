# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Numbers as text, and the replies that are too seldom to be inlined."""
from libc.math cimport isinf, isnan, signbit
from libc.string cimport memset

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil

cdef char PAIRS[200]
cdef uint64_t TENS[20]


cdef void fill_pairs() noexcept:
    cdef int i
    for i in range(100):
        PAIRS[2 * i] = <char>(48 + i // 10)
        PAIRS[2 * i + 1] = <char>(48 + i % 10)
    TENS[0] = 1
    for i in range(1, 20):
        TENS[i] = 10 * TENS[i - 1]


fill_pairs()


cdef char* format_unsigned(char* at, uint64_t value) noexcept nogil:
    """Pairs of digits are written where they belong, the last ones first."""
    cdef char* end
    cdef char* p
    cdef int digits
    if value < 10:
        at[0] = <char>(48 + value)
        return at + 1
    if value < 100:
        memcpy(at, &PAIRS[2 * value], 2)
        return at + 2
    digits = (64 - __builtin_clzll(value)) * 1233 >> 12            # bits * log10(2): one too few from 10 ** digits on
    end = p = at + digits + (value >= TENS[digits])
    while value >= 100:
        p -= 2
        memcpy(p, &PAIRS[2 * (value % 100)], 2)
        value = value // 100
    if value >= 10:
        memcpy(at, &PAIRS[2 * value], 2)
    else:
        at[0] = <char>(48 + value)
    return end


cdef size_t constant(char* at, const char* text, size_t length) noexcept nogil:
    memcpy(at, text, length)
    return length


# ---- the digits of a double: Grisu2 (Florian Loitsch, 2010). It always reads back the same and is nearly always the
# shortest and closest; Redis uses it too, so where it is not, our replies are not either.

cdef enum:
    POWER_FIRST = -348                 # decimal exponents of the table: -348, -340 ... 340
    POWER_STEP = 8
    POWER_COUNT = 87

cdef struct Binary:                    # fraction * 2 ** exponent
    uint64_t fraction
    int exponent

cdef Binary POWERS[POWER_COUNT]


cdef int fill_powers() except -1:
    """Powers of ten to 64 bits, rounded to nearest."""
    cdef int i
    cdef object ten = 10, one = 1, power, shift, above, below, fraction        # Python's integers: they have no end
    for i in range(POWER_COUNT):
        power = POWER_FIRST + POWER_STEP * i
        shift = 64 - int(power * 3.3219280948873626)       # about; the loop below puts it right
        while True:
            above, below = (ten ** power, one) if power >= 0 else (one, ten ** -power)
            above, below = (above << shift, below) if shift >= 0 else (above, below << -shift)
            fraction = (2 * above + below) // (2 * below)
            if fraction >= one << 64:
                shift -= 1
            elif fraction < one << 63:
                shift += 1
            else:
                break
        POWERS[i].fraction = fraction
        POWERS[i].exponent = -shift
    return 0


fill_powers()


cdef inline uint64_t high_product(uint64_t a, uint64_t b) noexcept nogil:
    """The upper 64 bits of a product, rounded."""
    cdef uint64_t half = 0xFFFFFFFF
    cdef uint64_t ah = a >> 32, al = a & half, bh = b >> 32, bl = b & half
    cdef uint64_t middle = ((ah * bl) & half) + ((al * bh) & half) + ((al * bl) >> 32) + (<uint64_t>1 << 31)
    return ah * bh + ((ah * bl) >> 32) + ((al * bh) >> 32) + (middle >> 32)


cdef inline int power_for(int exponent) noexcept nogil:
    """Index of the power of ten that brings 2 ** exponent * 2 ** 64 into 2 ** -60 ... 2 ** -32."""
    cdef int i = (<int>(-(exponent + POWER_COUNT) * 0.30102999566398114) - POWER_FIRST) // POWER_STEP
    cdef int scaled
    while True:
        scaled = exponent + POWERS[i].exponent + 64
        if scaled < -60:
            i += 1
        elif scaled > -32:
            i -= 1
        else:
            return i


cdef inline void closer(char* last, uint64_t delta, uint64_t rest, uint64_t unit, uint64_t wanted) noexcept nogil:
    """Takes the last digit down while that comes nearer to the value."""
    while rest < wanted and delta - rest >= unit and (rest + unit < wanted or wanted - rest > rest + unit - wanted):
        last[0] -= 1
        rest += unit


cdef int shortest_digits(double value, char* digits, int* power) noexcept nogil:
    """The digits of a positive value; value = digits * 10 ** power."""
    cdef uint64_t bits, fraction, low, high, scale, wanted, delta, whole, part, digit
    cdef int exponent, top, shift, i, n = 0, kappa = 10
    cdef uint64_t mask
    memcpy(&bits, &value, 8)
    fraction = bits & ((<uint64_t>1 << 52) - 1)
    exponent = <int>(bits >> 52)
    if exponent:
        fraction += <uint64_t>1 << 52
        exponent -= 1075
    else:
        exponent = -1074
    # the middle to the next double above and below, with the exponent of the former
    high = (fraction << 1) + 1
    top = exponent - 1
    while not high >> 63:
        high <<= 1
        top -= 1
    shift = 2 if fraction == <uint64_t>1 << 52 else 1
    low = ((fraction << shift) - 1) << (exponent - shift - top)
    fraction <<= exponent - top
    i = power_for(top)
    scale = POWERS[i].fraction
    power[0] = -(POWER_FIRST + POWER_STEP * i)
    shift = -(top + POWERS[i].exponent + 64)               # binary point of the scaled numbers
    high = high_product(high, scale) - 1
    low = high_product(low, scale) + 1
    wanted = high - high_product(fraction, scale)
    delta = high - low
    mask = (<uint64_t>1 << shift) - 1
    whole = high >> shift
    part = high & mask
    while kappa > 0:
        kappa -= 1
        digit = whole // TENS[kappa]
        whole -= digit * TENS[kappa]
        if digit or n:
            digits[n] = <char>(48 + digit)
            n += 1
        if (whole << shift) + part <= delta:
            power[0] += kappa
            closer(&digits[n - 1], delta, (whole << shift) + part, TENS[kappa] << shift, wanted)
            return n
    while True:
        part *= 10
        delta *= 10
        kappa -= 1
        digit = part >> shift
        part &= mask
        if digit or n:
            digits[n] = <char>(48 + digit)
            n += 1
        if part < delta:
            power[0] += kappa
            closer(&digits[n - 1], delta, part, mask + 1, wanted * TENS[-kappa])
            return n


cdef size_t format_double(char* at, double value) noexcept nogil:
    """As Redis replies doubles: an integer in plain digits, else as format_shortest."""
    cdef int64_t whole
    if value != 0 and -4611686018427387904.0 <= value <= 4611686018427387904.0:
        whole = <int64_t>value
        if <double>whole == value:
            return format_signed(at, whole) - at
    return format_shortest(at, value)


cdef size_t format_shortest(char* at, double value) noexcept nogil:
    """The shortest digits that read back the same; plain notation for exponents that need few zeros, else `d.ddde+x`."""
    cdef char digits[24]
    cdef char* p = at
    cdef int n, point, power, lead
    if isnan(value):
        return constant(at, "nan", 3)
    if isinf(value):
        return constant(at, "-inf", 4) if value < 0 else constant(at, "inf", 3)
    if value == 0:
        return constant(at, "-0", 2) if signbit(value) else constant(at, "0", 1)
    if value < 0:
        p[0] = c'-'
        p += 1
        value = -value
    n = shortest_digits(value, digits, &power)
    point = n + power                  # digits before the point
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
