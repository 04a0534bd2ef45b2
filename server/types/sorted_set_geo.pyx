# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Searching a sorted set whose scores are positions: see structures.geohash for what scores and shapes are."""
from libc.math cimport llrint
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.resp_writer cimport write_bulk, write_header, write_integer, write_raw
from server.registry.reply_writer cimport WrittenReply
from server.structures.geohash cimport (
    GEO_AREAS, GEO_BOX, GEO_CIRCLE, GeoRange, GeoShape, geo_degrees, geo_ranges, geo_within)
from server.types.bulk cimport write_short
from server.types.sorted_set cimport SortedSet, ZCursor, ZElement, zset_next, zset_score_range, zset_walk

CIRCLE, BOX = GEO_CIRCLE, GEO_BOX

cdef struct Point:
    double metres                      # from the centre
    double score
    double longitude
    double latitude
    const char* member                 # in the sorted set; NULL: in `text`
    size_t length
    size_t place                       # in the order in which they were found
    char text[24]


# ---- replies
cdef void geo_write_degrees(Output* out, double value, int resp) noexcept:
    cdef char text[48]
    cdef size_t n = geo_degrees(text, value)
    if resp == 3:
        write_raw(out, ",", 1)
        write_raw(out, text, n)
        write_raw(out, "\r\n", 2)
    else:
        write_bulk(out, text, n)


cdef void geo_write_distance(Output* out, double value) noexcept:
    cdef char text[48]
    cdef int64_t scaled = llrint(value * 10000)
    write_bulk(out, text, snprintf(text, sizeof(text), "%lld.%04d", <long long>(scaled // 10000), <int>(scaled % 10000)))


# ---- order: of points as far as each other, who was found first
cdef int _nearest_first(const void* a, const void* b) noexcept nogil:
    cdef const Point* one = <const Point*>a
    cdef const Point* other = <const Point*>b
    if one.metres != other.metres:
        return 1 if one.metres > other.metres else -1
    return 1 if one.place > other.place else -1


cdef int _farthest_first(const void* a, const void* b) noexcept nogil:
    cdef const Point* one = <const Point*>a
    cdef const Point* other = <const Point*>b
    if one.metres != other.metres:
        return 1 if one.metres < other.metres else -1
    return 1 if one.place > other.place else -1


cdef inline const char* _text(const Point* point) noexcept:
    return point.member if point.member != NULL else point.text


cdef class Points:
    """What a search found; good until the sorted set changes."""

    cdef Point* points
    cdef size_t count
    cdef size_t capacity

    def __init__(self, SortedSet zset, int kind, centre, double conversion, double first, double second, size_t limit):
        """Members inside a circle or a box; see the .pyi."""
        cdef GeoShape shape
        cdef GeoRange ranges[GEO_AREAS]
        cdef int i
        shape.kind = kind
        shape.longitude, shape.latitude = centre
        shape.conversion = conversion
        shape.radius = shape.width = first
        shape.height = second
        for i in range(geo_ranges(&shape, ranges)):
            if self._collect(zset, &shape, &ranges[i], limit):
                break

    def __dealloc__(self):
        free(self.points)

    def __len__(self) -> int:
        return self.count

    cdef bint _collect(self, SortedSet zset, const GeoShape* shape, const GeoRange* scores, size_t limit) except -1:
        """The members of one range of scores; 1: that is enough."""
        cdef ZCursor cursor
        cdef ZElement element
        cdef size_t low, end
        cdef Point point
        zset_score_range(zset.entry, scores.low, False, scores.high, True, &low, &end)
        zset_walk(zset.entry, low, end, False, &cursor)
        while zset_next(&cursor, &element):
            if geo_within(shape, element.score, &point.longitude, &point.latitude, &point.metres):
                self._add(&point, &element)
                if limit and self.count >= limit:
                    return True
        return False

    cdef int _add(self, Point* point, ZElement* element) except -1:
        cdef Point* grown
        if self.count == self.capacity:
            self.capacity = 2 * self.capacity + 16
            grown = <Point*>realloc(self.points, self.capacity * sizeof(Point))
            if grown == NULL:
                raise MemoryError
            self.points = grown
        point.score = element.score
        point.length = element.length
        point.place = self.count
        point.member = element.member
        if element.member == element.text:
            point.member = NULL
            memcpy(point.text, element.text, element.length)
        self.points[self.count] = point[0]
        self.count += 1
        return 0

    def order(self, bint farthest) -> None:
        """By their distance from the centre."""
        qsort(self.points, self.count, sizeof(Point), _farthest_first if farthest else _nearest_first)

    def keep(self, size_t most) -> None:
        """The first ones only."""
        self.count = min(self.count, most)

    def pairs(self, double metres) -> list[tuple[bytes, float]]:
        """(member, score); where metres is not 0, distances in a unit of so many metres take the place of scores."""
        cdef Point* point
        cdef size_t i
        found = []
        for i in range(self.count):
            point = &self.points[i]
            found.append((PyBytes_FromStringAndSize(_text(point), point.length),
                          point.metres / metres if metres else point.score))
        return found

    def reply(self, bint distances, bint hashes, bint positions, double metres, int resp) -> WrittenReply:
        """An array of the members, each with what is wanted of it; metres: in the unit of distances."""
        cdef WrittenReply written = WrittenReply()
        cdef Output* out = &written.output
        cdef Point* point
        cdef size_t i
        cdef int wanted = distances + hashes + positions
        write_header(out, c'*', self.count)
        for i in range(self.count):
            point = &self.points[i]
            if wanted:
                write_header(out, c'*', 1 + wanted)
            write_short(out, _text(point), point.length)
            if distances:
                geo_write_distance(out, point.metres / metres)
            if hashes:
                write_integer(out, <int64_t>point.score)
            if positions:
                write_header(out, c'*', 2)
                geo_write_degrees(out, point.longitude, resp)
                geo_write_degrees(out, point.latitude, resp)
        return written
