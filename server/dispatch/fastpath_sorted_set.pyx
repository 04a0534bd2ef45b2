# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sorted sets: ZADD without INCR, ZINCRBY, ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK, ZPOPMIN and
ZPOPMAX (few at once), ranges by rank and by score: reading, counting, removing.

Who waits for a sorted set switches the fast paths off, so ZADD need not look.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_bulk, write_double, write_header, write_integer, write_null, write_raw
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    attach_fast_path, fast_find, fast_is_word, fast_look, fast_plain, fast_touch, fast_written)
from server.keyspace.database cimport Keyspace, parse_int64
from server.structures.table cimport TYPE_ZSET, Entry, entry_encoding, table_delete, table_insert_word
from server.types.sorted_set cimport (
    ZADD_GT, ZADD_INCR, ZADD_LT, ZADD_NX, ZADD_XX, ZADDED, ZNAN, ZSET_LISTPACK, ZUPDATED, ZCursor, ZElement, zset_add, zset_convert, zset_create,
    zset_delete_first, zset_delete_range, zset_limits, zset_next, zset_parse_bound, zset_parse_score, zset_rank, zset_rank_range,
    zset_remove, zset_score, zset_score_range, zset_size, zset_walk, zset_write_range)
from server.types.value cimport release_value

cdef enum:
    MANY = 64                          # pairs of one ZADD that a fast path takes


# ---- finding
cdef inline Entry* _new(Client c, Batch* b, Request* r, size_t elements, size_t member_length) noexcept:
    cdef Entry* e = table_insert_word(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, 0)
    e.meta = c.db.keyspace.first_access()
    zset_create(e, elements, member_length)
    return e


cdef inline void _delete_if_empty(Client c, Batch* b, Request* r, Entry* e) noexcept:
    if zset_size(e) == 0:
        table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)


# ---- writes
cdef uint32_t _zadd_options(Batch* b, Request* r, int* flags, bint* change) noexcept:
    """Read NX XX GT LT CH; where the first score is, 0 for what the definition must look at."""
    cdef uint32_t at = 2
    cdef size_t length
    cdef char* word
    flags[0] = 0
    change[0] = False
    while at < r.arg_count:
        length = arg_length(b, r, at)
        word = arg_at(b, r, at)
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
    if flags[0] & ZADD_NX and flags[0] != ZADD_NX or flags[0] & ZADD_GT and flags[0] & ZADD_LT:
        return 0
    return at


cdef int _zadd(Client c, Batch* b, Request* r) except -1:
    """All but INCR, whose word is no number."""
    cdef Keyspace shared = c.db.keyspace
    cdef double scores[MANY]
    cdef double result
    cdef Entry* e
    cdef bint change
    cdef int outcome, flags, added = 0, updated = 0
    cdef uint32_t i, pairs
    cdef uint32_t at = _zadd_options(b, r, &flags, &change)
    if at == 0 or at + 2 > r.arg_count or (r.arg_count - at) & 1 or r.arg_count - at > 2 * MANY:
        return 0
    pairs = (r.arg_count - at) >> 1
    for i in range(pairs):
        if not zset_parse_score(arg_at(b, r, at + 2 * i), arg_length(b, r, at + 2 * i), &scores[i]):
            return 0
    e = fast_find(c, b, r)
    if e == NULL:
        if flags & ZADD_XX:
            write_integer(&c.out, 0)
            return 1
        e = _new(c, b, r, pairs, arg_length(b, r, at + 1))
    elif not fast_plain(e, TYPE_ZSET, shared):
        return 0
    else:
        fast_touch(e, shared)
        if pairs > zset_limits.entries and entry_encoding(e) == ZSET_LISTPACK:
            zset_convert(e, pairs)
    for i in range(pairs):
        outcome = zset_add(e, scores[i], arg_at(b, r, at + 1 + 2 * i), arg_length(b, r, at + 1 + 2 * i), flags, &result)
        if outcome == ZADDED:
            added += 1
        elif outcome == ZUPDATED:
            updated += 1
    if added or updated:
        fast_written(c, b, r, added + updated)
    write_integer(&c.out, added + updated if change else added)
    return 1


cdef int _zincrby(Client c, Batch* b, Request* r) except -1:
    cdef double increment, result
    cdef Entry* e
    cdef int outcome
    if not zset_parse_score(arg_at(b, r, 2), arg_length(b, r, 2), &increment):
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        e = _new(c, b, r, 1, arg_length(b, r, 3))
    elif not fast_plain(e, TYPE_ZSET, c.db.keyspace):
        return 0
    elif zset_limits.entries == 0 and entry_encoding(e) == ZSET_LISTPACK:
        return 0
    outcome = zset_add(e, increment, arg_at(b, r, 3), arg_length(b, r, 3), ZADD_INCR, &result)
    if outcome == ZNAN:
        return 0
    fast_touch(e, c.db.keyspace)
    if outcome == ZADDED or outcome == ZUPDATED:
        fast_written(c, b, r, 1)
    write_double(&c.out, result, c.resp)
    return 1


cdef int _zrem(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e = fast_find(c, b, r)
    cdef uint32_t i
    cdef int64_t removed = 0
    if e != NULL:
        if not fast_plain(e, TYPE_ZSET, c.db.keyspace):
            return 0
        fast_touch(e, c.db.keyspace)
        for i in range(2, r.arg_count):
            removed += zset_remove(e, arg_at(b, r, i), arg_length(b, r, i))
        if removed:
            _delete_if_empty(c, b, r, e)
            fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _zpop_some(Client c, Batch* b, Request* r, bint highest) except -1:
    """With a count. A RESP3 reply nests the pairs, as that of a range does."""
    cdef Entry* e
    cdef int64_t count
    cdef size_t size
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not 0 < count <= MANY:
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if not fast_plain(e, TYPE_ZSET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    size = zset_size(e)
    if <size_t>count > size:
        count = <int64_t>size
    if highest:
        zset_write_range(e, size - count, size, True, True, &c.out, c.resp)
        zset_delete_range(e, size - count, size)
    else:
        zset_write_range(e, 0, count, False, True, &c.out, c.resp)
        zset_delete_range(e, 0, count)
    _delete_if_empty(c, b, r, e)
    fast_written(c, b, r, count)
    return 1


cdef int _zpop(Client c, Batch* b, Request* r, bint highest) except -1:
    cdef Entry* e
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t size
    if r.arg_count != 2:
        return _zpop_some(c, b, r, highest)
    e = fast_find(c, b, r)
    if e == NULL:
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    if not fast_plain(e, TYPE_ZSET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    size = zset_size(e)
    if highest:
        zset_walk(e, size - 1, size, False, &cursor)
    else:
        zset_walk(e, 0, 1, False, &cursor)
    zset_next(&cursor, &element)
    write_raw(&c.out, "*2\r\n", 4)
    write_bulk(&c.out, element.member, element.length)
    write_double(&c.out, element.score, c.resp)
    zset_delete_first(e, highest)
    if size == 1:
        _delete_if_empty(c, b, r, e)
    fast_written(c, b, r, 1)
    return 1


cdef int _zpopmin(Client c, Batch* b, Request* r) except -1:
    return _zpop(c, b, r, False)


cdef int _zpopmax(Client c, Batch* b, Request* r) except -1:
    return _zpop(c, b, r, True)


# ---- reads
cdef int _zscore(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef double score
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
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
    if r.arg_count != 3 or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e != NULL and zset_rank(e, arg_at(b, r, 2), arg_length(b, r, 2), &rank, &score):
        write_integer(&c.out, zset_size(e) - 1 - rank if reverse else rank)
    else:
        write_null(&c.out, c.resp)
    return 1


cdef int _zrank(Client c, Batch* b, Request* r) except -1:
    return _rank(c, b, r, False)


cdef int _zrevrank(Client c, Batch* b, Request* r) except -1:
    return _rank(c, b, r, True)


# ---- ranges
cdef struct Range:                     # what ZRANGE and its elder forms ask for
    bint by_score
    bint reverse
    bint scores
    int64_t offset
    int64_t count                      # -1: all


cdef bint _range_options(Batch* b, Request* r, Range* wanted) noexcept:
    """The words behind the limits, each once; 0 for what the definition must look at. What an elder form has no word
    for it does not get here with: only ZRANGE knows BYSCORE and REV."""
    cdef uint32_t at = 4
    cdef bint limit = False
    while at < r.arg_count:
        if not wanted.scores and fast_is_word(b, r, at, "withscores", 10):
            wanted.scores = True
        elif not wanted.by_score and fast_is_word(b, r, at, "byscore", 7):
            wanted.by_score = True
        elif not wanted.reverse and fast_is_word(b, r, at, "rev", 3):
            wanted.reverse = True
        elif not limit and fast_is_word(b, r, at, "limit", 5) and at + 2 < r.arg_count:
            limit = True
            if not (parse_int64(arg_at(b, r, at + 1), arg_length(b, r, at + 1), &wanted.offset)
                    and parse_int64(arg_at(b, r, at + 2), arg_length(b, r, at + 2), &wanted.count)) or wanted.offset < 0:
                return False
            at += 2
        else:
            return False
        at += 1
    return wanted.by_score or not limit


cdef bint _elder(Batch* b, Request* r) noexcept:
    """Whether the words of an elder form are nothing, WITHSCORES, or LIMIT offset count."""
    return (r.arg_count == 4 or (r.arg_count == 5 and fast_is_word(b, r, 4, "withscores", 10))
            or (r.arg_count == 7 and fast_is_word(b, r, 4, "limit", 5)))


cdef bint _read_scores(Batch* b, Request* r, bint reverse, double* low, bint* low_exclusive, double* high,
                       bint* high_exclusive) noexcept:
    """The limits: min max, reversed max min."""
    cdef uint32_t low_at = 3 if reverse else 2
    cdef uint32_t high_at = 2 if reverse else 3
    return (zset_parse_bound(arg_at(b, r, low_at), arg_length(b, r, low_at), low, low_exclusive)
            and zset_parse_bound(arg_at(b, r, high_at), arg_length(b, r, high_at), high, high_exclusive))


cdef int _by_rank(Client c, Batch* b, Request* r, const Range* wanted) except -1:
    cdef int64_t start, stop
    cdef Entry* e
    cdef size_t first, end, size
    if not (parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
            and parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &stop)):
        return 0
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    size = zset_size(e) if e != NULL else 0
    if e == NULL or not zset_rank_range(start, stop, size, &first, &end):
        write_header(&c.out, c'*', 0)
        return 1
    if wanted.reverse:
        first, end = size - end, size - first
    zset_write_range(e, first, end, wanted.reverse, wanted.scores, &c.out, c.resp)
    return 1


cdef int _by_score(Client c, Batch* b, Request* r, const Range* wanted) except -1:
    cdef double low, high
    cdef bint low_exclusive, high_exclusive
    cdef Entry* e
    cdef size_t first, end
    if not _read_scores(b, r, wanted.reverse, &low, &low_exclusive, &high, &high_exclusive) or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        write_header(&c.out, c'*', 0)
        return 1
    zset_score_range(e, low, low_exclusive, high, high_exclusive, &first, &end)
    if <uint64_t>wanted.offset >= end - first:
        end = first
    elif wanted.reverse:
        end -= wanted.offset
        if wanted.count >= 0 and <size_t>wanted.count < end - first:
            first = end - wanted.count
    else:
        first += wanted.offset
        if wanted.count >= 0 and <size_t>wanted.count < end - first:
            end = first + wanted.count
    zset_write_range(e, first, end, wanted.reverse, wanted.scores, &c.out, c.resp)
    return 1


cdef int _range(Client c, Batch* b, Request* r, bint by_score, bint reverse, bint elder) except -1:
    cdef Range wanted = Range(by_score, reverse, False, 0, -1)
    if (elder and not _elder(b, r)) or not _range_options(b, r, &wanted):
        return 0
    return _by_score(c, b, r, &wanted) if wanted.by_score else _by_rank(c, b, r, &wanted)


cdef int _zrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, False, False, False)


cdef int _zrevrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, False, True, True)


cdef int _zrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, True, False, True)


cdef int _zrevrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, True, True, True)


cdef int _remove_range(Client c, Batch* b, Request* r, bint by_score) except -1:
    cdef double low, high
    cdef bint low_exclusive, high_exclusive
    cdef int64_t start = 0
    cdef int64_t stop = 0
    cdef size_t first = 0, end = 0, removed
    cdef Entry* e
    if by_score:
        if not _read_scores(b, r, False, &low, &low_exclusive, &high, &high_exclusive):
            return 0
    elif not (parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &start)
              and parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &stop)):
        return 0
    e = fast_find(c, b, r)
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    if not fast_plain(e, TYPE_ZSET, c.db.keyspace):
        return 0
    fast_touch(e, c.db.keyspace)
    if by_score:
        zset_score_range(e, low, low_exclusive, high, high_exclusive, &first, &end)
    elif not zset_rank_range(start, stop, zset_size(e), &first, &end):
        end = first
    removed = zset_delete_range(e, first, end) if first < end else 0
    if removed:
        _delete_if_empty(c, b, r, e)
        fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _zremrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _remove_range(c, b, r, True)


cdef int _zremrangebyrank(Client c, Batch* b, Request* r) except -1:
    return _remove_range(c, b, r, False)


cdef int _zcount(Client c, Batch* b, Request* r) except -1:
    cdef double low, high
    cdef bint low_exclusive, high_exclusive
    cdef Entry* e
    cdef size_t first = 0, end = 0
    if not (zset_parse_bound(arg_at(b, r, 2), arg_length(b, r, 2), &low, &low_exclusive)
            and zset_parse_bound(arg_at(b, r, 3), arg_length(b, r, 3), &high, &high_exclusive)):
        return 0
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e != NULL:
        zset_score_range(e, low, low_exclusive, high, high_exclusive, &first, &end)
    write_integer(&c.out, end - first)
    return 1


def attach(dict records) -> None:
    """Give the sorted set commands their fast paths."""
    attach_fast_path(records, "zadd", _zadd)
    attach_fast_path(records, "zincrby", _zincrby)
    attach_fast_path(records, "zrem", _zrem)
    attach_fast_path(records, "zpopmin", _zpopmin)
    attach_fast_path(records, "zpopmax", _zpopmax)
    attach_fast_path(records, "zscore", _zscore)
    attach_fast_path(records, "zcard", _zcard)
    attach_fast_path(records, "zrank", _zrank)
    attach_fast_path(records, "zrange", _zrange)
    attach_fast_path(records, "zrevrange", _zrevrange)
    attach_fast_path(records, "zrangebyscore", _zrangebyscore)
    attach_fast_path(records, "zrevrangebyscore", _zrevrangebyscore)
    attach_fast_path(records, "zcount", _zcount)
    attach_fast_path(records, "zmscore", _zmscore)
    attach_fast_path(records, "zrevrank", _zrevrank)
    attach_fast_path(records, "zremrangebyscore", _zremrangebyscore)
    attach_fast_path(records, "zremrangebyrank", _zremrangebyrank)
