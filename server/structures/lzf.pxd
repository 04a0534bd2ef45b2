# cython: language_level=3
"""LZF, the compression of RDB strings and of a list's interior nodes; the format is liblzf's.

    000LLLLL                       L + 1 literal bytes follow
    LLLooooo oooooooo              copy L + 2 bytes (L = 1..6) from o + 1 bytes back
    111ooooo LLLLLLLL oooooooo     copy L + 9 bytes from o + 1 bytes back
"""
from libc.stddef cimport size_t

cdef size_t lzf_estimate(const void* data, size_t n) noexcept nogil        # about what lzf_compress makes of it; n < 65536
cdef size_t lzf_compress(const void* data, size_t n, void* out, size_t room) noexcept nogil
    # returns bytes written, 0 if they would not fit into `room`: offer less than n to ask for a real gain
cdef size_t lzf_decompress(const void* data, size_t n, void* out, size_t room) noexcept nogil
    # returns bytes written, 0 for damaged data or too little room; reads and writes only within the two blocks
