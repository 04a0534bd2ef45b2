# cython: language_level=3
"""How the bytes of a connection reach its peer: straight through the socket (plain), or through something that has a say
of its own about when it can go on (TLS). A lane calls a transport by its table and knows nothing else of it.

A transport answers WANT_READ or WANT_WRITE when it cannot go on before the socket is readable or writable, whichever it
was asked to do: the lane then calls the same function again. What it needs beside the socket is its `state`: made by who
makes the connection, let go of by `close`. It runs on the lane's thread, one call at a time, and needs no GIL.
"""
from libc.stddef cimport size_t

cdef enum:                             # answers below zero; a handshake that is over answers 0
    WANT_READ = -1
    WANT_WRITE = -2
    TRANSPORT_FAILED = -3              # Socket.error or Socket.reason says why

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len

cdef struct Transport

cdef struct Socket:                    # part of a Connection
    int fd
    int error                          # errno of what ended it, 0 = end of file
    bint news                          # the poller has told of it since the transport looked last
    char* reason                       # malloc'd: in words, what errno has no number for; NULL
    const Transport* transport
    void* state                        # the transport's own

cdef struct Transport:
    const char* name
    bint short_blocks                  # a read shorter than its room took all there is, a write shorter than asked filled the socket
    bint (*drained)(Socket* s) noexcept nogil                  # whether recv() has taken all that the poller told of; NULL: see short_blocks
    int (*handshake)(Socket* s) noexcept nogil                 # before anything else; NULL: there is none
    ssize_t (*recv)(Socket* s, char* to, size_t room) noexcept nogil               # bytes, or 0 at the end of file
    ssize_t (*send)(Socket* s, const char* bytes, size_t length) noexcept nogil
    ssize_t (*sendmsg)(Socket* s, iovec* pieces, size_t count) noexcept nogil
    bint (*pending)(Socket* s) noexcept nogil                  # recv() has bytes that no poller tells of; NULL: never
    void (*close)(Socket* s) noexcept nogil                    # says goodbye if it can, frees `state`; NULL: nothing to do

cdef const Transport* plain_transport() noexcept nogil
cdef void socket_fail(Socket* s, const char* reason) noexcept nogil        # with words; copies them
cdef void socket_close(Socket* s, bint alone) noexcept nogil
    # transport, then socket; the peer is told at once. alone: no forked child may hold the socket, too

cdef struct Holders:                   # of sockets; owner: the main thread, whose connections alone may ask
    bint child                         # a forked child lives: it holds those that there were when it began

cdef Holders holders
