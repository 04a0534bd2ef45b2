# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_REALTIME, CLOCK_MONOTONIC

cdef Clock _clock
cdef int64_t _access_ahead_us        # of the clock of accesses (LRU, LFU) before the monotonic one: Unix time at start
cdef int64_t _set_us                   # how far a test has set the wall clock
cdef int64_t _stands_at_us             # where a test has stopped it, Unix us; 0: it goes


cdef int64_t _unix_us() noexcept nogil:
    cdef timespec now
    if _stands_at_us:
        return _stands_at_us
    clock_gettime(CLOCK_REALTIME, &now)
    return <int64_t>now.tv_sec * 1000000 + now.tv_nsec // 1000 + _set_us


cdef Clock* clock_state() noexcept nogil:
    return &_clock


cdef int64_t monotonic_us() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000 + now.tv_nsec // 1000


cdef void clock_refresh() noexcept nogil:
    cdef int64_t seconds
    _clock.unix_us = _unix_us()
    _clock.unix_ms = _clock.unix_us // 1000
    _clock.monotonic_us = monotonic_us()
    seconds = (_clock.monotonic_us + _access_ahead_us) // 1000000
    _clock.lru = <uint32_t>seconds & 0xFFFFFF
    _clock.minutes = <uint32_t>(seconds // 60) & 0xFFFF


cdef int64_t _monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000000 + now.tv_nsec


cdef void _calibrate() noexcept nogil:
    """How fast ticks() runs: two readings 0.2 ms apart at start-up, each good to 50 ns: to a fraction of a percent."""
    cdef int64_t start_ns = _monotonic_ns()
    cdef uint64_t start = ticks()
    cdef int64_t end_ns = start_ns
    while end_ns - start_ns < 200000:
        end_ns = _monotonic_ns()
    _clock.ticks_per_us = <double>(ticks() - start) / (<double>(end_ns - start_ns) / 1000)


_calibrate()
_access_ahead_us = _unix_us() - monotonic_us()
clock_refresh()


def refresh() -> None:
    """Read the system's clock into the cache."""
    clock_refresh()


def set_wall_clock(ahead_us: int) -> None:
    """For tests: from the next refresh on, Unix time is so far ahead of the system's (behind: negative)."""
    global _set_us, _stands_at_us
    _set_us, _stands_at_us = ahead_us, 0


def stop_wall_clock() -> None:
    """For tests: Unix time stands still, until it is set or goes on."""
    global _stands_at_us
    _stands_at_us = _unix_us()


def move_wall_clock(by_us: int) -> None:
    """For tests: Unix time is so much later than it was (earlier: negative), whether it goes or stands; at once."""
    global _set_us, _stands_at_us
    _set_us += by_us
    if _stands_at_us:
        _stands_at_us += by_us
    clock_refresh()


def resume_wall_clock() -> None:
    """For tests: Unix time goes on from where it stands."""
    global _set_us, _stands_at_us
    cdef int64_t stood_us = _stands_at_us
    if stood_us:
        _stands_at_us = 0
        _set_us += stood_us - _unix_us()


def move_access_clock(by_us: int) -> None:
    """For tests: so much more time has passed for LRU and LFU."""
    global _access_ahead_us
    _access_ahead_us += by_us
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
