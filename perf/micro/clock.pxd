# cython: language_level=3
"""The clock of the micro-benchmarks: monotonic, nanosecond resolution, read without Python."""
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef inline double seconds() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <double>now.tv_sec + 1e-9 * <double>now.tv_nsec
