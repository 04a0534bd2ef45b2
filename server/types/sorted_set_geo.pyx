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
    GEO_AREAS, GEO_BOX, GEO_CIRCLE, GeoRange, GeoShape, geo_degrees, geo_ranges, geo_ready, geo_within)
from server.structures.memory cimport mem_alloc, mem_free
from server.structures.table cimport ENTRY_WORD, Entry
from server.types.bulk cimport write_short
from server.types.sorted_set cimport (
    SortedSet, ZCursor, ZElement, ZPair, zset_fill, zset_next, zset_score_range, zset_walk)
from server.types.sorted_set_algebra cimport zpairs_sort

CIRCLE, BOX = GEO_CIRCLE, GEO_BOX

cdef enum:
    PICKED = 8                         # points for one that is wanted, from which on they are not all put in order

ctypedef int (*compare_t)(const void* a, const void* b) noexcept nogil


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
    cdef const GeoPoint* one = <const GeoPoint*>a
    cdef const GeoPoint* other = <const GeoPoint*>b
    if one.metres != other.metres:
        return 1 if one.metres > other.metres else -1
    return 1 if one.place > other.place else -1


cdef int _farthest_first(const void* a, const void* b) noexcept nogil:
    cdef const GeoPoint* one = <const GeoPoint*>a
    cdef const GeoPoint* other = <const GeoPoint*>b
    if one.metres != other.metres:
        return 1 if one.metres < other.metres else -1
    return 1 if one.place > other.place else -1


cdef inline const char* _text(const GeoPoint* point) noexcept:
    return point.member if point.member != NULL else point.text


# ---- searching
cdef bint _add(GeoPoints* found, const GeoPoint* point, const ZElement* element) noexcept:
    """0: no memory."""
    cdef GeoPoint* grown
    if found.count == found.capacity:
        grown = <GeoPoint*>realloc(found.points, (2 * found.capacity + 16) * sizeof(GeoPoint))
        if grown == NULL:
            return False
        found.points = grown
        found.capacity = 2 * found.capacity + 16
    grown = &found.points[found.count]
    grown[0] = point[0]
    grown.score = element.score
    grown.length = element.length
    grown.place = found.count
    grown.member = element.member
    if element.member == element.text:
        grown.member = NULL
        memcpy(grown.text, element.text, element.length)
    found.count += 1
    return True


cdef bint _collect(GeoPoints* found, Entry* zset, const GeoShape* shape, const GeoRange* scores, size_t limit) noexcept:
    """The members of one range of scores; 1: that is enough."""
    cdef ZCursor cursor
    cdef ZElement element
    cdef size_t low, end
    cdef GeoPoint point
    zset_score_range(zset, scores.low, False, scores.high, True, &low, &end)
    zset_walk(zset, low, end, False, &cursor)
    while zset_next(&cursor, &element):
        if geo_within(shape, element.score, &point.longitude, &point.latitude, &point.metres):
            found.failed |= not _add(found, &point, &element)
            if found.failed or (limit and found.count >= limit):
                return True
    return False


cdef int geo_search(GeoPoints* found, Entry* zset, GeoShape* shape, size_t limit) except -1:
    cdef GeoRange ranges[GEO_AREAS]
    cdef int i
    found.points = NULL
    found.count = found.capacity = 0
    found.failed = False
    geo_ready(shape)
    for i in range(geo_ranges(shape, ranges)):
        if _collect(found, zset, shape, &ranges[i], limit):
            break
    if found.failed:
        geo_free(found)
        raise MemoryError
    return 0


cdef void geo_free(GeoPoints* found) noexcept:
    free(found.points)
    found.points = NULL


# ---- the nearest or the farthest ones
cdef void _sink(GeoPoint* heap, size_t at, size_t count, compare_t compare) noexcept:
    """Restore a heap whose last ones in order stand above the others, from this place downwards."""
    cdef GeoPoint moving = heap[at]
    cdef size_t child = 2 * at + 1
    while child < count:
        if child + 1 < count and compare(&heap[child], &heap[child + 1]) < 0:
            child += 1
        if compare(&moving, &heap[child]) >= 0:
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = moving


cdef void _pick(GeoPoints* found, size_t most, compare_t compare) noexcept:
    """Of many points only so many, the first ones in order, in any order."""
    cdef GeoPoint* heap = found.points
    cdef size_t i
    for i in range(most // 2, 0, -1):
        _sink(heap, i - 1, most, compare)
    for i in range(most, found.count):
        if compare(&heap[i], &heap[0]) < 0:
            heap[0] = heap[i]
            _sink(heap, 0, most, compare)
    found.count = most


cdef void geo_order(GeoPoints* found, bint farthest, size_t most) noexcept:
    cdef compare_t compare = _farthest_first if farthest else _nearest_first
    if most and most < found.count // PICKED:
        _pick(found, most, compare)
    if found.count:                    # else there may be no array at all, which C leaves undefined
        qsort(found.points, found.count, sizeof(GeoPoint), compare)
    geo_keep(found, most)


cdef void geo_keep(GeoPoints* found, size_t most) noexcept:
    if most and most < found.count:
        found.count = most


# ---- what becomes of them
cdef void geo_store(GeoPoints* found, double metres, LooseEntry* into) noexcept:
    cdef ZPair* pairs = <ZPair*>mem_alloc(max(found.count, <size_t>1) * sizeof(ZPair))
    cdef GeoPoint* point
    cdef size_t i
    into.head.klen = ENTRY_WORD
    into.head.meta = 0
    into.word = 0
    for i in range(found.count):
        point = &found.points[i]
        pairs[i] = ZPair(point.metres / metres if metres else point.score, _text(point), point.length)
    if found.count:
        zpairs_sort(pairs, found.count)
        zset_fill(&into.head, pairs, found.count)
    mem_free(pairs, max(found.count, <size_t>1) * sizeof(ZPair))


cdef void geo_write(GeoPoints* found, bint distances, bint hashes, bint positions, double metres, Output* out,
                    int resp) noexcept:
    cdef GeoPoint* point
    cdef size_t i
    cdef int wanted = distances + hashes + positions
    write_header(out, c'*', found.count)
    for i in range(found.count):
        point = &found.points[i]
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


cdef class Points:
    """What a search found; good until the sorted set changes."""

    cdef GeoPoints found

    def __init__(self, SortedSet zset, int kind, centre, double conversion, double first, double second, size_t limit):
        """Members inside a circle or a box; see the .pyi."""
        cdef GeoShape shape
        shape.kind = kind
        shape.longitude, shape.latitude = centre
        shape.conversion = conversion
        shape.radius = shape.width = first
        shape.height = second
        geo_search(&self.found, zset.entry, &shape, limit)

    def __dealloc__(self):
        geo_free(&self.found)

    def __len__(self) -> int:
        return self.found.count

    def order(self, bint farthest, size_t most) -> None:
        """By their distance from the centre, the first ones only; 0: all."""
        geo_order(&self.found, farthest, most)

    def keep(self, size_t most) -> None:
        """The first ones only; 0: all."""
        geo_keep(&self.found, most)

    def pairs(self, double metres) -> list[tuple[bytes, float]]:
        """(member, score); where metres is not 0, distances in a unit of so many metres take the place of scores."""
        cdef GeoPoint* point
        cdef size_t i
        found = []
        for i in range(self.found.count):
            point = &self.found.points[i]
            found.append((PyBytes_FromStringAndSize(_text(point), point.length),
                          point.metres / metres if metres else point.score))
        return found

    def reply(self, bint distances, bint hashes, bint positions, double metres, int resp) -> WrittenReply:
        """An array of the members, each with what is wanted of it; metres: in the unit of distances."""
        cdef WrittenReply written = WrittenReply()
        geo_write(&self.found, distances, hashes, positions, metres, &written.output, resp)
        return written
