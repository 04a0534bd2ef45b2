# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of ranges of sorted sets, by rank, by score and by members: ZRANGE and its elder forms, ZCOUNT, ZLEXCOUNT,
ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport write_header, write_integer
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    fast_path, fast_change, fast_is_word, fast_look, fast_written)
from server.keyspace.database cimport parse_int64
from server.structures.ordered_index cimport LexBound
from server.structures.table cimport TYPE_ZSET, Entry, table_delete
from server.types.sorted_set cimport (
    zset_delete_range, zset_lex_range, zset_parse_bound, zset_parse_lex, zset_rank_range, zset_score_range, zset_size,
    zset_write_range)
from server.types.value cimport release_value

cdef enum:                             # what a range goes by
    BY_RANK = 0
    BY_SCORE = 1
    BY_MEMBERS = 2


# ---- reading
cdef struct Range:                     # what ZRANGE and its elder forms ask for
    bint by_score
    bint by_lex
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
        elif not (wanted.by_score or wanted.by_lex) and fast_is_word(b, r, at, "byscore", 7):
            wanted.by_score = True
        elif not (wanted.by_score or wanted.by_lex) and fast_is_word(b, r, at, "bylex", 5):
            wanted.by_lex = True
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
    return (wanted.by_score or wanted.by_lex or not limit) and not (wanted.by_lex and wanted.scores)


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


cdef bint _read_members(Batch* b, Request* r, bint reverse, LexBound* low, LexBound* high) noexcept:
    """The same for limits of members."""
    cdef uint32_t low_at = 3 if reverse else 2
    cdef uint32_t high_at = 2 if reverse else 3
    return (zset_parse_lex(arg_at(b, r, low_at), arg_length(b, r, low_at), low)
            and zset_parse_lex(arg_at(b, r, high_at), arg_length(b, r, high_at), high))


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


cdef void _write_part(Client c, Entry* e, size_t first, size_t end, const Range* wanted) noexcept:
    """Of ranks first..end - 1, what LIMIT leaves."""
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


cdef int _by_score(Client c, Batch* b, Request* r, const Range* wanted) except -1:
    cdef double low, high
    cdef bint low_exclusive, high_exclusive
    cdef Entry* e
    cdef size_t first, end
    if (not _read_scores(b, r, wanted.reverse, &low, &low_exclusive, &high, &high_exclusive)
            or not fast_look(c, b, r, TYPE_ZSET, &e)):
        return 0
    if e == NULL:
        write_header(&c.out, c'*', 0)
        return 1
    zset_score_range(e, low, low_exclusive, high, high_exclusive, &first, &end)
    _write_part(c, e, first, end, wanted)
    return 1


cdef int _by_members(Client c, Batch* b, Request* r, const Range* wanted) except -1:
    cdef LexBound low, high
    cdef Entry* e
    cdef size_t first, end
    if not _read_members(b, r, wanted.reverse, &low, &high) or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        write_header(&c.out, c'*', 0)
        return 1
    zset_lex_range(e, &low, &high, &first, &end)
    _write_part(c, e, first, end, wanted)
    return 1


cdef int _range(Client c, Batch* b, Request* r, int by, bint reverse, bint elder) except -1:
    cdef Range wanted = Range(by == BY_SCORE, by == BY_MEMBERS, reverse, False, 0, -1)
    if (elder and not _elder(b, r)) or not _range_options(b, r, &wanted):
        return 0
    if wanted.by_score:
        return _by_score(c, b, r, &wanted)
    return _by_members(c, b, r, &wanted) if wanted.by_lex else _by_rank(c, b, r, &wanted)


cdef int _zrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_RANK, False, False)


cdef int _zrevrange(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_RANK, True, True)


cdef int _zrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_SCORE, False, True)


cdef int _zrevrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_SCORE, True, True)


cdef int _zrangebylex(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_MEMBERS, False, True)


cdef int _zrevrangebylex(Client c, Batch* b, Request* r) except -1:
    return _range(c, b, r, BY_MEMBERS, True, True)


# ---- counting and removing
cdef struct Limits:                    # of a range, whatever it goes by
    int by
    int64_t start                      # BY_RANK
    int64_t stop
    double low                         # BY_SCORE
    double high
    bint low_exclusive
    bint high_exclusive
    LexBound lowest                    # BY_MEMBERS
    LexBound highest


cdef bint _read_limits(Batch* b, Request* r, int by, Limits* limits) noexcept:
    limits.by = by
    if by == BY_SCORE:
        return _read_scores(b, r, False, &limits.low, &limits.low_exclusive, &limits.high, &limits.high_exclusive)
    if by == BY_MEMBERS:
        return _read_members(b, r, False, &limits.lowest, &limits.highest)
    return (parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &limits.start)
            and parse_int64(arg_at(b, r, 3), arg_length(b, r, 3), &limits.stop))


cdef void _ranks(Entry* e, const Limits* limits, size_t* first, size_t* end) noexcept:
    """The ranks between the limits."""
    if limits.by == BY_SCORE:
        zset_score_range(e, limits.low, limits.low_exclusive, limits.high, limits.high_exclusive, first, end)
    elif limits.by == BY_MEMBERS:
        zset_lex_range(e, &limits.lowest, &limits.highest, first, end)
    elif not zset_rank_range(limits.start, limits.stop, zset_size(e), first, end):
        end[0] = first[0]


cdef int _remove_range(Client c, Batch* b, Request* r, int by) except -1:
    cdef Limits limits
    cdef size_t first = 0, end = 0, removed
    cdef Entry* e
    if not _read_limits(b, r, by, &limits):
        return 0
    if not fast_change(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        write_integer(&c.out, 0)
        return 1
    _ranks(e, &limits, &first, &end)
    removed = zset_delete_range(e, first, end)
    if removed:
        if zset_size(e) == 0:
            table_delete(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), r.hash, release_value)
        fast_written(c, b, r, removed)
    write_integer(&c.out, removed)
    return 1


cdef int _zremrangebyscore(Client c, Batch* b, Request* r) except -1:
    return _remove_range(c, b, r, BY_SCORE)


cdef int _zremrangebyrank(Client c, Batch* b, Request* r) except -1:
    return _remove_range(c, b, r, BY_RANK)


cdef int _zremrangebylex(Client c, Batch* b, Request* r) except -1:
    return _remove_range(c, b, r, BY_MEMBERS)


cdef int _count(Client c, Batch* b, Request* r, int by) except -1:
    cdef Limits limits
    cdef Entry* e
    cdef size_t first = 0, end = 0
    if not _read_limits(b, r, by, &limits) or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if e != NULL:
        _ranks(e, &limits, &first, &end)
    write_integer(&c.out, end - first)
    return 1


cdef int _zcount(Client c, Batch* b, Request* r) except -1:
    return _count(c, b, r, BY_SCORE)


cdef int _zlexcount(Client c, Batch* b, Request* r) except -1:
    return _count(c, b, r, BY_MEMBERS)


fast_path("zrange", _zrange)
fast_path("zrevrange", _zrevrange)
fast_path("zrangebyscore", _zrangebyscore)
fast_path("zrevrangebyscore", _zrevrangebyscore)
fast_path("zrangebylex", _zrangebylex)
fast_path("zrevrangebylex", _zrevrangebylex)
fast_path("zcount", _zcount)
fast_path("zlexcount", _zlexcount)
fast_path("zremrangebyscore", _zremrangebyscore)
fast_path("zremrangebyrank", _zremrangebyrank)
fast_path("zremrangebylex", _zremrangebylex)
