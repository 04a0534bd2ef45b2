# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""CRC16 by one table look-up a byte, and the slot of a key. "123456789" gives 0x31C3."""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from libc.string cimport memchr

cdef uint16_t table[256]               # the remainder that each leading byte leaves behind


cdef void _prepare() noexcept nogil:
    cdef unsigned int byte, bit, crc
    for byte in range(256):
        crc = byte << 8
        for bit in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        table[byte] = <uint16_t>crc


_prepare()


cdef uint16_t crc16(const char* s, size_t n) noexcept nogil:
    cdef uint16_t crc = 0
    cdef size_t i
    for i in range(n):
        crc = <uint16_t>((crc << 8) ^ table[((crc >> 8) ^ <unsigned char>s[i]) & 0xFF])
    return crc


cdef uint16_t key_hash_slot(const char* key, size_t n) noexcept nogil:
    """A hash tag lets keys share a slot: {user7}:name and {user7}:age both hash as user7. An empty {} is no tag."""
    cdef const char* opening = <const char*>memchr(key, c'{', n) if n else NULL
    cdef const char* closing
    if opening != NULL:
        opening += 1
        closing = <const char*>memchr(opening, c'}', key + n - opening)
        if closing != NULL and closing != opening:
            return crc16(opening, closing - opening) & (CLUSTER_SLOTS - 1)
    return crc16(key, n) & (CLUSTER_SLOTS - 1)


def crc16_of(bytes data):
    """The checksum of these bytes."""
    return crc16(data, len(data))


def hash_slot(bytes key):
    """The cluster slot (0..16383) of a key, by its hash tag if it has one."""
    return key_hash_slot(key, len(key))
