# cython: language_level=3
from server.observe.histogram cimport Histogram

cdef str histogram_summary(const Histogram* h)
    # for INFO: count=3,sum=120,p50=31,p99=63,p99.9=63; without percentiles when nothing was counted
