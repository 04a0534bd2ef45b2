# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""epoll reports each change once, so a lane remembers what it has not finished and a turn costs no system call but the
wait. poll(2) reports states, so a lane says with poller_reading() when it has no ear for a connection.
"""
from libc.errno cimport errno
from libc.stdlib cimport abort, calloc, free, realloc
from libc.string cimport memset

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int)
    int epoll_ctl(int, int, int, epoll_event*)
    int epoll_wait(int, epoll_event*, int, int)
    unsigned int EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET
    int EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, EPOLL_CLOEXEC
cdef extern from "<poll.h>" nogil:
    int c_poll "poll"(void*, unsigned long, int)
    short POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL
cdef extern from *:
    """
    #include <poll.h>
    #ifndef POLLRDHUP
    #define POLLRDHUP 0x2000
    #endif
    """
    short POLLRDHUP
cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)
    ssize_t c_read "read"(int, void*, size_t)


cdef int poller_open(Poller* poller, int kind) noexcept nogil:
    memset(poller, 0, sizeof(Poller))
    poller.kind = kind
    poller.fd = -1
    if kind == POLLER_EPOLL:
        poller.events = calloc(READY_MAX, sizeof(epoll_event))
        poller.fd = epoll_create1(EPOLL_CLOEXEC)
        if poller.fd < 0:
            return errno
    return 0


cdef void poller_close(Poller* poller) noexcept nogil:
    if poller.fd >= 0:
        c_close(poller.fd)
    poller.fd = -1
    free(poller.events)
    free(poller.polled)
    free(poller.polled_ids)
    free(poller.place)
    poller.events = NULL
    poller.polled = NULL
    poller.polled_ids = NULL
    poller.place = NULL
    poller.polled_count = poller.polled_capacity = poller.place_capacity = 0


cdef int poller_add(Poller* poller, int fd, uint64_t id, int watch) noexcept nogil:
    cdef epoll_event event
    if poller.kind == POLLER_POLL:
        return polled_add(poller, fd, id, watch)
    event.data.u64 = id
    event.events = EPOLLIN
    if watch == WATCH_CONNECTION:
        event.events |= EPOLLRDHUP | EPOLLET
    elif watch == WATCH_WAKER:
        event.events |= EPOLLET        # every write to the eventfd is an edge: its count may stand
    return errno if epoll_ctl(poller.fd, EPOLL_CTL_ADD, fd, &event) < 0 else 0


cdef void poller_remove(Poller* poller, int fd) noexcept nogil:
    cdef epoll_event event
    cdef int32_t at
    cdef uint32_t last
    if poller.kind == POLLER_EPOLL:
        epoll_ctl(poller.fd, EPOLL_CTL_DEL, fd, &event)
        return
    if <uint32_t>fd >= poller.place_capacity or poller.place[fd] < 0:
        return
    at = poller.place[fd]
    last = poller.polled_count - 1
    if <uint32_t>at != last:
        poller.polled[at] = poller.polled[last]
        poller.polled_ids[at] = poller.polled_ids[last]
        poller.place[real_fd(&poller.polled[at])] = at
    poller.polled_count = last
    poller.place[fd] = -1


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
    entry = &poller.polled[poller.place[fd]]
    if on:
        entry.events |= POLLOUT
    else:
        entry.events &= ~POLLOUT


cdef void poller_reading(Poller* poller, int fd, bint on) noexcept nogil:
    cdef pollfd* entry
    if poller.kind == POLLER_EPOLL:
        return
    entry = &poller.polled[poller.place[fd]]
    entry.fd = fd
    entry.events = (entry.events & POLLOUT) | POLLRDHUP
    if on:
        entry.events |= POLLIN


cdef void poller_mute(Poller* poller, int fd) noexcept nogil:
    cdef pollfd* entry
    if poller.kind == POLLER_EPOLL:
        return
    entry = &poller.polled[poller.place[fd]]
    entry.events &= POLLOUT
    if entry.events == 0:
        entry.fd = -1 - fd             # poll(2) skips negative ones, else it would report the hang-up for ever


cdef bint poller_ready(Poller* poller) noexcept nogil:
    cdef pollfd one
    if poller.kind == POLLER_POLL:
        return c_poll(poller.polled, poller.polled_count, 0) > 0
    one.fd = poller.fd
    one.events = POLLIN
    return c_poll(&one, 1, 0) > 0


cdef int poller_wait(Poller* poller, int timeout_ms) noexcept nogil:
    cdef epoll_event* events = <epoll_event*>poller.events
    cdef int i, n
    cdef uint32_t e, mask
    if poller.kind == POLLER_POLL:
        return polled_wait(poller, timeout_ms)
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


# ---- poll(2)

cdef inline int real_fd(const pollfd* entry) noexcept nogil:
    return entry.fd if entry.fd >= 0 else -1 - entry.fd


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
        if poller.polled == NULL or poller.polled_ids == NULL:
            abort()
    i = poller.polled_count
    poller.polled[i].fd = fd
    poller.polled[i].events = POLLIN | POLLRDHUP if watch == WATCH_CONNECTION else POLLIN
    poller.polled[i].revents = 0
    poller.polled_ids[i] = id
    poller.place[fd] = <int32_t>i
    poller.polled_count += 1
    return 0


cdef int polled_wait(Poller* poller, int timeout_ms) noexcept nogil:
    cdef int left = c_poll(poller.polled, poller.polled_count, timeout_ms)
    cdef int n = 0
    cdef uint32_t i
    cdef short e
    cdef uint64_t value
    if left <= 0:
        return 0
    for i in range(poller.polled_count):
        e = poller.polled[i].revents
        if e == 0:
            continue
        poller.ids[n] = poller.polled_ids[i]
        poller.masks[n] = ((READABLE if e & POLLIN else 0) | (WRITABLE if e & POLLOUT else 0)
                           | (HANGUP if e & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL) else 0))
        if poller.ids[n] == 0:
            c_read(poller.polled[i].fd, &value, 8)         # the waker is a level here: take it down
        n += 1
        left -= 1
        if n == READY_MAX or left == 0:
            break
    return n
