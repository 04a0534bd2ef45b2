# cython: language_level=3
"""What DEBUG shows of a table."""
from server.structures.table cimport Table

cdef dict table_stats(Table* t, bint full)
    # "buckets", "used": of its two arrays; "chains", if full: of each, how many buckets hold so many entries
