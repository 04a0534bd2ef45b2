# cython: language_level=3
"""How the fast paths of streams read IDs."""
from libc.stdint cimport uint32_t, uint64_t

from iothreads.message cimport Batch
from iothreads.message cimport Command as Request
from server.structures.rax cimport StreamId

cdef bint fast_stream_id(Batch* b, Request* r, uint32_t at, uint64_t missing, StreamId* id) noexcept
    # an ID in its plain form, digits or digits-digits; `missing` is the sequence where none is said. 0 for any other
