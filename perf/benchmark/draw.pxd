# cython: language_level=3
"""What is drawn anew for each request: the number of its key, the size of its value, the time until the next one.

Owner of a Random: one thread. Keys and Sizes are made once and only read afterwards, but for the counter of sequential
keys, which all threads advance.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef enum:                             # Keys.kind
    UNIFORM = 0
    ZIPF = 1
    SEQUENTIAL = 2

cdef enum:                             # Sizes.kind
    FIXED = 0
    RANGE = 1
    LIST = 2
    LOGNORMAL = 3

cdef struct Random:
    uint64_t[4] state

cdef struct Keys:
    int kind
    uint64_t space                     # numbers are 0..space-1
    double theta                       # ZIPF: exponent, > 0
    double h_first                     # ZIPF: see draw.pyx
    double h_last
    double accept
    uint64_t next                      # SEQUENTIAL: shared, atomic

cdef struct Sizes:                     # bytes of a value
    int kind
    uint32_t least                     # FIXED: the size
    uint32_t most
    double mu                          # LOGNORMAL: of the logarithm
    double sigma
    uint32_t choices                   # LIST
    uint64_t* thresholds               # LIST: of a 32-bit draw, ascending; owned by whoever made it
    uint32_t* sizes

cdef extern from *:
    """
    #define remus_draw_rotate(v, n) (((v) << (n)) | ((v) >> (64 - (n))))
    #define remus_draw_take(p) __atomic_fetch_add((p), 1, __ATOMIC_RELAXED)
    """
    uint64_t rotate "remus_draw_rotate"(uint64_t value, int bits) noexcept nogil
    uint64_t take "remus_draw_take"(uint64_t* counter) noexcept nogil

cdef void random_seed(Random* random, uint64_t seed) noexcept nogil
cdef void keys_make(Keys* keys, int kind, uint64_t space, double theta) noexcept nogil
cdef uint64_t zipf_number(const Keys* keys, Random* random) noexcept nogil
cdef uint32_t size_draw(const Sizes* sizes, Random* random) noexcept nogil
cdef double draw_exponential(Random* random) noexcept nogil       # mean 1

cdef inline uint64_t random_next(Random* random) noexcept nogil:
    cdef uint64_t* s = random.state
    cdef uint64_t result = rotate(s[0] + s[3], 23) + s[0]
    cdef uint64_t t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotate(s[3], 45)
    return result

cdef inline uint64_t random_below(Random* random, uint64_t bound) noexcept nogil:
    """0..bound-1; the bias is below bound / 2^32 for small bounds, bound / 2^64 for others."""
    if bound <= <uint64_t>1 << 32:
        return ((random_next(random) >> 32) * bound) >> 32
    return random_next(random) % bound

cdef inline double random_unit(Random* random) noexcept nogil:
    """0 <= x < 1"""
    return <double>(random_next(random) >> 11) * (1.0 / 9007199254740992.0)

cdef inline uint64_t key_number(Keys* keys, Random* random) noexcept nogil:
    if keys.kind == UNIFORM:
        return random_below(random, keys.space)
    if keys.kind == ZIPF:
        return zipf_number(keys, random)
    return take(&keys.next) % keys.space
