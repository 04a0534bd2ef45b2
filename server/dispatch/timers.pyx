# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t

from server.observe.internal_errors import internal_errors

cdef enum:
    AFTER_FAILURE_MS = 100

cdef int64_t NEVER = <int64_t>1 << 62


cdef class Timer:
    """One time event. `run()` returns the milliseconds until it is due again, or None to be removed."""

    def __cinit__(self, int64_t due_us, run):
        self.due_us = due_us
        self.run = run


cdef class Timers:
    """All of them. Times are monotonic microseconds and come in as arguments."""

    def __cinit__(self):
        self.timers = []
        self.next_due_us = NEVER

    def add(self, int64_t now_us, int64_t delay_ms, run) -> Timer:
        """Call `run` after so many milliseconds."""
        cdef Timer timer = Timer(now_us + delay_ms * 1000, run)
        self.timers.append(timer)
        self.next_due_us = min(self.next_due_us, timer.due_us)
        return timer

    def remove(self, Timer timer) -> None:
        """Never call it again."""
        if timer in self.timers:
            self.timers.remove(timer)

    def run_due(self, int64_t now_us) -> None:
        """Run what is due."""
        cdef Timer timer
        for timer in list(self.timers):
            if timer.due_us <= now_us and timer in self.timers:
                try:
                    again_ms = timer.run()
                except Exception:
                    internal_errors.note("A time event")
                    again_ms = AFTER_FAILURE_MS
                if again_ms is None:
                    self.remove(timer)
                else:
                    timer.due_us = now_us + <int64_t>again_ms * 1000
        self._settle()

    cdef int _settle(self) except -1:
        cdef Timer timer
        self.next_due_us = NEVER
        for timer in self.timers:
            self.next_due_us = min(self.next_due_us, timer.due_us)
        return 0
