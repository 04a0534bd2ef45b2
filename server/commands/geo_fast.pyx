# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of positions: GEOADD of few members, GEOPOS GEODIST GEOHASH. GEOADD is propagated as ZADD."""
from libc.math cimport llrint
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (
    format_unsigned, write_bulk, write_header, write_integer, write_null, write_null_array, write_raw)
from server.clients.client cimport Client
from server.dispatch.fastpath cimport fast_zadd, FastWord, fast_path, fast_is_word, fast_look, fast_written_otherwise
from server.structures.geohash cimport geo_degrees, geo_distance, geo_position, geo_score, geo_string
from server.structures.table cimport TYPE_ZSET, Entry
from server.types.sorted_set cimport ZADD_NX, ZADD_XX, zset_parse_score, zset_score

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
cdef bint _read_position(Batch* b, Request* r, uint32_t at, double* score) noexcept:
    cdef double longitude, latitude
    if (not zset_parse_score(arg_at(b, r, at), arg_length(b, r, at), &longitude)
            or not zset_parse_score(arg_at(b, r, at + 1), arg_length(b, r, at + 1), &latitude)
            or not -LONGITUDE_MAX <= longitude <= LONGITUDE_MAX or not -LATITUDE_MAX <= latitude <= LATITUDE_MAX):
        return False
    score[0] = geo_score(longitude, latitude)
    return True


cdef void _tell(Client c, Batch* b, Request* r, uint32_t at, uint32_t count, const double* scores, int64_t changes) noexcept:
    """Pass on `zadd key [options] score member ...`."""
    cdef FastWord words[8 + 2 * MOST_MEMBERS]
    cdef char digits[MOST_MEMBERS][24]
    cdef uint32_t i
    words[0] = FastWord("zadd", 4)
    for i in range(1, at):
        words[i] = FastWord(arg_at(b, r, i), arg_length(b, r, i))
    for i in range(count):
        words[at + 2 * i] = FastWord(&digits[i][0], format_unsigned(digits[i], <uint64_t>scores[i]) - digits[i])
        words[at + 2 * i + 1] = FastWord(arg_at(b, r, at + 3 * i + 2), arg_length(b, r, at + 3 * i + 2))
    fast_written_otherwise(c, changes, at + 2 * count, words)


cdef int _geoadd(Client c, Batch* b, Request* r) except -1:
    cdef double scores[MOST_MEMBERS]
    cdef bint change = False
    cdef int flags = 0
    cdef int added, updated
    cdef uint32_t at = 2
    cdef uint32_t i, count
    while at < r.arg_count and at < 8:
        if fast_is_word(b, r, at, "nx", 2):
            flags |= ZADD_NX
        elif fast_is_word(b, r, at, "xx", 2):
            flags |= ZADD_XX
        elif fast_is_word(b, r, at, "ch", 2):
            change = True
        else:
            break
        at += 1
    count = (r.arg_count - at) // 3
    if flags == ZADD_NX | ZADD_XX or count == 0 or count > MOST_MEMBERS or count * 3 != r.arg_count - at:
        return 0
    for i in range(count):
        if not _read_position(b, r, at + 3 * i, &scores[i]):
            return 0
    added = fast_zadd(c, b, r, count, scores, at + 2, 3, flags, &updated)
    if added < 0:
        return 0
    if added or updated:
        _tell(c, b, r, at, count, scores, added + updated)
    write_integer(&c.out, added + updated if change else added)
    return 1


# ---- asking
cdef void _write_degrees(Client c, double value) noexcept:
    """Up to 17 decimals."""
    cdef char text[48]
    cdef size_t n = geo_degrees(text, value)
    if c.resp == 3:
        write_raw(&c.out, ",", 1)
        write_raw(&c.out, text, n)
        write_raw(&c.out, "\r\n", 2)
    else:
        write_bulk(&c.out, text, n)


cdef int _geopos(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef double score, longitude, latitude
    cdef uint32_t i
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    write_header(&c.out, c'*', r.arg_count - 2)
    for i in range(2, r.arg_count):
        if e == NULL or not zset_score(e, arg_at(b, r, i), arg_length(b, r, i), &score):
            write_null_array(&c.out, c.resp)
            continue
        geo_position(score, &longitude, &latitude)
        write_header(&c.out, c'*', 2)
        _write_degrees(c, longitude)
        _write_degrees(c, latitude)
    return 1


cdef int _geohash(Client c, Batch* b, Request* r) except -1:
    cdef Entry* e
    cdef double score
    cdef char eleven[11]
    cdef uint32_t i
    if not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    write_header(&c.out, c'*', r.arg_count - 2)
    for i in range(2, r.arg_count):
        if e != NULL and zset_score(e, arg_at(b, r, i), arg_length(b, r, i), &score):
            geo_string(score, eleven)
            write_bulk(&c.out, eleven, 11)
        else:
            write_null(&c.out, c.resp)
    return 1


cdef double _metres(Batch* b, Request* r) noexcept:
    """In the unit that GEODIST's reply is to have; 0 for what the definition must look at."""
    if r.arg_count == 4:
        return 1.0
    if r.arg_count == 5:
        if fast_is_word(b, r, 4, "m", 1):
            return 1.0
        if fast_is_word(b, r, 4, "km", 2):
            return 1000.0
        if fast_is_word(b, r, 4, "ft", 2):
            return 0.3048
        if fast_is_word(b, r, 4, "mi", 2):
            return 1609.34
    return 0.0


cdef int _geodist(Client c, Batch* b, Request* r) except -1:
    cdef double metres = _metres(b, r)
    cdef double first, second, longitude, latitude, longitude2, latitude2
    cdef Entry* e
    cdef int64_t scaled
    cdef char text[48]
    if metres == 0.0 or not fast_look(c, b, r, TYPE_ZSET, &e):
        return 0
    if (e == NULL or not zset_score(e, arg_at(b, r, 2), arg_length(b, r, 2), &first)
            or not zset_score(e, arg_at(b, r, 3), arg_length(b, r, 3), &second)):
        write_null(&c.out, c.resp)
        return 1
    geo_position(first, &longitude, &latitude)
    geo_position(second, &longitude2, &latitude2)
    scaled = llrint(geo_distance(longitude, latitude, longitude2, latitude2) / metres * 10000)
    write_bulk(&c.out, text, snprintf(text, sizeof(text), "%lld.%04d", <long long>(scaled // 10000), <int>(scaled % 10000)))
    return 1


fast_path("geoadd", _geoadd)
fast_path("geopos", _geopos)
fast_path("geohash", _geohash)
fast_path("geodist", _geodist)
