# cython: language_level=3
"""Links as the main thread sees them: connections that we asked for, or a peer's that is no client (iothreads.handoff,
rule 7).

    Links.open(address, protocol)   \                    connection_made(link)
    Links.take(fd, name, protocol)  --> a Link, which --> reply_received | command_received | data_received  ...
                                                          connection_lost(link, reason)

A link says what happens to it to its protocol (iothreads.connect.LinkProtocol), in order and on the main thread only. It
appears in no list of clients and is bound by none of their limits.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from iothreads.handoff cimport Event, IOThreads
from iothreads.message cimport Batch, Output
from iothreads.tls cimport TlsContext

cdef class Link:
    cdef readonly str address          # where to, as messages show it
    cdef readonly object protocol      # who hears; None once it is lost
    cdef readonly bint opened          # connected, and through the transport's handshake
    cdef readonly bint lost            # gone: nothing more will be heard
    cdef Links links
    cdef readonly int fd
    cdef uint64_t connection           # its lane's name for it
    cdef int reads                     # a READ_ (iothreads.message): of what comes behind the message being heard
    cdef bint hearing                  # its protocol is being told of a message
    cdef bint holding                  # ... and wants to read no further for now
    cdef Batch* held                   # the bytes that it holds, not given back until `resume`; NULL: none
    cdef size_t taken                  # of those that many were taken
    cdef bint closing                  # we closed it: nothing more is heard but its end
    cdef str reason                    # why we did
    cdef bint told                     # is in Links.told
    cdef Output out
    cdef size_t in_flight              # bytes given to the lane that have not left yet

    cdef int hear(self, Batch* batch) except -1
    cdef int hear_replies(self, Batch* batch) except -1
    cdef int hear_requests(self, Batch* batch) except -1
    cdef int hear_bytes(self, Batch* batch) except -1
    cdef int tell(self) except -1
    cdef int send(self) except -1
    cdef int end(self, str reason) except -1

cdef class Links:
    cdef IOThreads io
    cdef object read_reply             # bytes of a whole reply -> value, or ValueError
    cdef object on_failure             # (where): the exception being handled is a mistake of a protocol's
    cdef set living                    # keeps alive what lanes know as a cookie
    cdef list told                     # links with output

    cdef Link begin(self, int fd, str address, object protocol, int reads, int keepalive, bint connecting, TlsContext tls,
                    str host)
    cdef uint64_t give_away(self, Link link, void* client) except 0
    cdef int event(self, Event* event) except -1
    cdef int flush(self) except -1
