# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Narrow bytes: how the width is chosen, and eight codes at a time.

Counting the kinds in a sample from all over the data shows what each width would cost before anything is written. A kind
that the sample has not seen goes without a code, and data with more of those than there is room for is given up.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from server.structures.memory cimport mem_alloc, mem_free

cdef enum:
    NARROWEST = 4                      # bits of a code
    WIDEST = 6
    GROUPS = 16                        # of a sample ...
    GROUP = 64                         # bytes
    APART = 197
    KINDS_MAX = 128                    # in the sample: more, and nothing would be gained
    NO_CODE = 128                      # for a code, which has fewer bits: the byte has none


cdef size_t _count(const uint8_t* data, size_t n, uint32_t* count) noexcept nogil:
    """How often each byte occurs in the sample, whose groups are unevenly far apart: elements may be alike; returns its
    bytes."""
    cdef const uint8_t* at
    cdef size_t group, i, step, loose
    memset(count, 0, 256 * sizeof(uint32_t))
    if n <= GROUPS * GROUP:
        for i in range(n):
            count[data[i]] += 1
        return n
    step = n // GROUPS
    loose = step - GROUP + 1
    for group in range(GROUPS):
        at = data + group * step + group * APART % loose
        for i in range(GROUP):
            count[at[i]] += 1
    return GROUPS * GROUP


cdef int _by_count(const uint32_t* count, uint8_t* kinds) noexcept nogil:
    """The kinds by falling count; returns how many there are, 0 for too many."""
    cdef int found = 0
    cdef int kind, place
    for kind in range(256):
        found += count[kind] != 0
    if found > KINDS_MAX:
        return 0
    found = 0
    for kind in range(256):
        if count[kind] == 0:
            continue
        place = found
        while place > 0 and count[kinds[place - 1]] < count[kind]:
            kinds[place] = kinds[place - 1]
            place -= 1
        kinds[place] = <uint8_t>kind
        found += 1
    return found


cdef inline size_t _head_bytes(int width) noexcept nogil:
    return <size_t>1 << width


cdef inline size_t _code_bytes(size_t n, int width) noexcept nogil:
    return ((n + 7) >> 3) * width


cdef int _best_width(const uint32_t* count, const uint8_t* kinds, int found, size_t sampled, size_t n,
                     size_t* bytes) noexcept nogil:
    """The width that needs least, and what it needs if the sample is like the rest."""
    cdef int width, best = 0
    cdef int kind = 0
    cdef size_t rest = sampled
    cdef size_t needed
    bytes[0] = <size_t>-1
    for width in range(NARROWEST, WIDEST + 1):
        while kind < found and kind < (1 << width) - 1:
            rest -= count[kinds[kind]]
            kind += 1
        needed = _head_bytes(width) + _code_bytes(n, width) + rest * n // sampled
        if needed < bytes[0]:
            bytes[0] = needed
            best = width
    return best


cdef inline uint8_t* _pack_group(const uint8_t* ip, size_t n, uint8_t* op, uint8_t* rest, const uint8_t* end,
                                 const uint8_t* code_of, int width) noexcept nogil:
    """Up to eight codes, and those without one behind all others; returns where the next of these goes, NULL: there is no
    room for them."""
    cdef uint64_t codes = 0
    cdef size_t j
    for j in range(n):
        if code_of[ip[j]] != NO_CODE:
            codes |= <uint64_t>code_of[ip[j]] << (<int>j * width)
        elif rest == end:
            return NULL
        else:
            rest[0] = ip[j]
            rest += 1
    for j in range(width):
        op[j] = <uint8_t>(codes >> (8 * j))
    return rest


cdef inline uint8_t* _pack_codes(const uint8_t* ip, size_t n, uint8_t* op, uint8_t* rest, const uint8_t* end,
                                 const uint8_t* code_of, int width) noexcept nogil:
    """All of them. Nearly always each of eight has a code."""
    cdef uint64_t a, b, c, d, e, f, g, h, codes
    cdef size_t i
    for i in range(n >> 3):
        a, b, c, d = code_of[ip[0]], code_of[ip[1]], code_of[ip[2]], code_of[ip[3]]
        e, f, g, h = code_of[ip[4]], code_of[ip[5]], code_of[ip[6]], code_of[ip[7]]
        if not (a | b | c | d | e | f | g | h) & NO_CODE:
            codes = (a | b << width | c << (2 * width) | d << (3 * width) | e << (4 * width) | f << (5 * width)
                     | g << (6 * width) | h << (7 * width))
            op[0], op[1], op[2] = <uint8_t>codes, <uint8_t>(codes >> 8), <uint8_t>(codes >> 16)
            op[3] = <uint8_t>(codes >> 24)
            if width > 4:
                op[4] = <uint8_t>(codes >> 32)
            if width > 5:
                op[5] = <uint8_t>(codes >> 40)
        else:
            rest = _pack_group(ip, 8, op, rest, end, code_of, width)
            if rest == NULL:
                return NULL
        ip += 8
        op += width
    return rest if n & 7 == 0 else _pack_group(ip, n & 7, op, rest, end, code_of, width)


cdef size_t narrow_pack(const void* data, size_t n, void* out, size_t room) noexcept nogil:
    cdef const uint8_t* ip = <const uint8_t*>data
    cdef uint8_t* op = <uint8_t*>out
    cdef uint8_t* end = op + room
    cdef uint8_t* rest
    cdef uint32_t count[256]
    cdef uint8_t kinds[256]
    cdef uint8_t code_of[256]
    cdef size_t bytes, i
    cdef size_t sampled = _count(ip, n, count)
    cdef int width
    cdef int found = _by_count(count, kinds)
    if found == 0:
        return 0
    width = _best_width(count, kinds, found, sampled, n, &bytes)
    if bytes > room + (n >> 5) or _head_bytes(width) + _code_bytes(n, width) > room:
        return 0
    memset(code_of, NO_CODE, sizeof(code_of))
    memset(op + 1, 0, _head_bytes(width) - 1)
    op[0] = <uint8_t>width
    for i in range(min(<size_t>found, _head_bytes(width) - 1)):
        op[1 + i] = kinds[i]
        code_of[kinds[i]] = <uint8_t>(i + 1)
    op += _head_bytes(width)
    rest = op + _code_bytes(n, width)
    if width == 4:                     # constants, so that the compiler makes three of it
        rest = _pack_codes(ip, n, op, rest, end, code_of, 4)
    elif width == 5:
        rest = _pack_codes(ip, n, op, rest, end, code_of, 5)
    else:
        rest = _pack_codes(ip, n, op, rest, end, code_of, 6)
    return 0 if rest == NULL else rest - <uint8_t*>out


cdef void narrow_unpack(const void* packed, void* out, size_t n) noexcept nogil:
    cdef const uint8_t* ip = <const uint8_t*>packed
    cdef uint8_t* op = <uint8_t*>out
    cdef int width = ip[0]
    cdef const uint8_t* kinds = ip                     # of code 0 it is the width, which is replaced
    cdef const uint8_t* rest
    cdef uint64_t codes
    cdef uint32_t mask = (<uint32_t>1 << width) - 1
    cdef uint32_t code
    cdef size_t i, j, group
    ip += _head_bytes(width)
    rest = ip + _code_bytes(n, width)
    for i in range(0, n, 8):
        codes = 0
        for j in range(width):
            codes |= <uint64_t>ip[j] << (8 * j)
        ip += width
        group = n - i if n - i < 8 else 8
        for j in range(group):
            code = codes & mask
            codes >>= width
            op[j] = kinds[code]
            if code == 0:
                op[j] = rest[0]
                rest += 1
        op += group


def pack(bytes data, size_t room):
    """The bytes narrowed, or None if they do not fit into `room` bytes."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(room + 1)
    cdef size_t n = narrow_pack(<char*>data, len(data), out, room)
    result = (<char*>out)[:n] if n else None
    mem_free(out, room + 1)
    return result


def unpack(bytes data, size_t size):
    """The `size` bytes that pack() was given."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(size + 1)
    narrow_unpack(<char*>data, out, size)
    result = (<char*>out)[:size]
    mem_free(out, size + 1)
    return result
