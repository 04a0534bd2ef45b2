# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Searching a sorted set whose scores are positions: see structures.geohash for what scores and shapes are."""
from libc.stddef cimport size_t

from server.structures.geohash cimport GEO_AREAS, GEO_BOX, GEO_CIRCLE, GeoRange, GeoShape, geo_ranges, geo_within
from server.types.sorted_set cimport SortedSet, ZCursor, ZElement, zset_next, zset_score_range, zset_walk

CIRCLE, BOX = GEO_CIRCLE, GEO_BOX


def search(SortedSet zset, int kind, centre, double conversion, double first, double second, size_t limit) -> list:
    """Members inside a circle or a box; see the .pyi."""
    cdef GeoShape shape
    cdef GeoRange ranges[GEO_AREAS]
    cdef list found = []
    cdef int i
    shape.kind = kind
    shape.longitude, shape.latitude = centre
    shape.conversion = conversion
    shape.radius = shape.width = first
    shape.height = second
    for i in range(geo_ranges(&shape, ranges)):
        if _collect(zset, &shape, &ranges[i], limit, found):
            break
    return found


cdef bint _collect(SortedSet zset, const GeoShape* shape, const GeoRange* scores, size_t limit, list found) except -1:
    """The members of one range of scores; 1: that is enough."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t low, end
    cdef double longitude, latitude, metres
    zset_score_range(zset.entry, scores.low, False, scores.high, True, &low, &end)
    zset_walk(zset.entry, low, end, False, &cursor)
    while zset_next(&cursor, &element):
        if geo_within(shape, element.score, &longitude, &latitude, &metres):
            found.append((metres, element.score, longitude, latitude, element.member[:element.length]))
            if limit and <size_t>len(found) >= limit:
                return True
    return False
