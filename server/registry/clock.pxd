# cython: language_level=3
"""The server's cached time, and a cheap tick counter for measuring commands.

The loop refreshes the cache once per turn, and dispatch before a command that runs in Python. Owner: the main thread.

Unix time is for dates alone (EXPIREAT, LASTSAVE, IDs of streams, logs): it jumps when somebody sets the clock. How long
something took, and when it is due, is measured by the monotonic clock; so are the LRU and LFU clocks, which begin at
Unix time and then go on by themselves.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef struct Clock:
    int64_t unix_us                    # Unix time, microseconds, at the last refresh
    int64_t unix_ms                    # the same in milliseconds
    int64_t monotonic_us               # CLOCK_MONOTONIC, microseconds
    uint32_t lru                       # 24-bit LRU clock, seconds; like `minutes` it does not follow a clock that is set
    uint32_t minutes                   # 16-bit LFU clock, minutes
    double ticks_per_us                # what ticks() advances in a microsecond

cdef Clock* clock_state() noexcept nogil          # the one clock; take the pointer once
cdef void clock_refresh() noexcept nogil
cdef int64_t monotonic_us() noexcept nogil

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    /* A counter of constant rate: the processor's own where it is cheap, else the monotonic clock in ns. */
    static inline uint64_t remus_ticks(void) {
    #if defined(__x86_64__)
        uint32_t low, high;
        __asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high));
        return ((uint64_t)high << 32) | low;
    #elif defined(__aarch64__)
        uint64_t v;
        __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
        return v;
    #else
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    #endif
    }
    """
    uint64_t ticks "remus_ticks"() nogil
