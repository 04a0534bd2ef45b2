# cython: language_level=3
"""The two ends of a connected socket: asked of the system when it comes, and spelled when somebody wants to read them."""

cdef extern from *:
    """
    #include <sys/socket.h>
    #include <netinet/in.h>
    typedef union {
        struct sockaddr any;           /* family 0: not known, the peer was gone already */
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } RemusEnd;
    """
    ctypedef struct End "RemusEnd":
        pass

cdef void end_of_peer(int fd, End* end) noexcept nogil
cdef str spelled_own(int fd)           # `host:port` of this end
cdef str spelled_end(const End* end)   # `host:port`, an IPv6 host in brackets; `?:0` when it is not known
cdef bint end_is_local(const End* end) noexcept nogil  # the loopback interface
