# cython: language_level=3
from libc.string cimport memset

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        unsigned short sa_family
    ctypedef unsigned int socklen_t
    int getpeername(int, sockaddr*, socklen_t*)
    int getsockname(int, sockaddr*, socklen_t*)
    int AF_INET, AF_INET6
cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        unsigned int s_addr
    struct in6_addr:
        unsigned char s6_addr[16]
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        in6_addr sin6_addr
    int IN6_IS_ADDR_LOOPBACK(const in6_addr*)
    int IN6_IS_ADDR_V4MAPPED(const in6_addr*)
cdef extern from "<arpa/inet.h>" nogil:
    unsigned short ntohs(unsigned short)
    unsigned int ntohl(unsigned int)
    const char* inet_ntop(int, const void*, char*, socklen_t)
cdef extern from "<stdio.h>" nogil:
    int snprintf(char*, size_t, const char*, ...)

cdef enum:
    ROOM = 64                          # bytes: the longest IPv6 address has 45
    LOOPBACK = 127                     # first byte of an IPv4 address

UNKNOWN = "?:0"


cdef void end_of_peer(int fd, End* end) noexcept nogil:
    cdef socklen_t size = sizeof(End)
    memset(end, 0, sizeof(End))
    if getpeername(fd, <sockaddr*>end, &size) != 0:
        memset(end, 0, sizeof(End))


cdef str spelled_own(int fd):
    cdef End end
    cdef socklen_t size = sizeof(End)
    memset(&end, 0, sizeof(End))
    return spelled_end(&end) if getsockname(fd, <sockaddr*>&end, &size) == 0 else UNKNOWN


cdef str spelled_end(const End* end):
    cdef const sockaddr_in* v4 = <const sockaddr_in*>end
    cdef const sockaddr_in6* v6 = <const sockaddr_in6*>end
    cdef int family = (<const sockaddr*>end).sa_family
    cdef char[ROOM] host
    cdef char[ROOM + 16] text
    if family == AF_INET:
        inet_ntop(AF_INET, &v4.sin_addr, host, ROOM)
        snprintf(text, sizeof(text), b"%s:%u", host, <unsigned int>ntohs(v4.sin_port))
    elif family == AF_INET6:
        inet_ntop(AF_INET6, &v6.sin6_addr, host, ROOM)
        snprintf(text, sizeof(text), b"[%s]:%u", host, <unsigned int>ntohs(v6.sin6_port))
    else:
        return UNKNOWN
    return (<bytes>text).decode("ascii")


cdef bint end_is_local(const End* end) noexcept nogil:
    """127.0.0.0/8, however it is written, and ::1."""
    cdef int family = (<const sockaddr*>end).sa_family
    cdef const in6_addr* host = &(<const sockaddr_in6*>end).sin6_addr
    if family == AF_INET:
        return ntohl((<const sockaddr_in*>end).sin_addr.s_addr) >> 24 == LOOPBACK
    return family == AF_INET6 and (IN6_IS_ADDR_LOOPBACK(host)
                                   or (IN6_IS_ADDR_V4MAPPED(host) and host.s6_addr[12] == LOOPBACK))


def ends_of(int fd) -> tuple[str, str]:
    """`host:port` of the peer and of this end, an IPv6 host in brackets; `?:0` for a peer that is gone already."""
    cdef End peer
    end_of_peer(fd, &peer)
    return spelled_end(&peer), spelled_own(fd)
