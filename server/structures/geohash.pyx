# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Geohashes: encoding, distance on the sphere, and the squares that cover a search; see geohash.pxd for the idea."""
from libc.math cimport asin, cos, fabs, sin, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef double LONGITUDE_MIN = -180.0
cdef double LONGITUDE_MAX = 180.0
cdef double LATITUDE_MIN = -85.05112878        # Mercator's square ends here: no position nearer to a pole
cdef double LATITUDE_MAX = 85.05112878
cdef double EARTH_RADIUS = 6372797.560856      # metres
cdef double MERCATOR_MAX = 20037726.37         # metres, half of the equator
cdef double RADIANS = 3.14159265358979323846 / 180.0
cdef double ROUNDING = 1e-9                    # far more than the functions of libm lose

cdef uint64_t ODD = 0xAAAAAAAAAAAAAAAAULL         # longitude bits
cdef uint64_t EVEN = 0x5555555555555555ULL        # latitude bits
cdef const char* ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"


# --- bits

cdef inline uint64_t spread(uint32_t value) noexcept nogil:
    """Put a zero before each bit."""
    cdef uint64_t x = value
    x = (x | (x << 16)) & 0x0000FFFF0000FFFFULL
    x = (x | (x << 8)) & 0x00FF00FF00FF00FFULL
    x = (x | (x << 4)) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | (x << 2)) & 0x3333333333333333ULL
    return (x | (x << 1)) & 0x5555555555555555ULL


cdef inline uint32_t gather(uint64_t x) noexcept nogil:
    """Every second bit, from the lowest on: undoes spread."""
    x &= 0x5555555555555555ULL
    x = (x | (x >> 1)) & 0x3333333333333333ULL
    x = (x | (x >> 2)) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | (x >> 4)) & 0x00FF00FF00FF00FFULL
    x = (x | (x >> 8)) & 0x0000FFFF0000FFFFULL
    return <uint32_t>(x | (x >> 16))


cdef inline uint64_t score_bits(double score) noexcept nogil:
    """A score as an integer. Any double can be a score: those out of range get what x86-64 makes of them."""
    if score >= 18446744073709551616.0:
        return 0
    if score >= 9223372036854775808.0:
        return <uint64_t>1 << 63 | <uint64_t><int64_t>(score - 9223372036854775808.0)
    if score >= -9223372036854775808.0:
        return <uint64_t><int64_t>score
    return <uint64_t>1 << 63


cdef uint64_t interleave(double longitude, double latitude, double latitude_min, double latitude_max,
                         int step) noexcept nogil:
    cdef double up = (latitude - latitude_min) / (latitude_max - latitude_min)
    cdef double right = (longitude - LONGITUDE_MIN) / (LONGITUDE_MAX - LONGITUDE_MIN)
    up *= <double>(<uint64_t>1 << step)
    right *= <double>(<uint64_t>1 << step)
    return spread(<uint32_t>up) | spread(<uint32_t>right) << 1


cdef bint geo_encode(double longitude, double latitude, int step, GeoHash* hash) noexcept nogil:
    if not (LONGITUDE_MIN <= longitude <= LONGITUDE_MAX and LATITUDE_MIN <= latitude <= LATITUDE_MAX):
        return False
    hash.bits = interleave(longitude, latitude, LATITUDE_MIN, LATITUDE_MAX, step)
    hash.step = step
    return True


cdef bint geo_decode(GeoHash hash, GeoArea* area) noexcept nogil:
    cdef uint32_t up = gather(hash.bits)
    cdef uint32_t right = gather(hash.bits >> 1)
    cdef double cells = <double>(<uint64_t>1 << hash.step)
    cdef double height = LATITUDE_MAX - LATITUDE_MIN
    cdef double width = LONGITUDE_MAX - LONGITUDE_MIN
    if hash.bits == 0 and hash.step == 0:
        return False
    area.latitude_min = LATITUDE_MIN + (up * 1.0 / cells) * height
    area.latitude_max = LATITUDE_MIN + (<uint32_t>(up + 1) * 1.0 / cells) * height
    area.longitude_min = LONGITUDE_MIN + (right * 1.0 / cells) * width
    area.longitude_max = LONGITUDE_MIN + (<uint32_t>(right + 1) * 1.0 / cells) * width
    return True


cdef double geo_score(double longitude, double latitude) noexcept nogil:
    return <double>interleave(longitude, latitude, LATITUDE_MIN, LATITUDE_MAX, GEO_STEP_MAX)


cdef void geo_position(double score, double* longitude, double* latitude) noexcept nogil:
    cdef GeoHash hash
    cdef GeoArea area
    hash.bits = score_bits(score)
    hash.step = GEO_STEP_MAX
    geo_decode(hash, &area)
    longitude[0] = min(max((area.longitude_min + area.longitude_max) / 2, LONGITUDE_MIN), LONGITUDE_MAX)
    latitude[0] = min(max((area.latitude_min + area.latitude_max) / 2, LATITUDE_MIN), LATITUDE_MAX)


cdef void geo_string(double score, char* eleven) noexcept nogil:
    """Standard geohashes scale the latitude over -90..90, so the position is encoded anew.

    52 bits are ten characters and two bits; the eleventh is always "0".
    """
    cdef double longitude, latitude
    cdef uint64_t bits
    cdef int i
    geo_position(score, &longitude, &latitude)
    bits = interleave(longitude, latitude, -90.0, 90.0, GEO_STEP_MAX)
    for i in range(10):
        eleven[i] = ALPHABET[(bits >> (47 - i * 5)) & 31]
    eleven[10] = b"0"


cdef extern from *:
    """
    #include <stdint.h>
    #include <stdio.h>
    #include <string.h>
    /* What printf's %.17f says, for values below 1000: the fraction times 10^17 is exact in 128 bits. */
    static int geo_decimals(char *text, double value) {
    #ifdef __SIZEOF_INT128__
        const uint64_t decimals = 100000000000000000ULL;
        uint64_t bits, whole = 0, digits = 0;
        int scale, i;
        char *at = text;
        memcpy(&bits, &value, 8);
        scale = 1075 - (int)((bits >> 52) & 0x7FF);                    /* value = mantissa / 2^scale */
        if (scale <= 0 || value >= 1000 || value <= -1000) return snprintf(text, 48, "%.17f", value);
        if (scale < 120) {                                             /* else it is 0 to seventeen decimals */
            uint64_t mantissa = (bits & 0xFFFFFFFFFFFFFULL) | 0x10000000000000ULL;
            unsigned __int128 one = (unsigned __int128)1 << scale, part, rest;
            whole = scale < 64 ? mantissa >> scale : 0;
            part = (unsigned __int128)(scale < 64 ? mantissa - (whole << scale) : mantissa) * decimals;
            digits = (uint64_t)(part >> scale);
            rest = part & (one - 1);
            if (rest > one >> 1 || (rest == one >> 1 && digits & 1)) digits++;
            if (digits == decimals) { digits = 0; whole++; }
        }
        if (bits >> 63) *at++ = '-';
        if (whole >= 100) *at++ = (char)('0' + whole / 100);
        if (whole >= 10) *at++ = (char)('0' + whole / 10 % 10);
        *at++ = (char)('0' + whole % 10);
        *at++ = '.';
        for (i = 16; i >= 0; i--) { at[i] = (char)('0' + digits % 10); digits /= 10; }
        return (int)(at + 17 - text);
    #else
        return snprintf(text, 48, "%.17f", value);
    #endif
    }
    """
    int geo_decimals(char* text, double value) noexcept nogil


cdef size_t geo_degrees(char* text, double value) noexcept nogil:
    cdef int n = geo_decimals(text, value)
    while text[n - 1] == c'0':
        n -= 1
    if text[n - 1] == c'.':
        n -= 1
    if n == 2 and text[0] == c'-' and text[1] == c'0':
        text[0] = c'0'
        n = 1
    return n


# --- lengths

cdef inline double latitude_distance(double latitude1, double latitude2) noexcept nogil:
    return EARTH_RADIUS * fabs(latitude2 * RADIANS - latitude1 * RADIANS)


cdef double geo_distance(double longitude1, double latitude1, double longitude2, double latitude2) noexcept nogil:
    """Great-circle distance by the haversine formula."""
    cdef double from_latitude, to_latitude, u, a
    cdef double v = sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
    if v == 0.0:
        return latitude_distance(latitude1, latitude2)
    from_latitude = latitude1 * RADIANS
    to_latitude = latitude2 * RADIANS
    u = sin((to_latitude - from_latitude) / 2)
    a = u * u + cos(from_latitude) * cos(to_latitude) * v * v
    return 2.0 * EARTH_RADIUS * asin(sqrt(a))


cdef void geo_ready(GeoShape* shape) noexcept nogil:
    cdef double angle = shape.radius * shape.conversion / (2.0 * EARTH_RADIUS)
    shape.cosine = cos(shape.latitude * RADIANS)
    shape.outside = 2.0                                # a haversine is 1 at most
    if shape.kind == GEO_CIRCLE and angle < 1.5:
        shape.outside = sin(angle) * sin(angle) * (1 + ROUNDING) + ROUNDING * ROUNDING


cdef inline bint _in_circle(const GeoShape* shape, double longitude, double latitude, double* distance) noexcept nogil:
    """geo_distance, but for the roots and arcs of what is farther away by more than rounding can tell."""
    cdef double u, a
    cdef double v = sin((longitude * RADIANS - shape.longitude * RADIANS) / 2)
    if v == 0.0:
        distance[0] = latitude_distance(shape.latitude, latitude)
    else:
        u = sin((latitude * RADIANS - shape.latitude * RADIANS) / 2)
        if u * u > shape.outside:
            return False
        a = u * u + shape.cosine * cos(latitude * RADIANS) * v * v
        if a > shape.outside:
            return False
        distance[0] = 2.0 * EARTH_RADIUS * asin(sqrt(a))
    return not distance[0] > shape.radius * shape.conversion


cdef bint geo_within(const GeoShape* shape, double score, double* longitude, double* latitude,
                     double* distance) noexcept nogil:
    cdef double x, y
    geo_position(score, &x, &y)
    longitude[0] = x
    latitude[0] = y
    if shape.kind == GEO_CIRCLE:
        return _in_circle(shape, x, y, distance)
    if latitude_distance(y, shape.latitude) > shape.height * shape.conversion / 2:
        return False
    if geo_distance(x, y, shape.longitude, y) > shape.width * shape.conversion / 2:
        return False
    distance[0] = geo_distance(shape.longitude, shape.latitude, x, y)
    return True


# --- areas

cdef void geo_bounding_box(const GeoShape* shape, GeoArea* box) noexcept nogil:
    """The degrees that the shape may reach: meridians draw together towards the pole, so the far edge decides."""
    cdef double height = shape.conversion * (shape.radius if shape.kind == GEO_CIRCLE else shape.height / 2)
    cdef double width = shape.conversion * (shape.radius if shape.kind == GEO_CIRCLE else shape.width / 2)
    cdef double up = height / EARTH_RADIUS / RADIANS
    cdef double edge = shape.latitude - up if shape.latitude < 0 else shape.latitude + up
    cdef double right = width / EARTH_RADIUS / cos(edge * RADIANS) / RADIANS
    box.longitude_min = shape.longitude - right
    box.longitude_max = shape.longitude + right
    box.latitude_min = shape.latitude - up
    box.latitude_max = shape.latitude + up


cdef int steps_for(double metres, double latitude) noexcept nogil:
    """How many bits per coordinate make squares about as wide as the search."""
    cdef int step = 1
    if metres == 0:
        return GEO_STEP_MAX
    while metres < MERCATOR_MAX:
        metres *= 2
        step += 1
    step -= 2
    if latitude > 66 or latitude < -66:
        step -= 1
        if latitude > 80 or latitude < -80:
            step -= 1
    return min(max(step, 1), GEO_STEP_MAX)


cdef GeoHash moved(GeoHash hash, int right, int up) noexcept nogil:
    """The hash's neighbour; the map wraps around in both directions.

    The eastern and northern edge of the map hash to one bit more than a square inside, and keep it where nothing moves.
    """
    cdef uint64_t all_bits = <uint64_t>-1 >> (64 - hash.step * 2)
    cdef uint64_t x = hash.bits & ODD
    cdef uint64_t y = hash.bits & EVEN
    # Filling the other coordinate's bits with ones lets a carry pass through them.
    if right > 0:
        x = (x + (EVEN & all_bits) + 1) & ODD & all_bits
    elif right < 0:
        x = ((x | (EVEN & all_bits)) - ((EVEN & all_bits) + 1)) & ODD & all_bits
    if up > 0:
        y = (y + (ODD & all_bits) + 1) & EVEN & all_bits
    elif up < 0:
        y = ((y | (ODD & all_bits)) - ((ODD & all_bits) + 1)) & EVEN & all_bits
    hash.bits = x | y
    return hash


cdef bint reaches_beyond(GeoHash hash, const GeoArea* box) noexcept nogil:
    """Whether the box is wider than the squares next to the hash's."""
    cdef GeoArea north, south, east, west
    geo_decode(moved(hash, 0, 1), &north)
    geo_decode(moved(hash, 0, -1), &south)
    geo_decode(moved(hash, 1, 0), &east)
    geo_decode(moved(hash, -1, 0), &west)
    return (north.latitude_max < box.latitude_max or south.latitude_min > box.latitude_min
            or east.longitude_max < box.longitude_max or west.longitude_min > box.longitude_min)


cdef GeoRange range_of(GeoHash hash) noexcept nogil:
    cdef GeoRange scores
    cdef int shift = 2 * (GEO_STEP_MAX - <int>hash.step)
    scores.low = <double>(hash.bits << shift)
    scores.high = <double>((hash.bits + 1) << shift)
    return scores


cdef int geo_ranges(const GeoShape* shape, GeoRange* ranges) noexcept nogil:
    cdef int[9] rights = [0, 0, 0, 1, -1, 1, -1, 1, -1]       # centre, N, S, E, W, NE, NW, SE, SW
    cdef int[9] ups = [0, 1, -1, 0, 0, 1, 1, -1, -1]
    cdef double metres = shape.radius
    cdef GeoArea box, area
    cdef GeoHash centre, hash
    cdef uint64_t last = <uint64_t>-1                  # bits of the square looked through before
    cdef int i, step
    cdef int count = 0
    geo_bounding_box(shape, &box)
    if shape.kind == GEO_BOX:
        metres = sqrt((shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2))
    step = steps_for(metres * shape.conversion, shape.latitude)
    if not geo_encode(shape.longitude, shape.latitude, step, &centre):
        return 0
    if step > 1 and reaches_beyond(centre, &box):
        step -= 1
        geo_encode(shape.longitude, shape.latitude, step, &centre)
    geo_decode(centre, &area)
    for i in range(GEO_AREAS):
        if step >= 2 and ((ups[i] < 0 and area.latitude_min < box.latitude_min)
                          or (ups[i] > 0 and area.latitude_max > box.latitude_max)
                          or (rights[i] < 0 and area.longitude_min < box.longitude_min)
                          or (rights[i] > 0 and area.longitude_max > box.longitude_max)):
            continue                                   # the centre's square ends beyond the box on this side
        hash = moved(centre, rights[i], ups[i])
        if hash.bits == last:
            continue                                   # with big squares the map wraps: one already looked through
        ranges[count] = range_of(hash)
        count += 1
        if i > 0:                                      # the centre is not remembered, as in Redis
            last = hash.bits
    return count


# --- the same for Python

def encode(double longitude, double latitude) -> int:
    """The 52-bit geohash of a position, which is its score. ValueError outside -180..180, -85.05112878..85.05112878."""
    cdef GeoHash hash
    if not geo_encode(longitude, latitude, GEO_STEP_MAX, &hash):
        raise ValueError("invalid longitude,latitude pair")
    return hash.bits


def decode(double score) -> tuple:
    """The middle of the cell that a score names: longitude, latitude."""
    cdef double longitude, latitude
    geo_position(score, &longitude, &latitude)
    return longitude, latitude


def string(double score) -> bytes:
    """The standard geohash of a score, as GEOHASH replies it: 11 characters."""
    cdef char[11] eleven
    geo_string(score, eleven)
    return eleven[:11]


def degrees(double value) -> bytes:
    """A coordinate with up to 17 decimals, as GEOPOS replies it."""
    cdef char text[48]
    cdef size_t n = geo_degrees(text, value)
    return text[:n]


def distance(double longitude1, double latitude1, double longitude2, double latitude2) -> float:
    """Metres between two positions."""
    return geo_distance(longitude1, latitude1, longitude2, latitude2)


cdef class Shape:
    """A search area, made by `circle` or `box`."""
    cdef GeoShape shape

    @staticmethod
    def circle(double longitude, double latitude, double radius, double conversion=1.0):
        cdef Shape self = Shape()
        self.shape = GeoShape(GEO_CIRCLE, longitude, latitude, conversion, radius, 0.0, 0.0, 0.0, 0.0)
        geo_ready(&self.shape)
        return self

    @staticmethod
    def box(double longitude, double latitude, double width, double height, double conversion=1.0):
        cdef Shape self = Shape()
        self.shape = GeoShape(GEO_BOX, longitude, latitude, conversion, 0.0, width, height, 0.0, 0.0)
        geo_ready(&self.shape)
        return self

    def ranges(self) -> list:
        """Score ranges (low <= score < high) that cover the shape, in the order in which Redis looks them through."""
        cdef GeoRange[GEO_AREAS] found
        cdef int i
        cdef int count = geo_ranges(&self.shape, found)
        return [(found[i].low, found[i].high) for i in range(count)]

    def bounding_box(self) -> tuple:
        """Degrees: longitude from, latitude from, longitude to, latitude to."""
        cdef GeoArea area
        geo_bounding_box(&self.shape, &area)
        return area.longitude_min, area.latitude_min, area.longitude_max, area.latitude_max

    def within(self, double score):
        """(longitude, latitude, metres from the centre) of a score inside the shape, else None."""
        cdef double longitude, latitude, metres
        if geo_within(&self.shape, score, &longitude, &latitude, &metres):
            return longitude, latitude, metres
        return None
