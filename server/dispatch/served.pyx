# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What INFO tells of the loop and of what was executed, read without a call of Python's."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from server.dispatch.door cimport door
from server.dispatch.executor cimport Executor
from server.dispatch.loop cimport Loop
from server.registry.number_places cimport integer_from


cdef int64_t _cycles(PyObject* loop) noexcept:
    return (<Loop>loop).cycles


cdef int64_t _duration_us(PyObject* loop) noexcept:
    return (<Loop>loop).duration_us


cdef int64_t _command_us(PyObject* loop) noexcept:
    return (<Loop>loop).command_us


integer_from(Loop, "cycles", _cycles)
integer_from(Loop, "duration_us", _duration_us)
integer_from(Loop, "command_us", _command_us)


cdef class Served:
    """What was executed, by definitions and on fast paths."""

    cdef Executor executor

    def __cinit__(self, Executor executor):
        self.executor = executor

    @property
    def commands(self) -> int:
        """total_commands_processed."""
        return _commands(<PyObject*>self)


cdef int64_t _commands(PyObject* served) noexcept:
    return (<Served>served).executor.commands + <int64_t>door.commands


integer_from(Served, "commands", _commands)
