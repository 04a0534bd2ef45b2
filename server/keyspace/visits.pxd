# cython: language_level=3
"""What walks over a database's table collect: what a walk calls for each entry, and what that fills. Entries of hidden slots
(`by_slot`) are passed over."""
from libc.stdint cimport int64_t

from server.structures.table cimport Entry, Table

cdef class Visited:                    # by `collect_key` and `collect_live_key`
    cdef Table* table
    cdef list keys
    cdef int64_t now_ms                # of the live ones: Unix ms
    cdef int type                      # of all: the one that is wanted, -1 = any

cdef class ExpireSample:               # by `look_at_expire`
    cdef Table* table
    cdef list expired                  # keys
    cdef int64_t now_ms
    cdef int64_t ttl_sum               # ms, of the others

cdef int collect_key(void* context, Entry* e) noexcept
cdef int collect_live_key(void* context, Entry* e) noexcept
cdef int look_at_expire(void* context, Entry* e) noexcept
