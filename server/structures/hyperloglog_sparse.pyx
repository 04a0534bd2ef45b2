# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The sparse encoding of HyperLogLogs is edited exactly as Redis edits it, so the same additions in the same order give the
same bytes."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memmove

from server.structures.hyperloglog cimport (HLL_CHANGED, HLL_CORRUPT, HLL_HEADER, HLL_MARKS, HLL_NEEDS_DENSE, HLL_NEEDS_ROOM,
                                            HLL_REGISTERS, HLL_SAME, HllMarks)

cdef enum:
    VALUE_MAX = 32                     # what a VAL can hold
    ZERO_MAX = 64                      # registers of a ZERO
    MERGE_SCAN = 5                     # opcodes that are looked at for merging after a change
    MARK_SHIFT = 10                    # a mark is left each 1024 registers
    EDITED_MAX = 32                    # bytes that an edit may change: a run becomes three, MERGE_SCAN are looked at, and then some


# --- runs

cdef inline uint8_t val(int value, int length) noexcept nogil:
    return <uint8_t>((value - 1) << 2 | (length - 1) | 0x80)


cdef inline int put_run(uint8_t* p, int length, int value) noexcept nogil:
    """Write a run of `length` registers (0: nothing); returns its bytes."""
    if length == 0:
        return 0
    if value:
        p[0] = val(value, length)
        return 1
    if length <= ZERO_MAX:
        p[0] = <uint8_t>(length - 1)
        return 1
    p[0] = <uint8_t>((length - 1) >> 8 | 0x40)
    p[1] = <uint8_t>((length - 1) & 255)
    return 2


cdef void merge_runs(uint8_t* data, size_t* length, uint8_t* p) noexcept nogil:
    """Join neighbouring VALs of one value, looking at a few opcodes from p on."""
    cdef uint8_t* end = data + length[0]
    cdef int left = MERGE_SCAN
    cdef int together
    while p < end and left:
        left -= 1
        if not p[0] & 0x80:
            p += 2 if p[0] & 0x40 else 1
            continue
        # Both bytes are VALs of one value when all but the length bits agree.
        if end - p > 1 and p[1] & 0xFC == p[0] & 0xFC:
            together = (p[0] & 3) + (p[1] & 3) + 2
            if together <= 4:
                p[1] = <uint8_t>((p[1] & 0xFC) | (together - 1))
                memmove(p, p + 1, end - p - 1)
                end -= 1
                length[0] -= 1
                continue
        p += 1


cdef uint8_t[256] _spans               # registers of a ZERO or VAL, by its byte: VALs and ZEROs come in no order
cdef int _byte
for _byte in range(256):
    _spans[_byte] = (_byte & 3) + 1 if _byte & 0x80 else (_byte & 63) + 1


cdef inline uint8_t* find_run(uint8_t* p, uint8_t* end, int index, uint8_t** before, int* first) noexcept nogil:
    """From p, whose first register is `first`, to the run of a register, or to the end. The last run may be cut off."""
    cdef uint8_t* last = before[0]
    cdef int at = first[0], more, size
    while p < end:                     # nearly all of them are passed over
        more, size = _spans[p[0]], 1
        if p[0] & 0xC0 == 0x40:
            more = ((p[0] & 63) << 8 | (p[1] if end - p > 1 else 0)) + 1
            size = 2
        if index < at + more:
            break
        last = p
        p += size
        at += more
    before[0], first[0] = last, at
    return p


# --- places that were passed

cdef uint8_t* find_marked(uint8_t* data, uint8_t* end, int index, HllMarks* marks, uint8_t** before,
                          int* first) noexcept nogil:
    """As find_run, from the last mark before it; new marks are left on the way."""
    cdef int n = index >> MARK_SHIFT, next
    cdef uint8_t* p = data + HLL_HEADER
    while n and not marks.at[n]:
        n -= 1
    if n:
        p, before[0], first[0] = data + marks.at[n], data + marks.before[n], marks.first[n]
    next = (n + 1) << MARK_SHIFT
    while next <= index and p < end:
        p = find_run(p, end, next, before, first)
        n = next >> MARK_SHIFT
        marks.at[n], marks.before[n], marks.first[n] = p - data, before[0] - data, first[0]
        next += 1 << MARK_SHIFT
    return find_run(p, end, index, before, first)


cdef void marks_moved(HllMarks* marks, size_t place, size_t by) noexcept nogil:
    """Runs from `place` on were edited, and the rest moved so far; what is near is forgotten."""
    cdef int n
    for n in range(HLL_MARKS):
        if marks.at[n] > place + EDITED_MAX:
            marks.at[n] += by
            marks.before[n] += by
        elif marks.at[n] > place:
            marks.at[n] = 0


cdef int sparse_set(uint8_t* data, size_t* length, size_t capacity, int index, int count, size_t sparse_max,
                    HllMarks* marks) noexcept nogil:
    cdef uint8_t* end = data + length[0]
    cdef uint8_t* p = data + HLL_HEADER
    cdef uint8_t* before = p           # the opcode before p, or p itself when it is the first
    cdef uint8_t[5] runs
    cdef Run run
    cdef int first = 0                 # first register of the run at p
    cdef int bytes, more
    cdef size_t was = length[0]
    if count > VALUE_MAX:
        return HLL_NEEDS_DENSE
    if marks == NULL:
        p = find_run(p, end, index, &before, &first)
    else:
        p = find_marked(data, end, index, marks, &before, &first)
    if p >= end or not run_read(p, end, &run):
        return HLL_CORRUPT
    if first + run.length > HLL_REGISTERS:
        return HLL_CORRUPT
    if run.value >= count:
        return HLL_SAME
    if run.length == 1 and run.size == 1:
        p[0] = val(count, 1)
    else:
        bytes = put_run(runs, index - first, run.value)
        bytes += put_run(runs + bytes, 1, count)
        bytes += put_run(runs + bytes, first + run.length - 1 - index, run.value)
        more = bytes - run.size
        if more > 0:
            if length[0] + more > sparse_max:
                return HLL_NEEDS_DENSE
            if length[0] + more > capacity:
                return HLL_NEEDS_ROOM
        memmove(p + bytes, p + run.size, end - p - run.size)
        memcpy(p, runs, bytes)
        length[0] += more
    merge_runs(data, length, before)
    if marks != NULL:
        marks_moved(marks, before - data, length[0] - was)
    return HLL_CHANGED
