# cython: language_level=3
"""What clients cost, in sums by class."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from server.clients.client cimport Client

cdef class Accounts:
    cdef readonly dict memory_by_class
    cdef readonly int64_t partial_accounted
    cdef readonly Py_ssize_t resting, grown, shrunk
    cdef readonly size_t query_peak, output_peak

    cdef int add(self, str kind, int64_t size, int64_t partial) except -1
    cpdef int account(self, Client client) except -1
    cpdef int forget(self, Client client) except -1
    cdef int examine(self, Client client, int64_t now_us) except -1
    cdef int judge_replies(self, Client client, int64_t now_us) except -1

cpdef str class_of(Client client)
cpdef bint at_rest(Client client) except -1
