# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_REALTIME, CLOCK_MONOTONIC

cdef Clock _clock


cdef Clock* clock_state() noexcept nogil:
    return &_clock


cdef int64_t monotonic_us() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000 + now.tv_nsec // 1000


cdef void clock_refresh() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_REALTIME, &now)
    _clock.unix_us = <int64_t>now.tv_sec * 1000000 + now.tv_nsec // 1000
    _clock.unix_ms = _clock.unix_us // 1000
    _clock.lru = <uint32_t>now.tv_sec & 0xFFFFFF
    _clock.minutes = <uint32_t>(now.tv_sec // 60) & 0xFFFF
    _clock.monotonic_us = monotonic_us()


cdef void _calibrate() noexcept nogil:
    """How fast ticks() runs: two readings about 2 ms apart at start-up, good to a fraction of a percent."""
    cdef int64_t start_us = monotonic_us()
    cdef uint64_t start = ticks()
    cdef int64_t end_us = start_us
    while end_us - start_us < 2000:
        end_us = monotonic_us()
    _clock.ticks_per_us = <double>(ticks() - start) / <double>(end_us - start_us)


_calibrate()
clock_refresh()


def refresh() -> None:
    """Read the system's clock into the cache."""
    clock_refresh()


def unix_ms() -> int:
    """Cached Unix time, milliseconds."""
    return _clock.unix_ms


def unix_us() -> int:
    """Cached Unix time, microseconds."""
    return _clock.unix_us


def unix_seconds() -> int:
    """Cached Unix time, whole seconds."""
    return _clock.unix_us // 1000000


def lru_clock() -> int:
    """The 24-bit LRU clock, seconds."""
    return _clock.lru


def monotonic_now_us() -> int:
    """The monotonic clock itself (not cached), microseconds."""
    return monotonic_us()
