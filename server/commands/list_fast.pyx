# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of lists: LPUSH RPUSH LPUSHX RPUSHX (any number of elements), LLEN, LRANGE, LINDEX, LPOS of the first match,
LSET, LINSERT, LREM, LTRIM.

Pushes look for blocked clients of their key by themselves: a server where somebody always waits for some queue pushes to
all other lists as fast as ever.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_bulk, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    fast_awaited, fast_list_shrunk,
    fast_path, fast_change, fast_find, fast_is_word, fast_look, fast_plain, fast_touch, fast_written)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LpValue
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport TYPE_LIST, Entry, entry_set_type, table_delete, table_insert_word
from server.types.bulk cimport write_element
from server.types.list cimport (
    LIST_LISTPACK, List, list_bounds, list_grow, list_insert, list_length, list_near, list_new_word, list_position, list_push,
    list_replace, list_shrink, list_write_range)
from server.types.value cimport release_value

cdef inline List _view(Client c, Entry* e):
    cdef List view = List.__new__(List)
    view.table = c.db.table
    view.entry = e
    return view


# ---- pushing
cdef int _push(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = fast_find(c, b, r)
    cdef uint32_t i
    cdef size_t bytes = 0
    if e != NULL and not fast_plain(e, TYPE_LIST, shared):
        return 0
    if fast_awaited(c, b, r, 1):
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


cdef int _push_if(Client c, Batch* b, Request* r, int end) except -1:
    if fast_find(c, b, r) != NULL:
        return _push(c, b, r, end)
    write_integer(&c.out, 0)
    return 1


cdef int _lpushx(Client c, Batch* b, Request* r) except -1:
    return _push_if(c, b, r, QL_HEAD)


cdef int _rpushx(Client c, Batch* b, Request* r) except -1:
    return _push_if(c, b, r, QL_TAIL)


# ---- changing in the middle
cdef int _lset(Client c, Batch* b, Request* r) except -1:
    cdef int64_t at
    cdef Entry* e
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &at):
        return 0
    e = fast_find(c, b, r)
    if (e == NULL or not fast_plain(e, TYPE_LIST, c.db.keyspace)
            or not list_replace(e, at, arg_at(b, r, 3), arg_length(b, r, 3))):
        return 0
    fast_touch(e, c.db.keyspace)
    list_shrink(e)
    fast_written(c, b, r, 1)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _linsert(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef bint after = fast_is_word(b, r, 2, "after", 5)
    if not after and not fast_is_word(b, r, 2, "before", 6):
        return 0
    if not fast_change(c, b, r, TYPE_LIST, &e):
        return 0
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    if not list_insert(e, arg_at(b, r, 3), arg_length(b, r, 3), arg_at(b, r, 4), arg_length(b, r, 4), after):
        write_integer(&c.out, -1)
        return 1
    fast_written(c, b, r, 1)
    write_integer(&c.out, list_length(e))
    return 1


cdef int _lrem(Client c, Batch* b, Request* r) except -1:
    cdef int64_t count
    cdef int64_t gone = 0
    cdef Entry* e
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count):
        return 0
    if not fast_change(c, b, r, TYPE_LIST, &e):
        return 0
    if e != NULL:
        gone = _view(c, e).remove(PyBytes_FromStringAndSize(arg_at(b, r, 3), arg_length(b, r, 3)), count)
        if gone:
            fast_list_shrunk(c, b, r, e, 1, r.hash)
            fast_written(c, b, r, gone)
    write_integer(&c.out, gone)
    return 1


cdef int _ltrim(Client c, Batch* b, Request* r) except -1:
    cdef int64_t start, stop, length, left, right
    cdef Entry* e
    cdef List view
    if (not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
            or not parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &stop)):
        return 0
    if not fast_change(c, b, r, TYPE_LIST, &e):
        return 0
    if e != NULL:
        length = <int64_t>list_length(e)
        if list_bounds(e, &start, &stop):
            left = start
            right = length - stop - 1
        else:
            left = length
            right = 0
        if left or right:
            view = _view(c, e)
            view.delete_range(0, left)
            view.delete_range(length - left - right, right)
            fast_written(c, b, r, left + right)
        fast_list_shrunk(c, b, r, e, 1, r.hash)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


# ---- looking
cdef int _lindex(Client c, Batch* b, Request* r) except -1:
    cdef int64_t at
    cdef Entry* e
    cdef LpValue near
    cdef bytes value = None
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &at) or not fast_look(c, b, r, TYPE_LIST, &e):
        return 0
    if e != NULL and list_near(e, at, &near):
        write_element(&c.out, &near)
        return 1
    if e != NULL:
        value = _view(c, e).index(at)
    if value is None:
        write_null(&c.out, c.resp)
    else:
        write_bulk(&c.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 1


cdef int _lpos(Client c, Batch* b, Request* r) except -1:
    cdef int64_t at = -1
    cdef Entry* e
    if r.arg_count != 3 or not fast_look(c, b, r, TYPE_LIST, &e):
        return 0
    if e != NULL:
        at = list_position(e, arg_at(b, r, 2), arg_length(b, r, 2))
    if at < 0:
        write_null(&c.out, c.resp)
    else:
        write_integer(&c.out, at)
    return 1


cdef int _llen(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_LIST, &e):
        return 0
    write_integer(&c.out, list_length(e) if e != NULL else 0)
    return 1


cdef int _lrange(Client c, Batch* b, Request* r) except -1:
    cdef int64_t start, stop
    cdef Entry* e
    if (not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
            or not parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &stop) or not fast_look(c, b, r, TYPE_LIST, &e)):
        return 0
    if e != NULL and list_bounds(e, &start, &stop):
        list_write_range(e, &c.out, start, stop)
    else:
        write_raw(&c.out, "*0\r\n", 4)
    return 1


fast_path("lpush", _lpush)
fast_path("rpush", _rpush)
fast_path("llen", _llen)
fast_path("lrange", _lrange)
fast_path("lpushx", _lpushx)
fast_path("rpushx", _rpushx)
fast_path("lset", _lset)
fast_path("lrem", _lrem)
fast_path("ltrim", _ltrim)
fast_path("lindex", _lindex)
fast_path("linsert", _linsert)
fast_path("lpos", _lpos)
