# cython: language_level=3
"""WAIT and WAITAOF: clients that wait until replicas (or disks) have what they wrote.

Whoever waits stands in one list and costs nothing until somebody acknowledges something; then all of it is looked
through once, however many wait (`look`). Replicas are asked how far they are once a turn of the loop.
"""
from libc.stdint cimport int64_t

from server.clients.client cimport Client

cdef class Waiter:                     # `client.blocked` meanwhile; see clients.blocking.Blocked
    cdef readonly Client client
    cdef readonly object command       # registry Command: it counts when the waiting is over
    cdef readonly int64_t offset       # of the client's last write
    cdef readonly int64_t replicas     # how many copies it wants ...
    cdef readonly bint local           # ... and one on our own disk
    cdef readonly bint on_disk         # WAITAOF
    cdef readonly int64_t deadline_us  # monotonic; 0 = none
    cdef Waiting room

cdef class Waiting:
    cdef object master                 # replication.master.Master
    cdef object local_synced           # () -> the offset that our own append only file has on disk
    cdef public object blocking        # clients.blocking.Blocking, of the same server
    cdef dict standings                # Client -> Standing: all who follow us
    cdef list waiters                  # in the order of their coming; some of them gone
    cdef public bint asked             # replicas are asked before this turn is over
    cdef int64_t* offsets              # scratch: what replicas that are online acknowledged, the largest first
    cdef int count, capacity           # how many, and for how many there is room
    cdef int64_t acknowledged_by(self, int64_t offset) noexcept
    cdef int sort_offsets(self) except -1
    cdef bint is_over(self, Waiter waiter) except -1
    cdef int leave(self, Waiter waiter) except -1
    cdef int end(self, Waiter waiter, reply) except -1
    cpdef int add(self, Waiter waiter, int64_t timeout_ms) except -1
    cpdef int look(self) except -1

cdef Waiter new_waiter(Client client, command, int64_t offset, int64_t replicas)
cdef Waiting waiting_                  # the server's; None before there is one
