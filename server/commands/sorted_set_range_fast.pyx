# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of ranges of sorted sets, by rank, by score and by members: ZRANGE and its elder forms, ZCOUNT, ZLEXCOUNT,
ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport write_header, write_integer
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport DECLINED, READ, TAKE, integer_at, is_word, length_at, row, word_at
from server.structures.ordered_index cimport LexBound
from server.structures.table cimport TYPE_ZSET, Entry
from server.types.sorted_set cimport (
    zset_delete_range, zset_lex_range, zset_parse_bound, zset_parse_lex, zset_rank_range, zset_score_range, zset_size,
    zset_write_range)

cdef enum:                             # op.how: what a range goes by ...
    BY_RANK = 0
    BY_SCORE = 1
    BY_MEMBERS = 2
    REVERSED = 4                       # ... backwards ...
    ELDER = 8                          # ... and with fewer options than ZRANGE


# ---- what is asked for
cdef struct Range:                     # what ZRANGE and its elder forms ask for
    bint by_score
    bint by_lex
    bint reverse
    bint scores
    int64_t offset
    int64_t count                      # -1: all


cdef bint _range_options(Op* op, Range* wanted) noexcept:
    """The words behind the limits, each once; 0 for what the definition must look at. What an elder form has no word
    for it does not get here with: only ZRANGE knows BYSCORE and REV."""
    cdef uint32_t at = 4
    cdef bint limit = False
    while at < op.r.arg_count:
        if not wanted.scores and is_word(op, at, "withscores", 10):
            wanted.scores = True
        elif not (wanted.by_score or wanted.by_lex) and is_word(op, at, "byscore", 7):
            wanted.by_score = True
        elif not (wanted.by_score or wanted.by_lex) and is_word(op, at, "bylex", 5):
            wanted.by_lex = True
        elif not wanted.reverse and is_word(op, at, "rev", 3):
            wanted.reverse = True
        elif not limit and is_word(op, at, "limit", 5) and at + 2 < op.r.arg_count:
            limit = True
            if (not integer_at(op, at + 1, &wanted.offset) or not integer_at(op, at + 2, &wanted.count)
                    or wanted.offset < 0):
                return False
            at += 2
        else:
            return False
        at += 1
    return (wanted.by_score or wanted.by_lex or not limit) and not (wanted.by_lex and wanted.scores)


cdef bint _elder(Op* op) noexcept:
    """Whether the words of an elder form are nothing, WITHSCORES, or LIMIT offset count."""
    return (op.r.arg_count == 4 or (op.r.arg_count == 5 and is_word(op, 4, "withscores", 10))
            or (op.r.arg_count == 7 and is_word(op, 4, "limit", 5)))


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


cdef bint _read_limits(Op* op, int by, bint reverse, Limits* limits) noexcept:
    """min max; reversed max min, but for ranks."""
    cdef uint32_t low = 3 if reverse else 2
    cdef uint32_t high = 2 if reverse else 3
    limits.by = by
    if by == BY_RANK:
        return integer_at(op, 2, &limits.start) and integer_at(op, 3, &limits.stop)
    if by == BY_SCORE:
        return (zset_parse_bound(word_at(op, low), length_at(op, low), &limits.low, &limits.low_exclusive)
                and zset_parse_bound(word_at(op, high), length_at(op, high), &limits.high, &limits.high_exclusive))
    return (zset_parse_lex(word_at(op, low), length_at(op, low), &limits.lowest)
            and zset_parse_lex(word_at(op, high), length_at(op, high), &limits.highest))


cdef void _ranks(Entry* e, const Limits* limits, size_t* first, size_t* end) noexcept:
    """The ranks between the limits."""
    if limits.by == BY_SCORE:
        zset_score_range(e, limits.low, limits.low_exclusive, limits.high, limits.high_exclusive, first, end)
    elif limits.by == BY_MEMBERS:
        zset_lex_range(e, &limits.lowest, &limits.highest, first, end)
    elif not zset_rank_range(limits.start, limits.stop, zset_size(e), first, end):
        end[0] = first[0]


# ---- reading
cdef void _write_part(Op* op, size_t first, size_t end, const Range* wanted) noexcept:
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
    zset_write_range(op.e, first, end, wanted.reverse, wanted.scores, op.out, (<Client>op.client).resp)


cdef int64_t _range(Op* op) except -1:
    cdef int by = op.how & 3
    cdef Range wanted = Range(by == BY_SCORE, by == BY_MEMBERS, op.how & REVERSED != 0, False, 0, -1)
    cdef Limits limits
    cdef size_t first = 0, end = 0, size
    if (op.how & ELDER and not _elder(op)) or not _range_options(op, &wanted):
        return DECLINED
    by = BY_SCORE if wanted.by_score else BY_MEMBERS if wanted.by_lex else BY_RANK
    if not _read_limits(op, by, wanted.reverse, &limits):
        return DECLINED
    if op.e == NULL:
        write_header(op.out, c'*', 0)
        return 0
    _ranks(op.e, &limits, &first, &end)
    if by == BY_RANK and wanted.reverse:
        size = zset_size(op.e)
        first, end = size - end, size - first
    _write_part(op, first, end, &wanted)
    return 0


# ---- counting and removing
cdef int64_t _remove_range(Op* op) except -1:
    cdef Limits limits
    cdef size_t first = 0, end = 0, removed = 0
    if not _read_limits(op, op.how, False, &limits):
        return DECLINED
    if op.e != NULL:
        _ranks(op.e, &limits, &first, &end)
        removed = zset_delete_range(op.e, first, end)
    write_integer(op.out, removed)
    return removed


cdef int64_t _count(Op* op) except -1:
    cdef Limits limits
    cdef size_t first = 0, end = 0
    if not _read_limits(op, op.how, False, &limits):
        return DECLINED
    if op.e != NULL:
        _ranks(op.e, &limits, &first, &end)
    write_integer(op.out, end - first)
    return 0


row("zrange", READ, TYPE_ZSET, _range, "", BY_RANK)
row("zrevrange", READ, TYPE_ZSET, _range, "", BY_RANK | REVERSED | ELDER)
row("zrangebyscore", READ, TYPE_ZSET, _range, "", BY_SCORE | ELDER)
row("zrevrangebyscore", READ, TYPE_ZSET, _range, "", BY_SCORE | REVERSED | ELDER)
row("zrangebylex", READ, TYPE_ZSET, _range, "", BY_MEMBERS | ELDER)
row("zrevrangebylex", READ, TYPE_ZSET, _range, "", BY_MEMBERS | REVERSED | ELDER)
row("zcount", READ, TYPE_ZSET, _count, "", BY_SCORE)
row("zlexcount", READ, TYPE_ZSET, _count, "", BY_MEMBERS)
row("zremrangebyscore", TAKE, TYPE_ZSET, _remove_range, "zremrangebyscore", BY_SCORE)
row("zremrangebyrank", TAKE, TYPE_ZSET, _remove_range, "zremrangebyrank", BY_RANK)
row("zremrangebylex", TAKE, TYPE_ZSET, _remove_range, "zremrangebylex", BY_MEMBERS)
