# cython: language_level=3
"""ACL LOG."""
from libc.stdint cimport int64_t

cdef class Entry:
    cdef readonly str reason           # one of REASONS
    cdef readonly str context          # where: TOPLEVEL, LUA or MULTI
    cdef readonly bytes object         # name of the command, key or channel; of AUTH the word itself
    cdef readonly bytes user
    cdef readonly bytes client         # its line of CLIENT LIST at the last time
    cdef readonly int64_t count, id
    cdef readonly int64_t created_ms, updated_ms       # Unix
    cdef bint equals(self, Entry other) noexcept

cdef class AclLog:
    cdef readonly object entries       # a deque, the newest first
    cdef object config, counters
    cdef int64_t next_id
    cpdef int add(self, Entry new, bytes client, int64_t now_ms) except -1
    cdef Entry known(self, Entry new, int64_t now_ms)
