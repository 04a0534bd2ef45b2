# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint32_t, uint64_t

from server.structures.intset cimport intset_load32
from server.structures.listpack cimport (lp_append_in, lp_append_integer_in, lp_new_in, lp_safe_to_add, lp_shrink)
from server.structures.memory cimport mem_free

cdef enum:
    ZIPLIST_HEADER = 10
    ZIPLIST_END = 0xFF
    ZIPLIST_MANY = 0xFFFF              # entries: more than the header can say
    BIG_BEFORE = 254                   # size of the entry before, or length in a zipmap: 4 bytes follow
    ZIPMAP_MANY = 254

cdef struct ZipEntry:
    const unsigned char* s             # NULL: number
    size_t n
    int64_t number
    size_t size                        # the whole entry, bytes
    uint32_t before                    # size of the entry before, as it says


cdef size_t _integer_size(unsigned char encoding) noexcept nogil:
    """Bytes behind the encoding byte of an integer; 9 for a byte that is none."""
    if encoding == 0xC0:
        return 2
    if encoding == 0xD0:
        return 4
    if encoding == 0xE0:
        return 8
    if encoding == 0xF0:
        return 3
    if encoding == 0xFE:
        return 1
    return 0 if 0xF1 <= encoding <= 0xFD else 9


cdef int64_t _integer(unsigned char encoding, const unsigned char* p) noexcept nogil:
    if encoding == 0xC0:
        return <int16_t>(p[0] | (<uint32_t>p[1] << 8))
    if encoding == 0xD0:
        return <int32_t>intset_load32(p)
    if encoding == 0xE0:
        return <int64_t>(<uint64_t>intset_load32(p) | (<uint64_t>intset_load32(p + 4) << 32))
    if encoding == 0xF0:
        return <int32_t>((<uint32_t>p[0] << 8) | (<uint32_t>p[1] << 16) | (<uint32_t>p[2] << 24)) >> 8
    if encoding == 0xFE:
        return <int8_t>p[0]
    return encoding - 0xF1


cdef bint _zip_entry(const unsigned char* p, size_t left, ZipEntry* e) noexcept nogil:
    """Read an entry of which `left` bytes may be looked at; 0: it is malformed."""
    cdef size_t head = 5 if p[0] == BIG_BEFORE else 1
    cdef unsigned char encoding
    if left <= head:
        return False
    e.before = intset_load32(p + 1) if head == 5 else p[0]
    encoding = p[head]
    e.s = NULL
    e.n = 0
    e.number = 0
    if encoding >= 0xC0:
        e.size = head + 1 + _integer_size(encoding)
        if _integer_size(encoding) > 8 or e.size > left:
            return False
        e.number = _integer(encoding, p + head + 1)
        return True
    if encoding < 0x40:
        e.n = encoding
        head += 1
    elif encoding < 0x80:
        if left < head + 2:
            return False
        e.n = (<size_t>(encoding & 0x3F) << 8) | p[head + 1]
        head += 2
    else:
        if left < head + 5:
            return False
        e.n = (<size_t>p[head + 1] << 24) | (<size_t>p[head + 2] << 16) | (<size_t>p[head + 3] << 8) | p[head + 4]
        head += 5
    if e.n > left - head:
        return False
    e.s = p + head
    e.size = head + e.n
    return True


cdef unsigned char* ziplist_to_listpack(const unsigned char* zl, size_t size) noexcept nogil:
    cdef const unsigned char* p = zl + ZIPLIST_HEADER
    cdef const unsigned char* end = zl + size - 1
    cdef size_t before = 0
    cdef uint64_t count = 0
    cdef uint32_t said
    cdef unsigned char* lp
    cdef size_t capacity = size + 16
    cdef ZipEntry e
    cdef bint fine = True
    if size < ZIPLIST_HEADER + 1 or intset_load32(zl) != size or end[0] != ZIPLIST_END:
        return NULL
    said = <uint32_t>zl[8] | (<uint32_t>zl[9] << 8)
    lp = lp_new_in(capacity)
    while fine and p < end and p[0] != ZIPLIST_END:
        fine = _zip_entry(p, end - p, &e) and e.before == before and lp_safe_to_add(lp, e.n)
        if fine:
            if e.s != NULL:
                lp_append_in(&lp, &capacity, <const char*>e.s, e.n)
            else:
                lp_append_integer_in(&lp, &capacity, e.number)
            before = e.size
            p += e.size
            count += 1
    if p != end or intset_load32(zl + 4) != <uint64_t>(p - zl) - before or (said != ZIPLIST_MANY and said != count):
        fine = False
    if not fine:
        mem_free(lp, capacity)
        return NULL
    lp_shrink(&lp, capacity)
    return lp


cdef bint _map_length(const unsigned char** p, const unsigned char* end, size_t* n) noexcept nogil:
    """Read a length and step over it; 0: it and so many bytes would not fit before the end."""
    if p[0] >= end:
        return False
    if p[0][0] < BIG_BEFORE:
        n[0] = p[0][0]
        p[0] += 1
    else:
        if p[0][0] != BIG_BEFORE or end - p[0] < 5:
            return False
        n[0] = intset_load32(p[0] + 1)
        p[0] += 5
    return n[0] <= <size_t>(end - p[0])


cdef unsigned char* zipmap_to_listpack(const unsigned char* zm, size_t size, size_t* longest) noexcept nogil:
    cdef const unsigned char* p = zm + 1
    cdef const unsigned char* end = zm + size - 1
    cdef const unsigned char* field
    cdef size_t field_length, length, spare
    cdef size_t capacity = size + 16
    cdef uint64_t count = 0
    cdef unsigned char* lp
    cdef bint fine
    longest[0] = 0
    if size < 2 or end[0] != 0xFF:
        return NULL
    lp = lp_new_in(capacity)
    fine = True
    while p < end:
        fine = False
        if not _map_length(&p, end, &field_length):
            break
        field = p
        p += field_length
        if not _map_length(&p, end, &length) or p >= end:
            break
        spare = p[0]
        p += 1
        if length + spare > <size_t>(end - p) or not lp_safe_to_add(lp, field_length + length):
            break
        lp_append_in(&lp, &capacity, <const char*>field, field_length)
        lp_append_in(&lp, &capacity, <const char*>p, length)
        longest[0] = max(longest[0], max(field_length, length))
        p += length + spare
        count += 1
        fine = True
    if not fine or count == 0 or (zm[0] != ZIPMAP_MANY and zm[0] != count):
        mem_free(lp, capacity)
        return NULL
    lp_shrink(&lp, capacity)
    return lp
