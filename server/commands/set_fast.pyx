# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sets: SADD SREM SMOVE SPOP SRANDMEMBER (few at once), SISMEMBER SMISMEMBER SCARD SMEMBERS, SSCAN without
a pattern.

In a pipeline that works on one large set, what the next commands will touch is fetched from memory ahead.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    FAST_DRAWN, FastWord, fast_path, fast_change, fast_find, fast_is_propagated, fast_look, fast_plain,
    fast_scan_words, fast_touch, fast_warm_members, fast_write_list, fast_write_scanned, fast_written,
    fast_written_as, fast_written_otherwise)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text
from server.structures.table cimport (
    TYPE_SET, Entry, entry_encoding, entry_set_type, table_delete, table_find, table_hash, table_insert_word)
from server.types.bulk cimport write_element
from server.types.set cimport (SET_INTSET, SET_TABLE, Set, set_add, set_begin, set_contains, set_drop, set_grow, set_length,
                               set_random, set_remove, set_table, set_write)
from server.types.value cimport release_value


cdef inline void _warm(Batch* b, Request* r, Entry* e) noexcept:
    if entry_encoding(e) == SET_TABLE:
        fast_warm_members(b, r, set_table(e))


cdef inline void _delete_if_empty(Client c, Batch* b, Request* r, Entry* e) noexcept:
    if set_length(e) == 0:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)


# ---- writes
cdef int _sadd(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = fast_find(c, b, r)
    cdef uint32_t i
    cdef int added = 0
    if e == NULL:
        e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, 0)
        e.meta = c.db.keyspace.first_access()
        entry_set_type(e, TYPE_SET, SET_INTSET)
        set_begin(e, arg_at(b, r, 2), arg_length(b, r, 2), r.arg_count - 2)
    elif fast_plain(e, TYPE_SET, c.db.keyspace):
        fast_touch(e, c.db.keyspace)
        _warm(b, r, e)
        set_grow(e, r.arg_count - 2)
    else:
        return 0
    for i in range(2, r.arg_count):
        added += set_add(e, arg_at(b, r, i), arg_length(b, r, i))
    if added:
        fast_written(c, b, r, added)
    write_integer(&c.out, added)
    return 1


cdef int _srem(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef uint32_t i
    cdef int removed = 0
    if not fast_change(c, b, r, TYPE_SET, &e):
        return 0
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    _warm(b, r, e)
    for i in range(2, r.arg_count):
        removed += set_remove(e, arg_at(b, r, i), arg_length(b, r, i))
    if removed:
        _delete_if_empty(c, b, r, e)
        fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _smove(Client c, Batch* b, Request* r) except -1:
    cdef Keyspace shared = c.db.keyspace
    cdef uint64_t hash = table_hash(arg_at(b, r, 2), arg_length(b, r, 2))
    cdef const char* member = arg_at(b, r, 3)
    cdef size_t n = arg_length(b, r, 3)
    cdef Entry* e = fast_find(c, b, r)
    cdef Entry* target
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    target = table_find(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash)
    if not fast_plain(e, TYPE_SET, shared) or (target != NULL and not fast_plain(target, TYPE_SET, shared)):
        return 0
    fast_touch(e, shared)
    if target != NULL:
        fast_touch(target, shared)
    if e == target or not set_remove(e, member, n):
        write_integer(&c.out, e == target and set_contains(e, member, n))
        return 1
    _delete_if_empty(c, b, r, e)
    if target == NULL:
        target = table_insert_word(c.db.table, arg_at(b, r, 2), arg_length(b, r, 2), hash, 0)
        target.meta = shared.first_access()
        entry_set_type(target, TYPE_SET, SET_INTSET)
        set_begin(target, member, n, 1)
    fast_written(c, b, r, 1 + set_add(target, member, n))
    write_integer(&c.out, 1)
    return 1


cdef inline Set _view(Client c, Entry* e):
    cdef Set view = Set.__new__(Set)
    view.table = c.db.table
    view.entry = e
    return view


cdef int _spop_all(Client c, Batch* b, Request* r, Entry* e) except -1:
    """Whoever is told of it is told DEL or UNLINK by lazyfree-lazy-server-del, which the definition knows."""
    if fast_is_propagated():
        return 0
    set_write(e, &c.out, c.resp)
    fast_written(c, b, r, <int64_t>set_length(e))
    table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
    return 1


cdef int _spop_some(Client c, Batch* b, Request* r) except -1:
    """With a count; propagated as SREM of those that left when others stay."""
    cdef FastWord words[2 + FAST_DRAWN]
    cdef int64_t count
    cdef uint32_t at = 2
    cdef Entry* e
    cdef list left
    cdef bytes member
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not 0 < count <= FAST_DRAWN:
        return 0
    e = fast_find(c, b, r)
    if e == NULL or not fast_plain(e, TYPE_SET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    if set_length(e) <= <uint64_t>count:
        return _spop_all(c, b, r, e)
    left = _view(c, e).pop_many(count)
    words[0] = FastWord("SREM", 4)
    words[1] = FastWord(arg_at(b, r, 1), arg_length(b, r, 1))
    for member in left:
        words[at] = FastWord(PyBytes_AS_STRING(member), PyBytes_GET_SIZE(member))
        at += 1
    fast_written_otherwise(c, count, at, words)
    fast_write_list(c, c'~' if c.resp == 3 else c'*', left)
    return 1


cdef int _spop(Client c, Batch* b, Request* r) except -1:
    """Propagated as SREM of what left."""
    cdef Entry* e
    cdef LpValue member
    cdef char digits[LP_INTEGER_TEXT]
    if r.arg_count != 2:
        return _spop_some(c, b, r)
    if not fast_change(c, b, r, TYPE_SET, &e):
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    set_random(e, &member)
    write_element(&c.out, &member)
    if member.s != NULL:
        fast_written_as(c, b, r, 1, "SREM", member.s, member.length)
    else:
        fast_written_as(c, b, r, 1, "SREM", digits, lp_integer_text(member.number, digits))
    set_drop(e, &member)
    _delete_if_empty(c, b, r, e)
    return 1


# ---- reads
cdef int _sismember(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    if e != NULL:
        _warm(b, r, e)
    write_integer(&c.out, e != NULL and set_contains(e, arg_at(b, r, 2), arg_length(b, r, 2)))
    return 1


cdef int _smismember(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef uint32_t i
    if not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    write_header(&c.out, c'*', r.arg_count - 2)
    for i in range(2, r.arg_count):
        write_integer(&c.out, e != NULL and set_contains(e, arg_at(b, r, i), arg_length(b, r, i)))
    return 1


cdef int _scard(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    write_integer(&c.out, set_length(e) if e != NULL else 0)
    return 1


cdef int _srandmember_some(Client c, Batch* b, Request* r) except -1:
    """With a count."""
    cdef int64_t count
    cdef Entry* e
    if (r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count)
            or not -FAST_DRAWN <= count <= FAST_DRAWN or not fast_look(c, b, r, TYPE_SET, &e)):
        return 0
    if e == NULL or count == 0:
        write_header(&c.out, c'*', 0)
    else:
        fast_write_list(c, c'*', _view(c, e).draw(-count) if count < 0 else _view(c, e).draw_distinct(count))
    return 1


cdef int _srandmember(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef LpValue member
    if r.arg_count != 2:
        return _srandmember_some(c, b, r)
    if not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    set_random(e, &member)
    write_element(&c.out, &member)
    return 1


cdef int _smembers(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    if e != NULL:
        set_write(e, &c.out, c.resp)
    else:
        write_header(&c.out, c'~' if c.resp == 3 else c'*', 0)
    return 1


cdef int _sscan(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t cursor
    cdef int64_t count
    cdef Entry* e
    if not fast_scan_words(b, r, 2, &cursor, &count) or not fast_look(c, b, r, TYPE_SET, &e):
        return 0
    if e == NULL:
        fast_write_scanned(c, 0, [])
    elif entry_encoding(e) == SET_TABLE:
        cursor, found = _view(c, e).scan(cursor, count, None)
        fast_write_scanned(c, cursor, found)
    else:
        write_raw(&c.out, "*2\r\n$1\r\n0\r\n", 11)
        set_write(e, &c.out, 2)
    return 1


fast_path("sadd", _sadd)
fast_path("srem", _srem)
fast_path("spop", _spop)
fast_path("sismember", _sismember)
fast_path("smismember", _smismember)
fast_path("scard", _scard)
fast_path("smembers", _smembers)
fast_path("srandmember", _srandmember)
fast_path("smove", _smove)
fast_path("sscan", _sscan)
