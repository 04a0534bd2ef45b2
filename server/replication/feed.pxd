# cython: language_level=3
"""A replica's place in the stream, and how what stands there reaches its connection: by reference, never by a copy.

    stream   [ block ] -> [ block ] -> [ block ]
                 ^ Feed.block, at         each piece goes to client.out as a reference that holds its block

No more than `room` bytes are under way to the lane at a time: a replica that reads slowly waits in the stream, where its
bytes stand once for all, and where its output limit looks at them.
"""
from libc.stddef cimport size_t

from server.clients.client cimport Client
from server.structures.block_stream cimport Sink

cdef class Feed(Sink):
    cdef readonly Client client
    cdef int fill(self, size_t room) except -1
