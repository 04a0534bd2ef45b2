# cython: language_level=3
"""CRC64 as Redis seals RDB files and DUMP payloads: Jones polynomial 0xad93d23594c935a9, reflected, start 0, no final xor."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

cdef uint64_t crc64(uint64_t crc, const void* s, size_t n) noexcept nogil   # go on from crc; begin with 0
