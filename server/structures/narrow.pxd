# cython: language_level=3
"""Narrow: bytes of which few kinds make up most, in 4, 5 or 6 bits each. For text without repetitions (random digits,
hexadecimal, letters), which LZF cannot shrink.

    | width, 1 byte | 2^width - 1 kinds, the most frequent first | a code per byte, eight codes in `width` bytes | the rest |

Code c > 0 is kinds[c - 1]; code 0 is the next byte of the rest. Only for memory: whoever unpacks must have packed.
"""
from libc.stddef cimport size_t

cdef size_t narrow_pack(const void* data, size_t n, void* out, size_t room) noexcept nogil
    # returns bytes written, 0 if they would not fit into `room`
cdef void narrow_unpack(const void* packed, void* out, size_t n) noexcept nogil
    # n: as many bytes as were packed
