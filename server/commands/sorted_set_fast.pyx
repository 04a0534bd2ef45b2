# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sorted sets: ZADD, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK, ZRANDMEMBER (one or few with
repetition), ZSCAN without a pattern.

Who waits for a sorted set switches the fast paths off, so ZADD need not look.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (
    write_double, write_header, write_integer, write_null, write_null_array, write_raw)
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    fast_zadd, zset_new as _new, zset_warm as _warm,
    FAST_DRAWN, FAST_RUN, fast_path, fast_change, fast_find, fast_is_word, fast_look, fast_plain, fast_scan_words, fast_touch,
    fast_warm_members, fast_write_scanned, fast_written)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.table cimport TYPE_ZSET, Entry, entry_encoding, table_delete, table_insert_word
from server.types.sorted_set cimport (
    ZADD_GT, ZADD_INCR, ZADD_LT, ZADD_NX, ZADD_XX, ZADDED, ZNAN, ZNOTHING, ZSET_LISTPACK, ZSET_SKIPLIST, ZUPDATED, SortedSet,
    zset_add, zset_convert, zset_create, zset_limits, zset_members, zset_parse_score, zset_random_rank, zset_rank, zset_remove, zset_score,
    zset_size, zset_warm_place, zset_write_distinct, zset_write_member, zset_write_random, zset_write_range)
from server.types.value cimport release_value

cdef enum:
    MANY = 64                          # pairs of one ZADD that a fast path takes


cdef inline void _delete_if_empty(Client c, Batch* b, Request* r, Entry* e) noexcept:
    if zset_size(e) == 0:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)


# ---- writes
cdef uint32_t _zadd_options(Batch* b, Request* r, int* flags, bint* change) noexcept:
    """Read NX XX GT LT CH INCR; where the first score is, 0 for what the definition must look at."""
    cdef uint32_t at = 2
    cdef size_t length
    cdef char* word
    flags[0] = 0
    change[0] = False
    while at < r.arg_count:
        length = arg_length(b, r, at)
        word = arg_at(b, r, at)
        if length == 4 and fast_is_word(b, r, at, "incr", 4):
            flags[0] |= ZADD_INCR
            at += 1
            continue
        if length != 2 or word[0] < c'A':
            break
        if fast_is_word(b, r, at, "nx", 2):
            flags[0] |= ZADD_NX
        elif fast_is_word(b, r, at, "xx", 2):
            flags[0] |= ZADD_XX
        elif fast_is_word(b, r, at, "gt", 2):
            flags[0] |= ZADD_GT
        elif fast_is_word(b, r, at, "lt", 2):
            flags[0] |= ZADD_LT
        elif fast_is_word(b, r, at, "ch", 2):
            change[0] = True
        else:
            break
        at += 1
    if flags[0] & ZADD_NX and flags[0] & ~ZADD_INCR != ZADD_NX or flags[0] & ZADD_GT and flags[0] & ZADD_LT:
        return 0
    return at


cdef int _increment(Client c, Batch* b, Request* r, uint32_t at, int flags) except -1:
    """Arguments: increment and member, and no more."""
    cdef double increment, result
    cdef Entry* e
    cdef int outcome
    if at + 2 != r.arg_count or not zset_parse_score(arg_at(b, r, at), arg_length(b, r, at), &increment):
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        if flags & ZADD_XX:
            write_null(&c.out, c.resp)
            return 1
        e = _new(c, b, r, 1, arg_length(b, r, at + 1))
    elif not fast_plain(e, TYPE_ZSET, c.db.keyspace):
        return 0
    elif zset_limits.entries == 0 and entry_encoding(e) == ZSET_LISTPACK:
        return 0
    else:
        _warm(b, r, e, at + 1, True)
    outcome = zset_add(e, increment, arg_at(b, r, at + 1), arg_length(b, r, at + 1), flags, &result)
    if outcome == ZNAN:
        return 0
    fast_touch(e, c.db.keyspace)
    if outcome == ZADDED or outcome == ZUPDATED:
        fast_written(c, b, r, 1)
    if outcome == ZNOTHING:
        write_null(&c.out, c.resp)
    else:
        write_double(&c.out, result, c.resp)
    return 1


cdef int _zadd(Client c, Batch* b, Request* r) except -1:
    cdef double scores[MANY]
    cdef bint change
    cdef int flags, added, updated
    cdef uint32_t i, pairs
    cdef uint32_t at = _zadd_options(b, r, &flags, &change)
    if at == 0 or at + 2 > r.arg_count or (r.arg_count - at) & 1 or r.arg_count - at > 2 * MANY:
        return 0
    if flags & ZADD_INCR:
        return _increment(c, b, r, at, flags)
    pairs = (r.arg_count - at) >> 1
    for i in range(pairs):
        if not zset_parse_score(arg_at(b, r, at + 2 * i), arg_length(b, r, at + 2 * i), &scores[i]):
            return 0
    added = fast_zadd(c, b, r, pairs, scores, at + 1, 2, flags, &updated)
    if added < 0:
        return 0
    if added or updated:
        fast_written(c, b, r, added + updated)
    write_integer(&c.out, added + updated if change else added)
    return 1


cdef int _zincrby(Client c, Batch* b, Request* r) except -1:
    return _increment(c, b, r, 2, ZADD_INCR)


cdef int _zrem(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef uint32_t i
    cdef int64_t removed = 0
    if not fast_change(c, b, r, TYPE_ZSET, &e):
        return 0
    if e != NULL:
        _warm(b, r, e, 2, True)
        for i in range(2, r.arg_count):
            removed += zset_remove(e, arg_at(b, r, i), arg_length(b, r, i))
        if removed:
            _delete_if_empty(c, b, r, e)
            fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


# ---- reads
cdef int _zscore(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef double score
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e != NULL:
        _warm(b, r, e, 2, False)
    if e != NULL and zset_score(e, arg_at(b, r, 2), arg_length(b, r, 2), &score):
        write_double(&c.out, score, c.resp)
    else:
        write_null(&c.out, c.resp)
    return 1


cdef int _zcard(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    write_integer(&c.out, zset_size(e) if e != NULL else 0)
    return 1


cdef int _zmscore(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef double score
    cdef uint32_t i
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    write_header(&c.out, c'*', r.arg_count - 2)
    for i in range(2, r.arg_count):
        if e != NULL and zset_score(e, arg_at(b, r, i), arg_length(b, r, i), &score):
            write_double(&c.out, score, c.resp)
        else:
            write_null(&c.out, c.resp)
    return 1


cdef int _rank(Client c, Batch* b, Request* r, bint reverse) except -1:
    cdef Entry* e
    cdef double score
    cdef size_t rank
    cdef bint with_score = r.arg_count == 4
    if (r.arg_count > 4 or (with_score and not fast_is_word(b, r, 3, "withscore", 9))
            or not fast_look(c, b, r, TYPE_ZSET, &e)):
        return 0
    if e != NULL:
        _warm(b, r, e, 2, True)
    if e == NULL or not zset_rank(e, arg_at(b, r, 2), arg_length(b, r, 2), &rank, &score):
        if with_score:
            write_null_array(&c.out, c.resp)
        else:
            write_null(&c.out, c.resp)
        return 1
    if with_score:
        write_header(&c.out, c'*', 2)
    write_integer(&c.out, zset_size(e) - 1 - rank if reverse else rank)
    if with_score:
        write_double(&c.out, score, c.resp)
    return 1


cdef int _zrank(Client c, Batch* b, Request* r) except -1:
    return _rank(c, b, r, False)


cdef int _zrevrank(Client c, Batch* b, Request* r) except -1:
    return _rank(c, b, r, True)


# ---- chance, and everything
cdef int _zrandmember(Client c, Batch* b, Request* r) except -1:
    """A positive count asks for different members, a negative one for any."""
    cdef int64_t count = 1
    cdef bint scores = r.arg_count == 4
    cdef Entry* e
    if (r.arg_count > 4 or (scores and not fast_is_word(b, r, 3, "withscores", 10))
            or (r.arg_count > 2 and (not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count)
                                     or not -FAST_DRAWN <= count <= FAST_DRAWN))
            or not fast_look(c, b, r, TYPE_ZSET, &e)):
        return 0
    if r.arg_count > 2:
        if e == NULL or count == 0:
            write_header(&c.out, c'*', 0)
        elif count < 0 or count == 1:
            zset_write_random(e, abs(count), scores, &c.out, c.resp)
        else:
            zset_write_distinct(e, count, scores, &c.out, c.resp)
    elif e == NULL:
        write_null(&c.out, c.resp)
    else:
        zset_write_member(e, zset_random_rank(e), False, &c.out, c.resp)
    return 1


cdef int _zscan(Client c, Batch* b, Request* r) except -1:
    cdef uint64_t cursor
    cdef int64_t count
    cdef Entry* e
    cdef SortedSet view
    if not fast_scan_words(b, r, 2, &cursor, &count) or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        fast_write_scanned(c, 0, [])
    elif entry_encoding(e) == ZSET_LISTPACK:
        write_raw(&c.out, "*2\r\n$1\r\n0\r\n", 11)
        zset_write_range(e, 0, zset_size(e), False, True, &c.out, 2)
    else:
        view = SortedSet.__new__(SortedSet)
        view.table = c.db.table
        view.entry = e
        cursor, pairs = view.scan(cursor, count)
        fast_write_scanned(c, cursor, [word for pair in pairs for word in pair])
    return 1


fast_path("zadd", _zadd)
fast_path("zincrby", _zincrby)
fast_path("zrem", _zrem)
fast_path("zscore", _zscore)
fast_path("zcard", _zcard)
fast_path("zrank", _zrank)
fast_path("zmscore", _zmscore)
fast_path("zrevrank", _zrevrank)
fast_path("zrandmember", _zrandmember)
fast_path("zscan", _zscan)
