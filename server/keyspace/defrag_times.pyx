# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""How long active defragmentation has been running, and how many blocks it moved: what INFO tells of it."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from server.registry.number_places cimport integer_from, integers_at
from server.structures cimport memory

from server.registry import clock          # the one that tests stop


cdef class DefragTimes:
    """running: percent of the time, 0 when no scan is under way; since_us: when it began to run, or was accounted last."""

    cdef public int64_t running        # active_defrag_running
    cdef public int64_t since_us       # monotonic
    cdef public int64_t total_us       # of the time before that
    cdef int64_t hits_before, misses_before        # CONFIG RESETSTAT

    @property
    def hits(self) -> int:
        """active_defrag_hits: blocks that were moved."""
        return _hits(<PyObject*>self)

    @property
    def misses(self) -> int:
        """active_defrag_misses: blocks that were looked at and lie well."""
        return _misses(<PyObject*>self)

    @property
    def current_ms(self) -> int:
        """current_active_defrag_time: how long it has been running, 0 when it is not."""
        return _current_ms(<PyObject*>self)

    @property
    def total_ms(self) -> int:
        """total_active_defrag_time: how long it has been running altogether."""
        return _total_ms(<PyObject*>self)

    def reset_times(self) -> None:
        """CONFIG RESETSTAT."""
        self.hits_before, self.misses_before = memory.mem_copied, memory.mem_left
        self.total_us, self.since_us = 0, clock.monotonic_now_us()


cdef int64_t _running_us(DefragTimes times) noexcept:
    return <int64_t>clock.monotonic_now_us() - times.since_us if times.running else 0


cdef int64_t _hits(PyObject* times) noexcept:
    return <int64_t>memory.mem_copied - (<DefragTimes>times).hits_before


cdef int64_t _misses(PyObject* times) noexcept:
    return <int64_t>memory.mem_left - (<DefragTimes>times).misses_before


cdef int64_t _current_ms(PyObject* times) noexcept:
    return _running_us(<DefragTimes>times) // 1000


cdef int64_t _total_ms(PyObject* times) noexcept:
    return ((<DefragTimes>times).total_us + _running_us(<DefragTimes>times)) // 1000


cdef DefragTimes _model = DefragTimes.__new__(DefragTimes)
integers_at(_model, {"running": <size_t>&_model.running})
integer_from(DefragTimes, "hits", _hits)
integer_from(DefragTimes, "misses", _misses)
integer_from(DefragTimes, "current_ms", _current_ms)
integer_from(DefragTimes, "total_ms", _total_ms)
