# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""epoll and kqueue report each change once, so a lane remembers what it has not finished and a turn costs no system call
but the wait. poll(2) reports states, so a lane says with poller_reading() when it has no ear for a connection.

A kqueue tells of reading and of writing apart: an id may come twice from one wait. poll(2) does not everywhere tell of a
peer that is gone when nobody reads what it sent (POLLRDHUP is Linux's): so it asks for what is readable, and looks whether
that is the end; behind bytes that nobody has read the end stays hidden.
"""
from libc.errno cimport errno
from libc.stdlib cimport abort, calloc, free, realloc
from libc.string cimport memset

from iothreads.system cimport c_close, empty_bell

cdef extern from *:
    """
    #ifdef REMUS_LINUX
    #include <sys/epoll.h>
    #else
    /* Never called: so that one text compiles everywhere. */
    typedef union { uint64_t u64; } epoll_data_t;
    struct epoll_event { uint32_t events; epoll_data_t data; };
    enum { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET, EPOLL_CLOEXEC };
    enum { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
    #define epoll_create1(flags) (errno = ENOSYS, -1)
    #define epoll_ctl(fd, what, of, event) (errno = ENOSYS, (void)(event), -1)
    #define epoll_wait(fd, events, room, ms) (errno = ENOSYS, -1)
    #endif
    """
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int) nogil
    int epoll_ctl(int, int, int, epoll_event*) nogil
    int epoll_wait(int, epoll_event*, int, int) nogil
    unsigned int EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET
    int EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CLOEXEC
cdef extern from *:
    """
    #ifdef REMUS_KQUEUE
    #include <sys/types.h>
    #include <sys/time.h>
    #include <sys/event.h>
    #else
    struct kevent { int ident, filter, flags; void *udata; };
    enum { EVFILT_READ, EVFILT_WRITE, EV_ADD, EV_DELETE, EV_CLEAR, EV_EOF, EV_ERROR };
    #define EV_SET(event, a, b, c, d, e, f) ((void)(event))
    #define kqueue() (errno = ENOSYS, -1)
    #define kevent(fd, changes, count, events, room, until) (errno = ENOSYS, (void)(count), (void)(until), -1)
    #endif
    #include <time.h>
    """
    struct timespec:
        long tv_sec
        long tv_nsec
    struct c_kevent "kevent":
        int filter
        int flags
        void* udata
    void EV_SET(c_kevent*, int, int, int, int, int, void*) nogil
    int kqueue() nogil
    int kevent(int, c_kevent*, int, c_kevent*, int, timespec*) nogil
    int EVFILT_READ, EVFILT_WRITE, EV_ADD, EV_DELETE, EV_CLEAR, EV_EOF, EV_ERROR
cdef extern from "<poll.h>" nogil:
    int c_poll "poll"(void*, unsigned long, int)
    short POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL
cdef extern from "<fcntl.h>" nogil:
    int fcntl(int, int, int)
    int F_SETFD, FD_CLOEXEC
cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_recv "recv"(int, void*, size_t, int)
    int MSG_PEEK, MSG_DONTWAIT

cdef int poller_open(Poller* poller, int kind) noexcept nogil:
    memset(poller, 0, sizeof(Poller))
    poller.kind = kind
    poller.fd = poller.waker = -1
    if kind == POLLER_EPOLL:
        poller.events = calloc(READY_MAX, sizeof(epoll_event))
        poller.fd = epoll_create1(EPOLL_CLOEXEC)
        if poller.fd < 0:
            return errno
    elif kind == POLLER_KQUEUE:
        return queue_open(poller)
    return 0


cdef void poller_close(Poller* poller) noexcept nogil:
    if poller.fd >= 0:
        c_close(poller.fd)
    poller.fd = -1
    free(poller.events)
    free(poller.polled)
    free(poller.polled_ids)
    free(poller.polled_deaf)
    free(poller.place)
    poller.events = NULL
    poller.polled = NULL
    poller.polled_ids = NULL
    poller.polled_deaf = NULL
    poller.place = NULL
    poller.polled_count = poller.polled_capacity = poller.place_capacity = 0


cdef int poller_add(Poller* poller, int fd, uint64_t id, int watch) noexcept nogil:
    cdef epoll_event event
    if poller.kind == POLLER_POLL:
        return polled_add(poller, fd, id, watch)
    if poller.kind == POLLER_KQUEUE:
        return queue_add(poller, fd, id, watch)
    event.data.u64 = id
    event.events = EPOLLIN
    if watch == WATCH_CONNECTION:
        event.events |= EPOLLRDHUP | EPOLLET
    elif watch == WATCH_WAKER:
        event.events |= EPOLLET        # every write to the eventfd is an edge: its count may stand
    return errno if epoll_ctl(poller.fd, EPOLL_CTL_ADD, fd, &event) < 0 else 0


cdef void poller_remove(Poller* poller, int fd) noexcept nogil:
    cdef epoll_event event
    if poller.kind == POLLER_EPOLL:
        epoll_ctl(poller.fd, EPOLL_CTL_DEL, fd, &event)
    elif poller.kind == POLLER_KQUEUE:
        queue_change(poller, fd, 0, EV_DELETE, EV_DELETE)
    else:
        polled_remove(poller, fd)


cdef void poller_writing(Poller* poller, int fd, uint64_t id, bint on) noexcept nogil:
    cdef epoll_event event
    cdef pollfd* entry
    if poller.kind == POLLER_EPOLL:
        event.data.u64 = id
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET
        if on:
            event.events |= EPOLLOUT
        epoll_ctl(poller.fd, EPOLL_CTL_MOD, fd, &event)
        return
    if poller.kind == POLLER_KQUEUE:
        queue_change(poller, fd, id, EV_ADD | EV_CLEAR, EV_DELETE)
        if on:                         # an edge anew, also where it was asked for already
            queue_change(poller, fd, id, 0, EV_ADD | EV_CLEAR)
        return
    entry = &poller.polled[poller.place[fd]]
    if on:
        entry.events |= POLLOUT
    else:
        entry.events &= ~POLLOUT


cdef void poller_reading(Poller* poller, int fd, bint on) noexcept nogil:
    cdef pollfd* entry
    if poller.kind != POLLER_POLL:
        return
    entry = &poller.polled[poller.place[fd]]
    entry.fd = fd
    entry.events |= POLLIN
    poller.polled_deaf[poller.place[fd]] = not on


cdef void poller_mute(Poller* poller, int fd) noexcept nogil:
    cdef pollfd* entry
    if poller.kind != POLLER_POLL:
        return
    entry = &poller.polled[poller.place[fd]]
    entry.events &= POLLOUT
    if entry.events == 0:
        entry.fd = -1 - fd             # poll(2) skips negative ones, else it would report the hang-up for ever


cdef bint poller_ready(Poller* poller) noexcept nogil:
    cdef pollfd one
    if poller.kind == POLLER_POLL:
        return c_poll(poller.polled, poller.polled_count, 0) > 0
    if poller.kind == POLLER_KQUEUE:
        if poller.seen == 0:
            poller.seen = max(0, queue_take(poller, 0))
        return poller.seen > 0
    one.fd = poller.fd
    one.events = POLLIN
    return c_poll(&one, 1, 0) > 0


cdef int wait_as_others(Poller* poller, int timeout_ms) noexcept nogil:
    return polled_wait(poller, timeout_ms) if poller.kind == POLLER_POLL else queue_wait(poller, timeout_ms)

# A pointer, so that it is not inlined: epoll's way then has no registers to keep for theirs.
cdef int (*others_wait)(Poller*, int) noexcept nogil
others_wait = wait_as_others


cdef int poller_wait(Poller* poller, int timeout_ms) noexcept nogil:
    cdef epoll_event* events = <epoll_event*>poller.events
    cdef int i, n
    cdef uint32_t e, mask
    if poller.kind != POLLER_EPOLL:
        return others_wait(poller, timeout_ms)
    n = epoll_wait(poller.fd, events, READY_MAX, timeout_ms)
    for i in range(n):
        e = events[i].events
        mask = READABLE if e & EPOLLIN else 0
        if e & EPOLLOUT:
            mask |= WRITABLE
        if e & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            mask |= HANGUP
        poller.ids[i] = events[i].data.u64
        poller.masks[i] = mask
    return n if n > 0 else 0           # EINTR: the caller looks after signals and comes again


# ---- kqueue

cdef int queue_open(Poller* poller) noexcept nogil:
    poller.events = calloc(READY_MAX, sizeof(c_kevent))
    poller.fd = kqueue()
    if poller.fd < 0:
        return errno
    fcntl(poller.fd, F_SETFD, FD_CLOEXEC)
    return 0


cdef int queue_change(Poller* poller, int fd, uint64_t id, int reading, int writing) noexcept nogil:
    """Each is EV_ADD, which tells of what is there already as epoll does, EV_DELETE, or 0 to leave it."""
    cdef c_kevent changes[2]
    cdef int n = 0
    if reading:
        EV_SET(&changes[n], fd, EVFILT_READ, reading, 0, 0, <void*>id)
        n += 1
    if writing:                        # the last: to forget what was never asked for fails
        EV_SET(&changes[n], fd, EVFILT_WRITE, writing, 0, 0, <void*>id)
        n += 1
    return errno if kevent(poller.fd, changes, n, NULL, 0, NULL) < 0 else 0


cdef int queue_add(Poller* poller, int fd, uint64_t id, int watch) noexcept nogil:
    if watch == WATCH_WAKER:
        poller.waker = fd
    return queue_change(poller, fd, id, EV_ADD | EV_CLEAR if watch == WATCH_CONNECTION else EV_ADD, 0)


cdef int queue_take(Poller* poller, int timeout_ms) noexcept nogil:
    """How many came into `events`: an edge is told once, so they have to be looked at."""
    cdef timespec until
    until.tv_sec = timeout_ms // 1000
    until.tv_nsec = timeout_ms % 1000 * 1000000
    return kevent(poller.fd, NULL, 0, <c_kevent*>poller.events, READY_MAX, NULL if timeout_ms < 0 else &until)


cdef int queue_wait(Poller* poller, int timeout_ms) noexcept nogil:
    cdef c_kevent* events = <c_kevent*>poller.events
    cdef int n = poller.seen if poller.seen else queue_take(poller, timeout_ms)
    cdef int i
    cdef uint32_t mask
    poller.seen = 0
    for i in range(n):
        if events[i].filter == EVFILT_WRITE:
            mask = WRITABLE
        else:                          # who reads finds the end of the file behind the last bytes
            mask = READABLE | HANGUP if events[i].flags & (EV_EOF | EV_ERROR) else READABLE
        poller.ids[i] = <uint64_t>events[i].udata
        poller.masks[i] = mask
        if poller.ids[i] == 0 and poller.waker >= 0:
            empty_bell(poller.waker)
    return n if n > 0 else 0


# ---- poll(2)

cdef inline int real_fd(const pollfd* entry) noexcept nogil:
    return entry.fd if entry.fd >= 0 else -1 - entry.fd


cdef void polled_remove(Poller* poller, int fd) noexcept nogil:
    cdef int32_t at
    cdef uint32_t last
    if <uint32_t>fd >= poller.place_capacity or poller.place[fd] < 0:
        return
    at = poller.place[fd]
    last = poller.polled_count - 1
    if <uint32_t>at != last:
        poller.polled[at] = poller.polled[last]
        poller.polled_ids[at] = poller.polled_ids[last]
        poller.polled_deaf[at] = poller.polled_deaf[last]
        poller.place[real_fd(&poller.polled[at])] = at
    poller.polled_count = last
    poller.place[fd] = -1


cdef int polled_add(Poller* poller, int fd, uint64_t id, int watch) noexcept nogil:
    cdef uint32_t i, capacity
    if <uint32_t>fd >= poller.place_capacity:
        capacity = <uint32_t>fd * 2 + 64
        poller.place = <int32_t*>realloc(poller.place, capacity * sizeof(int32_t))
        if poller.place == NULL:
            abort()
        for i in range(poller.place_capacity, capacity):
            poller.place[i] = -1
        poller.place_capacity = capacity
    if poller.polled_count == poller.polled_capacity:
        poller.polled_capacity = poller.polled_capacity * 2 + 64
        poller.polled = <pollfd*>realloc(poller.polled, poller.polled_capacity * sizeof(pollfd))
        poller.polled_ids = <uint64_t*>realloc(poller.polled_ids, poller.polled_capacity * sizeof(uint64_t))
        poller.polled_deaf = <uint8_t*>realloc(poller.polled_deaf, poller.polled_capacity)
        if poller.polled == NULL or poller.polled_ids == NULL or poller.polled_deaf == NULL:
            abort()
    i = poller.polled_count
    poller.polled[i].fd = fd
    poller.polled[i].events = POLLIN
    poller.polled[i].revents = 0
    poller.polled_ids[i] = id
    poller.polled_deaf[i] = False
    poller.place[fd] = <int32_t>i
    if watch == WATCH_WAKER:
        poller.waker = fd
    poller.polled_count += 1
    return 0


cdef short seen_deaf(pollfd* entry, short e) noexcept nogil:
    """What came to a connection that nobody reads now: the end, or bytes. Those end the looking until somebody reads."""
    cdef char first
    cdef ssize_t n = c_recv(entry.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT)
    e &= ~POLLIN
    if n > 0:
        entry.events &= ~POLLIN
    return e | POLLHUP if n == 0 else e


cdef int polled_wait(Poller* poller, int timeout_ms) noexcept nogil:
    cdef int left = c_poll(poller.polled, poller.polled_count, timeout_ms)
    cdef int n = 0
    cdef uint32_t i
    cdef short e
    if left <= 0:
        return 0
    for i in range(poller.polled_count):
        e = poller.polled[i].revents
        if e == 0:
            continue
        left -= 1
        if e & POLLIN and poller.polled_deaf[i]:
            e = seen_deaf(&poller.polled[i], e)
        if e != 0:
            poller.ids[n] = poller.polled_ids[i]
            poller.masks[n] = ((READABLE if e & POLLIN else 0) | (WRITABLE if e & POLLOUT else 0)
                               | (HANGUP if e & (POLLHUP | POLLERR | POLLNVAL) else 0))
            if poller.polled[i].fd == poller.waker:
                empty_bell(poller.waker)               # a level: take it down
            n += 1
        if n == READY_MAX or left == 0:
            break
    return n
