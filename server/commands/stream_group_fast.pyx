# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast path of XACK: a stream that is there, IDs in their plain form."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_integer
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport DECLINED, WRITE, found, length_at, row, word_at
from server.structures.rax cimport StreamId
from server.structures.table cimport TYPE_STREAM
from server.types.stream cimport stream_value
from server.types.stream_groups cimport StreamGroup, group_find, pending_remove
from server.types.stream_log cimport read_plain_id

cdef enum:
    MOST_IDS = 64


cdef int64_t _xack(Op* op) except -1:
    """It counts as a read, too."""
    cdef StreamId ids[MOST_IDS]
    cdef StreamGroup* group
    cdef uint32_t i
    cdef int64_t done = 0
    if op.e == NULL or op.r.arg_count - 3 > MOST_IDS:
        return DECLINED
    for i in range(3, op.r.arg_count):
        if not read_plain_id(word_at(op, i), length_at(op, i), 0, &ids[i - 3]):
            return DECLINED
    found(<Client>op.client, op.e)
    group = group_find(&stream_value(op.e).groups, word_at(op, 2), length_at(op, 2))
    if group != NULL:
        for i in range(op.r.arg_count - 3):
            done += pending_remove(group, ids[i])
    write_integer(op.out, done)
    return done


row("xack", WRITE, TYPE_STREAM, _xack)
