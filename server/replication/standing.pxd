# cython: language_level=3
"""How far a replica is, as those who wait for it look at it."""
from libc.stdint cimport int64_t

cdef class Standing:
    cdef public object state           # a State
    cdef public int64_t acknowledged   # offset of the history up to which it has applied everything
    cdef public int64_t synced         # and its append only file has on disk
    cdef public double heard           # when it acknowledged last, monotonic seconds; 0: never
    cdef public bint stream_on_ack     # it gets the stream once it says that it has loaded the snapshot
    cdef bint is_settled(self) noexcept        # an acknowledgement of it tells nothing but offsets
