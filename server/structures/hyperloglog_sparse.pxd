# cython: language_level=3
"""Runs of the sparse encoding, and one register raised in it; hyperloglog.pxd shows the bytes."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from server.structures.hyperloglog cimport HllMarks

cdef enum:                             # Run.kind
    ZERO = 0
    XZERO = 1
    VAL = 2

cdef struct Run:                       # one sparse opcode
    int kind
    int size                           # bytes
    int length                         # registers
    int value                          # of each; 0 for ZERO and XZERO

cdef inline bint run_read(const uint8_t* p, const uint8_t* end, Run* run) noexcept nogil:
    """Read the opcode at p, which is before the end; 0 when it is cut off."""
    run.size = 1
    run.value = 0
    if p[0] & 0x80:
        run.kind = VAL
        run.length = (p[0] & 3) + 1
        run.value = (p[0] >> 2 & 31) + 1
    elif p[0] & 0x40:
        if end - p < 2:
            return False
        run.kind = XZERO
        run.size = 2
        run.length = ((p[0] & 63) << 8 | p[1]) + 1
    else:
        run.kind = ZERO
        run.length = p[0] + 1
    return True

cdef int sparse_set(uint8_t* data, size_t* length, size_t capacity, int index, int count, size_t sparse_max,
                    HllMarks* marks) noexcept nogil      # as hll_set
