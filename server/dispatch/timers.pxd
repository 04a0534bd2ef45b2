# cython: language_level=3
"""Time events: functions that run again after the interval they return. A handful of them, so a list will do."""
from libc.stdint cimport int64_t

cdef class Timer:                      # one time event
    cdef public int64_t due_us         # monotonic
    cdef readonly object run           # () -> milliseconds until it is due again, or None to be removed

cdef class Timers:
    cdef list timers
    cdef public int64_t next_due_us    # of the first, monotonic; the loop looks at it each turn
    cdef int _settle(self) except -1
