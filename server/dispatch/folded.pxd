# cython: language_level=3
"""Names in any case, as two words of a processor: so commands and the words among their arguments are looked up."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    FOLDED_MAX = 16                    # bytes of a name

cdef inline uint64_t _folded(uint64_t word) noexcept:
    """Eight bytes with A-Z made lower case, all at once: bit 7 of each byte tells whether it is a capital."""
    cdef uint64_t low = word & 0x7F7F7F7F7F7F7F7FULL
    cdef uint64_t from_a = low + 0x3F3F3F3F3F3F3F3FULL
    cdef uint64_t beyond_z = low + 0x2525252525252525ULL
    return word | (((from_a & ~beyond_z & ~word) & 0x8080808080808080ULL) >> 2)

cdef inline uint64_t fold_short(const char* name, size_t length) noexcept:
    """All of a name of 1 to 8 bytes, in any case; together with the length no other name has it."""
    cdef uint32_t a = 0, b = 0
    if length < 4:
        return _folded(<uint8_t>name[0] | (<uint64_t><uint8_t>name[length >> 1] << 8)
                       | (<uint64_t><uint8_t>name[length - 1] << 16))
    memcpy(&a, name, 4)
    memcpy(&b, name + length - 4, 4)
    return _folded(a | (<uint64_t>b << 32))

cdef inline void fold_name(const char* name, size_t length, uint64_t* head, uint64_t* tail) noexcept:
    """The two words that stand for a name of 1 to FOLDED_MAX bytes: with the length they say all of it."""
    cdef uint32_t a = 0, b = 0
    if length >= 8:
        memcpy(head, name, 8)
        memcpy(tail, name + length - 8, 8)
    elif length >= 4:
        memcpy(&a, name, 4)
        memcpy(&b, name + length - 4, 4)
        head[0] = a
        tail[0] = b
    else:
        head[0] = <uint8_t>name[0] | (<uint64_t><uint8_t>name[length >> 1] << 8)
        tail[0] = <uint8_t>name[length - 1]
    head[0] = _folded(head[0])
    tail[0] = _folded(tail[0])
