# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef enum:
    BLOCK = 64
    LENGTH_AT = 56                     # of the last block: how many bits it all was
    HEX_WORDS = 8                      # SHA256_HEX, in uint64_t

cdef uint32_t[64] _K = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2]
cdef uint32_t[8] _BEGIN = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19]
cdef char* _DIGITS = b"0123456789abcdef"


cdef inline uint32_t _turned(uint32_t x, int by) noexcept nogil:
    return (x >> by) | (x << (32 - by))


cdef void _take_block(uint32_t* h, const uint8_t* block) noexcept nogil:
    cdef uint32_t w[64]
    cdef uint32_t s[8]
    cdef uint32_t one, two
    cdef int i
    for i in range(16):
        w[i] = ((<uint32_t>block[4 * i] << 24) | (<uint32_t>block[4 * i + 1] << 16) | (<uint32_t>block[4 * i + 2] << 8)
                | block[4 * i + 3])
    for i in range(16, 64):
        w[i] = (w[i - 16] + w[i - 7] + (_turned(w[i - 15], 7) ^ _turned(w[i - 15], 18) ^ (w[i - 15] >> 3))
                + (_turned(w[i - 2], 17) ^ _turned(w[i - 2], 19) ^ (w[i - 2] >> 10)))
    memcpy(s, h, sizeof(s))
    for i in range(64):
        one = (s[7] + (_turned(s[4], 6) ^ _turned(s[4], 11) ^ _turned(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6]))
               + _K[i] + w[i])
        two = (_turned(s[0], 2) ^ _turned(s[0], 13) ^ _turned(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]))
        s[7], s[6], s[5], s[4] = s[6], s[5], s[4], s[3] + one
        s[3], s[2], s[1], s[0] = s[2], s[1], s[0], one + two
    for i in range(8):
        h[i] += s[i]


cdef void sha256_hex(const char* data, size_t length, char* hex) noexcept nogil:
    cdef uint32_t h[8]
    cdef uint8_t last[2 * BLOCK]
    cdef size_t rest = length % BLOCK
    cdef int blocks = 1 if rest < LENGTH_AT else 2         # of what is not a whole one, with its end
    cdef size_t at
    cdef int i
    memcpy(h, _BEGIN, sizeof(h))
    for at in range(length // BLOCK):
        _take_block(h, <const uint8_t*>data + at * BLOCK)
    memset(last, 0, sizeof(last))
    memcpy(last, data + length - rest, rest)
    last[rest] = 0x80
    for i in range(8):
        last[BLOCK * blocks - 1 - i] = <uint8_t>(<uint64_t>length * 8 >> 8 * i)
    for i in range(blocks):
        _take_block(h, last + BLOCK * i)
    for i in range(SHA256_HEX):
        hex[i] = _DIGITS[h[i >> 3] >> (28 - 4 * (i & 7)) & 15]


def hex_digest(bytes data) -> bytes:
    """SHA-256 in small hexadecimal letters. Complexity: O(N)."""
    cdef char hex[SHA256_HEX]
    sha256_hex(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), hex)
    return PyBytes_FromStringAndSize(hex, SHA256_HEX)


def is_one_of(bytes data, list digests) -> bool:
    """Whether its digest is one of these (so long in bytes, all of them). How long that takes tells nothing about any."""
    cdef uint64_t mine[HEX_WORDS]
    cdef uint64_t theirs[HEX_WORDS]
    cdef volatile uint64_t differs     # so that it is not found out early
    cdef bytes known
    cdef bint found = False
    cdef int i
    sha256_hex(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), <char*>mine)
    for known in digests:
        if PyBytes_GET_SIZE(known) != SHA256_HEX:
            continue
        memcpy(theirs, PyBytes_AS_STRING(known), SHA256_HEX)
        differs = 0
        for i in range(HEX_WORDS):
            differs |= mine[i] ^ theirs[i]
        found |= differs == 0
    return found
