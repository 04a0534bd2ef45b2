# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Percentiles of a histogram."""
from libc.stdint cimport uint64_t

from server.observe.histogram cimport CLASSES, Histogram


def classes(list counts) -> list[tuple[int, int]]:
    """(upper bound, count) of each class of a histogram that has some, ascending; see server.observe.histogram."""
    cdef list found = []
    cdef Py_ssize_t n
    cdef uint64_t count
    for n in range(len(counts)):
        count = counts[n]
        if count:
            found.append(((<uint64_t>1 << n) - 1, count))
    return found


def percentiles(list buckets, wanted) -> list[tuple[float, int]]:
    """(percent, value) read from ascending (upper bound, count) pairs."""
    cdef list found = []
    cdef uint64_t total = 0, seen, count
    cdef double percent
    for _, count in buckets:
        total += count
    for asked in wanted:
        percent, seen = float(asked), 0
        for bound, count in buckets:
            seen += count
            if <double>seen >= <double>total * percent / 100:
                break
        found.append((percent, bound))
    return found


cdef uint64_t _bound(const Histogram* h, uint64_t total, double percent) noexcept:
    """Of the class that the percentile is in."""
    cdef uint64_t seen = 0
    cdef int n = 0
    for n in range(63):
        seen += h.counts[n]
        if <double>seen >= <double>total * percent / 100:
            break
    return (<uint64_t>1 << min(n + 1, CLASSES - 1)) - 1


cdef str histogram_summary(const Histogram* h):
    cdef uint64_t total = 0
    cdef int n
    for n in range(63):
        total += h.counts[n]
    if not total:
        return f"count=0,sum={h.sum}"
    return (f"count={total},sum={h.sum},p50={_bound(h, total, 50)},p99={_bound(h, total, 99)},"
            f"p99.9={_bound(h, total, 99.9)}")
