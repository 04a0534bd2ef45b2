# cython: language_level=3
"""Searching a sorted set whose scores are positions, and positions as replies show them."""
from libc.stddef cimport size_t

from iothreads.message cimport Output
from server.structures.geohash cimport GeoShape
from server.structures.table cimport Entry
from server.types.value cimport LooseEntry

cdef struct GeoPoint:
    double metres                      # from the centre
    double score
    double longitude
    double latitude
    const char* member                 # in the sorted set; NULL: in `text`
    size_t length
    size_t place                       # in the order in which they were found
    char text[24]

cdef struct GeoPoints:                 # what a search found; good until the sorted set changes
    GeoPoint* points
    size_t count
    size_t capacity
    bint failed                        # there was no memory

cdef int geo_search(GeoPoints* found, Entry* zset, GeoShape* shape, size_t limit) except -1
    # all that is inside, or the first `limit` that are found; the owner calls geo_free. MemoryError
cdef void geo_free(GeoPoints* found) noexcept
cdef void geo_order(GeoPoints* found, bint farthest, size_t most) noexcept     # by distance, the first ones only; 0: all
cdef void geo_keep(GeoPoints* found, size_t most) noexcept                     # as many, in the order they have; 0: all
cdef void geo_store(GeoPoints* found, double metres, LooseEntry* into) noexcept
    # a sorted set in no database; where metres is not 0, distances in a unit of so many metres take the place of scores
cdef void geo_write(GeoPoints* found, bint distances, bint hashes, bint positions, double metres, Output* out, int resp) noexcept
    # an array of the members, each with what is wanted of it; metres: in the unit of distances

cdef void geo_write_degrees(Output* out, double value, int resp) noexcept      # a coordinate with up to 17 decimals
cdef void geo_write_distance(Output* out, double value) noexcept               # in its unit, with four decimals
