# cython: language_level=3
"""What the two ends of a connected socket are called."""
from libc.stddef cimport size_t

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        pass
    struct sockaddr_storage:
        unsigned short ss_family
    ctypedef unsigned int socklen_t
    int getpeername(int, sockaddr*, socklen_t*)
    int getsockname(int, sockaddr*, socklen_t*)
    int AF_INET, AF_INET6
cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_port
        in6_addr sin6_addr
cdef extern from "<arpa/inet.h>" nogil:
    unsigned short ntohs(unsigned short)
    const char* inet_ntop(int, const void*, char*, socklen_t)
cdef extern from "<stdio.h>" nogil:
    int snprintf(char*, size_t, const char*, ...)

cdef enum:
    ROOM = 64                          # bytes: the longest IPv6 address has 45

UNKNOWN = "?:0"


cdef str spelled(const sockaddr_storage* at):
    cdef char[ROOM] host
    cdef char[ROOM + 16] text
    if at.ss_family == AF_INET:
        inet_ntop(AF_INET, &(<const sockaddr_in*>at).sin_addr, host, ROOM)
        snprintf(text, sizeof(text), b"%s:%u", host, <unsigned int>ntohs((<const sockaddr_in*>at).sin_port))
    elif at.ss_family == AF_INET6:
        inet_ntop(AF_INET6, &(<const sockaddr_in6*>at).sin6_addr, host, ROOM)
        snprintf(text, sizeof(text), b"[%s]:%u", host, <unsigned int>ntohs((<const sockaddr_in6*>at).sin6_port))
    else:
        return UNKNOWN
    return (<bytes>text).decode("ascii")


def ends_of(int fd) -> tuple[str, str]:
    """`host:port` of the peer and of this end, an IPv6 host in brackets; `?:0` for a peer that is gone already."""
    cdef sockaddr_storage at
    cdef socklen_t size = sizeof(at)
    cdef str peer = spelled(&at) if getpeername(fd, <sockaddr*>&at, &size) == 0 else UNKNOWN
    size = sizeof(at)
    return peer, spelled(&at) if getsockname(fd, <sockaddr*>&at, &size) == 0 else UNKNOWN
