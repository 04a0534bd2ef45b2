# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Fast paths of searching positions: GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS and its like as far as they only reply.

What they ask for is read into one Search; options that do not go together, or come twice, are the definition's.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

from iothreads.resp_writer cimport write_raw
from server.clients.client cimport Client
from server.dispatch.record cimport Event, Op
from server.dispatch.shapes cimport (
    ANY_TYPE, DECLINED, FREE, READ, event_of, find_all, find_at, find_live, integer_at, is_plain, is_word, length_at,
    row, store_result, word_at)
from server.structures.geohash cimport GEO_BOX, GEO_CIRCLE, GeoShape, geo_position
from server.structures.table cimport TYPE_ZSET, Entry
from server.types.sorted_set cimport zset_parse_score, zset_score
from server.types.sorted_set_geo cimport (
    GeoPoints, geo_free, geo_keep, geo_order, geo_search, geo_store, geo_write)
from server.types.value cimport LooseEntry

cdef extern from *:
    """
    #define REMUS_LONGITUDE_MAX 180.0
    #define REMUS_LATITUDE_MAX 85.05112878
    """
    const double LONGITUDE_MAX "REMUS_LONGITUDE_MAX"
    const double LATITUDE_MAX "REMUS_LATITUDE_MAX"

cdef enum:                             # op.how
    MODERN = 1                         # GEOSEARCH
    STORES = 2
    BY_MEMBER = 4                      # of the elder ones: the centre is a member

cdef const Event* _STORED = event_of("geosearchstore")


cdef struct Search:
    GeoShape shape                     # kind 0: not said yet
    bint centred                       # its centre was said ...
    uint32_t member                    # ... by this argument, a member; 0: by degrees
    int64_t count                      # 0: all
    bint any
    int order                          # 1 ascending, -1 descending by distance; 0: not said
    bint distances
    bint hashes
    bint positions
    bint by_distance                   # STOREDIST


# ---- words
cdef inline bint _length_at(Op* op, uint32_t at, double* value) noexcept:
    return zset_parse_score(word_at(op, at), length_at(op, at), value) and value[0] >= 0


cdef bint _unit_at(Op* op, uint32_t at, Search* search) noexcept:
    """How many metres the lengths of the shape are in."""
    if is_word(op, at, "m", 1):
        search.shape.conversion = 1.0
    elif is_word(op, at, "km", 2):
        search.shape.conversion = 1000.0
    elif is_word(op, at, "ft", 2):
        search.shape.conversion = 0.3048
    elif is_word(op, at, "mi", 2):
        search.shape.conversion = 1609.34
    else:
        return False
    return True


cdef bint _circle_at(Op* op, uint32_t at, Search* search) noexcept:
    """`radius unit`."""
    if search.shape.kind or at + 1 >= op.r.arg_count:
        return False
    search.shape.kind = GEO_CIRCLE
    return _length_at(op, at, &search.shape.radius) and _unit_at(op, at + 1, search)


cdef bint _box_at(Op* op, uint32_t at, Search* search) noexcept:
    """`width height unit`."""
    if search.shape.kind or at + 2 >= op.r.arg_count:
        return False
    search.shape.kind = GEO_BOX
    return (_length_at(op, at, &search.shape.width) and _length_at(op, at + 1, &search.shape.height)
            and _unit_at(op, at + 2, search))


cdef bint _degrees_at(Op* op, uint32_t at, Search* search) noexcept:
    """`longitude latitude`."""
    cdef GeoShape* shape = &search.shape
    if search.centred or at + 1 >= op.r.arg_count:
        return False
    search.centred = True
    return (zset_parse_score(word_at(op, at), length_at(op, at), &shape.longitude)
            and zset_parse_score(word_at(op, at + 1), length_at(op, at + 1), &shape.latitude)
            and -LONGITUDE_MAX <= shape.longitude <= LONGITUDE_MAX and -LATITUDE_MAX <= shape.latitude <= LATITUDE_MAX)


cdef bint _member_at(Op* op, uint32_t at, Search* search) noexcept:
    if search.centred or at >= op.r.arg_count:
        return False
    search.centred = True
    search.member = at
    return True


cdef uint32_t _read_area(Op* op, uint32_t at, Search* search) noexcept:
    """A word of GEOSEARCH that says where: the argument behind it and its values; 0: it is none, or it is wrong."""
    if is_word(op, at, "byradius", 8):
        return at + 3 if _circle_at(op, at + 1, search) else 0
    if is_word(op, at, "frommember", 10):
        return at + 2 if _member_at(op, at + 1, search) else 0
    if is_word(op, at, "fromlonlat", 10):
        return at + 3 if _degrees_at(op, at + 1, search) else 0
    if is_word(op, at, "bybox", 5):
        return at + 4 if _box_at(op, at + 1, search) else 0
    return 0


cdef uint32_t _read_wanted(Op* op, uint32_t at, Search* search) noexcept:
    """The same for a word that says which of what is found, and what of it."""
    if is_word(op, at, "withdist", 8):
        search.distances = True
    elif is_word(op, at, "withcoord", 9):
        search.positions = True
    elif is_word(op, at, "withhash", 8):
        search.hashes = True
    elif is_word(op, at, "asc", 3):
        search.order = 1
    elif is_word(op, at, "desc", 4):
        search.order = -1
    elif is_word(op, at, "any", 3):
        search.any = True
    elif is_word(op, at, "storedist", 9) and op.how & STORES:
        search.by_distance = True
    elif is_word(op, at, "count", 5) and at + 1 < op.r.arg_count:
        return at + 2 if integer_at(op, at + 1, &search.count) and search.count > 0 else 0
    else:
        return 0
    return at + 1


cdef bint _read_options(Op* op, uint32_t at, Search* search) noexcept:
    """To the end; 0: something is wrong."""
    cdef uint32_t after
    while at < op.r.arg_count:
        after = _read_wanted(op, at, search)
        if after == 0 and op.how & MODERN:
            after = _read_area(op, at, search)
        if after == 0:
            return False
        at = after
    return (search.centred and search.shape.kind != 0 and (search.count or not search.any)
            and not (op.how & STORES and (search.distances or search.hashes or search.positions)))


cdef inline void _begin(Search* search) noexcept:
    search.shape.kind = 0
    search.centred = search.any = search.distances = search.hashes = search.positions = search.by_distance = False
    search.member = 0
    search.count = search.order = 0


cdef bint _read(Op* op, Search* search) noexcept:
    """All of GEOSEARCH, or of an elder one; 0: something is wrong."""
    cdef uint32_t at = 3 if op.how & STORES else 2
    _begin(search)
    if op.how & MODERN:
        return _read_options(op, at, search)
    if op.how & BY_MEMBER:
        return _member_at(op, 2, search) and _circle_at(op, 3, search) and _read_options(op, 5, search)
    return _degrees_at(op, 2, search) and _circle_at(op, 4, search) and _read_options(op, 6, search)


# ---- searching
cdef bint _find_centre(Op* op, Entry* zset, Search* search) noexcept:
    """0: no such member."""
    cdef double score
    if search.member == 0:
        return True
    if not zset_score(zset, word_at(op, search.member), length_at(op, search.member), &score):
        return False
    geo_position(score, &search.shape.longitude, &search.shape.latitude)
    return True


cdef int _run(GeoPoints* found, Entry* zset, Search* search) except -1:
    """ANY takes the first that are found; COUNT alone the nearest."""
    cdef int order = search.order
    geo_search(found, zset, &search.shape, <size_t>search.count if search.any else 0)
    if order == 0 and search.count and not search.any:
        order = 1
    if order:
        geo_order(found, order < 0, <size_t>search.count)
    else:
        geo_keep(found, <size_t>search.count)
    return 0


cdef int64_t _search(Op* op) except -1:
    cdef GeoPoints found
    cdef Search search
    if not _read(op, &search) or (op.e != NULL and not _find_centre(op, op.e, &search)):
        return DECLINED
    if op.e == NULL:
        write_raw(op.out, "*0\r\n", 4)
        return 0
    _run(&found, op.e, &search)
    geo_write(&found, search.distances, search.hashes, search.positions, search.shape.conversion, op.out,
              (<Client>op.client).resp)
    geo_free(&found)
    return 0


cdef int64_t _store(Op* op) except -1:
    """Argument 1 is where to, 2 where from."""
    cdef GeoPoints found
    cdef Search search
    cdef LooseEntry stored
    cdef Entry* zset = find_at(op, 2)
    cdef int64_t members
    if not _read(op, &search) or (zset != NULL and not (is_plain(<Client>op.client, zset, TYPE_ZSET)
                                                         and _find_centre(op, zset, &search))):
        return DECLINED
    if not find_live(op, 1) or not find_all(op, 2, 1, 1 << TYPE_ZSET, &zset):
        return DECLINED
    found.points = NULL
    found.count = 0
    if zset != NULL:
        _run(&found, zset, &search)
    geo_store(&found, search.shape.conversion if search.by_distance else 0.0, &stored)
    members = <int64_t>found.count
    geo_free(&found)
    return store_result(op, &stored.head, members, _STORED, members)


row("geosearch", READ, TYPE_ZSET, _search, "", MODERN)
row("georadius_ro", READ, TYPE_ZSET, _search)
row("georadiusbymember_ro", READ, TYPE_ZSET, _search, "", BY_MEMBER)
row("georadius", READ, TYPE_ZSET, _search)
row("georadiusbymember", READ, TYPE_ZSET, _search, "", BY_MEMBER)
row("geosearchstore", FREE, ANY_TYPE, _store, "", MODERN | STORES)
