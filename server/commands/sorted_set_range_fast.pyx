# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of ranges of sorted sets, by rank, by score and by members: ZRANGE and its elder forms, ZCOUNT, ZLEXCOUNT,
ZRANGESTORE, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.resp_writer cimport write_header, write_integer
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_an_integer
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, READ, TAKE, event_of, find_all, find_live, integer_at, is_word, length_at, refuse, row,
    store_result, word_at)
from server.structures.ordered_index cimport LexBound
from server.structures.table cimport TYPE_ZSET, Entry
from server.types.sorted_set cimport (
    zset_copy_range, zset_delete_range, zset_lex_range, zset_parse_bound, zset_parse_lex, zset_rank_range,
    zset_score_range, zset_size, zset_write_range)
from server.types.value cimport LooseEntry

from server.registry.errors import NO_MEMBER_LIMITS, NO_SCORE_LIMITS

cdef enum:                             # op.how: what a range goes by ...
    BY_RANK = 0
    BY_SCORE = 1
    BY_MEMBERS = 2
    REVERSED = 4                       # ... backwards ...
    ELDER = 8                          # ... and with fewer options than ZRANGE
    STORES = 16                        # ZRANGESTORE

cdef const Event* _STORED = event_of("zrangestore")
cdef bytes _NO_SCORES = NO_SCORE_LIMITS.encode()
cdef bytes _NO_MEMBERS = NO_MEMBER_LIMITS.encode()


# ---- what is asked for
cdef struct Range:                     # what ZRANGE and its elder forms ask for
    bint by_score
    bint by_lex
    bint reverse
    bint scores
    int64_t offset
    int64_t count                      # -1: all


cdef inline bint _is_new_word(Op* op, uint32_t at, Range* wanted) noexcept:
    """One that only ZRANGE knows."""
    if not (wanted.by_score or wanted.by_lex) and is_word(op, at, "byscore", 7):
        wanted.by_score = True
    elif not (wanted.by_score or wanted.by_lex) and is_word(op, at, "bylex", 5):
        wanted.by_lex = True
    elif not wanted.reverse and is_word(op, at, "rev", 3):
        wanted.reverse = True
    else:
        return False
    return True


cdef bint _range_options(Op* op, uint32_t at, Range* wanted) noexcept:
    """The words from argument `at` on, each once; 0 for what the definition must look at."""
    cdef bint limit = False
    while at < op.r.arg_count:
        if not wanted.scores and not op.how & STORES and is_word(op, at, "withscores", 10):
            wanted.scores = True
        elif not limit and is_word(op, at, "limit", 5) and at + 2 < op.r.arg_count:
            limit = True
            if (not integer_at(op, at + 1, &wanted.offset) or not integer_at(op, at + 2, &wanted.count)
                    or wanted.offset < 0):
                return False
            at += 2
        elif op.how & ELDER or not _is_new_word(op, at, wanted):
            return False
        at += 1
    return (wanted.by_score or wanted.by_lex or not limit) and not (wanted.by_lex and wanted.scores)


cdef struct Limits:                    # of a range, whatever it goes by
    bint read                          # nothing is wrong with the words behind them
    int by
    int64_t start                      # BY_RANK
    int64_t stop
    double low                         # BY_SCORE
    double high
    bint low_exclusive
    bint high_exclusive
    LexBound lowest                    # BY_MEMBERS
    LexBound highest


cdef bint _read_limits(Op* op, uint32_t at, int by, bint reverse, Limits* limits) noexcept:
    """min max; reversed max min, but for ranks."""
    cdef uint32_t low = at + 1 if reverse else at
    cdef uint32_t high = at if reverse else at + 1
    limits.by = by
    if by == BY_RANK:
        return integer_at(op, at, &limits.start) and integer_at(op, at + 1, &limits.stop)
    if by == BY_SCORE:
        return (zset_parse_bound(word_at(op, low), length_at(op, low), &limits.low, &limits.low_exclusive)
                and zset_parse_bound(word_at(op, high), length_at(op, high), &limits.high, &limits.high_exclusive))
    return (zset_parse_lex(word_at(op, low), length_at(op, low), &limits.lowest)
            and zset_parse_lex(word_at(op, high), length_at(op, high), &limits.highest))


cdef int64_t _refuse(Op* op, const Limits* limits) except -1:
    """They are none."""
    return refuse(op, not_an_integer if limits.by == BY_RANK else _NO_SCORES if limits.by == BY_SCORE else _NO_MEMBERS)


cdef void _ranks(Entry* e, const Limits* limits, size_t* first, size_t* end) noexcept:
    """The ranks between the limits."""
    if limits.by == BY_SCORE:
        zset_score_range(e, limits.low, limits.low_exclusive, limits.high, limits.high_exclusive, first, end)
    elif limits.by == BY_MEMBERS:
        zset_lex_range(e, &limits.lowest, &limits.highest, first, end)
    elif not zset_rank_range(limits.start, limits.stop, zset_size(e), first, end):
        end[0] = first[0]


# ---- reading
cdef bint _read_range(Op* op, uint32_t at, Range* wanted, Limits* limits) noexcept:
    """The limits in argument `at` and the next, and the options behind them; 0 for what the definition must look at."""
    cdef int by = op.how & 3
    wanted[0] = Range(by == BY_SCORE, by == BY_MEMBERS, op.how & REVERSED != 0, False, 0, -1)
    limits.read = _range_options(op, at + 2, wanted)
    by = BY_SCORE if wanted.by_score else BY_MEMBERS if wanted.by_lex else BY_RANK
    return limits.read and _read_limits(op, at, by, wanted.reverse, limits)


cdef void _part(Entry* e, const Range* wanted, const Limits* limits, size_t* first, size_t* end) noexcept:
    """The ranks between the limits that LIMIT leaves."""
    cdef size_t size, start
    _ranks(e, limits, first, end)
    if limits.by == BY_RANK and wanted.reverse:
        size = zset_size(e)
        start = size - end[0]
        end[0] = size - first[0]
        first[0] = start
    if <uint64_t>wanted.offset >= end[0] - first[0]:
        end[0] = first[0]
    elif wanted.reverse:
        end[0] -= wanted.offset
        if wanted.count >= 0 and <size_t>wanted.count < end[0] - first[0]:
            first[0] = end[0] - wanted.count
    else:
        first[0] += wanted.offset
        if wanted.count >= 0 and <size_t>wanted.count < end[0] - first[0]:
            end[0] = first[0] + wanted.count


cdef int64_t _range(Op* op) except -1:
    cdef Range wanted
    cdef Limits limits
    cdef size_t first = 0, end = 0
    if not _read_range(op, 2, &wanted, &limits):
        return _refuse(op, &limits) if limits.read else DECLINED
    if op.e == NULL:
        write_header(op.out, c'*', 0)
        return 0
    _part(op.e, &wanted, &limits, &first, &end)
    zset_write_range(op.e, first, end, wanted.reverse, wanted.scores, op.out, (<Client>op.client).resp)
    return 0


cdef int64_t _store(Op* op) except -1:
    """Argument 1 is where to, 2 where from."""
    cdef Range wanted
    cdef Limits limits
    cdef LooseEntry stored
    cdef Entry* source = NULL
    cdef size_t first = 0, end = 0
    if not _read_range(op, 3, &wanted, &limits):
        return _refuse(op, &limits) if limits.read else DECLINED
    if not find_live(op, 1) or not find_all(op, 2, 1, 1 << TYPE_ZSET, &source):
        return DECLINED
    if source != NULL:
        _part(source, &wanted, &limits, &first, &end)
    zset_copy_range(source, first, end, &stored)
    return store_result(op, &stored.head, <int64_t>(end - first), _STORED)


# ---- counting and removing
cdef int64_t _remove_range(Op* op) except -1:
    cdef Limits limits
    cdef size_t first = 0, end = 0, removed = 0
    if not _read_limits(op, 2, op.how, False, &limits):
        return _refuse(op, &limits)
    if op.e != NULL:
        _ranks(op.e, &limits, &first, &end)
        removed = zset_delete_range(op.e, first, end)
    write_integer(op.out, removed)
    return removed


cdef int64_t _count(Op* op) except -1:
    cdef Limits limits
    cdef size_t first = 0, end = 0
    if not _read_limits(op, 2, op.how, False, &limits):
        return _refuse(op, &limits)
    if op.e != NULL:
        _ranks(op.e, &limits, &first, &end)
    write_integer(op.out, end - first)
    return 0


row("zrange", READ, TYPE_ZSET, _range, "", BY_RANK)
row("zrangestore", FREE, ANY_TYPE, _store, "", BY_RANK | STORES)
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
