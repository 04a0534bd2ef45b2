# cython: language_level=3
"""SHA-256, of passwords: few and short, so that nobody waits for a library that brings it."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    SHA256_HEX = 64                    # letters

cdef void sha256_hex(const char* data, size_t length, char* hex) noexcept nogil     # SHA256_HEX of them, without an end
