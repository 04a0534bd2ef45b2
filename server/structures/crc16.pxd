# cython: language_level=3
"""CRC16 (XMODEM: polynomial 0x1021, start 0, nothing reflected) and the cluster's hash slots made of it."""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    CLUSTER_SLOTS = 16384

cdef struct SlotNoted:                 # the key whose slot was noted last: its bytes themselves, so it cannot be stale
    size_t length                      # 8 to 16, or more than there is: none yet
    uint64_t first                     # eight bytes ...
    uint64_t last                      # ... and the last eight
    uint16_t slot

cdef SlotNoted slot_noted

ctypedef uint16_t (*key_slot_t)(const char* key, size_t n) noexcept nogil

cdef key_slot_t key_slot               # key_hash_slot, as this processor does it best

cdef uint16_t crc16(const char* s, size_t n) noexcept nogil
cdef uint16_t key_hash_slot(const char* key, size_t n) noexcept nogil     # of the bytes between the first { and the next }, if any
cdef uint16_t key_hash_slot_noted(const char* key, size_t n) noexcept nogil       # the same, for key_hash_slot_again. Main thread only

cdef inline void note_slot(const char* key, size_t n, uint16_t slot) noexcept nogil:
    """For key_hash_slot_again. Keys of other lengths are not noted: they would not fit."""
    if n - 8 <= 8:
        memcpy(&slot_noted.first, key, 8)
        memcpy(&slot_noted.last, key + n - 8, 8)
        slot_noted.length = n
        slot_noted.slot = slot

cdef inline uint16_t key_hash_slot_again(const char* key, size_t n) noexcept nogil:
    """The same of a key that was most likely noted just now."""
    cdef uint64_t first, last
    if n == slot_noted.length:
        memcpy(&first, key, 8)
        memcpy(&last, key + n - 8, 8)
        if first == slot_noted.first and last == slot_noted.last:
            return slot_noted.slot
    return key_hash_slot(key, n)
