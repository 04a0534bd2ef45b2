# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast path of DBSIZE."""
from libc.stdint cimport int64_t

from iothreads.resp_writer cimport write_integer
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, FREE, UNKEYED, row
from server.structures.slot_keys cimport table_shown_size


cdef int64_t _dbsize(Op* op) except -1:
    write_integer(op.out, table_shown_size(op.table))
    return 0


row("dbsize", FREE | UNKEYED, ANY_TYPE, _dbsize)
