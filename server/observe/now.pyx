# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What the clocks say when INFO asks."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from server.registry.clock cimport clock_state, monotonic_us
from server.registry.number_places cimport integer_from


cdef class Now:
    """To a server that began at `start_us` (monotonic)."""

    cdef readonly int64_t start_us

    def __cinit__(self, int64_t start_us):
        self.start_us = start_us

    @property
    def unix_us(self) -> int:
        """server_time_usec."""
        return _unix_us(<PyObject*>self)

    @property
    def lru(self) -> int:
        """lru_clock."""
        return _lru(<PyObject*>self)

    @property
    def uptime(self) -> int:
        """uptime_in_seconds: whole seconds since the start."""
        return _uptime(<PyObject*>self)

    @property
    def uptime_days(self) -> int:
        """uptime_in_days."""
        return _uptime_days(<PyObject*>self)


cdef int64_t _unix_us(PyObject* now) noexcept:
    return clock_state().unix_us


cdef int64_t _lru(PyObject* now) noexcept:
    return clock_state().lru


cdef int64_t _uptime(PyObject* now) noexcept:
    return (monotonic_us() - (<Now>now).start_us) // 1000000


cdef int64_t _uptime_days(PyObject* now) noexcept:
    return _uptime(now) // 86400


integer_from(Now, "unix_us", _unix_us)
integer_from(Now, "lru", _lru)
integer_from(Now, "uptime", _uptime)
integer_from(Now, "uptime_days", _uptime_days)
