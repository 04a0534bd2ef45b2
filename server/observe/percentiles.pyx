# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Percentiles of a histogram."""
from libc.stdint cimport uint64_t


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
