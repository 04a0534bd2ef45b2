# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The plain transport, and what is the same for all."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport free
from libc.string cimport memset

from iothreads.system cimport SEND_FLAGS, c_close

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t c_recv "recv"(int, void*, size_t, int)
    ssize_t c_send "send"(int, const void*, size_t, int)
    ssize_t c_sendmsg "sendmsg"(int, const msghdr*, int)
    int shutdown(int, int)
    int MSG_DONTWAIT, SHUT_RDWR
cdef extern from "<string.h>" nogil:
    char* strdup(const char*)


cdef ssize_t failed(Socket* s) noexcept nogil:
    s.error = errno
    return TRANSPORT_FAILED


cdef ssize_t plain_recv(Socket* s, char* to, size_t room) noexcept nogil:
    cdef ssize_t n
    while True:
        n = c_recv(s.fd, to, room, MSG_DONTWAIT)
        if n >= 0:
            return n
        if errno == EAGAIN:
            return WANT_READ
        if errno != EINTR:
            return failed(s)


cdef ssize_t plain_send(Socket* s, const char* bytes, size_t length) noexcept nogil:
    cdef ssize_t n
    while True:
        n = c_send(s.fd, bytes, length, SEND_FLAGS)
        if n >= 0:
            return n
        if errno == EAGAIN:
            return WANT_WRITE
        if errno != EINTR:
            return failed(s)


cdef ssize_t plain_sendmsg(Socket* s, iovec* pieces, size_t count) noexcept nogil:
    cdef msghdr header
    cdef ssize_t n
    memset(&header, 0, sizeof(msghdr))
    header.msg_iov = pieces
    header.msg_iovlen = count
    while True:
        n = c_sendmsg(s.fd, &header, SEND_FLAGS)
        if n >= 0:
            return n
        if errno == EAGAIN:
            return WANT_WRITE
        if errno != EINTR:
            return failed(s)


cdef Transport _plain
_plain.name = "plain"
_plain.short_blocks = True
_plain.drained = NULL
_plain.handshake = NULL
_plain.recv = plain_recv
_plain.send = plain_send
_plain.sendmsg = plain_sendmsg
_plain.pending = NULL
_plain.close = NULL


cdef const Transport* plain_transport() noexcept nogil:
    return &_plain


cdef void socket_fail(Socket* s, const char* reason) noexcept nogil:
    free(s.reason)
    s.reason = strdup(reason)


def child_lives(bint yes) -> None:
    """A child is about to be forked, or there is none any more."""
    holders.child = yes


cdef void socket_close(Socket* s, bint alone) noexcept nogil:
    """What a child holds, too, does not end with its last descriptor here: the peer shall not wait for the child's end."""
    if s.transport.close != NULL:
        s.transport.close(s)
        s.state = NULL
    if not alone:
        shutdown(s.fd, SHUT_RDWR)
    c_close(s.fd)
    s.fd = -1
