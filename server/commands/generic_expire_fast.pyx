# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of expires: EXPIRE PEXPIRE EXPIREAT PEXPIREAT with a time to come, PERSIST; TTL PTTL EXPIRETIME PEXPIRETIME."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_integer
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_an_integer
from server.dispatch.fast_words cimport FAST_FAR
from server.dispatch.option_words cimport OptionWords, meaning_at, words_of
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, LOOK, OR_ZERO, SAYS, WRITE, Word, integer_at, number_word, pass_on, pass_on_as, refuse, row,
    word_of)
from server.structures.table cimport ENTRY_EXPIRE, entry_expire, table_persist, table_set_expire

cdef enum:                             # op.how
    SECONDS = 1                        # ... or milliseconds
    RELATIVE = 2                       # from now on, or a Unix time


cdef enum:                             # what words of EXPIRE and its like mean
    NX = 1
    XX = 2
    GT = 3
    LT = 4

cdef const OptionWords* _WORDS = words_of("expire", {"NX": NX, "XX": XX, "GT": GT, "LT": LT})


cdef inline bint _allowed(Op* op, int64_t when, uint32_t condition) noexcept:
    """Whether a condition lets the key get this expire. A key without one lives for ever."""
    cdef bint has_one = op.e.klen & ENTRY_EXPIRE
    if condition == NX:
        return not has_one
    if condition == XX:
        return has_one
    if condition == GT:
        return has_one and when > entry_expire(op.e)
    return not has_one or when < entry_expire(op.e)


cdef int64_t _expire(Op* op) except -1:
    """Propagated as PEXPIREAT, which passes on its own words."""
    cdef Client c = <Client>op.client
    cdef int64_t unit_ms = 1000 if op.how & SECONDS else 1
    cdef int64_t now_ms = c.db.keyspace.clock.unix_ms
    cdef int64_t when
    cdef Word words[4]
    cdef uint32_t condition = 0
    if not integer_at(op, 2, &when):
        return refuse(op, not_an_integer) if op.r.arg_count == 3 else DECLINED
    if op.r.arg_count > 4 or not 0 < when <= FAST_FAR * (1000 // unit_ms):
        return DECLINED
    when = when * unit_ms + (now_ms if op.how & RELATIVE else 0)
    if when <= now_ms:
        return DECLINED
    if op.r.arg_count == 4:
        condition = meaning_at(op, _WORDS, 3)
        if condition == 0:
            return DECLINED
        words[3] = word_of(op, 3)
    if op.e == NULL or (condition and not _allowed(op, when, condition)):
        write_integer(op.out, 0)
        return 0
    table_set_expire(op.table, op.e, op.hash, when)
    if op.how == 0:
        pass_on(op)
    else:
        words[0] = Word("PEXPIREAT", 9)
        words[1] = word_of(op, 1)
        words[2] = number_word(when)
        pass_on_as(op, op.r.arg_count, words)
    write_integer(op.out, 1)
    return 1


cdef int64_t _persist(Op* op) except -1:
    cdef bint expires = op.e.klen & ENTRY_EXPIRE != 0
    if expires:
        table_persist(op.table, op.e, op.hash)
    write_integer(op.out, expires)
    return expires


cdef int64_t _ttl(Op* op) except -1:
    """-2 without a key, -1 without an expire, else what is left or the Unix time."""
    cdef int64_t ms
    if op.e == NULL:
        write_integer(op.out, -2)
    elif not op.e.klen & ENTRY_EXPIRE:
        write_integer(op.out, -1)
    else:
        ms = entry_expire(op.e) - ((<Client>op.client).db.keyspace.clock.unix_ms if op.how & RELATIVE else 0)
        write_integer(op.out, ms // 1000 + (ms % 1000 >= 500) if op.how & SECONDS else ms)
    return 0


row("expire", WRITE | SAYS, ANY_TYPE, _expire, "expire", SECONDS | RELATIVE)
row("pexpire", WRITE | SAYS, ANY_TYPE, _expire, "expire", RELATIVE)
row("expireat", WRITE | SAYS, ANY_TYPE, _expire, "expire", SECONDS)
row("pexpireat", WRITE | SAYS, ANY_TYPE, _expire, "expire")
row("persist", WRITE | OR_ZERO, ANY_TYPE, _persist, "persist")
row("ttl", LOOK, ANY_TYPE, _ttl, "", SECONDS | RELATIVE)
row("pttl", LOOK, ANY_TYPE, _ttl, "", RELATIVE)
row("expiretime", LOOK, ANY_TYPE, _ttl, "", SECONDS)
row("pexpiretime", LOOK, ANY_TYPE, _ttl)
