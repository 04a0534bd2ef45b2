# cython: language_level=3
"""What AOF and replicas are told: one stream of RESP commands with SELECTs, built in one place."""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

from iothreads.message cimport Output

cdef class Propagation:
    cdef public bint wanted            # somebody listens; nothing is built otherwise
    cdef Output stream                 # this turn's bytes; of a unit that gathers only its own
    cdef Output before                 # while a unit gathers: the turn's bytes before it
    cdef bint gathering                # the unit under way is an EXEC: fast paths add to it
    cdef uint32_t gathered             # commands in `stream` then
    cdef int selected                  # database of the last command in the stream, -1 = say SELECT first
    cdef public list listeners         # callables(bytes): get the stream once a turn
    cdef list unit                     # (db index, argv) of the execution unit under way
    cdef public bint loose             # the unit's commands have nothing to do with one another (SCAN deleting expired keys)
    cdef public int depth              # > 0 inside EXEC, a script or a running command
    cdef void feed_raw(self, int db, const char* command, size_t length) noexcept    # one command's own RESP bytes
    cdef void gather(self) noexcept    # the unit under way (depth > 0) may have commands of fast paths among its own
    cdef int _gather_one(self, int db) except -1
    cdef int _gather_unit(self) except -1
    cdef int _end_gathering(self) except -1
    cdef void _swap(self) noexcept
    cdef int _end_unit(self) except -1
    cdef int _select(self, int db) except -1
    cdef int _write(self, list argv) except -1
