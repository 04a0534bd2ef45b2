# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""LZF: greedy compression with a hash of three bytes, and a decompressor that trusts nothing.

The compressor remembers, by a hash of the next three bytes, where they were seen last; a copy reaches 8192 bytes back.
Literal bytes gather behind a count byte that is filled in when the run ends. Which copy is chosen, and when it gives up
for want of room, is what liblzf does: the payload of a DUMP is then the same to the byte as a real Redis's. Hence some
oddities below: the first byte is never copied from, and room is reckoned with a reserve.

The table of places is kept from call to call, one per thread. Places are counted on from where the last call ended, so
that what an older call left is recognised as such and nothing need be cleared.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from server.structures.memory cimport mem_alloc, mem_free

cdef extern from *:
    """
    #include <stdint.h>
    static __thread uint32_t lzf_seen[1 << 16];
    static __thread uint32_t lzf_count;
    """
    uint32_t* lzf_seen                 # by hash: the count of the place + 1
    uint32_t lzf_count                 # what the places of the next call are counted from

cdef enum:
    MAX_LITERAL = 32                   # bytes of one literal run
    MAX_DISTANCE = 8192                # how far back a copy may reach
    MAX_COPY = 264                     # bytes of one copy
    TABLE_BITS = 16                    # log2 of the places remembered ...
    SAMPLE_BITS = 10                   # ... and by an estimate


cdef inline size_t _match(const unsigned char* a, const unsigned char* b, size_t n, size_t longest) noexcept nogil:
    """How many bytes are equal, n of which are known to be."""
    cdef uint64_t left, right
    while n + 8 <= longest:
        memcpy(&left, a + n, 8)
        memcpy(&right, b + n, 8)
        if left != right:
            break
        n += 8
    while n < longest and a[n] == b[n]:
        n += 1
    return n


cdef inline uint32_t _hash(const unsigned char* p) noexcept nogil:
    cdef uint32_t three = (<uint32_t>p[0] << 16) | (<uint32_t>p[1] << 8) | p[2]
    return ((three >> (24 - TABLE_BITS)) - three * 5) & ((1 << TABLE_BITS) - 1)


cdef inline size_t _longest_copy(size_t left) noexcept nogil:
    """How long a copy may be where `left` bytes (at least 3) are left: two are held back near the end, by liblzf's loop."""
    if left >= 21:
        return left - 2 if left - 2 < MAX_COPY else MAX_COPY
    if left >= 19:
        return 19
    return left - 2 if left > 5 else 3


cdef inline uint32_t _count_from(size_t n) noexcept nogil:
    """Where the places of this call are counted from; the table is cleared when the count would run over."""
    global lzf_count
    cdef uint32_t base = lzf_count
    if n >= <size_t>0xFFFFFFFF - base:
        memset(lzf_seen, 0, sizeof(uint32_t) << TABLE_BITS)
        base = 0
    lzf_count = base + <uint32_t>n
    return base


cdef size_t lzf_estimate(const void* data, size_t n) noexcept nogil:
    """With a table that the nearest cache holds, and nothing written: a third of what compressing costs."""
    cdef const unsigned char* start = <const unsigned char*>data
    cdef const unsigned char* ip = start
    cdef const unsigned char* end = start + n
    cdef const unsigned char* ref
    cdef uint16_t seen[1 << SAMPLE_BITS]
    cdef uint16_t* slot
    cdef size_t copied = 0, copies = 0, length
    memset(seen, 0, sizeof(seen))
    while end - ip > 3:
        slot = &seen[_hash(ip) & ((1 << SAMPLE_BITS) - 1)]
        ref = start + slot[0]
        slot[0] = <uint16_t>(ip - start)
        if ref == start or ref[0] != ip[0] or ref[1] != ip[1] or ref[2] != ip[2]:
            ip += 1
            continue
        length = _match(ref, ip, 3, _longest_copy(end - ip))
        copied += length
        copies += 1
        ip += length
    return n - copied + (n - copied) // MAX_LITERAL + 5 * copies // 2      # two bytes each, and one behind every other


cdef size_t lzf_compress(const void* data, size_t n, void* out, size_t room) noexcept nogil:
    cdef const unsigned char* start = <const unsigned char*>data
    cdef const unsigned char* ip = start
    cdef const unsigned char* end = start + n
    cdef const unsigned char* ref
    cdef unsigned char* op = <unsigned char*>out
    cdef unsigned char* out_end = op + room
    cdef unsigned char* run = op                   # count byte of the literal run under way
    cdef uint32_t base, place, last
    cdef uint32_t* slot
    cdef size_t length, distance
    if n == 0 or room == 0 or n >= <size_t>0xFFFFFFFF:
        return 0
    base = _count_from(n)
    op += 1
    while end - ip > 2:
        slot = &lzf_seen[_hash(ip)]
        last = slot[0]
        place = base + <uint32_t>(ip - start) + 1
        slot[0] = place
        distance = place - last
        ref = ip - distance
        if last <= base + 1 or distance > MAX_DISTANCE or ref[0] != ip[0] or ref[1] != ip[1] or ref[2] != ip[2]:
            if op >= out_end:
                return 0
            op[0] = ip[0]
            op += 1
            ip += 1
            if op - run - 1 == MAX_LITERAL:
                run[0] = MAX_LITERAL - 1
                run = op
                op += 1
            continue
        if op - run == 1:                          # an empty run: its count byte is not needed
            if run + 4 >= out_end:
                return 0
            op = run
        else:
            if op + 4 >= out_end:
                return 0
            run[0] = <unsigned char>(op - run - 2)
        length = _match(ref, ip, 3, _longest_copy(end - ip))
        distance -= 1
        if length < 9:
            op[0] = <unsigned char>(((length - 2) << 5) | (distance >> 8))
            op += 1
        else:
            op[0] = <unsigned char>(0xE0 | (distance >> 8))
            op[1] = <unsigned char>(length - 9)
            op += 2
        op[0] = distance & 0xFF
        op += 1
        run = op
        op += 1
        ip += length
        if end - ip > 2:                           # the end of what was copied can be found again
            place = base + <uint32_t>(ip - start)
            lzf_seen[_hash(ip - 2)] = place - 1
            lzf_seen[_hash(ip - 1)] = place
    if op + 3 > out_end:
        return 0
    while ip < end:
        op[0] = ip[0]
        op += 1
        ip += 1
        if op - run - 1 == MAX_LITERAL:
            run[0] = MAX_LITERAL - 1
            run = op
            op += 1
    if op - run == 1:
        op = run
    else:
        run[0] = <unsigned char>(op - run - 2)
    return op - <unsigned char*>out


cdef size_t lzf_decompress(const void* data, size_t n, void* out, size_t room) noexcept nogil:
    cdef const unsigned char* ip = <const unsigned char*>data
    cdef const unsigned char* end = ip + n
    cdef unsigned char* start = <unsigned char*>out
    cdef unsigned char* op = start
    cdef unsigned char* out_end = op + room
    cdef unsigned char* ref
    cdef size_t control, length, distance
    while ip < end:
        control = ip[0]
        ip += 1
        if control < 32:
            control += 1
            if <size_t>(out_end - op) < control or <size_t>(end - ip) < control:
                return 0
            memcpy(op, ip, control)
            op += control
            ip += control
            continue
        length = (control >> 5) + 2
        if length == 9:
            if ip == end:
                return 0
            length += ip[0]
            ip += 1
        if ip == end:
            return 0
        distance = (((control & 31) << 8) | ip[0]) + 1
        ip += 1
        if distance > <size_t>(op - start) or length > <size_t>(out_end - op):
            return 0
        ref = op - distance
        while distance < length:                   # it reads what it writes: a pattern that doubles
            memcpy(op, ref, distance)
            op += distance
            length -= distance
            distance <<= 1
        memcpy(op, ref, length)
        op += length
    return op - start


def compress(bytes data, size_t room):
    """The bytes in LZF, or None if they do not fit into `room` bytes."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(room + 1)
    cdef size_t n = lzf_compress(<char*>data, len(data), out, room)
    result = (<char*>out)[:n] if n else None
    mem_free(out, room + 1)
    return result


def estimate(bytes data) -> int:
    """About how many bytes LZF would make of it."""
    return lzf_estimate(<char*>data, len(data))


def decompress(bytes data, size_t room):
    """What LZF data of at most `room` bytes stands for; None if it is damaged or longer."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(room + 1)
    cdef size_t n = lzf_decompress(<char*>data, len(data), out, room)
    result = (<char*>out)[:n] if n else None
    mem_free(out, room + 1)
    return result
