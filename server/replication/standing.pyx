# cython: language_level=3
from server.replication.state import State

cdef object _NONE = State.NONE
cdef object _ONLINE = State.ONLINE


cdef class Standing:
    """What native code asks about a replica (`replica.Replica` has the rest)."""

    def __cinit__(self, *args, **kwargs):
        self.state = _NONE

    cdef bint is_settled(self) noexcept:
        return self.state is _ONLINE and not self.stream_on_ack
