# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""LZF: greedy compression with a hash of three bytes, and a decompressor that trusts nothing.

The compressor remembers, by a hash of the next three bytes, where they were seen last; a copy reaches 8192 bytes back.
Literal bytes gather behind a count byte that is filled in when the run ends.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from server.structures.memory cimport mem_alloc, mem_free

cdef enum:
    MAX_LITERAL = 32                   # bytes of one literal run
    MAX_DISTANCE = 8192                # how far back a copy may reach
    MAX_COPY = 264                     # bytes of one copy
    MOST_BITS = 14                     # log2 of the places remembered, at most


cdef inline int _bits_for(size_t n) noexcept nogil:
    """A table that is cleared in little time beside the work on n bytes."""
    if n <= 256:
        return 8
    if n <= 2048:
        return 10
    return 12 if n <= 16384 else MOST_BITS


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


cdef inline uint32_t _hash(const unsigned char* p, int bits) noexcept nogil:
    cdef uint32_t three = (<uint32_t>p[0] << 16) | (<uint32_t>p[1] << 8) | p[2]
    return (three * <uint32_t>2654435761) >> (32 - bits)


cdef size_t lzf_compress(const void* data, size_t n, void* out, size_t room) noexcept nogil:
    cdef const unsigned char* start = <const unsigned char*>data
    cdef const unsigned char* ip = start
    cdef const unsigned char* end = start + n
    cdef const unsigned char* ref
    cdef unsigned char* op = <unsigned char*>out
    cdef unsigned char* out_end = op + room
    cdef unsigned char* run = op                   # count byte of the literal run under way
    cdef uint32_t seen[1 << MOST_BITS]             # position + 1 of the last three bytes with this hash, modulo 2**32
    cdef int bits = _bits_for(n)
    cdef uint32_t h
    cdef uint32_t distance
    cdef size_t length, longest
    if n == 0 or room == 0:
        return 0
    memset(seen, 0, sizeof(uint32_t) << bits)
    op += 1
    while ip < end:
        length = 0
        distance = 0
        if end - ip > 2:
            h = _hash(ip, bits)
            distance = <uint32_t>(ip - start) + 1 - seen[h]
            if seen[h] and 0 < distance <= MAX_DISTANCE and <size_t>(ip - start) >= distance:
                ref = ip - distance
                if ref[0] == ip[0] and ref[1] == ip[1] and ref[2] == ip[2]:
                    longest = end - ip if end - ip < MAX_COPY else MAX_COPY
                    length = _match(ref, ip, 3, longest)
            seen[h] = <uint32_t>(ip - start) + 1
        if length == 0:
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
            op = run
        else:
            run[0] = <unsigned char>(op - run - 2)
        if op + (2 if length < 9 else 3) > out_end:
            return 0
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
            seen[_hash(ip - 2, bits)] = <uint32_t>(ip - start) - 1
            seen[_hash(ip - 1, bits)] = <uint32_t>(ip - start)
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
        if distance >= length:
            memcpy(op, op - distance, length)
            op += length
        else:                                      # it reads what it writes: byte by byte
            while length:
                op[0] = (op - distance)[0]
                op += 1
                length -= 1
    return op - start


def compress(bytes data, size_t room):
    """The bytes in LZF, or None if they do not fit into `room` bytes."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(room + 1)
    cdef size_t n = lzf_compress(<char*>data, len(data), out, room)
    result = (<char*>out)[:n] if n else None
    mem_free(out, room + 1)
    return result


def decompress(bytes data, size_t room):
    """What LZF data of at most `room` bytes stands for; None if it is damaged or longer."""
    cdef unsigned char* out = <unsigned char*>mem_alloc(room + 1)
    cdef size_t n = lzf_decompress(<char*>data, len(data), out, room)
    result = (<char*>out)[:n] if n else None
    mem_free(out, room + 1)
    return result
