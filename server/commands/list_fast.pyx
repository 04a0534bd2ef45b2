# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of lists: LPUSH RPUSH LPUSHX RPUSHX (any number of elements), LINSERT LSET, LLEN LRANGE LINDEX LPOS.

Pushes look for blocked clients of their key by themselves: a server where somebody always waits for some queue pushes to
all other lists as fast as ever.
"""
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.error_texts cimport no_such_key, not_an_integer
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    DECLINED, OR_ZERO, READ, TYPED, WAKES, WRITE, insert, integer_at, is_awaited, is_word, length_at, refuse,
    refuse_value, row, view_of, word_at)
from server.structures.listpack cimport LpValue
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport TYPE_LIST
from server.types.bulk cimport write_element
from server.types.list cimport (
    LIST_LISTPACK, List, list_bounds, list_grow, list_insert, list_length, list_near, list_new_word, list_position,
    list_push, list_replace, list_shrink, list_write_range)

from server.registry.errors import INDEX_OUT_OF_RANGE

cdef bytes _OUT_OF_RANGE = INDEX_OUT_OF_RANGE.encode()


# ---- pushing
cdef int64_t _push(Op* op) except -1:
    """op.how: at which end."""
    cdef uint32_t i
    cdef size_t bytes = 0
    if is_awaited(op, 1):
        return DECLINED
    if op.e == NULL:
        insert(op, TYPE_LIST, LIST_LISTPACK, list_new_word())
    for i in range(2, op.r.arg_count):
        bytes += length_at(op, i)
    list_grow(op.e, bytes, op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        list_push(op.e, word_at(op, i), length_at(op, i), op.how)
    write_integer(op.out, list_length(op.e))
    return op.r.arg_count - 2


# ---- changing in the middle
cdef int64_t _lset(Op* op) except -1:
    cdef int64_t at
    if op.e == NULL:
        return refuse(op, no_such_key)
    if not integer_at(op, 2, &at):
        return refuse_value(op, not_an_integer)
    if not list_replace(op.e, at, word_at(op, 3), length_at(op, 3)):  # one that needs a node makes it all the same
        return refuse_value(op, _OUT_OF_RANGE)
    list_shrink(op.e)
    write_raw(op.out, "+OK\r\n", 5)
    return 1


cdef int64_t _linsert(Op* op) except -1:
    cdef bint after = is_word(op, 2, "after", 5)
    cdef bint inserted
    if not after and not is_word(op, 2, "before", 6):
        return DECLINED
    if op.e == NULL:
        write_integer(op.out, 0)
        return 0
    inserted = list_insert(op.e, word_at(op, 3), length_at(op, 3), word_at(op, 4), length_at(op, 4), after)
    write_integer(op.out, <int64_t>list_length(op.e) if inserted else -1)
    return inserted


# ---- looking
cdef int64_t _lindex(Op* op) except -1:
    cdef int64_t at
    cdef LpValue near
    cdef bytes value = None
    if not integer_at(op, 2, &at):
        return DECLINED if op.e == NULL else refuse_value(op, not_an_integer)
    if op.e != NULL and list_near(op.e, at, &near):
        write_element(op.out, &near)
        return 0
    if op.e != NULL:
        value = view_of(List.__new__(List), op).index(at)
    if value is None:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_bulk(op.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 0


cdef struct Positions:                 # `[RANK rank] [COUNT num-matches] [MAXLEN len]`
    int64_t rank
    int64_t count                      # -1: not said
    int64_t most                       # elements to look at; 0: all


cdef bint _read_positions(Op* op, Positions* wanted) noexcept:
    cdef uint32_t at = 3
    cdef int64_t* value
    wanted.rank = 1
    wanted.count = -1
    wanted.most = 0
    while at + 1 < op.r.arg_count:
        value = (&wanted.rank if is_word(op, at, "rank", 4) else &wanted.count if is_word(op, at, "count", 5)
                 else &wanted.most if is_word(op, at, "maxlen", 6) else NULL)
        if value == NULL or not integer_at(op, at + 1, value) or (value[0] < 0 if value != &wanted.rank else
                                                                  value[0] == 0 or value[0] < -INT64_MAX):
            return False
        at += 2
    return at == op.r.arg_count


cdef int64_t _positions(Op* op) except -1:
    """LPOS with options: those of the view."""
    cdef Positions wanted
    cdef list found = []
    if not _read_positions(op, &wanted):
        return DECLINED
    if op.e != NULL:
        found = (<List>view_of(List.__new__(List), op)).positions(
            PyBytes_FromStringAndSize(word_at(op, 2), length_at(op, 2)),
            wanted.rank if wanted.rank > 0 else -wanted.rank, 1 if wanted.count < 0 else wanted.count, wanted.most,
            wanted.rank < 0)
    if wanted.count >= 0:
        write_header(op.out, c'*', len(found))
    elif not found:
        write_null(op.out, (<Client>op.client).resp)
    for at in found:
        write_integer(op.out, <int64_t>at)
    return 0


cdef int64_t _lpos(Op* op) except -1:
    cdef int64_t at = -1
    if op.r.arg_count != 3:
        return _positions(op)
    if op.e != NULL:
        at = list_position(op.e, word_at(op, 2), length_at(op, 2))
    if at < 0:
        write_null(op.out, (<Client>op.client).resp)
    else:
        write_integer(op.out, at)
    return 0


cdef int64_t _llen(Op* op) except -1:
    write_integer(op.out, list_length(op.e))
    return 0


cdef int64_t _lrange(Op* op) except -1:
    cdef int64_t start, stop
    if not integer_at(op, 2, &start) or not integer_at(op, 3, &stop):
        return refuse(op, not_an_integer)
    if op.e != NULL and list_bounds(op.e, &start, &stop):
        list_write_range(op.e, op.out, start, stop)
    else:
        write_raw(op.out, "*0\r\n", 4)
    return 0


row("lpush", WRITE | TYPED | WAKES, TYPE_LIST, _push, "lpush", QL_HEAD)
row("rpush", WRITE | TYPED | WAKES, TYPE_LIST, _push, "rpush", QL_TAIL)
row("lpushx", WRITE | TYPED | OR_ZERO, TYPE_LIST, _push, "lpush", QL_HEAD)
row("rpushx", WRITE | TYPED | OR_ZERO, TYPE_LIST, _push, "rpush", QL_TAIL)
row("lset", WRITE, TYPE_LIST, _lset, "lset")
row("linsert", WRITE, TYPE_LIST, _linsert, "linsert")
row("lindex", READ, TYPE_LIST, _lindex)
row("lpos", READ, TYPE_LIST, _lpos)
row("llen", READ | TYPED | OR_ZERO, TYPE_LIST, _llen)
row("lrange", READ, TYPE_LIST, _lrange)
