# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of hashes: HSET HMSET HSETNX HINCRBY HINCRBYFLOAT HDEL, HGET HMGET HGETALL HKEYS HVALS HLEN HEXISTS HSTRLEN,
HRANDFIELD (few at once), HSCAN without a pattern.

In a pipeline that works on one large hash, what the next commands will touch is fetched from memory ahead.
"""
from libc.math cimport isinf, isnan
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport format_signed, write_bulk, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    FAST_DRAWN, FastWord, fast_path, fast_change, fast_find, fast_is_word, fast_look, fast_number, fast_plain,
    fast_scan_words, fast_touch, fast_warm_members, fast_write_scanned, fast_written, fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LpValue
from server.structures.long_double cimport LONG_DOUBLE_TEXT, format_long_double
from server.structures.table cimport TYPE_HASH, Entry, entry_encoding, entry_set_type, table_delete, table_insert_word
from server.types.bulk cimport write_element
from server.types.hash cimport (HASH_FIELDS, HASH_LISTPACK, HASH_TABLE, HASH_VALUES, Hash, HashValue, hash_delete, hash_get,
                                hash_grow, hash_length, hash_new_word, hash_random, hash_set, hash_table, hash_value_length,
                                hash_write, hash_write_value)
from server.types.value cimport release_value


cdef inline Entry* _create(Client c, Batch* b, Request* r) noexcept:
    cdef Entry* e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, hash_new_word())
    e.meta = c.db.keyspace.first_access()
    entry_set_type(e, TYPE_HASH, HASH_LISTPACK)
    return e


cdef inline void _warm(Batch* b, Request* r, Entry* e) noexcept:
    if entry_encoding(e) == HASH_TABLE:
        fast_warm_members(b, r, hash_table(e))


# ---- writes
cdef int _set(Client c, Batch* b, Request* r) except -1:
    """Set all fields; how many are new, or -2: not for the fast path."""
    cdef Entry* e
    cdef uint32_t i
    cdef int added = 0
    cdef size_t bytes = 0
    if r.arg_count & 1:
        return -2
    e = fast_find(c, b, r)
    if e == NULL:
        e = _create(c, b, r)
    elif fast_plain(e, TYPE_HASH, c.db.keyspace):
        fast_touch(e, c.db.keyspace)
        _warm(b, r, e)
    else:
        return -2
    if entry_encoding(e) == HASH_LISTPACK:
        for i in range(2, r.arg_count):
            bytes += arg_length(b, r, i)
        hash_grow(e, (r.arg_count - 2) >> 1, bytes)
    for i in range(2, r.arg_count, 2):
        added += hash_set(e, arg_at(b, r, i), arg_length(b, r, i), arg_at(b, r, i + 1), arg_length(b, r, i + 1))
    fast_written(c, b, r, (r.arg_count - 2) >> 1)
    return added


cdef int _hset(Client c, Batch* b, Request* r) except -1:
    cdef int added = _set(c, b, r)
    if added < 0:
        return 0
    write_integer(&c.out, added)
    return 1


cdef int _hmset(Client c, Batch* b, Request* r) except -1:
    if _set(c, b, r) < 0:
        return 0
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _hincrby(Client c, Batch* b, Request* r) except -1:
    cdef int64_t by
    cdef int64_t value = 0
    cdef Entry* e
    cdef HashValue old
    cdef char digits[24]
    if not parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &by):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_HASH, c.db.keyspace):
            return 0
        _warm(b, r, e)
        if hash_get(e, arg_at(b, r, 2), arg_length(b, r, 2), &old):
            if old.text.s == NULL:
                value = old.text.number
            elif not parse_int64(old.text.s, old.text.length, &value):
                return 0
    if (by > 0 and value > 9223372036854775807LL - by) or (by < 0 and value < INT64_MIN - by):
        return 0
    value += by
    if e == NULL:
        e = _create(c, b, r)
    else:
        fast_touch(e, c.db.keyspace)
    hash_set(e, arg_at(b, r, 2), arg_length(b, r, 2), digits, format_signed(digits, value) - digits)
    fast_written(c, b, r, 1)
    write_integer(&c.out, value)
    return 1


cdef int _hsetnx(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = fast_find(c, b, r)
    cdef HashValue old
    if e == NULL:
        e = _create(c, b, r)
    elif not fast_plain(e, TYPE_HASH, c.db.keyspace):
        return 0
    else:
        fast_touch(e, c.db.keyspace)
        _warm(b, r, e)
        if hash_get(e, arg_at(b, r, 2), arg_length(b, r, 2), &old):
            write_integer(&c.out, 0)
            return 1
    if entry_encoding(e) == HASH_LISTPACK:
        hash_grow(e, 1, arg_length(b, r, 2) + arg_length(b, r, 3))
    hash_set(e, arg_at(b, r, 2), arg_length(b, r, 2), arg_at(b, r, 3), arg_length(b, r, 3))
    fast_written(c, b, r, 1)
    write_integer(&c.out, 1)
    return 1


cdef int _hincrbyfloat(Client c, Batch* b, Request* r) except -1:
    """Propagated as HSET of the sum."""
    cdef long double by
    cdef long double value = 0
    cdef Entry* e
    cdef HashValue old
    cdef FastWord words[4]
    cdef char text[LONG_DOUBLE_TEXT]
    cdef size_t length
    if not fast_number(arg_at(b, r, 3), arg_length(b, r, 3), &by) or isinf(by):
        return 0
    e = fast_find(c, b, r)
    if e != NULL:
        if not fast_plain(e, TYPE_HASH, c.db.keyspace):
            return 0
        _warm(b, r, e)
        if hash_get(e, arg_at(b, r, 2), arg_length(b, r, 2), &old):
            if old.text.s == NULL:
                value = old.text.number
            elif not fast_number(old.text.s, old.text.length, &value):
                return 0
    value += by
    if isnan(value) or isinf(value):
        return 0
    if e == NULL:
        e = _create(c, b, r)
    else:
        fast_touch(e, c.db.keyspace)
    length = format_long_double(text, value)
    hash_set(e, arg_at(b, r, 2), arg_length(b, r, 2), text, length)
    words[0] = FastWord("HSET", 4)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    words[2] = FastWord(arg_at(b, r, 2), arg_length(b, r, 2))
    words[3] = FastWord(&text[0], length)
    fast_written_otherwise(c, 1, 4, words)
    write_bulk(&c.out, text, length)
    return 1


cdef int _hdel(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef uint32_t i
    cdef int deleted = 0
    if not fast_change(c, b, r, TYPE_HASH, &e):
        return 0
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    _warm(b, r, e)
    for i in range(2, r.arg_count):
        deleted += hash_delete(e, arg_at(b, r, i), arg_length(b, r, i))
    if deleted:
        if hash_length(e) == 0:
            table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
        fast_written(c, b, r, deleted)
    write_integer(&c.out, deleted)
    return 1


# ---- reads
cdef inline void _reply_value(Client c, Batch* b, Request* r, Entry* e, uint32_t i) noexcept:
    cdef HashValue value
    if e != NULL and hash_get(e, arg_at(b, r, i), arg_length(b, r, i), &value):
        hash_write_value(&c.out, &value)
    else:
        write_null(&c.out, c.resp)


cdef int _hget(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    if e != NULL:
        _warm(b, r, e)
    _reply_value(c, b, r, e, 2)
    return 1


cdef int _hmget(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef uint32_t i
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    write_header(&c.out, c'*', r.arg_count - 2)
    for i in range(2, r.arg_count):
        _reply_value(c, b, r, e, i)
    return 1


cdef int _reply_all(Client c, Batch* b, Request* r, int what) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    if e != NULL:
        hash_write(e, &c.out, c.resp, what)
    else:
        write_header(&c.out, c'%' if c.resp == 3 and what == HASH_FIELDS | HASH_VALUES else c'*', 0)
    return 1


cdef int _hgetall(Client c, Batch* b, Request* r) except -1:
    return _reply_all(c, b, r, HASH_FIELDS | HASH_VALUES)


cdef int _hkeys(Client c, Batch* b, Request* r) except -1:
    return _reply_all(c, b, r, HASH_FIELDS)


cdef int _hvals(Client c, Batch* b, Request* r) except -1:
    return _reply_all(c, b, r, HASH_VALUES)


cdef int _hlen(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    write_integer(&c.out, hash_length(e) if e != NULL else 0)
    return 1


cdef int _hexists(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef HashValue value
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    write_integer(&c.out, e != NULL and hash_get(e, arg_at(b, r, 2), arg_length(b, r, 2), &value))
    return 1


cdef int _hstrlen(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef HashValue value
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    if e != NULL and hash_get(e, arg_at(b, r, 2), arg_length(b, r, 2), &value):
        write_integer(&c.out, hash_value_length(&value))
    else:
        write_integer(&c.out, 0)
    return 1


cdef inline Hash _view(Client c, Entry* e):
    cdef Hash view = Hash.__new__(Hash)
    view.table = c.db.table
    view.entry = e
    return view


cdef int _hrandfield_some(Client c, Batch* b, Request* r) except -1:
    """With a count. A RESP3 reply nests the pairs."""
    cdef int64_t count
    cdef Entry* e
    cdef list pairs = []
    cdef bytes field, value
    cdef bint values = r.arg_count == 4
    cdef bint nested = values and c.resp == 3
    if (r.arg_count > 4 or (values and not fast_is_word(b, r, 3, "withvalues", 10))
            or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not -FAST_DRAWN <= count <= FAST_DRAWN
            or not fast_look(c, b, r, TYPE_HASH, &e)):
        return 0
    if e != NULL and count:
        pairs = _view(c, e).draw(-count) if count < 0 else _view(c, e).draw_distinct(count)
    write_header(&c.out, c'*', 2 * len(pairs) if values and not nested else len(pairs))
    for field, value in pairs:
        if nested:
            write_header(&c.out, c'*', 2)
        write_bulk(&c.out, PyBytes_AS_STRING(field), PyBytes_GET_SIZE(field))
        if values:
            write_bulk(&c.out, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    return 1


cdef int _hrandfield(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef LpValue field
    cdef HashValue value
    if r.arg_count != 2:
        return _hrandfield_some(c, b, r)
    if not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    hash_random(e, &field, &value)
    write_element(&c.out, &field)
    return 1


cdef int _hscan(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t cursor
    cdef int64_t count
    cdef Entry* e
    if not fast_scan_words(b, r, 2, &cursor, &count) or not fast_look(c, b, r, TYPE_HASH, &e):
        return 0
    if e == NULL:
        fast_write_scanned(c, 0, [])
    elif entry_encoding(e) == HASH_TABLE:
        cursor, found = _view(c, e).scan(cursor, count, None)
        fast_write_scanned(c, cursor, found)
    else:
        write_raw(&c.out, "*2\r\n$1\r\n0\r\n", 11)
        hash_write(e, &c.out, 2, HASH_FIELDS | HASH_VALUES)
    return 1


fast_path("hset", _hset)
fast_path("hmset", _hmset)
fast_path("hincrby", _hincrby)
fast_path("hdel", _hdel)
fast_path("hget", _hget)
fast_path("hmget", _hmget)
fast_path("hgetall", _hgetall)
fast_path("hkeys", _hkeys)
fast_path("hvals", _hvals)
fast_path("hlen", _hlen)
fast_path("hexists", _hexists)
fast_path("hstrlen", _hstrlen)
fast_path("hsetnx", _hsetnx)
fast_path("hincrbyfloat", _hincrbyfloat)
fast_path("hrandfield", _hrandfield)
fast_path("hscan", _hscan)
