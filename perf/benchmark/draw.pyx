# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""xoshiro256++ as the source; Zipf by rejection-inversion (Hörmann and Derflinger 1996), which needs no table and no
sum over the key space, takes every exponent above 0 and accepts nearly every draw.
"""
from libc.math cimport cos, exp, log, pow, sqrt
from libc.stdint cimport uint32_t, uint64_t

cdef double TWO_PI = 6.283185307179586


cdef void random_seed(Random* random, uint64_t seed) noexcept nogil:
    """splitmix64 makes four words of one, none of them all zero bits."""
    cdef int i
    cdef uint64_t z
    for i in range(4):
        seed += <uint64_t>0x9E3779B97F4A7C15
        z = seed
        z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
        random.state[i] = z ^ (z >> 31)


# ---- Zipf: number k-1 comes with a probability in proportion to 1 / k^theta

cdef inline double h_integral(double theta, double x) noexcept nogil:
    return log(x) if theta == 1.0 else (pow(x, 1.0 - theta) - 1.0) / (1.0 - theta)


cdef inline double h_inverse(double theta, double y) noexcept nogil:
    return exp(y) if theta == 1.0 else pow(1.0 + y * (1.0 - theta), 1.0 / (1.0 - theta))


cdef void keys_make(Keys* keys, int kind, uint64_t space, double theta) noexcept nogil:
    if theta > 0.999999 and theta < 1.000001:
        theta = 1.0                    # near 1 the quotients above lose their digits
    keys.kind = kind
    keys.space = space
    keys.theta = theta
    keys.next = 0
    if kind == ZIPF:
        keys.h_first = h_integral(theta, 1.5) - 1.0
        keys.h_last = h_integral(theta, <double>space + 0.5)
        keys.accept = 2.0 - h_inverse(theta, h_integral(theta, 2.5) - pow(2.0, -theta))


cdef uint64_t zipf_number(const Keys* keys, Random* random) noexcept nogil:
    cdef double u, x, k
    while True:
        u = keys.h_last + random_unit(random) * (keys.h_first - keys.h_last)
        x = h_inverse(keys.theta, u)
        k = <double><uint64_t>(x + 0.5)
        k = max(1.0, min(k, <double>keys.space))
        if k - x <= keys.accept or u >= h_integral(keys.theta, k + 0.5) - pow(k, -keys.theta):
            return <uint64_t>k - 1


# ---- sizes and times

cdef double draw_exponential(Random* random) noexcept nogil:
    return -log(1.0 - random_unit(random))


cdef uint32_t size_draw(const Sizes* sizes, Random* random) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint64_t r
    cdef double x
    if sizes.kind == RANGE:
        return sizes.least + <uint32_t>random_below(random, <uint64_t>sizes.most - sizes.least + 1)
    if sizes.kind == LIST:
        r = random_next(random) >> 32
        while i + 1 < sizes.choices and r >= sizes.thresholds[i]:
            i += 1
        return sizes.sizes[i]
    if sizes.kind == LOGNORMAL:
        x = sqrt(2.0 * draw_exponential(random)) * cos(TWO_PI * random_unit(random))
        x = exp(sizes.mu + sizes.sigma * x) + 0.5
        return <uint32_t>max(<double>sizes.least, min(x, <double>sizes.most))
    return sizes.least
