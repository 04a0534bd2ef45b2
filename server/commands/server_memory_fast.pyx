# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast path of MEMORY USAGE without SAMPLES. Looking is no access, and counts as none."""
from libc.stdint cimport int64_t

from iothreads.resp_writer cimport write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, find_live, row
from server.keyspace.estimate cimport entry_weight


cdef int64_t _usage(Op* op) except -1:
    if op.r.arg_count != 3 or not find_live(op, 2):
        return DECLINED
    if op.e == NULL:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_integer(op.out, <int64_t>entry_weight(op.e))
    return 0


row("memory|usage", FREE | UNKEYED, ANY_TYPE, _usage)
