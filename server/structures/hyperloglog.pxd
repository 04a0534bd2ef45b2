# cython: language_level=3
"""HyperLogLogs as byte strings, the same bytes as Redis's.

    "HYLL" | encoding (1 byte) | 3 zero bytes | cached cardinality (8 bytes, little endian; top bit set: out of date)
           | dense: 16384 registers of 6 bits, lowest bits first
           | sparse: runs of registers:  00llllll            ZERO   l+1 registers are 0   (1-64)
                                         01llllll llllllll   XZERO  l+1 registers are 0   (1-16384)
                                         1vvvvvll            VAL    l+1 registers are v+1 (1-4 registers, values 1-32)

A value is an ordinary string key, so its bytes may be anything that a client wrote: no function here reads or writes
outside `length` (or `capacity`), and runs that do not add up to 16384 registers are HLL_CORRUPT.
Functions work on memory of the caller, who owns it; they are pure, any thread may call them.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    HLL_REGISTERS = 16384
    HLL_HEADER = 16                    # bytes
    HLL_DENSE_SIZE = 12304             # bytes: header and 16384 x 6 bits
    HLL_EMPTY_SIZE = 18                # bytes: header and one XZERO
    HLL_LONGEST = 32784                # bytes: header and an XZERO for each register

cdef enum:                             # the encoding byte
    HLL_DENSE = 0
    HLL_SPARSE = 1

cdef enum:                             # what hll_add and hll_set answer
    HLL_CORRUPT = -1
    HLL_SAME = 0
    HLL_CHANGED = 1                    # the cached cardinality is marked out of date
    HLL_NEEDS_DENSE = 2                # nothing changed: call again on what hll_to_dense made
    HLL_NEEDS_ROOM = 3                 # nothing changed: call again with HLL_ROOM more capacity than length

cdef enum:
    HLL_ROOM = 3                       # an XZERO (2 bytes) may become XZERO VAL XZERO (5 bytes)

cdef enum:
    HLL_MARKS = 16

cdef struct HllMarks:                  # of one sparse value: where runs were met; zeros: nowhere yet
    size_t at[HLL_MARKS]               # of the run of register 1024 * n; 0: not known
    size_t before[HLL_MARKS]           # of the run before it
    int first[HLL_MARKS]               # its first register

cdef size_t hll_sparse_max             # hll-sparse-max-bytes

cdef bint hll_is_valid(const uint8_t* data, size_t length) noexcept nogil        # header, and a dense value's length
cdef void hll_new(uint8_t* data) noexcept nogil                                  # writes HLL_EMPTY_SIZE bytes
cdef int hll_add(uint8_t* data, size_t* length, size_t capacity, const char* element, size_t size,
                 size_t sparse_max, HllMarks* marks) noexcept nogil
    # to a valid value; sparse_max: hll-sparse-max-bytes; marks: for who adds several, in one walk instead of one each, or NULL
cdef int hll_set(uint8_t* data, size_t* length, size_t capacity, int index, int count,
                 size_t sparse_max, HllMarks* marks) noexcept nogil      # raises one register to count, if it is lower
cdef bint hll_to_dense(const uint8_t* sparse, size_t length, uint8_t* dense) noexcept nogil      # 0: corrupt
cdef bint hll_cached(const uint8_t* data, uint64_t* cardinality) noexcept nogil                  # 0: out of date
cdef void hll_cache(uint8_t* data, uint64_t cardinality) noexcept nogil
cdef void hll_invalidate(uint8_t* data) noexcept nogil
cdef bint hll_count(const uint8_t* data, size_t length, uint64_t* cardinality) noexcept nogil    # 0: corrupt
cdef bint hll_merge(uint8_t* registers, const uint8_t* data, size_t length) noexcept nogil
    # raises HLL_REGISTERS bytes, a register each, to the maximum; 0: corrupt
cdef int hll_take(uint8_t* data, size_t* length, const uint8_t* registers, bint dense, size_t sparse_max) noexcept nogil
    # raises those of a valid value with room for HLL_LONGEST bytes, and says that its cardinality is out of date; `dense`: it is
    # to be dense whatever the limit. HLL_CORRUPT or HLL_CHANGED
cdef uint64_t hll_count_registers(const uint8_t* registers) noexcept nogil
