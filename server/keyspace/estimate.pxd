# cython: language_level=3
"""What a value weighs, in bounded time: exactly while it is small, from a sample of it and its length beyond that.

`MEMORY USAGE key SAMPLES 0` is exact and O(N). Without SAMPLES it asks here, and so do walks over many keys, which must not
stop at a hash of ten million fields.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from server.structures.table cimport Entry

cdef enum:
    EXACT_MAX = 512                    # elements (nodes of a stream) up to which a value is measured, not estimated
    SAMPLE = 128                       # elements that are looked at beyond that

cdef size_t entry_weight(Entry* e) noexcept        # bytes of an entry of a database and of its value
cdef uint64_t entry_length(Entry* e) noexcept      # bytes of a string, elements of anything else
