# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of popping from sorted sets, few at once: ZPOPMIN, ZPOPMAX, ZMPOP; BZPOPMIN, BZPOPMAX and BZMPOP that need
not wait. What is popped from the first of several keys is propagated as ZPOPMIN or ZPOPMAX.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from iothreads.resp_writer cimport (
    format_signed, write_bulk, write_double, write_header, write_null_array, write_raw)
from server.clients.client cimport Client
from server.dispatch.fastpath cimport (
    FAST_DRAWN, FastPlace, FastPops, FastWord, fast_path, fast_change, fast_first, fast_is_wait, fast_is_word,
    fast_read_pops, fast_touch, fast_written, fast_written_otherwise)
from server.keyspace.database cimport parse_int64
from server.structures.table cimport TYPE_ZSET, Entry, table_delete
from server.types.bulk cimport write_short
from server.types.sorted_set cimport (
    ZCursor, ZElement, zset_delete_first, zset_delete_range, zset_next, zset_size, zset_walk, zset_write_range)
from server.types.value cimport release_value


cdef inline void _delete_if_empty(Client c, Batch* b, Request* r, Entry* e, uint32_t at, uint64_t hash) noexcept:
    if zset_size(e) == 0:
        table_delete(c.db.table, arg_at(b, r, at), arg_length(b, r, at), hash, release_value)


# ---- of one key
cdef int _zpop_some(Client c, Batch* b, Request* r, bint highest) except -1:
    """With a count. A RESP3 reply nests the pairs, as that of a range does."""
    cdef Entry* e
    cdef int64_t count
    cdef size_t size
    if r.arg_count != 3 or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &count) or not 0 < count <= FAST_DRAWN:
        return 0
    if not fast_change(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        write_raw(&c.out, "*0\r\n", 4)
        return 1
    size = zset_size(e)
    if <size_t>count > size:
        count = <int64_t>size
    if highest:
        zset_write_range(e, size - count, size, True, True, &c.out, c.resp)
        zset_delete_range(e, size - count, size)
    else:
        zset_write_range(e, 0, count, False, True, &c.out, c.resp)
        zset_delete_range(e, 0, count)
    _delete_if_empty(c, b, r, e, 1, r.hash)
    fast_written(c, b, r, count)
    return 1


cdef int _zpop(Client c, Batch* b, Request* r, bint highest) except -1:
    cdef Entry* e
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t size
    if r.arg_count != 2:
        return _zpop_some(c, b, r, highest)
    if not fast_change(c, b, r, TYPE_ZSET, &e):
        return 0
    if e == NULL:
        write_raw(&c.out, "*0\r\n", 4)
        return 1
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
        _delete_if_empty(c, b, r, e, 1, r.hash)
    fast_written(c, b, r, 1)
    return 1


cdef int _zpopmin(Client c, Batch* b, Request* r) except -1:
    return _zpop(c, b, r, False)


cdef int _zpopmax(Client c, Batch* b, Request* r) except -1:
    return _zpop(c, b, r, True)


# ---- of the first that is there
cdef void _pop_nested(Client c, Batch* b, Request* r, FastPlace* place, int64_t count, bint highest) noexcept:
    """The reply of ZMPOP: the key, and an array of pairs."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef FastWord words[3]
    cdef char digits[24]
    cdef Entry* e = place.e
    cdef size_t size = zset_size(e)
    cdef size_t n = min(<size_t>count, size)
    cdef size_t first = size - n if highest else 0
    fast_touch(e, c.db.keyspace)
    write_raw(&c.out, "*2\r\n", 4)
    write_short(&c.out, arg_at(b, r, place.at), arg_length(b, r, place.at))
    write_header(&c.out, c'*', n)
    zset_walk(e, first, first + n, highest, &cursor)
    while zset_next(&cursor, &element):
        write_raw(&c.out, "*2\r\n", 4)
        write_short(&c.out, element.member, element.length)
        write_double(&c.out, element.score, c.resp)
    if n == 1:
        zset_delete_first(e, highest)
    else:
        zset_delete_range(e, first, first + n)
    _delete_if_empty(c, b, r, e, place.at, place.hash)
    words[0] = FastWord("ZPOPMAX" if highest else "ZPOPMIN", 7)
    words[1] = FastWord(arg_at(b, r, place.at), arg_length(b, r, place.at))
    words[2] = FastWord(&digits[0], format_signed(digits, n) - digits)
    fast_written_otherwise(c, n, 3, words)


cdef int _pop_first(Client c, Batch* b, Request* r, uint32_t at, bint waits) except -1:
    """From `numkeys`, argument `at`, on."""
    cdef FastPops pops
    cdef FastPlace place
    cdef bint highest
    cdef int found
    if not fast_read_pops(b, r, at, &pops):
        return 0
    highest = fast_is_word(b, r, pops.end, "max", 3)
    if not highest and not fast_is_word(b, r, pops.end, "min", 3):
        return 0
    found = fast_first(c, b, r, pops.first, pops.end, TYPE_ZSET, &place)
    if found < 0 or (found == 0 and waits):
        return 0
    if found:
        _pop_nested(c, b, r, &place, pops.count, highest)
    else:
        write_null_array(&c.out, c.resp)
    return 1


cdef int _zmpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, 1, False)


cdef int _bzmpop(Client c, Batch* b, Request* r) except -1:
    return _pop_first(c, b, r, 2, True) if fast_is_wait(b, r, 1) else 0


cdef int _bzpop(Client c, Batch* b, Request* r, bint highest) except -1:
    cdef ZCursor cursor
    cdef ZElement element
    cdef FastPlace place
    cdef FastWord words[2]
    cdef size_t size
    if (not fast_is_wait(b, r, r.arg_count - 1)
            or fast_first(c, b, r, 1, r.arg_count - 1, TYPE_ZSET, &place) != 1):
        return 0
    fast_touch(place.e, c.db.keyspace)
    size = zset_size(place.e)
    zset_walk(place.e, size - 1 if highest else 0, size if highest else 1, False, &cursor)
    zset_next(&cursor, &element)
    write_raw(&c.out, "*3\r\n", 4)
    write_short(&c.out, arg_at(b, r, place.at), arg_length(b, r, place.at))
    write_short(&c.out, element.member, element.length)
    write_double(&c.out, element.score, c.resp)
    zset_delete_first(place.e, highest)
    if size == 1:
        _delete_if_empty(c, b, r, place.e, place.at, place.hash)
    words[0] = FastWord("ZPOPMAX" if highest else "ZPOPMIN", 7)
    words[1] = FastWord(arg_at(b, r, place.at), arg_length(b, r, place.at))
    fast_written_otherwise(c, 1, 2, words)
    return 1


cdef int _bzpopmin(Client c, Batch* b, Request* r) except -1:
    return _bzpop(c, b, r, False)


cdef int _bzpopmax(Client c, Batch* b, Request* r) except -1:
    return _bzpop(c, b, r, True)


fast_path("zpopmin", _zpopmin)
fast_path("zpopmax", _zpopmax)
fast_path("zmpop", _zmpop, False)
fast_path("bzmpop", _bzmpop, False)
fast_path("bzpopmin", _bzpopmin)
fast_path("bzpopmax", _bzpopmax)
