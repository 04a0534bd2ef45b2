# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>
    #include <string.h>
    static inline uint64_t bits_word(const uint8_t *p) { uint64_t w; memcpy(&w, p, 8); return w; }
    /* Set bits of one word: sums of pairs, of fours, of bytes; the multiplication adds the bytes up. */
    static inline uint64_t bits_of_word(uint64_t w) {
        w -= (w >> 1) & 0x5555555555555555ULL;
        w = (w & 0x3333333333333333ULL) + ((w >> 2) & 0x3333333333333333ULL);
        return (((w + (w >> 4)) & 0x0F0F0F0F0F0F0F0FULL) * 0x0101010101010101ULL) >> 56;
    }
    /* Adds a and b to *low, a digit per bit position; returns the carries. */
    static inline uint64_t bits_carry(uint64_t *low, uint64_t a, uint64_t b) {
        uint64_t half = *low ^ a, carry = (*low & a) | (half & b);
        *low = half ^ b;
        return carry;
    }
    /* Eight words go through a tree of adders, so that only one in eight has its bits counted. */
    static uint64_t bits_count_words(const uint8_t *p, size_t words) {
        uint64_t ones = 0, twos = 0, fours = 0, total = 0;
        size_t i = 0;
        for (; i + 8 <= words; i += 8, p += 64) {
            uint64_t a = bits_carry(&ones, bits_word(p), bits_word(p + 8));
            uint64_t b = bits_carry(&ones, bits_word(p + 16), bits_word(p + 24));
            uint64_t c = bits_carry(&twos, a, b);
            a = bits_carry(&ones, bits_word(p + 32), bits_word(p + 40));
            b = bits_carry(&ones, bits_word(p + 48), bits_word(p + 56));
            b = bits_carry(&twos, a, b);
            total += bits_of_word(bits_carry(&fours, c, b));
        }
        total = 8 * total + 4 * bits_of_word(fours) + 2 * bits_of_word(twos) + bits_of_word(ones);
        for (; i < words; i++, p += 8) total += bits_of_word(bits_word(p));
        return total;
    }
    #define BITS_LOOP(op) \\
        for (; i + 8 <= n; i += 8) { \\
            uint64_t a = bits_word(target + i) op bits_word(source + i); memcpy(target + i, &a, 8); \\
        } \\
        for (; i < n; i++) target[i] = target[i] op source[i];
    static void bits_combine_loop(uint8_t *restrict target, const uint8_t *restrict source, size_t n, int operation) {
        size_t i = 0;
        if (operation == 0) { BITS_LOOP(&) } else if (operation == 1) { BITS_LOOP(|) } else { BITS_LOOP(^) }
    }
    """
    uint64_t bits_word(const uint8_t* p) noexcept nogil
    uint64_t bits_of_word(uint64_t w) noexcept nogil
    uint64_t bits_count_words(const uint8_t* p, size_t words) noexcept nogil
    void bits_combine_loop(uint8_t* target, const uint8_t* source, size_t n, int operation) noexcept nogil


cdef uint64_t bits_count(const uint8_t* p, size_t n) noexcept nogil:
    cdef uint64_t total = bits_count_words(p, n // 8)
    cdef size_t i
    for i in range(n & ~<size_t>7, n):
        total += bits_of_word(p[i])
    return total


cdef int64_t bits_find(const uint8_t* p, size_t n, bint bit) noexcept nogil:
    cdef size_t i = 0
    cdef uint64_t plain = 0 if bit else <uint64_t>-1
    cdef int place = 0
    cdef uint8_t byte
    while i + 8 <= n and bits_word(p + i) == plain:
        i += 8
    while i < n and p[i] == <uint8_t>plain:
        i += 1
    if i == n:
        return -1 if bit else <int64_t>n * 8
    byte = p[i] ^ <uint8_t>plain
    while not byte & 0x80:
        byte = <uint8_t>(byte << 1)
        place += 1
    return <int64_t>i * 8 + place


cdef uint64_t bits_count_range(const uint8_t* p, int64_t first, int64_t last) noexcept nogil:
    cdef int64_t start = first >> 3
    cdef int64_t stop = last >> 3
    if last < first:
        return 0
    return (bits_count(p + start, stop - start + 1) - bits_of_word(p[start] & ~(0xFF >> (first & 7)) & 0xFF)
            - bits_of_word(p[stop] & (0x7F >> (last & 7))))


cdef int64_t bits_find_range(const uint8_t* p, bint bit, int64_t first, int64_t last) noexcept nogil:
    cdef int64_t start = first >> 3
    cdef int64_t stop = last >> 3
    cdef int64_t at
    cdef uint8_t edge
    if last < first:
        return -1
    edge = p[start]            # what lies before `first` must not be found
    edge = edge & (0xFF >> (first & 7)) if bit else edge | (~(0xFF >> (first & 7)) & 0xFF)
    at = bits_find(&edge, 1, bit)
    if 0 <= at < 8:
        at += start * 8
    elif start == stop:
        return -1
    else:
        at = bits_find(p + start + 1, stop - start, bit)
        if at >= 0:
            at += (start + 1) * 8
    return at if 0 <= at <= last else -1


cdef void bits_combine(uint8_t* target, const uint8_t* source, size_t n, int operation) noexcept nogil:
    bits_combine_loop(target, source, n, operation)


cdef void bits_invert(uint8_t* target, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        target[i] = ~target[i]


# Buffers are asked for by hand: around a typed memoryview Cython puts 25,000 lines of C.
def count(data, int64_t first, int64_t last) -> int:
    """Set bits from bit `first` to bit `last`, both included and within the data. Complexity: O(last - first)."""
    cdef uint64_t total
    cdef Py_buffer view
    if last < first:
        return 0
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        total = bits_count_range(<const uint8_t*>view.buf, first, last)
    PyBuffer_Release(&view)
    return total


def find(data, bint bit, int64_t first, int64_t last) -> int:
    """The place of the first bit that is `bit` from bit `first` to bit `last`, both included; -1 without one."""
    cdef int64_t at
    cdef Py_buffer view
    if last < first:
        return -1
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        at = bits_find_range(<const uint8_t*>view.buf, bit, first, last)
    PyBuffer_Release(&view)
    return at


def combine(str operation, sources) -> bytes:
    """"and", "or", "xor" of byte strings, or "not" of one; the shorter count as filled up with zeros. Complexity: O(N)."""
    cdef size_t longest = 0
    cdef size_t n
    cdef bytes result
    cdef uint8_t* target
    cdef Py_buffer view
    cdef int op = {"and": BITS_AND, "or": BITS_OR, "xor": BITS_XOR, "not": -1}[operation]
    cdef bint first = True
    for source in sources:
        longest = max(longest, <size_t>len(memoryview(source)))
    result = PyBytes_FromStringAndSize(NULL, longest)
    target = <uint8_t*>PyBytes_AS_STRING(result)
    for source in sources:
        PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
        n = view.len
        if first and n:
            memcpy(target, view.buf, n)
        elif n:
            bits_combine(target, <const uint8_t*>view.buf, n, op)
        PyBuffer_Release(&view)
        if first or op == BITS_AND:
            memset(target + n, 0, longest - n)
        first = False
    if op < 0:
        bits_invert(target, longest)
    return result
