# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""CRC16 and the slot of a key. "123456789" gives 0x31C3.

Where the processor multiplies polynomials sixteen bytes cost two multiplications (`crc16_multiplied`); elsewhere eight
bytes cost eight look-ups.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memchr

from server.structures.crc16_multiplied cimport remus_crc_multiplied, remus_multiplies, remus_slot_multiplied

cdef enum:
    AT_ONCE = 8

crc_multiplies = remus_multiplies()

# [0]: the remainder that each leading byte leaves behind; [n]: when n bytes of zero follow it.
cdef uint16_t tables[AT_ONCE][256]


cdef void _prepare() noexcept nogil:
    cdef unsigned int byte, bit, crc, zeros
    for byte in range(256):
        crc = byte << 8
        for bit in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        tables[0][byte] = <uint16_t>crc
    for zeros in range(1, AT_ONCE):
        for byte in range(256):
            crc = tables[zeros - 1][byte]
            tables[zeros][byte] = <uint16_t>((crc << 8) ^ tables[0][crc >> 8])


_prepare()


cdef inline uint16_t _eight(uint16_t crc, const uint8_t* p) noexcept nogil:
    return (tables[7][p[0] ^ (crc >> 8)] ^ tables[6][p[1] ^ (crc & 0xFF)] ^ tables[5][p[2]] ^ tables[4][p[3]]
            ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]])


cdef inline uint16_t _one(uint16_t crc, uint8_t byte) noexcept nogil:
    return <uint16_t>((crc << 8) ^ tables[0][(crc >> 8) ^ byte])


cdef uint16_t crc16(const char* s, size_t n) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>s
    cdef const uint8_t* end = p + n
    cdef uint16_t crc = 0
    if crc_multiplies:
        return remus_crc_multiplied(p, n)
    while end - p >= AT_ONCE:
        crc = _eight(crc, p)
        p += AT_ONCE
    while p < end:
        crc = _one(crc, p[0])
        p += 1
    return crc


cdef uint16_t _slot_with_brace(const char* key, size_t n) noexcept nogil:
    cdef const char* opening = <const char*>memchr(key, c'{', n)
    cdef const char* closing
    if opening != NULL:
        opening += 1
        closing = <const char*>memchr(opening, c'}', key + n - opening)
        if closing != NULL and closing != opening:
            return crc16(opening, closing - opening) & (CLUSTER_SLOTS - 1)
    return crc16(key, n) & (CLUSTER_SLOTS - 1)


key_slot = remus_slot_multiplied if crc_multiplies else _slot_with_brace


cdef uint16_t key_hash_slot(const char* key, size_t n) noexcept nogil:
    """A hash tag lets keys share a slot: {user7}:name and {user7}:age both hash as user7. An empty {} is no tag."""
    return key_slot(key, n)


def crc16_of(bytes data):
    """The checksum of these bytes."""
    return crc16(data, len(data))


def hash_slot(bytes key):
    """The cluster slot (0..16383) of a key, by its hash tag if it has one."""
    return key_hash_slot(key, len(key))


def multiplying(bint yes) -> bool:
    """For tests: whether to multiply where the processor can, or to look up. Returns whether it did."""
    global crc_multiplies, key_slot
    before = crc_multiplies
    crc_multiplies = yes and remus_multiplies()
    key_slot = remus_slot_multiplied if crc_multiplies else _slot_with_brace
    return before
