# cython: language_level=3
"""CRC16 where the processor multiplies polynomials (carry-less, PCLMULQDQ): what `crc16`, and who needs slots by the batch,
are made of. `remus_multiplies` says whether it does; elsewhere the others are empty.

A checksum that starts with 0 is the remainder of the bytes, as one long polynomial times x^16, by x^16+x^12+x^5+1. Sixteen
bytes cost two multiplications. Zeros in front change nothing, so a short key is a number that is padded.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t

cdef extern from *:
    """
    #ifndef REMUS_CRC16_MULTIPLIED
    #define REMUS_CRC16_MULTIPLIED
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    #include <immintrin.h>
    #include <string.h>
    /* AVX for its instructions of three operands alone: a tenth fewer. */
    #define REMUS_CLMUL __attribute__((target("pclmul,avx")))
    #define REMUS_CLMUL_IN static inline __attribute__((target("pclmul,avx"), always_inline))

    static int remus_multiplies(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx");
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

    /* Whether one of its bytes is a brace: that alone becomes a byte of zero, of which there is one if any borrows. */
    static inline int remus_brace_in(uint64_t word) {
        word ^= 0x7B7B7B7B7B7B7B7BULL;
        return ((word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL) != 0;
    }

    REMUS_CLMUL_IN int remus_has_brace(const uint8_t *p, size_t n) {
        const __m128i braces = _mm_set1_epi8('{');
        size_t i;
        if (n < 8) return remus_brace_in(remus_crc_few(p, n));
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
    #endif
    """
    bint remus_multiplies() noexcept nogil
    uint16_t remus_crc_multiplied(const uint8_t* p, size_t n) noexcept nogil
    uint16_t remus_slot_multiplied(const char* key, size_t n) noexcept nogil
