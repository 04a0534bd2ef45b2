# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""CRC64, eight bytes a step: table k holds what a byte leaves behind after k more bytes have passed.

"123456789" gives 0xe9c6d914c4b8d9ca. The words are read byte by byte, which compilers turn into one load, so the
result does not depend on the machine's byte order.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

cdef uint64_t table[8][256]


cdef void _prepare() noexcept nogil:
    cdef uint64_t reflected = <uint64_t>0x95AC9329AC4BC9B5ULL      # the polynomial, lowest power first
    cdef uint64_t crc
    cdef int byte, bit, k
    for byte in range(256):
        crc = byte
        for bit in range(8):
            crc = (crc >> 1) ^ reflected if crc & 1 else crc >> 1
        table[0][byte] = crc
    for byte in range(256):
        for k in range(1, 8):
            crc = table[k - 1][byte]
            table[k][byte] = (crc >> 8) ^ table[0][crc & 0xFF]


_prepare()


cdef inline uint64_t _load64(const unsigned char* p) noexcept nogil:
    return (<uint64_t>p[0] | (<uint64_t>p[1] << 8) | (<uint64_t>p[2] << 16) | (<uint64_t>p[3] << 24)
            | (<uint64_t>p[4] << 32) | (<uint64_t>p[5] << 40) | (<uint64_t>p[6] << 48) | (<uint64_t>p[7] << 56))


cdef uint64_t crc64(uint64_t crc, const void* s, size_t n) noexcept nogil:
    cdef const unsigned char* p = <const unsigned char*>s
    while n >= 8:
        crc ^= _load64(p)
        crc = (table[7][crc & 0xFF] ^ table[6][(crc >> 8) & 0xFF]
               ^ table[5][(crc >> 16) & 0xFF] ^ table[4][(crc >> 24) & 0xFF]
               ^ table[3][(crc >> 32) & 0xFF] ^ table[2][(crc >> 40) & 0xFF]
               ^ table[1][(crc >> 48) & 0xFF] ^ table[0][crc >> 56])
        p += 8
        n -= 8
    while n:
        crc = (crc >> 8) ^ table[0][(crc ^ p[0]) & 0xFF]
        p += 1
        n -= 1
    return crc


def crc64_of(data, uint64_t crc=0):
    """The checksum of these bytes, going on from an earlier one."""
    cdef Py_buffer view              # not a typed memoryview: Cython would put 25,000 lines of C around it
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    crc = crc64(crc, view.buf, view.len)
    PyBuffer_Release(&view)
    return crc
