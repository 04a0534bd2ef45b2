# cython: language_level=3
"""Waiting for many sockets: epoll or kqueue (edge-triggered), or poll(2) as the portable fallback, behind one face.

What is ready is named by a 64-bit id, never by a pointer, so an event for something that died meanwhile is harmless.
Owner: the one thread whose lane it is. With poll(2), and only then, no other thread may call poller_add.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef enum:
    READABLE = 1                       # or a listener with somebody waiting
    WRITABLE = 2
    HANGUP = 4                         # the peer will send no more, or the socket is broken: reading tells which
    READY_MAX = 1024                   # sockets reported by one wait

cdef enum:                             # poller kinds
    POLLER_EPOLL = 0
    POLLER_POLL = 1
    POLLER_KQUEUE = 2                  # BEST_POLLER of iothreads.system is the one of these that a build has beside poll(2)

cdef enum:                             # what is watched, argument of poller_add
    WATCH_CONNECTION = 0               # reading and hang-up; edges where the system has them
    WATCH_LISTENER = 1                 # level-triggered
    WATCH_WAKER = 2                    # a bell that nobody else needs to empty; one for each poller

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents

cdef struct Poller:
    int kind
    int fd                             # epoll's or kqueue's, else -1
    void* events                       # epoll_event[READY_MAX], or kevent[READY_MAX]
    pollfd* polled                     # poll(2): what is watched
    uint64_t* polled_ids
    uint8_t* polled_deaf               # POLLIN is asked for the end of the file alone
    int32_t* place                     # poll(2): by fd, index into polled
    uint32_t polled_count
    uint32_t polled_capacity
    uint32_t place_capacity
    int waker                          # poll(2), kqueue: what is watched as WATCH_WAKER, else -1
    int seen                           # kqueue: how many events poller_ready has taken for the next wait
    uint64_t ids[READY_MAX]            # the answer of the last wait
    uint32_t masks[READY_MAX]

cdef int poller_open(Poller* poller, int kind) noexcept nogil                      # 0, or errno
cdef void poller_close(Poller* poller) noexcept nogil
cdef int poller_add(Poller* poller, int fd, uint64_t id, int watch) noexcept nogil     # 0, or errno
cdef void poller_remove(Poller* poller, int fd) noexcept nogil
cdef void poller_writing(Poller* poller, int fd, uint64_t id, bint on) noexcept nogil  # tell when it is writable again
cdef void poller_reading(Poller* poller, int fd, bint on) noexcept nogil           # off: only hang-up; free of charge but on poll(2)
cdef void poller_mute(Poller* poller, int fd) noexcept nogil                       # nothing any more until poller_reading
cdef bint poller_ready(Poller* poller) noexcept nogil                              # whether a wait would find something; takes nothing
cdef int poller_wait(Poller* poller, int timeout_ms) noexcept nogil                # how many are in ids and masks

cdef inline bint poller_says(const Poller* poller, int first, int end, uint64_t id) noexcept nogil:
    """Whether the last wait told of it, in these places. O(places)."""
    cdef int i
    for i in range(first, end):
        if poller.ids[i] == id:
            return True
    return False
