# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of expires: EXPIRE PEXPIRE EXPIREAT PEXPIREAT with a time to come, PERSIST; TTL PTTL EXPIRETIME PEXPIRETIME.

Giving a key an expire is no access to it.
"""
from libc.stdint cimport int64_t

from iothreads.resp_writer cimport format_signed, write_integer
from server.clients.client cimport Client
from server.dispatch.fast_words cimport FAST_FAR
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, LOOK, Word, changed, event_of, find_at, integer_at, is_expired, is_word, pass_on, pass_on_as, row,
    word_of)
from server.structures.table cimport ENTRY_EXPIRE, Entry, entry_expire, table_persist, table_set_expire

cdef enum:                             # op.how
    SECONDS = 1                        # ... or milliseconds
    RELATIVE = 2                       # from now on, or a Unix time

cdef const Event* _EXPIRE = event_of("expire")
cdef const Event* _PERSIST = event_of("persist")


cdef inline bint _allowed(Op* op, int64_t when, bint* known) noexcept:
    """Whether the condition in argument 3 lets the key get this expire. A key without one lives for ever."""
    cdef bint has_one = op.e.klen & ENTRY_EXPIRE
    known[0] = True
    if is_word(op, 3, "nx", 2):
        return not has_one
    if is_word(op, 3, "xx", 2):
        return has_one
    if is_word(op, 3, "gt", 2):
        return has_one and when > entry_expire(op.e)
    known[0] = is_word(op, 3, "lt", 2)
    return not has_one or when < entry_expire(op.e)


cdef int64_t _expire(Op* op) except -1:
    """Propagated as PEXPIREAT, which passes on its own words."""
    cdef Client c = <Client>op.client
    cdef int64_t unit_ms = 1000 if op.how & SECONDS else 1
    cdef int64_t now_ms = c.db.keyspace.clock.unix_ms
    cdef int64_t when
    cdef char text[32]
    cdef Word words[4]
    cdef bint known
    if op.r.arg_count > 4 or not integer_at(op, 2, &when) or not 0 < when <= FAST_FAR * (1000 // unit_ms):
        return DECLINED
    when = when * unit_ms + (now_ms if op.how & RELATIVE else 0)
    if when <= now_ms:
        return DECLINED
    if find_at(op, 1) == NULL and op.r.arg_count == 3:
        write_integer(op.out, 0)
        return 0
    if op.e == NULL or is_expired(c, op.e):
        return DECLINED
    if op.r.arg_count == 4:
        if not _allowed(op, when, &known):
            if not known:
                return DECLINED
            write_integer(op.out, 0)
            return 0
        if not known:
            return DECLINED
        words[3] = word_of(op, 3)
    table_set_expire(op.table, op.e, op.hash, when)
    if op.how == 0:
        pass_on(op)
    else:
        words[0] = Word("PEXPIREAT", 9)
        words[1] = word_of(op, 1)
        words[2] = Word(&text[0], format_signed(text, when) - text)
        pass_on_as(op, op.r.arg_count, words)
    changed(op, 1, _EXPIRE)
    write_integer(op.out, 1)
    return 0


cdef int64_t _persist(Op* op) except -1:
    if find_at(op, 1) != NULL and is_expired(<Client>op.client, op.e):
        return DECLINED
    if op.e == NULL or not op.e.klen & ENTRY_EXPIRE:
        write_integer(op.out, 0)
        return 0
    table_persist(op.table, op.e, op.hash)
    pass_on(op)
    changed(op, 1, _PERSIST)
    write_integer(op.out, 1)
    return 0


cdef int64_t _ttl(Op* op) except -1:
    """-2 without a key, -1 without an expire, else what is left or the Unix time."""
    cdef int64_t ms
    if op.e == NULL:
        write_integer(op.out, -2)
    elif not op.e.klen & ENTRY_EXPIRE:
        write_integer(op.out, -1)
    else:
        ms = entry_expire(op.e) - ((<Client>op.client).db.keyspace.clock.unix_ms if op.how & RELATIVE else 0)
        write_integer(op.out, (ms + 500) // 1000 if op.how & SECONDS else ms)
    return 0


row("expire", FREE, ANY_TYPE, _expire, "", SECONDS | RELATIVE)
row("pexpire", FREE, ANY_TYPE, _expire, "", RELATIVE)
row("expireat", FREE, ANY_TYPE, _expire, "", SECONDS)
row("pexpireat", FREE, ANY_TYPE, _expire)
row("persist", FREE, ANY_TYPE, _persist)
row("ttl", LOOK, ANY_TYPE, _ttl, "", SECONDS | RELATIVE)
row("pttl", LOOK, ANY_TYPE, _ttl, "", RELATIVE)
row("expiretime", LOOK, ANY_TYPE, _ttl, "", SECONDS)
row("pexpiretime", LOOK, ANY_TYPE, _ttl)
