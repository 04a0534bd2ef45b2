# cython: language_level=3
"""Compact encodings that older servers wrote, turned into listpacks: ziplist (until 6.2) and zipmap (until 2.4).

    ziplist  total bytes: 4 | offset of the last entry: 4 | entries: 2, 65535 = "count them" | entry ... | 0xFF
    entry    size of the entry before: 1 byte below 254, else 254 and 4 bytes | encoding and value
             00llllll string | 01llllll llllllll string, big endian | 10...... and 4 bytes, big endian, string
             C0 int16 | D0 int32 | E0 int64 | F0 int24 | FE int8 | F1..FD the number 0..12       (little endian)

    zipmap   pairs: 1 byte, 254 = "count them" | length, field, length, spare: 1 byte, value, spare bytes | ... | 0xFF
             length: 1 byte below 254, else 254 and 4 bytes, little endian

Bytes from outside: every step is checked, nothing outside the block is read.
"""
from libc.stddef cimport size_t

cdef unsigned char* ziplist_to_listpack(const unsigned char* zl, size_t size) noexcept nogil    # an exact block; NULL: malformed
cdef unsigned char* zipmap_to_listpack(const unsigned char* zm, size_t size, size_t* longest) noexcept nogil
    # the same; longest: bytes of the longest field or value
