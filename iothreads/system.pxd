# cython: language_level=3
"""Sockets, waiting and waking as C has them, and the one place that knows which system has what: Linux's own calls, or
what POSIX has.

    REMUS_LINUX     epoll, eventfd, accept4, MSG_NOSIGNAL, POLLRDHUP; in server/ also prctl, mallopt, sync_file_range
    REMUS_KQUEUE    kqueue; macOS and the BSDs
    neither         poll(2) and pipes

setup.py defines one of them for the system that it builds on, or what REMUS_PORTABLE asks for: so the other ways are
tested on Linux as well. Where a system has no way to be spared SIGPIPE, Python ignores it.
"""

cdef extern from *:
    """
    #ifndef REMUS_SYSTEM
    #define REMUS_SYSTEM
    #include <errno.h>
    #include <fcntl.h>
    #include <poll.h>
    #include <sys/socket.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <unistd.h>

    /* Non-blocking, and not for programs that this one starts; the same number, or -1. */
    static inline int remus_ours(int fd) {
        int error;
        if (fd < 0)
            return fd;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            return fd;
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    #ifdef REMUS_LINUX
    #include <sys/eventfd.h>
    #ifndef POLLRDHUP
    #define POLLRDHUP 0x2000
    #endif
    #define REMUS_POLLRDHUP POLLRDHUP
    #define REMUS_SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)
    #define REMUS_KEEPIDLE TCP_KEEPIDLE
    #define REMUS_POLLER 0
    #define REMUS_INHERITS 1
    #define remus_accept(fd) accept4((fd), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
    #define remus_socket(family) socket((family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    #define remus_no_sigpipe(fd) ((void)(fd))
    #define remus_eventfd() eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    #else
    #define REMUS_POLLRDHUP 0
    #define REMUS_INHERITS 0
    #define remus_eventfd() (errno = ENOSYS, -1)
    #define REMUS_SEND_FLAGS MSG_DONTWAIT
    #if defined(TCP_KEEPIDLE)
    #define REMUS_KEEPIDLE TCP_KEEPIDLE
    #elif defined(TCP_KEEPALIVE)
    #define REMUS_KEEPIDLE TCP_KEEPALIVE
    #else
    #define REMUS_KEEPIDLE (-1)
    #endif
    #ifndef TCP_KEEPINTVL
    #define TCP_KEEPINTVL (-1)
    #endif
    #ifndef TCP_KEEPCNT
    #define TCP_KEEPCNT (-1)
    #endif
    #ifdef REMUS_KQUEUE
    #define REMUS_POLLER 2
    #else
    #define REMUS_POLLER 1
    #endif
    #ifdef SO_NOSIGPIPE
    static inline void remus_no_sigpipe(int fd) {
        int yes = 1;
        setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof(yes));
    }
    #else
    #define remus_no_sigpipe(fd) ((void)(fd))
    #endif
    static inline int remus_accept(int listener) {
        int fd = remus_ours(accept(listener, NULL, NULL));
        if (fd >= 0)
            remus_no_sigpipe(fd);
        return fd;
    }
    static inline int remus_socket(int family) {
        int fd = remus_ours(socket(family, SOCK_STREAM, 0));
        if (fd >= 0)
            remus_no_sigpipe(fd);
        return fd;
    }
    #endif

    static inline int remus_pipe(int *hear, int *ring) {
        int ends[2];
        if (pipe(ends) < 0)
            return -1;
        *hear = remus_ours(ends[0]);
        *ring = remus_ours(ends[1]);
        return *hear < 0 || *ring < 0 ? -1 : *hear;
    }
    static inline void remus_empty_bell(int fd) {
        char taken[512];
        while (read(fd, taken, sizeof(taken)) == (ssize_t)sizeof(taken)) { }
    }
    #endif
    """
    # 0 where there is no such thing.
    short POLLRDHUP "REMUS_POLLRDHUP"
    # Of send() and sendmsg(): no waiting, and no SIGPIPE where that is said here.
    const int SEND_FLAGS "REMUS_SEND_FLAGS"
    # -1 where it cannot be set.
    int TCP_KEEPIDLE "REMUS_KEEPIDLE"
    int TCP_KEEPINTVL, TCP_KEEPCNT
    # iothreads.poller: POLLER_EPOLL, POLLER_POLL or POLLER_KQUEUE.
    const int BEST_POLLER "REMUS_POLLER"
    # A socket that comes to a listener has the options that the listener has.
    const bint ACCEPTED_INHERIT "REMUS_INHERITS"
    # Sockets: non-blocking, closed on exec, without SIGPIPE; -1: errno. The last is for one that others made.
    int accept_socket "remus_accept"(int listener) nogil
    int open_socket "remus_socket"(int family) nogil
    void no_sigpipe "remus_no_sigpipe"(int fd) nogil
    # A bell: eight bytes written to `ring` wake who watches `hear` until that is emptied. An eventfd is both; its count may
    # stand where the poller tells edges. -1: errno.
    int open_eventfd "remus_eventfd"() nogil
    int open_pipe "remus_pipe"(int* hear, int* ring) nogil
    void empty_bell "remus_empty_bell"(int hear) nogil

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)
cdef extern from "<poll.h>" nogil:
    struct c_pollfd "pollfd":
        int fd
        short events
        short revents
    int c_poll "poll"(c_pollfd*, unsigned long, int)
    short POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL
