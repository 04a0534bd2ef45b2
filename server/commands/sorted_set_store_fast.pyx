# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of what several sorted sets give together: ZUNION ZINTER ZDIFF ZINTERCARD and what stores their results, of up
to FAST_KEYS keys, with all options."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_integer
from server.clients.client cimport Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FAST_KEYS, FREE, UNKEYED, event_of, find_all, find_live, integer_at, is_word, length_at, row,
    store_result, word_at)
from server.structures.table cimport TYPE_SET, TYPE_ZSET, Entry
from server.types.sorted_set cimport zset_parse_score
from server.types.sorted_set_algebra cimport (
    ZDIFFERENCE, ZINTERSECTION, ZMAX, ZMIN, ZSUM, ZUNION, ZResult, ZSource, zresult_combine, zresult_free, zresult_store,
    zresult_write, zset_count_common)
from server.types.value cimport LooseEntry

cdef enum:                             # op.how, with which members
    WHICH = 3                          # the bits of those
    STORES = 4
    COUNTS = 8

cdef const Event* _STORED[3]
_STORED[ZUNION] = event_of("zunionstore")
_STORED[ZINTERSECTION] = event_of("zinterstore")
_STORED[ZDIFFERENCE] = event_of("zdiffstore")

cdef struct Wanted:
    ZSource sources[FAST_KEYS]
    int count
    int aggregate
    bint scores
    int64_t limit                      # of ZINTERCARD; 0: none


cdef bint _read_weights(Op* op, uint32_t at, Wanted* wanted) noexcept:
    cdef int i
    if at + wanted.count > op.r.arg_count:
        return False
    for i in range(wanted.count):
        if not zset_parse_score(word_at(op, at + i), length_at(op, at + i), &wanted.sources[i].weight):
            return False
    return True


cdef bint _read_aggregate(Op* op, uint32_t at, Wanted* wanted) noexcept:
    if at >= op.r.arg_count:
        return False
    wanted.aggregate = ZMIN if is_word(op, at, "min", 3) else ZMAX if is_word(op, at, "max", 3) else ZSUM
    return wanted.aggregate != ZSUM or is_word(op, at, "sum", 3)


cdef bint _read_options(Op* op, uint32_t at, Wanted* wanted) noexcept:
    """From argument `at` to the end; 0: something is wrong."""
    while at < op.r.arg_count:
        if is_word(op, at, "withscores", 10) and not op.how & (STORES | COUNTS):
            wanted.scores = True
            at += 1
        elif is_word(op, at, "limit", 5) and op.how & COUNTS:
            if at + 1 >= op.r.arg_count or not integer_at(op, at + 1, &wanted.limit) or wanted.limit < 0:
                return False
            at += 2
        elif op.how & COUNTS or op.how & WHICH == ZDIFFERENCE:
            return False
        elif is_word(op, at, "weights", 7):
            if not _read_weights(op, at + 1, wanted):
                return False
            at += 1 + wanted.count
        elif is_word(op, at, "aggregate", 9):
            if not _read_aggregate(op, at + 1, wanted):
                return False
            at += 2
        else:
            return False
    return True


cdef bint _read(Op* op, uint32_t at, Wanted* wanted) except -1:
    """`numkeys key [key ...]` and the options from argument `at` on, and the keys looked up; 0: the definition's."""
    cdef Entry* entries[FAST_KEYS]
    cdef int64_t keys
    cdef int i
    if not integer_at(op, at, &keys) or not 0 < keys <= min(FAST_KEYS, <int64_t>op.r.arg_count - at - 1):
        return False
    wanted.count = <int>keys
    wanted.aggregate, wanted.scores, wanted.limit = ZSUM, False, 0
    for i in range(wanted.count):
        wanted.sources[i].weight = 1
    if not _read_options(op, at + 1 + <uint32_t>keys, wanted):
        return False
    if not find_all(op, at + 1, keys, 1 << TYPE_ZSET | 1 << TYPE_SET, entries):
        return False
    for i in range(wanted.count):
        wanted.sources[i].e = entries[i]
    return True


cdef int64_t _answer(Op* op) except -1:
    cdef Wanted wanted
    cdef ZResult result
    if not _read(op, 1, &wanted):
        return DECLINED
    if op.how & COUNTS:
        write_integer(op.out, <int64_t>zset_count_common(wanted.sources, wanted.count, wanted.limit))
        return 0
    zresult_combine(&result, op.how & WHICH, wanted.sources, wanted.count, wanted.aggregate)
    zresult_write(&result, wanted.scores, op.out, (<Client>op.client).resp)
    zresult_free(&result)
    return 0


cdef int64_t _store(Op* op) except -1:
    cdef Wanted wanted
    cdef ZResult result
    cdef LooseEntry stored
    cdef int64_t members
    if not find_live(op, 1) or not _read(op, 2, &wanted):
        return DECLINED
    zresult_combine(&result, op.how & WHICH, wanted.sources, wanted.count, wanted.aggregate)
    zresult_store(&result, &stored)
    members = <int64_t>result.count
    zresult_free(&result)
    return store_result(op, &stored.head, members, _STORED[op.how & WHICH])


row("zunion", FREE | UNKEYED, ANY_TYPE, _answer, "", ZUNION)
row("zinter", FREE | UNKEYED, ANY_TYPE, _answer, "", ZINTERSECTION)
row("zdiff", FREE | UNKEYED, ANY_TYPE, _answer, "", ZDIFFERENCE)
row("zintercard", FREE | UNKEYED, ANY_TYPE, _answer, "", ZINTERSECTION | COUNTS)
row("zunionstore", FREE, ANY_TYPE, _store, "", ZUNION | STORES)
row("zinterstore", FREE, ANY_TYPE, _store, "", ZINTERSECTION | STORES)
row("zdiffstore", FREE, ANY_TYPE, _store, "", ZDIFFERENCE | STORES)
