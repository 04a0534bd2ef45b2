# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of sorted sets: ZADD ZINCRBY ZREM, ZPOPMIN ZPOPMAX ZMPOP (few at once), BZPOPMIN BZPOPMAX BZMPOP that need not
wait, ZSCORE ZMSCORE ZCARD ZRANK ZREVRANK, ZRANDMEMBER (one or few), ZSCAN.

What is popped from the first of several keys is propagated as ZPOPMIN or ZPOPMAX. Who waits for a sorted set switches
the fast paths off, so ZADD need not look.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport (
    write_bulk, write_double, write_header, write_integer, write_null, write_null_array, write_raw)
from server.clients.client cimport Client
from server.dispatch.error_texts cimport not_a_float
from server.dispatch.fast_words cimport Pops, is_wait, read_count, read_pops, read_wait
from server.dispatch.option_words cimport OptionWords, meaning_at, words_of
from server.dispatch.record cimport Event, Op, Wish
from server.dispatch.scan_words cimport Scanning, lets_through, read_scanning, write_all_scanned, write_scanned
from server.dispatch.shapes cimport (
    DECLINED, FREE, OR_NULL, OR_ZERO, READ, TAKE, TYPED, TYPED_SHORT, UNKEYED, WAKES, WARM, WARM_PLACE, WRITE, Word,
    changed, event_of, find_first, finish_take, insert, is_word, length_at, number_word, pass_on, pass_on_as, refuse,
    row, touch, view_of, waits, warm, word_at, word_of)
from server.structures.table cimport TYPE_ZSET, entry_encoding
from server.types.bulk cimport write_short
from server.types.sorted_set cimport (
    ZADD_GT, ZADD_INCR, ZADD_LT, ZADD_NX, ZADD_XX, ZADDED, ZNAN, ZNOTHING, ZSET_LISTPACK, ZUPDATED, SortedSet,
    ZCursor, ZElement, ZPair, zset_add, zset_add_pairs, zset_create, zset_delete_first, zset_delete_range,
    zset_limits, zset_next, zset_parse_score, zset_random_rank, zset_rank, zset_remove, zset_score, zset_size,
    zset_walk, zset_write_distinct, zset_write_member, zset_write_random, zset_write_range)

cdef enum:
    MANY = 64                          # pairs of one ZADD that a fast path takes

cdef enum:                             # op.how
    HIGHEST = 1                        # of pops, beside the lowest
    WAITS = 2
    REVERSED = 1                       # of ranks

cdef const Event* _ZINCR = event_of("zincr")
cdef const Event* _ZPOPMIN = event_of("zpopmin")
cdef const Event* _ZPOPMAX = event_of("zpopmax")


# ---- writes
cdef enum:
    CHANGED = 0x40000000               # CH, beside the flags of types.sorted_set

cdef const OptionWords* _ZADD_WORDS = words_of("zadd", {
    "NX": ZADD_NX, "XX": ZADD_XX, "GT": ZADD_GT, "LT": ZADD_LT, "INCR": ZADD_INCR, "CH": CHANGED})


cdef uint32_t _zadd_options(Op* op, int* flags, bint* change) noexcept:
    """Read the options; where the first score is, 0 for what the definition must look at."""
    cdef uint32_t at = 2
    cdef uint32_t said = 0
    cdef uint32_t means
    while at < op.r.arg_count:
        means = meaning_at(op, _ZADD_WORDS, at)
        if means == 0:
            break
        said |= means
        at += 1
    change[0] = said & CHANGED != 0
    flags[0] = <int>(said & ~<uint32_t>CHANGED)
    if flags[0] & ZADD_NX and flags[0] & ~ZADD_INCR != ZADD_NX or flags[0] & ZADD_GT and flags[0] & ZADD_LT:
        return 0
    return at


cdef int64_t _increment(Op* op, uint32_t at, int flags) except -1:
    """Arguments: increment and member, and no more."""
    cdef int resp = (<Client>op.client).resp
    cdef double increment, result
    cdef int outcome
    if at + 2 != op.r.arg_count or not zset_parse_score(word_at(op, at), length_at(op, at), &increment):
        return DECLINED
    if op.e == NULL:
        if flags & ZADD_XX:
            write_null(op.out, resp)
            return 0
        insert(op, TYPE_ZSET, 0, 0)
        zset_create(op.e, 1, length_at(op, at + 1))
    elif zset_limits.entries == 0 and entry_encoding(op.e) == ZSET_LISTPACK:
        return DECLINED
    else:
        warm(op, at + 1, True)
    outcome = zset_add(op.e, increment, word_at(op, at + 1), length_at(op, at + 1), flags, &result)
    if outcome == ZNAN:
        return DECLINED
    if outcome == ZNOTHING:
        write_null(op.out, resp)
    else:
        write_double(op.out, result, resp)
    return outcome == ZADDED or outcome == ZUPDATED


cdef int64_t _zadd(Op* op) except -1:
    cdef ZPair pairs[MANY]
    cdef bint change
    cdef int flags, updated
    cdef int64_t added = 0
    cdef uint32_t i, count
    cdef uint32_t at = _zadd_options(op, &flags, &change)
    if at == 0 or at + 2 > op.r.arg_count or (op.r.arg_count - at) & 1 or op.r.arg_count - at > 2 * MANY:
        return DECLINED
    if flags & ZADD_INCR:
        added = _increment(op, at, flags)
        if added <= 0:
            return added
        pass_on(op)
        changed(op, 1, _ZINCR)
        return 0
    count = (op.r.arg_count - at) >> 1
    for i in range(count):
        if not zset_parse_score(word_at(op, at + 2 * i), length_at(op, at + 2 * i), &pairs[i].score):
            return refuse(op, not_a_float)
        pairs[i].member = word_at(op, at + 2 * i + 1)
        pairs[i].length = length_at(op, at + 2 * i + 1)
    if op.e != NULL:
        warm(op, at + 1, True)
    elif flags & ZADD_XX:
        write_integer(op.out, 0)
        return 0
    else:
        insert(op, TYPE_ZSET, 0, 0)
        zset_create(op.e, count, pairs[0].length)
    added = zset_add_pairs(op.e, pairs, count, flags, &updated)
    write_integer(op.out, added + updated if change else added)
    return added + updated


cdef int64_t _zincrby(Op* op) except -1:
    return _increment(op, 2, ZADD_INCR)


cdef int64_t _zrem(Op* op) except -1:
    cdef uint32_t i
    cdef int64_t removed = 0
    for i in range(2, op.r.arg_count):
        removed += zset_remove(op.e, word_at(op, i), length_at(op, i))
    write_integer(op.out, removed)
    return removed


# ---- popping
cdef inline void _first(Op* op, bint highest, ZElement* element) noexcept:
    """The lowest or the highest."""
    cdef ZCursor cursor
    cdef size_t size = zset_size(op.e)
    zset_walk(op.e, size - 1 if highest else 0, size if highest else 1, False, &cursor)
    zset_next(&cursor, element)


cdef int64_t _zpop(Op* op) except -1:
    """With a count a RESP3 reply nests the pairs, as that of a range does."""
    cdef int resp = (<Client>op.client).resp
    cdef ZElement element
    cdef int64_t count = 1
    cdef size_t size, first
    if op.r.arg_count != 2 and (op.r.arg_count != 3 or not read_count(op, 2, False, &count)):
        return DECLINED
    if op.e == NULL:
        write_raw(op.out, "*0\r\n", 4)
        return 0
    if op.r.arg_count == 2:
        _first(op, op.how, &element)
        write_raw(op.out, "*2\r\n", 4)
        write_bulk(op.out, element.member, element.length)
        write_double(op.out, element.score, resp)
        zset_delete_first(op.e, op.how)
        return 1
    size = zset_size(op.e)
    count = min(count, <int64_t>size)
    first = size - count if op.how else 0
    zset_write_range(op.e, first, first + count, op.how, True, op.out, resp)
    zset_delete_range(op.e, first, first + count)
    return count


cdef int _tell(Op* op, bint highest, int64_t count, bint counted) except -1:
    """AOF and replicas hear ZPOPMIN or ZPOPMAX, with `counted` of so many."""
    cdef Word words[3]
    words[0] = Word("ZPOPMAX" if highest else "ZPOPMIN", 7)
    words[1] = word_of(op, op.at)
    if counted:
        words[2] = number_word(count)
    pass_on_as(op, 3 if counted else 2, words)
    return finish_take(op, count, _ZPOPMAX if highest else _ZPOPMIN)


cdef int64_t _pop_first(Op* op) except -1:
    """ZMPOP, and BZMPOP where one of the keys is there: the key, and an array of pairs."""
    cdef Client c = <Client>op.client
    cdef Pops pops
    cdef ZCursor cursor
    cdef ZElement element
    cdef bint waits = op.how == WAITS
    cdef bint highest
    cdef size_t size, n, first
    cdef int found
    if (waits and not is_wait(op, 1)) or not read_pops(op, 2 if waits else 1, &pops):
        return DECLINED
    highest = is_word(op, pops.end, "max", 3)
    if not highest and not is_word(op, pops.end, "min", 3):
        return DECLINED
    found = find_first(op, pops.first, pops.end, TYPE_ZSET)
    if found < 0 or (found == 0 and waits):
        return DECLINED
    if found == 0:
        write_null_array(op.out, c.resp)
        return 0
    touch(c, op.e)
    size = zset_size(op.e)
    n = min(<size_t>pops.count, size)
    first = size - n if highest else 0
    write_raw(op.out, "*2\r\n", 4)
    write_short(op.out, word_at(op, op.at), length_at(op, op.at))
    write_header(op.out, c'*', n)
    zset_walk(op.e, first, first + n, highest, &cursor)
    while zset_next(&cursor, &element):
        write_raw(op.out, "*2\r\n", 4)
        write_short(op.out, element.member, element.length)
        write_double(op.out, element.score, c.resp)
    if n == 1:
        zset_delete_first(op.e, highest)
    else:
        zset_delete_range(op.e, first, first + n)
    _tell(op, highest, n, True)
    return 0


cdef int64_t _bzpop(Op* op) except -1:
    cdef Client c = <Client>op.client
    cdef ZElement element
    if not is_wait(op, op.r.arg_count - 1) or find_first(op, 1, op.r.arg_count - 1, TYPE_ZSET) != 1:
        return DECLINED
    touch(c, op.e)
    _first(op, op.how, &element)
    write_raw(op.out, "*3\r\n", 4)
    write_short(op.out, word_at(op, op.at), length_at(op, op.at))
    write_short(op.out, element.member, element.length)
    write_double(op.out, element.score, c.resp)
    zset_delete_first(op.e, op.how)
    _tell(op, op.how, 1, False)
    return 0


# ---- what is waited for where nothing is there
cdef bint _wish_pop(Op* op, Wish* wish, list words) except -1:
    wish.first, wish.end, wish.type = 1, op.r.arg_count - 1, TYPE_ZSET
    return read_wait(op, wish.end, &wish.ms) and find_first(op, 1, wish.end, TYPE_ZSET) == 0


cdef bint _wish_pop_first(Op* op, Wish* wish, list words) except -1:
    cdef Pops pops
    if (not read_wait(op, 1, &wish.ms) or not read_pops(op, 2, &pops)
            or not (is_word(op, pops.end, "max", 3) or is_word(op, pops.end, "min", 3))):
        return False
    wish.first, wish.end, wish.type = pops.first, pops.end, TYPE_ZSET
    return find_first(op, pops.first, pops.end, TYPE_ZSET) == 0


# ---- reads
cdef inline void _reply_score(Op* op, uint32_t at) noexcept:
    cdef int resp = (<Client>op.client).resp
    cdef double score
    if op.e != NULL and zset_score(op.e, word_at(op, at), length_at(op, at), &score):
        write_double(op.out, score, resp)
    else:
        write_null(op.out, resp)


cdef int64_t _zscore(Op* op) except -1:
    _reply_score(op, 2)
    return 0


cdef int64_t _zmscore(Op* op) except -1:
    cdef uint32_t i
    write_header(op.out, c'*', op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        _reply_score(op, i)
    return 0


cdef int64_t _zcard(Op* op) except -1:
    write_integer(op.out, zset_size(op.e))
    return 0


cdef int64_t _rank(Op* op) except -1:
    cdef int resp = (<Client>op.client).resp
    cdef double score
    cdef size_t rank
    cdef bint with_score = op.r.arg_count == 4
    if op.r.arg_count > 4 or (with_score and not is_word(op, 3, "withscore", 9)):
        return DECLINED
    if op.e == NULL or not zset_rank(op.e, word_at(op, 2), length_at(op, 2), &rank, &score):
        if with_score:
            write_null_array(op.out, resp)
        else:
            write_null(op.out, resp)
        return 0
    if with_score:
        write_header(op.out, c'*', 2)
    write_integer(op.out, zset_size(op.e) - 1 - rank if op.how == REVERSED else rank)
    if with_score:
        write_double(op.out, score, resp)
    return 0


# ---- chance, and everything
cdef int64_t _zrandmember(Op* op) except -1:
    """A positive count asks for different members, a negative one for any."""
    cdef int resp = (<Client>op.client).resp
    cdef int64_t count = 1
    cdef bint scores = op.r.arg_count == 4
    if (op.r.arg_count > 4 or (scores and not is_word(op, 3, "withscores", 10))
            or (op.r.arg_count > 2 and not read_count(op, 2, True, &count))):
        return DECLINED
    if op.r.arg_count > 2:
        if op.e == NULL or count == 0:
            write_header(op.out, c'*', 0)
        elif count < 0 or count == 1:
            zset_write_random(op.e, abs(count), scores, op.out, resp)
        else:
            zset_write_distinct(op.e, count, scores, op.out, resp)
    elif op.e == NULL:
        write_null(op.out, resp)
    else:
        zset_write_member(op.e, zset_random_rank(op.e), False, op.out, resp)
    return 0


cdef void _write_matching(Op* op, const Scanning* scanning) noexcept:
    """Of a listpack."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t count = 0
    zset_walk(op.e, 0, zset_size(op.e), False, &cursor)
    while zset_next(&cursor, &element):
        count += lets_through(scanning, element.member, element.length)
    write_all_scanned(op.out, 2 * count)
    zset_walk(op.e, 0, zset_size(op.e), False, &cursor)
    while zset_next(&cursor, &element):
        if lets_through(scanning, element.member, element.length):
            write_short(op.out, element.member, element.length)
            write_double(op.out, element.score, 2)


cdef int64_t _zscan(Op* op) except -1:
    cdef Scanning scanning
    if not read_scanning(op, &scanning):
        return DECLINED
    if op.e == NULL:
        write_all_scanned(op.out, 0)
    elif entry_encoding(op.e) == ZSET_LISTPACK:
        _write_matching(op, &scanning)
    elif scanning.pattern != NULL:
        return DECLINED
    else:
        cursor, pairs = view_of(SortedSet.__new__(SortedSet), op).scan(scanning.cursor, scanning.count)
        write_scanned(op.out, cursor, [word for pair in pairs for word in pair])
    return 0


row("zadd", WRITE | WAKES, TYPE_ZSET, _zadd, "zadd")
row("zincrby", WRITE | WAKES, TYPE_ZSET, _zincrby, "zincr")
row("zrem", TAKE | TYPED | OR_ZERO | WARM_PLACE, TYPE_ZSET, _zrem, "zrem")
row("zpopmin", TAKE | TYPED_SHORT, TYPE_ZSET, _zpop, "zpopmin")
row("zpopmax", TAKE | TYPED_SHORT, TYPE_ZSET, _zpop, "zpopmax", HIGHEST)
row("zmpop", FREE | UNKEYED, TYPE_ZSET, _pop_first)
row("bzmpop", FREE | UNKEYED, TYPE_ZSET, _pop_first, "", WAITS)
row("bzpopmin", FREE, TYPE_ZSET, _bzpop)
row("bzpopmax", FREE, TYPE_ZSET, _bzpop, "", HIGHEST)
waits("bzmpop", _wish_pop_first)
waits("bzpopmin", _wish_pop)
waits("bzpopmax", _wish_pop)
row("zscore", READ | TYPED | OR_NULL | WARM, TYPE_ZSET, _zscore)
row("zmscore", READ | TYPED, TYPE_ZSET, _zmscore)
row("zcard", READ | TYPED | OR_ZERO, TYPE_ZSET, _zcard)
row("zrank", READ | TYPED_SHORT | WARM_PLACE, TYPE_ZSET, _rank)
row("zrevrank", READ | TYPED_SHORT | WARM_PLACE, TYPE_ZSET, _rank, "", REVERSED)
row("zrandmember", READ | TYPED_SHORT, TYPE_ZSET, _zrandmember)
row("zscan", READ, TYPE_ZSET, _zscan)
