# cython: language_level=3
"""Positions as 52-bit geohashes, and which score ranges of a sorted set cover a search area.

A geo index is a sorted set whose scores are geohashes: longitude and latitude, each scaled to 26 bits, interleaved
(longitude in the higher bit of each pair). A score is exact in a double. Near positions mostly share leading bits, so
a square of the map is one range of scores; a search looks through the square of its centre and the eight around it.
Every formula keeps Redis's order of operations, so that replies agree to the last digit.
Units: degrees for positions (longitude first), metres for lengths. Pure functions: any thread may call them.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    GEO_STEP_MAX = 26                  # bits of each coordinate in a score
    GEO_AREAS = 9                      # the centre's square and its neighbours

cdef enum:                             # GeoShape.kind
    GEO_CIRCLE = 1
    GEO_BOX = 2

cdef struct GeoHash:
    uint64_t bits                      # 2 x step bits
    uint32_t step                      # bits per coordinate; 0 with bits 0: no hash

cdef struct GeoArea:                   # the rectangle that a hash names
    double longitude_min
    double longitude_max
    double latitude_min
    double latitude_max

cdef struct GeoShape:                  # what GEORADIUS and GEOSEARCH look for
    int kind
    double longitude                   # centre
    double latitude
    double conversion                  # metres in the unit of the three lengths below
    double radius                      # GEO_CIRCLE
    double width                       # GEO_BOX
    double height
    double cosine                      # of the centre's latitude: `geo_ready` makes this ...
    double outside                     # ... and the haversine that only points outside a circle exceed

cdef struct GeoRange:                  # scores: low <= score < high
    double low
    double high

cdef bint geo_encode(double longitude, double latitude, int step, GeoHash* hash) noexcept nogil   # 0: out of range
cdef bint geo_decode(GeoHash hash, GeoArea* area) noexcept nogil
cdef double geo_score(double longitude, double latitude) noexcept nogil          # of a position that is in range
cdef void geo_position(double score, double* longitude, double* latitude) noexcept nogil
cdef void geo_string(double score, char* eleven) noexcept nogil                  # 11 characters of a standard geohash
cdef size_t geo_degrees(char* text, double value) noexcept nogil        # up to 17 decimals without zeros at the end, in 48 bytes; the length
cdef double geo_distance(double longitude1, double latitude1, double longitude2, double latitude2) noexcept nogil
cdef void geo_ready(GeoShape* shape) noexcept nogil      # before geo_within
cdef void geo_bounding_box(const GeoShape* shape, GeoArea* box) noexcept nogil
cdef int geo_ranges(const GeoShape* shape, GeoRange* ranges) noexcept nogil      # up to GEO_AREAS, in Redis's order
cdef bint geo_within(const GeoShape* shape, double score, double* longitude, double* latitude,
                     double* distance) noexcept nogil    # position always; distance in metres only when inside
