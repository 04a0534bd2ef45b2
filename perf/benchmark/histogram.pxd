# cython: language_level=3
"""A log-linear histogram of nanoseconds: 128 linear steps in each power of two, so a value is known to 0.8 %.

    value < 256       a cell of its own
    else              2^k <= value < 2^(k+1) is cut into 128 cells of 2^(k-7) ns

Recording is a bit scan, a shift and an addition. Two histograms merge by adding their cells. Owner: one thread; others
may look at `total` and `sum` while it runs, and at the rest when it has ended.
"""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    LINEAR = 128                       # cells per power of two
    LINEAR_BITS = 7
    HIGHEST_BIT = 43                   # 2^43 ns are 2.4 hours: what is longer counts as this
    CELLS = (HIGHEST_BIT - LINEAR_BITS + 1) * LINEAR

cdef extern from *:
    """
    #define remus_top_bit(v) (63 - __builtin_clzll((unsigned long long)(v)))
    """
    uint32_t top_bit "remus_top_bit"(uint64_t value) noexcept nogil

cdef struct Cells:
    uint64_t total                     # values recorded
    uint64_t sum                       # of all values, ns
    uint64_t least                     # ns, exact
    uint64_t most                      # ns, exact
    uint64_t[CELLS] counts

cdef void cells_clear(Cells* cells) noexcept nogil
cdef void cells_add(Cells* cells, const Cells* other) noexcept nogil

cdef inline uint32_t cell_of(uint64_t value) noexcept nogil:
    cdef uint32_t shift
    if value < 2 * LINEAR:
        return <uint32_t>value
    shift = top_bit(value) - LINEAR_BITS
    return shift * LINEAR + <uint32_t>(value >> shift)

cdef inline uint64_t cell_last(uint32_t cell) noexcept nogil:
    """The greatest value that falls into a cell."""
    cdef uint32_t shift
    if cell < 2 * LINEAR:
        return cell
    shift = cell // LINEAR - 1
    return ((<uint64_t>(cell - shift * LINEAR) + 1) << shift) - 1

cdef inline void cells_record(Cells* cells, uint64_t value, uint64_t count) noexcept nogil:
    if value >= <uint64_t>1 << HIGHEST_BIT:
        value = (<uint64_t>1 << HIGHEST_BIT) - 1
    cells.counts[cell_of(value)] += count
    cells.total += count
    cells.sum += value * count
    if value < cells.least:
        cells.least = value
    if value > cells.most:
        cells.most = value

cdef class Histogram:
    cdef Cells cells
