# cython: language_level=3
"""What the fast paths of pushing to lists and of popping from them share."""
from libc.stdint cimport uint32_t, uint64_t

from iothreads.message cimport Batch
from iothreads.message cimport Command as Request
from server.clients.client cimport Client
from server.structures.table cimport Entry

cdef bint fast_awaited(Client c, Batch* b, Request* r, uint32_t at) except -1    # whether somebody waits for argument `at` to have elements
cdef void fast_list_shrunk(Client c, Batch* b, Request* r, Entry* e, uint32_t at, uint64_t hash) noexcept
    # elements of argument `at` are gone: the encoding is chosen anew, and without any the key goes too
