# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of lists: LPUSH RPUSH (any number of elements), LPOP RPOP (without a count), LLEN, LRANGE.

Pushes look for blocked clients of their key by themselves: a server where somebody always waits for some queue pushes to
all other lists as fast as ever.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport attach_fast_path, fast_expired, fast_hash_of, fast_touch, fast_written
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LpValue
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport (TYPE_LIST, Entry, entry_set_type, entry_type, table_delete, table_find,
                                      table_insert_word)
from server.types.bulk cimport write_element
from server.types.list cimport (LIST_LISTPACK, list_bounds, list_drop, list_grow, list_length, list_new_word, list_peek,
                                list_push, list_shrink, list_write_range)
from server.types.value cimport release_value


cdef inline Entry* _find(Client c, Batch* b, Request* r) noexcept:
    return table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))


cdef inline bint _plain(Entry* e, Keyspace shared) noexcept:
    return entry_type(e) == TYPE_LIST and not fast_expired(e, shared)


cdef int _push(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = _find(c, b, r)
    cdef uint32_t i
    cdef size_t bytes = 0
    if e != NULL and not _plain(e, shared):
        return 0
    if c.db.blocking and PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1)) in c.db.blocking:
        return 0
    if e == NULL:
        e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, list_new_word())
        e.meta = shared.first_access()
        entry_set_type(e, TYPE_LIST, LIST_LISTPACK)
    else:
        fast_touch(e, shared)
    for i in range(2, r.arg_count):
        bytes += arg_length(b, r, i)
    list_grow(e, bytes, r.arg_count - 2)
    for i in range(2, r.arg_count):
        list_push(e, arg_at(b, r, i), arg_length(b, r, i), end)
    fast_written(c, b, r, r.arg_count - 2)
    write_integer(&c.out, list_length(e))
    return 1


cdef int _lpush(Client c, Batch* b, Request* r) except -1:
    return _push(c, b, r, QL_HEAD)


cdef int _rpush(Client c, Batch* b, Request* r) except -1:
    return _push(c, b, r, QL_TAIL)


cdef int _pop(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    cdef LpValue value
    if r.arg_count != 2:
        return 0
    e = _find(c, b, r)
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    if not _plain(e, shared):
        return 0
    list_peek(e, end, &value)
    write_element(&c.out, &value)
    if list_length(e) == 1:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    else:
        fast_touch(e, shared)
        list_drop(e, end)
        list_shrink(e)
    fast_written(c, b, r, 1)
    return 1


cdef int _lpop(Client c, Batch* b, Request* r) except -1:
    return _pop(c, b, r, QL_HEAD)


cdef int _rpop(Client c, Batch* b, Request* r) except -1:
    return _pop(c, b, r, QL_TAIL)


cdef int _llen(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = _find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if not _plain(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    write_integer(&c.out, list_length(e))
    return 1


cdef int _lrange(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef int64_t start, stop
    cdef Entry* e
    if (not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
            or not parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &stop)):
        return 0
    e = _find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if not _plain(e, shared):
        return 0
    fast_touch(e, shared)
    shared.hits += 1
    if list_bounds(e, &start, &stop):
        list_write_range(e, &c.out, start, stop)
    else:
        write_raw(&c.out, "*0\r\n", 4)
    return 1


def attach(dict records) -> None:
    """Give the list commands their fast paths."""
    attach_fast_path(records, "lpush", _lpush)
    attach_fast_path(records, "rpush", _rpush)
    attach_fast_path(records, "lpop", _lpop)
    attach_fast_path(records, "rpop", _rpop)
    attach_fast_path(records, "llen", _llen)
    attach_fast_path(records, "lrange", _lrange)
