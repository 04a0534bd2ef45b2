# cython: language_level=3
"""The work of ZADD, which GEOADD does too."""
from libc.stdint cimport uint32_t

from iothreads.message cimport Batch
from iothreads.message cimport Command as Request
from server.clients.client cimport Client

cdef int fast_zadd(Client c, Batch* b, Request* r, uint32_t count, const double* scores, uint32_t at, uint32_t step, int flags, int* updated) noexcept
    # give `count` members, every step-th argument from `at` on, their scores: how many were added; -1: not for the fast path
