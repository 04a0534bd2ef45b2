# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of set algebra: SINTER SINTERCARD SUNION SDIFF and what stores their results, of up to FAST_KEYS keys."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_header, write_integer
from server.clients.client cimport Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FAST_KEYS, FREE, UNKEYED, event_of, find_all, find_live, integer_at, is_word, row, store_result)
from server.structures.table cimport TYPE_SET, Entry
from server.types.set cimport set_length, set_write
from server.types.set_algebra cimport (
    set_count_intersection, set_intersect, set_loose, set_order, set_subtract, set_unite, set_write_intersection)
from server.types.value cimport LooseEntry, release_value

cdef enum:                             # op.how
    INTERSECTION = 0
    UNION = 1
    DIFFERENCE = 2

cdef const Event* _STORED[3]
_STORED[INTERSECTION] = event_of("sinterstore")
_STORED[UNION] = event_of("sunionstore")
_STORED[DIFFERENCE] = event_of("sdiffstore")

cdef struct Inputs:
    Entry* sets[FAST_KEYS]             # NULL: there is none
    int count
    bint complete                      # all of them are there


cdef bint _look_up(Op* op, uint32_t first, int64_t count, Inputs* inputs) except -1:
    cdef int i
    if not find_all(op, first, count, 1 << TYPE_SET, inputs.sets):
        return False
    inputs.count = <int>count
    inputs.complete = True
    for i in range(inputs.count):
        if inputs.sets[i] == NULL:
            inputs.complete = False
    return True


cdef void _combine(Entry* into, Inputs* inputs, int how) noexcept:
    if how == UNION:
        set_unite(into, inputs.sets, inputs.count)
    elif how == DIFFERENCE:
        set_subtract(into, inputs.sets, inputs.count)
    elif inputs.complete:
        set_order(inputs.sets, inputs.count)
        set_intersect(into, inputs.sets, inputs.count)


# ---- replies
cdef int64_t _sinter(Op* op) except -1:
    cdef Inputs inputs
    cdef int resp = (<Client>op.client).resp
    if not _look_up(op, 1, op.r.arg_count - 1, &inputs):
        return DECLINED
    if inputs.complete:
        set_order(inputs.sets, inputs.count)
        set_write_intersection(inputs.sets, inputs.count, op.out, resp)
    else:
        write_header(op.out, c'~' if resp == 3 else c'*', 0)
    return 0


cdef int64_t _sintercard(Op* op) except -1:
    cdef Inputs inputs
    cdef int64_t keys
    cdef int64_t limit = 0
    if not integer_at(op, 1, &keys) or not 0 < keys <= <int64_t>op.r.arg_count - 2:
        return DECLINED
    if op.r.arg_count != keys + 2 and not (op.r.arg_count == keys + 4 and is_word(op, <uint32_t>keys + 2, "limit", 5)
                                           and integer_at(op, <uint32_t>keys + 3, &limit) and limit >= 0):
        return DECLINED
    if not _look_up(op, 2, keys, &inputs):
        return DECLINED
    if inputs.complete:
        set_order(inputs.sets, inputs.count)
    write_integer(op.out, <int64_t>set_count_intersection(inputs.sets, inputs.count, limit) if inputs.complete else 0)
    return 0


cdef int64_t _sunion(Op* op) except -1:
    """And SDIFF."""
    cdef Inputs inputs
    cdef LooseEntry result
    if not _look_up(op, 1, op.r.arg_count - 1, &inputs):
        return DECLINED
    set_loose(&result)
    _combine(&result.head, &inputs, op.how)
    set_write(&result.head, op.out, (<Client>op.client).resp)
    release_value(&result.head)
    return 0


# ---- stored
cdef int64_t _store(Op* op) except -1:
    cdef Inputs inputs
    cdef LooseEntry result
    if not find_live(op, 1) or not _look_up(op, 2, op.r.arg_count - 2, &inputs):
        return DECLINED
    set_loose(&result)
    _combine(&result.head, &inputs, op.how)
    return store_result(op, &result.head, <int64_t>set_length(&result.head), _STORED[op.how])


row("sinter", FREE, ANY_TYPE, _sinter)
row("sintercard", FREE | UNKEYED, ANY_TYPE, _sintercard)
row("sunion", FREE, ANY_TYPE, _sunion, "", UNION)
row("sdiff", FREE, ANY_TYPE, _sunion, "", DIFFERENCE)
row("sinterstore", FREE, ANY_TYPE, _store, "", INTERSECTION)
row("sunionstore", FREE, ANY_TYPE, _store, "", UNION)
row("sdiffstore", FREE, ANY_TYPE, _store, "", DIFFERENCE)
