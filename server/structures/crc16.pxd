# cython: language_level=3
"""CRC16 (XMODEM: polynomial 0x1021, start 0, nothing reflected) and the cluster's hash slots made of it."""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t

cdef enum:
    CLUSTER_SLOTS = 16384

ctypedef uint16_t (*key_slot_t)(const char* key, size_t n) noexcept nogil

cdef bint crc_multiplies               # crc16_multiplied is in use
cdef key_slot_t key_slot               # key_hash_slot, as this processor does it best

cdef uint16_t crc16(const char* s, size_t n) noexcept nogil
cdef uint16_t key_hash_slot(const char* key, size_t n) noexcept nogil     # of the bytes between the first { and the next }, if any
