# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of positions: GEOADD of few members, GEOPOS GEODIST GEOHASH. GEOADD is propagated as ZADD."""
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_null, write_null_array
from server.clients.client cimport Client
from server.dispatch.record cimport Op
from server.dispatch.shapes cimport (
    DECLINED, READ, SAYS, TYPED, TYPED_SHORT, WRITE, Word, insert, is_passed_on, is_word, length_at, number_word,
    pass_on_as, row, word_at, word_of)
from server.structures.geohash cimport geo_distance, geo_position, geo_score, geo_string
from server.structures.table cimport TYPE_ZSET
from server.types.sorted_set cimport ZADD_NX, ZADD_XX, ZPair, zset_add_pairs, zset_create, zset_parse_score, zset_score
from server.types.sorted_set_geo cimport geo_write_degrees, geo_write_distance

cdef extern from *:
    """
    #define REMUS_LONGITUDE_MAX 180.0
    #define REMUS_LATITUDE_MAX 85.05112878
    """
    const double LONGITUDE_MAX "REMUS_LONGITUDE_MAX"
    const double LATITUDE_MAX "REMUS_LATITUDE_MAX"

cdef enum:
    MOST_MEMBERS = 16                  # of one GEOADD


# ---- adding
cdef bint _read_position(Op* op, uint32_t at, double* score) noexcept:
    cdef double longitude, latitude
    if (not zset_parse_score(word_at(op, at), length_at(op, at), &longitude)
            or not zset_parse_score(word_at(op, at + 1), length_at(op, at + 1), &latitude)
            or not -LONGITUDE_MAX <= longitude <= LONGITUDE_MAX or not -LATITUDE_MAX <= latitude <= LATITUDE_MAX):
        return False
    score[0] = geo_score(longitude, latitude)
    return True


cdef void _tell(Op* op, uint32_t at, uint32_t count, const ZPair* pairs) noexcept:
    """Pass on `zadd key [options] score member ...`."""
    cdef Word words[8 + 2 * MOST_MEMBERS]
    cdef uint32_t i
    if not is_passed_on():
        return
    words[0] = Word("zadd", 4)
    for i in range(1, at):
        words[i] = word_of(op, i)
    for i in range(count):
        words[at + 2 * i] = number_word(<int64_t>pairs[i].score)
        words[at + 2 * i + 1] = Word(pairs[i].member, pairs[i].length)
    pass_on_as(op, at + 2 * count, words)


cdef int64_t _geoadd(Op* op) except -1:
    cdef ZPair pairs[MOST_MEMBERS]
    cdef bint change = False
    cdef int flags = 0
    cdef int added, updated
    cdef uint32_t at = 2
    cdef uint32_t i, count
    while at < op.r.arg_count and at < 8:
        if is_word(op, at, "nx", 2):
            flags |= ZADD_NX
        elif is_word(op, at, "xx", 2):
            flags |= ZADD_XX
        elif is_word(op, at, "ch", 2):
            change = True
        else:
            break
        at += 1
    count = (op.r.arg_count - at) // 3
    if flags == ZADD_NX | ZADD_XX or count == 0 or count > MOST_MEMBERS or count * 3 != op.r.arg_count - at:
        return DECLINED
    for i in range(count):
        if not _read_position(op, at + 3 * i, &pairs[i].score):
            return DECLINED
        pairs[i].member = word_at(op, at + 3 * i + 2)
        pairs[i].length = length_at(op, at + 3 * i + 2)
    if op.e == NULL:
        if flags & ZADD_XX:
            write_integer(op.out, 0)
            return 0
        insert(op, TYPE_ZSET, 0, 0)
        zset_create(op.e, count, pairs[0].length)
    added = zset_add_pairs(op.e, pairs, count, flags, &updated)
    if added or updated:
        _tell(op, at, count, pairs)
    write_integer(op.out, added + updated if change else added)
    return added + updated


# ---- asking
cdef inline bint _score(Op* op, uint32_t at, double* score) noexcept:
    return op.e != NULL and zset_score(op.e, word_at(op, at), length_at(op, at), score)


cdef int64_t _geopos(Op* op) except -1:
    cdef double score, longitude, latitude
    cdef uint32_t i
    write_header(op.out, c'*', op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        if not _score(op, i, &score):
            write_null_array(op.out, (<Client>op.client).resp)
            continue
        geo_position(score, &longitude, &latitude)
        write_header(op.out, c'*', 2)
        geo_write_degrees(op.out, longitude, (<Client>op.client).resp)
        geo_write_degrees(op.out, latitude, (<Client>op.client).resp)
    return 0


cdef int64_t _geohash(Op* op) except -1:
    cdef double score
    cdef char eleven[11]
    cdef uint32_t i
    write_header(op.out, c'*', op.r.arg_count - 2)
    for i in range(2, op.r.arg_count):
        if _score(op, i, &score):
            geo_string(score, eleven)
            write_bulk(op.out, eleven, 11)
        else:
            write_null(op.out, (<Client>op.client).resp)
    return 0


cdef double _metres(Op* op) noexcept:
    """In the unit that GEODIST's reply is to have; 0 for what the definition must look at."""
    if op.r.arg_count == 4:
        return 1.0
    if op.r.arg_count == 5:
        if is_word(op, 4, "m", 1):
            return 1.0
        if is_word(op, 4, "km", 2):
            return 1000.0
        if is_word(op, 4, "ft", 2):
            return 0.3048
        if is_word(op, 4, "mi", 2):
            return 1609.34
    return 0.0


cdef int64_t _geodist(Op* op) except -1:
    cdef double metres = _metres(op)
    cdef double first, second, longitude, latitude, longitude2, latitude2
    if metres == 0.0:
        return DECLINED
    if not _score(op, 2, &first) or not _score(op, 3, &second):
        write_null(op.out, (<Client>op.client).resp)
        return 0
    geo_position(first, &longitude, &latitude)
    geo_position(second, &longitude2, &latitude2)
    geo_write_distance(op.out, geo_distance(longitude, latitude, longitude2, latitude2) / metres)
    return 0


row("geoadd", WRITE | SAYS, TYPE_ZSET, _geoadd, "zadd")
row("geopos", READ | TYPED, TYPE_ZSET, _geopos)
row("geohash", READ | TYPED, TYPE_ZSET, _geohash)
row("geodist", READ | TYPED_SHORT, TYPE_ZSET, _geodist)
