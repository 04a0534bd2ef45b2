# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of lists: LPUSH RPUSH LPUSHX RPUSHX (any number of elements), LPOP RPOP (few at once), LLEN, LRANGE, LINDEX,
LSET, LREM, LTRIM, LMOVE, RPOPLPUSH, BLPOP and BRPOP that need not wait.

Pushes look for blocked clients of their key by themselves: a server where somebody always waits for some queue pushes to
all other lists as fast as ever.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_null, write_null_array, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    FAST_KEYS, FastWord, attach_fast_path, fast_find, fast_hash_keys, fast_is_word, fast_plain, fast_touch,
    fast_written, fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LpValue
from server.structures.quicklist cimport QL_HEAD, QL_TAIL
from server.structures.table cimport (
    TYPE_LIST, Entry, entry_set_type, table_delete, table_find, table_hash, table_insert_word)
from server.types.bulk cimport write_element
from server.types.list cimport (LIST_LISTPACK, List, list_bounds, list_drop, list_grow, list_length, list_new_word, list_peek,
                                list_push, list_shrink, list_write_range)
from server.types.value cimport release_value

cdef enum:
    LONGEST_WAIT = 1000000             # seconds
    MOST_POPPED = 64                   # elements that one command takes


cdef inline List _view(Client c, Entry* e):
    cdef List view = List.__new__(List)
    view.table = c.db.table
    view.entry = e
    return view


cdef inline bint _awaited(Client c, Batch* b, Request* r, uint32_t at) except -1:
    """Whether somebody waits for argument `at` to have elements."""
    return c.db.blocking and PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at)) in c.db.blocking


cdef inline bint _end_of(Batch* b, Request* r, uint32_t at, int* end) noexcept:
    """The words LEFT and RIGHT."""
    end[0] = QL_HEAD if fast_is_word(b, r, at, "left", 4) else QL_TAIL
    return end[0] == QL_HEAD or fast_is_word(b, r, at, "right", 5)


cdef inline void _removed(Client c, Batch* b, Request* r, Entry* e) noexcept:
    """Elements are gone: the encoding is chosen anew, and without any the key goes too."""
    if list_length(e) == 0:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    else:
        list_shrink(e)


# ---- pushing
cdef int _push(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = fast_find(c, b, r)
    cdef uint32_t i
    cdef size_t bytes = 0
    if e != NULL and not fast_plain(e, TYPE_LIST, shared):
        return 0
    if _awaited(c, b, r, 1):
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


# ---- popping
cdef int _pop_some(Client c, Batch* b, Request* r, int end) except -1:
    """With a count."""
    cdef Entry* e
    cdef LpValue value
    cdef int64_t count, i
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not 0 < count <= MOST_POPPED:
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        write_null_array(&c.out, c.resp)
        return 1
    if not fast_plain(e, TYPE_LIST, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    if <uint64_t>count > list_length(e):
        count = <int64_t>list_length(e)
    write_header(&c.out, c'*', count)
    for i in range(count):
        list_peek(e, end, &value)
        write_element(&c.out, &value)
        list_drop(e, end)
    _removed(c, b, r, e)
    fast_written(c, b, r, count)
    return 1


cdef int _pop(Client c, Batch* b, Request* r, int end) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e
    cdef LpValue value
    if r.arg_count != 2:
        return _pop_some(c, b, r, end)
    e = fast_find(c, b, r)
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    if not fast_plain(e, TYPE_LIST, shared):
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


cdef int _pop_first(Client c, Batch* b, Request* r, int end) except -1:
    """BLPOP and BRPOP where one of the keys is there. Propagated as LPOP or RPOP."""
    cdef uint64_t hashes[FAST_KEYS]
    cdef FastWord words[2]
    cdef int64_t seconds
    cdef LpValue value
    cdef Entry* e
    cdef uint32_t i
    cdef uint32_t last = r.arg_count - 1
    if (last > FAST_KEYS or not parse_int64(arg_at(b, r, last), arg_length(b, r, last), &seconds)
            or not 0 <= seconds <= LONGEST_WAIT or fast_hash_keys(c, b, r, 1, 1, hashes) == 0):
        return 0
    for i in range(1, last):
        e = table_find(c.db.table, arg_at(b, r, i), arg_length(b, r, i), hashes[i - 1])
        if e == NULL:
            continue
        if not fast_plain(e, TYPE_LIST, c.db.keyspace):
            return 0
        fast_touch(e, c.db.keyspace)
        list_peek(e, end, &value)
        write_raw(&c.out, "*2\r\n", 4)
        write_bulk(&c.out, arg_at(b, r, i), arg_length(b, r, i))
        write_element(&c.out, &value)
        if list_length(e) == 1:
            table_delete(c.db.table, arg_at(b, r, i), arg_length(b, r, i), hashes[i - 1], release_value)
        else:
            list_drop(e, end)
            list_shrink(e)
        words[0] = FastWord("LPOP" if end == QL_HEAD else "RPOP", 4)
        words[1] = FastWord(arg_at(b, r, i), arg_length(b, r, i))
        fast_written_otherwise(c, 1, 2, words)
        return 1
    return 0


cdef int _blpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, QL_HEAD)


cdef int _brpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, QL_TAIL)


cdef int _transfer(Client c, Batch* b, Request* r, int origin, int end) except -1:
    """From argument 1, the source, to argument 2."""
    cdef Keyspace shared = c.db.keyspace
    cdef uint64_t hash = table_hash(arg_at(b, r, 2), arg_length(b, r, 2))
    cdef Entry* e = fast_find(c, b, r)
    cdef Entry* target
    cdef bytes value
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    target = table_find(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash)
    if not fast_plain(e, TYPE_LIST, shared) or (target != NULL and not fast_plain(target, TYPE_LIST, shared)) or _awaited(c, b, r, 2):
        return 0
    fast_touch(e, shared)
    if target == NULL:
        target = table_insert_word(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash, list_new_word())
        target.meta = shared.first_access()
        entry_set_type(target, TYPE_LIST, LIST_LISTPACK)
    else:
        fast_touch(target, shared)
    value = _view(c, e).pop(origin)
    _view(c, target).push_popped(value, end)
    _removed(c, b, r, e)
    fast_written(c, b, r, 1)
    write_bulk(&c.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 1


cdef int _lmove(Client c, Batch* b, Request* r) except -1:
    cdef int origin, end
    if not _end_of(b, r, 3, &origin) or not _end_of(b, r, 4, &end):
        return 0
    return _transfer(c, b, r, origin, end)


cdef int _rpoplpush(Client c, Batch* b, Request* r) except -1:
    return _transfer(c, b, r, QL_TAIL, QL_HEAD)


# ---- changing in the middle
cdef int _lset(Client c, Batch* b, Request* r) except -1:
    cdef int64_t at
    cdef Entry* e
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &at):
        return 0
    e = fast_find(c, b, r)
    if (e == NULL or not fast_plain(e, TYPE_LIST, c.db.keyspace)
            or not _view(c, e).replace(at, PyBytes_FromStringAndSize(arg_at(b, r, 3), arg_length(b, r, 3)))):
        return 0
    fast_touch(e, c.db.keyspace)
    list_shrink(e)
    fast_written(c, b, r, 1)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _lrem(Client c, Batch* b, Request* r) except -1:
    cdef int64_t count
    cdef int64_t gone = 0
    cdef Entry* e
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_LIST, c.db.keyspace):
            return 0
        fast_touch(e, c.db.keyspace)
        gone = _view(c, e).remove(PyBytes_FromStringAndSize(arg_at(b, r, 3), arg_length(b, r, 3)), count)
        if gone:
            _removed(c, b, r, e)
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
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_LIST, c.db.keyspace):
            return 0
        fast_touch(e, c.db.keyspace)
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
        _removed(c, b, r, e)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


# ---- looking
cdef int _lindex(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef int64_t at
    cdef Entry* e
    cdef bytes value = None
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &at):
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
    elif not fast_plain(e, TYPE_LIST, shared):
        return 0
    else:
        fast_touch(e, shared)
        shared.hits += 1
        value = _view(c, e).index(at)
    if value is None:
        write_null(&c.out, c.resp)
    else:
        write_bulk(&c.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 1


cdef int _llen(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef Entry* e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_integer(&c.out, 0)
        return 1
    if not fast_plain(e, TYPE_LIST, shared):
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
    e = fast_find(c, b, r)
    if e == NULL:
        shared.misses += 1
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if not fast_plain(e, TYPE_LIST, shared):
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
    attach_fast_path(records, "lpushx", _lpushx)
    attach_fast_path(records, "rpushx", _rpushx)
    attach_fast_path(records, "lmove", _lmove)
    attach_fast_path(records, "rpoplpush", _rpoplpush)
    attach_fast_path(records, "lset", _lset)
    attach_fast_path(records, "lrem", _lrem)
    attach_fast_path(records, "ltrim", _ltrim)
    attach_fast_path(records, "lindex", _lindex)
    attach_fast_path(records, "blpop", _blpop)
    attach_fast_path(records, "brpop", _brpop)
