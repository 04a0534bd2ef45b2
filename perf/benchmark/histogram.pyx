# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What Python sees of a histogram: microseconds out, nanoseconds kept."""
from libc.math cimport ceil, sqrt
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset


cdef void cells_clear(Cells* cells) noexcept nogil:
    memset(cells, 0, sizeof(Cells))
    cells.least = ~<uint64_t>0


cdef void cells_add(Cells* cells, const Cells* other) noexcept nogil:
    cdef uint32_t i
    for i in range(CELLS):
        cells.counts[i] += other.counts[i]
    cells.total += other.total
    cells.sum += other.sum
    cells.least = min(cells.least, other.least)
    cells.most = max(cells.most, other.most)


cdef class Histogram:
    """Latencies. Values go in as nanoseconds and come out as microseconds, at most 0.8 % too high."""

    def __cinit__(self):
        cells_clear(&self.cells)

    def record(self, uint64_t nanoseconds, uint64_t count=1) -> None:
        """O(1). More than 2.4 hours count as that."""
        cells_record(&self.cells, nanoseconds, count)

    def merge(self, Histogram other not None) -> None:
        """Add all that `other` has seen; O(cells)."""
        cells_add(&self.cells, &other.cells)

    def copy(self) -> Histogram:
        cdef Histogram made = Histogram()
        made.cells = self.cells
        return made

    def __len__(self) -> int:
        return self.cells.total

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return self.cells.total

    @property
    def min(self) -> float:
        """The least value, exact; 0 when there is none."""
        return self.cells.least / 1e3 if self.cells.total else 0.0

    @property
    def max(self) -> float:
        """The greatest value, exact."""
        return self.cells.most / 1e3

    @property
    def mean(self) -> float:
        """Exact: from the sum, not from the cells."""
        return self.cells.sum / 1e3 / self.cells.total if self.cells.total else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation, from the cells' upper ends."""
        cdef double mean = self.mean, squares = 0, off
        cdef uint32_t i
        if self.cells.total == 0:
            return 0.0
        for i in range(CELLS):
            if self.cells.counts[i]:
                off = min(cell_last(i), self.cells.most) / 1e3 - mean
                squares += off * off * <double>self.cells.counts[i]
        return sqrt(squares / <double>self.cells.total)

    def percentile(self, double percent) -> float:
        """The value that `percent` of all do not exceed, in us: 50 is the median, 100 the greatest. 0 when empty."""
        cdef uint64_t wanted, seen = 0
        cdef uint32_t i
        if self.cells.total == 0:
            return 0.0
        if percent <= 0:
            return self.min
        # A share such as 99.9 % has no exact double: without the allowance 999 of 1000 would ask for the 1000th.
        wanted = <uint64_t>ceil(min(percent, 100.0) / 100.0 * <double>self.cells.total - 1e-6)
        wanted = max(wanted, 1)
        for i in range(CELLS):
            seen += self.cells.counts[i]
            if seen >= wanted:
                return min(cell_last(i), self.cells.most) / 1e3
        return self.max

    def count_up_to(self, double microseconds) -> int:
        """How many values are at most this (whole cells)."""
        cdef uint64_t seen = 0
        cdef uint32_t i
        for i in range(CELLS):
            if min(cell_last(i), self.cells.most) / 1e3 > microseconds:
                break
            seen += self.cells.counts[i]
        return seen

    def buckets(self) -> list[tuple[float, int]]:
        """(upper end in us, count) of each cell that is not empty, upwards."""
        cdef uint32_t i
        return [(min(cell_last(i), self.cells.most) / 1e3, self.cells.counts[i])
                for i in range(CELLS) if self.cells.counts[i]]
