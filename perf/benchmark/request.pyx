# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A request costs a copy of its bytes and a few digits; in a pipeline of one fixed template, the digits alone."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from perf.benchmark.draw cimport Keys, Random, Sizes, key_number, random_below, size_draw

cdef const char* PAIRS = (
    b"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    b"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899")


cdef inline void write_number(char* at, uint64_t value) noexcept nogil:
    """12 digits; those in front stay as they are when they are zero: the template's zeros."""
    cdef int i = DIGITS - 2
    cdef uint32_t low
    while value > <uint64_t>0xffffffff:
        memcpy(at + i, PAIRS + 2 * (value % 100), 2)
        value //= 100
        i -= 2
    low = <uint32_t>value
    while low:
        memcpy(at + i, PAIRS + 2 * (low % 100), 2)
        low //= 100
        i -= 2
    while i >= 0:                      # a longer number may have stood there
        memcpy(at + i, PAIRS, 2)
        i -= 2


cdef char* write_digits(char* to, uint64_t value) noexcept nogil:
    cdef char[20] digits
    cdef int n = 0
    while True:
        digits[n] = c'0' + <char>(value % 10)
        n += 1
        value //= 10
        if value == 0:
            break
    while n:
        n -= 1
        to[0] = digits[n]
        to += 1
    return to


cdef void fill_holes(const Template* template, char* request, Keys* keys, Random* random) noexcept nogil:
    cdef uint32_t i
    for i in range(template.hole_count):
        write_number(request + template.holes[i], key_number(keys, random))


cdef size_t template_most(const Template* template, const Sizes* sizes) noexcept nogil:
    return template.length + <size_t>template.values * sizes.most + 20 * <size_t>template.segment_count


cdef size_t render(const Template* template, char* to, Keys* keys, const Sizes* sizes, const Pool* pool,
                   Random* random) noexcept nogil:
    cdef const Segment* segment
    cdef char* at = to
    cdef uint32_t i, h, size = 0
    for i in range(template.segment_count):
        segment = &template.segments[i]
        memcpy(at, template.bytes + segment.start, segment.length)
        for h in range(segment.first_hole, segment.first_hole + segment.holes):
            write_number(at + (template.holes[h] - segment.start), key_number(keys, random))
        at += segment.length
        if segment.value == VALUE_LENGTH:
            size = size_draw(sizes, random)
            at = write_digits(at, segment.fixed + <uint64_t>segment.times * size)
        elif segment.value == VALUE_BYTES:
            memcpy(at, pool.bytes + random_below(random, <uint64_t>pool.spare + 1), size)
            at += size
    return at - to
