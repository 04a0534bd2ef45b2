# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""CRC16 and the slot of a key. "123456789" gives 0x31C3.

A checksum that starts with 0 is the remainder of the bytes, as one long polynomial times x^16, by x^16+x^12+x^5+1. Where
the processor multiplies such polynomials (carry-less, PCLMULQDQ) sixteen bytes cost two multiplications; elsewhere eight
bytes cost eight look-ups. Zeros in front change nothing, so a short key is a number that is padded.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memchr, memcpy

cdef extern from *:
    """
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    #include <immintrin.h>
    #include <string.h>
    #define REMUS_CLMUL __attribute__((target("pclmul,sse4.1,ssse3")))
    #define REMUS_CLMUL_IN static inline __attribute__((target("pclmul,sse4.1,ssse3"), always_inline))

    static int remus_multiplies(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")
            && __builtin_cpu_supports("ssse3");
    }

    /* The first byte is the highest. */
    REMUS_CLMUL_IN uint64_t remus_crc_eight(const uint8_t *p) {
        uint64_t word;
        memcpy(&word, p, 8);
        return __builtin_bswap64(word);
    }

    /* The same of fewer than eight bytes; what overlaps is the same bytes. */
    REMUS_CLMUL_IN uint64_t remus_crc_few(const uint8_t *p, size_t n) {
        uint32_t first, last;
        if (n >= 4) {
            memcpy(&first, p, 4);
            memcpy(&last, p + n - 4, 4);
            return (uint64_t)__builtin_bswap32(first) << (8 * (n - 4)) | __builtin_bswap32(last);
        }
        if (n == 0) return 0;
        return (uint64_t)p[0] << (8 * (n - 1)) | (uint64_t)p[n >> 1] << (8 * (n - 1 - (n >> 1))) | p[n - 1];
    }

    /* Of eight bytes: the quotient by a multiplication with x^80 / P, whose x^64 is the word itself (Barrett); of the
       quotient times P only the lowest sixteen bits matter. */
    REMUS_CLMUL_IN uint64_t remus_crc_word(uint64_t word) {
        __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)word),
                                               _mm_cvtsi64_si128(0x11303471a041b343LL), 0);
        uint64_t quotient = word ^ (uint64_t)_mm_extract_epi64(product, 1);
        return (quotient ^ quotient << 5 ^ quotient << 12) & 0xFFFF;
    }

    /* Of nine to sixteen bytes: the higher ones times x^80 mod P are 80 bits that are added to the others times x^16. */
    REMUS_CLMUL_IN uint64_t remus_crc_two(uint64_t high, uint64_t low) {
        __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)high), _mm_cvtsi64_si128(0xEB23), 0);
        uint64_t below = (uint64_t)_mm_cvtsi128_si64(product);
        uint64_t above = (uint64_t)_mm_extract_epi64(product, 1);
        return remus_crc_word(low ^ (below >> 16 | above << 48)) ^ (below & 0xFFFF);
    }

    REMUS_CLMUL static uint16_t remus_crc_multiplied(const uint8_t *p, size_t n) {
        uint64_t crc;
        if (n < 8) return (uint16_t)remus_crc_word(remus_crc_few(p, n));
        if (n == 8) return (uint16_t)remus_crc_word(remus_crc_eight(p));
        if (n <= 16)
            return (uint16_t)remus_crc_two(remus_crc_eight(p) >> (8 * (16 - n)), remus_crc_eight(p + n - 8));
        crc = remus_crc_word(remus_crc_few(p, n & 7));
        for (p += n & 7, n >>= 3; n; n--, p += 8) crc = remus_crc_word(remus_crc_eight(p) ^ crc << 48);
        return (uint16_t)crc;
    }

    REMUS_CLMUL_IN int remus_has_brace(const uint8_t *p, size_t n) {
        const __m128i braces = _mm_set1_epi8('{');
        size_t i;
        if (n < 8) {
            for (i = 0; i < n; i++) if (p[i] == '{') return 1;
            return 0;
        }
        for (i = 0; n - i > 16; i += 16)
            if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + i)), braces))) return 1;
        if (n - i < 8) i = n - 8;
        return _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(p + i)),
                                                _mm_loadl_epi64((const __m128i *)(p + n - 8))), braces)) != 0;
    }

    /* Of eight to sixteen bytes, as most keys have: the slot; -1: there is a brace. One shuffle makes a number of them, the
       first byte the highest. Its higher half times x^80 mod P are 80 bits, of which the lowest 16 are remainder already. */
    REMUS_CLMUL_IN int remus_slot_short(const uint8_t *p, size_t n) {
        static const uint8_t order[9][16] __attribute__((aligned(16))) = {
    #define REMUS_ORDER(n) {15, 14, 13, 12, 11, 10, 9, 8, (uint8_t)(n - 1), (uint8_t)(n - 2), (uint8_t)(n - 3), (uint8_t)(n - 4), \
                            (uint8_t)(n - 5), (uint8_t)(n - 6), (uint8_t)(n - 7), (uint8_t)(n - 8)}
            REMUS_ORDER(0), REMUS_ORDER(1), REMUS_ORDER(2), REMUS_ORDER(3), REMUS_ORDER(4), REMUS_ORDER(5), REMUS_ORDER(6),
            REMUS_ORDER(7), REMUS_ORDER(8)};
        const __m128i factors = _mm_set_epi64x(0x11303471a041b343LL, 0xEB23);
        __m128i bytes = _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)p)),
                                                      (const __m64 *)(p + n - 8)));
        __m128i number, high, word, quotient;
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('{')))) return -1;
        number = _mm_shuffle_epi8(bytes, *(const __m128i *)order[n - 8]);
        high = _mm_clmulepi64_si128(number, factors, 0x01);
        word = _mm_xor_si128(number, _mm_srli_si128(high, 2));
        quotient = _mm_xor_si128(word, _mm_srli_si128(_mm_clmulepi64_si128(word, factors, 0x10), 8));
        high = _mm_xor_si128(high, _mm_clmulepi64_si128(quotient, _mm_cvtsi64_si128(0x1021), 0x00));
        return _mm_cvtsi128_si32(high) & 0x3FFF;
    }

    /* Any key. Apart, so that the short way has no registers to save. */
    REMUS_CLMUL static __attribute__((noinline)) uint16_t remus_slot_any(const char *key, size_t n) {
        const uint8_t *p = (const uint8_t *)key;
        const char *opening = remus_has_brace(p, n) ? (const char *)memchr(key, '{', n) : NULL;
        const char *closing = opening != NULL ? (const char *)memchr(opening + 1, '}', key + n - opening - 1) : NULL;
        if (closing != NULL && closing != opening + 1) {
            p = (const uint8_t *)opening + 1;
            n = (size_t)(closing - opening) - 1;
        }
        return remus_crc_multiplied(p, n) & 0x3FFF;
    }

    REMUS_CLMUL static uint16_t remus_slot_multiplied(const char *key, size_t n) {
        int slot = n - 8 <= 8 ? remus_slot_short((const uint8_t *)key, n) : -1;
        return slot >= 0 ? (uint16_t)slot : remus_slot_any(key, n);
    }
    #else
    static int remus_multiplies(void) { return 0; }
    static uint16_t remus_crc_multiplied(const uint8_t *p, size_t n) { (void)p; (void)n; return 0; }
    static uint16_t remus_slot_multiplied(const char *key, size_t n) { (void)key; (void)n; return 0; }
    #endif
    """
    bint remus_multiplies() noexcept nogil
    uint16_t remus_crc_multiplied(const uint8_t* p, size_t n) noexcept nogil
    uint16_t remus_slot_multiplied(const char* key, size_t n) noexcept nogil

cdef enum:
    AT_ONCE = 8

cdef bint _multiplies = remus_multiplies()
slot_noted.length = <size_t>-1         # no key is so long

# [0]: the remainder that each leading byte leaves behind; [n]: when n bytes of zero follow it.
cdef uint16_t tables[AT_ONCE][256]


cdef void _prepare() noexcept nogil:
    cdef unsigned int byte, bit, crc, zeros
    for byte in range(256):
        crc = byte << 8
        for bit in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        tables[0][byte] = <uint16_t>crc
    for zeros in range(1, AT_ONCE):
        for byte in range(256):
            crc = tables[zeros - 1][byte]
            tables[zeros][byte] = <uint16_t>((crc << 8) ^ tables[0][crc >> 8])


_prepare()


cdef inline uint16_t _eight(uint16_t crc, const uint8_t* p) noexcept nogil:
    return (tables[7][p[0] ^ (crc >> 8)] ^ tables[6][p[1] ^ (crc & 0xFF)] ^ tables[5][p[2]] ^ tables[4][p[3]]
            ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]])


cdef inline uint16_t _one(uint16_t crc, uint8_t byte) noexcept nogil:
    return <uint16_t>((crc << 8) ^ tables[0][(crc >> 8) ^ byte])


cdef uint16_t crc16(const char* s, size_t n) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>s
    cdef const uint8_t* end = p + n
    cdef uint16_t crc = 0
    if _multiplies:
        return remus_crc_multiplied(p, n)
    while end - p >= AT_ONCE:
        crc = _eight(crc, p)
        p += AT_ONCE
    while p < end:
        crc = _one(crc, p[0])
        p += 1
    return crc


cdef uint16_t _slot_with_brace(const char* key, size_t n) noexcept nogil:
    cdef const char* opening = <const char*>memchr(key, c'{', n)
    cdef const char* closing
    if opening != NULL:
        opening += 1
        closing = <const char*>memchr(opening, c'}', key + n - opening)
        if closing != NULL and closing != opening:
            return crc16(opening, closing - opening) & (CLUSTER_SLOTS - 1)
    return crc16(key, n) & (CLUSTER_SLOTS - 1)


key_slot = remus_slot_multiplied if _multiplies else _slot_with_brace


cdef uint16_t key_hash_slot(const char* key, size_t n) noexcept nogil:
    """A hash tag lets keys share a slot: {user7}:name and {user7}:age both hash as user7. An empty {} is no tag."""
    return key_slot(key, n)


cdef uint16_t key_hash_slot_noted(const char* key, size_t n) noexcept nogil:
    cdef uint16_t slot = key_slot(key, n)
    note_slot(key, n, slot)
    return slot


def crc16_of(bytes data):
    """The checksum of these bytes."""
    return crc16(data, len(data))


def hash_slot(bytes key):
    """The cluster slot (0..16383) of a key, by its hash tag if it has one."""
    return key_hash_slot(key, len(key))


def hash_slot_noted(bytes key):
    """The same, as the door asks: it is noted."""
    return key_hash_slot_noted(key, len(key))


def hash_slot_again(bytes key):
    """The same, as a table asks behind the door."""
    return key_hash_slot_again(key, len(key))


def multiplying(bint yes) -> bool:
    """For tests: whether to multiply where the processor can, or to look up. Returns whether it did."""
    global _multiplies, key_slot
    before = _multiplies
    _multiplies = yes and remus_multiplies()
    key_slot = remus_slot_multiplied if _multiplies else _slot_with_brace
    return before
