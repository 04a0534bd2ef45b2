# cython: language_level=3
"""rdb-key-save-delay and key-load-delay: a pause after each key, for tests that want slow saving and loading."""
from libc.stdint cimport int64_t, uint64_t

cdef extern from "unistd.h" nogil:
    int usleep(unsigned int us)

cdef inline void debug_delay(int64_t microseconds, uint64_t keys) noexcept nogil:
    """So long; below 0: one microsecond, but only after every so many keys. keys: how many there were."""
    if microseconds > 0:
        usleep(<unsigned int>microseconds)
    elif microseconds < 0 and keys % <uint64_t>-microseconds == 0:
        usleep(1)
