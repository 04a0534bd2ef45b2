# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sets: SADD SREM SPOP (without a count), SRANDMEMBER (likewise), SISMEMBER SMISMEMBER SCARD
SMEMBERS.

In a pipeline that works on one large set, what the next commands will touch is fetched from memory ahead.
"""
from libc.stdint cimport uint32_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_header, write_integer, write_null
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    attach_fast_path, fast_find, fast_look, fast_plain, fast_touch, fast_warm_members, fast_written, fast_written_as)
from server.keyspace.database cimport Keyspace
from server.structures.listpack cimport LP_INTEGER_TEXT, LpValue, lp_integer_text
from server.structures.table cimport TYPE_SET, Entry, entry_encoding, entry_set_type, table_delete, table_insert_word
from server.types.bulk cimport write_element
from server.types.set cimport (SET_INTSET, SET_TABLE, set_add, set_begin, set_contains, set_drop, set_grow, set_length,
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
    cdef Entry* e = fast_find(c, b, r)
    cdef uint32_t i
    cdef int removed = 0
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    if not fast_plain(e, TYPE_SET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    _warm(b, r, e)
    for i in range(2, r.arg_count):
        removed += set_remove(e, arg_at(b, r, i), arg_length(b, r, i))
    if removed:
        _delete_if_empty(c, b, r, e)
        fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _spop(Client c, Batch* b, Request* r) except -1:
    """SPOP key; propagated as SREM of what left."""
    cdef Entry* e
    cdef LpValue member
    cdef char digits[LP_INTEGER_TEXT]
    if r.arg_count != 2:
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        write_null(&c.out, c.resp)
        return 1
    if not fast_plain(e, TYPE_SET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
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


cdef int _srandmember(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef LpValue member
    if r.arg_count != 2 or not fast_look(c, b, r, TYPE_SET, &e):
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


def attach(dict records) -> None:
    """Give the set commands their fast paths."""
    attach_fast_path(records, "sadd", _sadd)
    attach_fast_path(records, "srem", _srem)
    attach_fast_path(records, "spop", _spop)
    attach_fast_path(records, "sismember", _sismember)
    attach_fast_path(records, "smismember", _smismember)
    attach_fast_path(records, "scard", _scard)
    attach_fast_path(records, "smembers", _smembers)
    attach_fast_path(records, "srandmember", _srandmember)
