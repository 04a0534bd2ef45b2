# cython: language_level=3
"""Refusals by user and reason."""

cdef class Denials:
    cdef object users                  # acl.users.Users
    cdef dict counts                   # name of the user -> number by reason, as INFO names that
    cpdef int add(self, bytes name, str reason) except -1
