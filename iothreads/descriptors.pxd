# cython: language_level=3
"""accept, read, close and poll as C has them."""

cdef extern from "<sys/socket.h>" nogil:
    int accept4(int, void*, void*, int)
    int SOCK_NONBLOCK, SOCK_CLOEXEC
cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)
    ssize_t c_read "read"(int, void*, size_t)
cdef extern from "<poll.h>" nogil:
    struct c_pollfd "pollfd":
        int fd
        short events
        short revents
    int c_poll "poll"(c_pollfd*, unsigned long, int)
    short POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL
cdef extern from *:
    """
    #include <poll.h>
    #ifndef POLLRDHUP
    #define POLLRDHUP 0x2000
    #endif
    """
    short POLLRDHUP
