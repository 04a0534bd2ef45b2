# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Plays pipelines that were made before over connections of which each has one under way, and counts the replies."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

from array import array

from iothreads.poller cimport WATCH_CONNECTION, Poller, poller_add, poller_close, poller_open, poller_wait
from iothreads.system cimport BEST_POLLER
from perf.benchmark.replies cimport FirstError, Found, Skipper, error_text, skip, skipper_reset

cdef extern from "<sys/types.h>" nogil:
    ctypedef long ssize_t
cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void*, size_t, int)
    ssize_t send(int, const void*, size_t, int)
    int MSG_DONTWAIT

cdef enum:
    INBOX_BYTES = 1 << 18
    PATIENCE_MS = 60000                # without any answer: it hangs
    QUIET_MS = 5                       # listeners that got nothing for so long have all

cdef enum:                             # how a play ends
    PLAYED
    CLOSED
    NOT_RESP
    NO_ANSWER

cdef struct Connection:
    int fd
    uint64_t outstanding               # replies of its pipeline still to come; 0: it has none
    Skipper skipper

cdef struct Play:
    Poller poller
    Connection* connections
    uint64_t count                     # of those; ids from there on are listeners
    const char* data
    const uint64_t* offsets            # pipeline n is data[offsets[n]:offsets[n + 1]]
    uint64_t distinct                  # pipelines there are
    uint64_t pipelines                 # to play: from the first again, when that is more
    uint64_t replies                   # to each
    uint64_t begun
    uint64_t answered
    uint64_t errors
    uint64_t received                  # bytes
    FirstError first

cdef char[INBOX_BYTES] inbox


cdef bint say(Play* p, Connection* c) noexcept nogil:
    """The next pipeline, when there is one; false when the connection broke."""
    cdef uint64_t at = p.begun % p.distinct
    cdef const char* bytes = p.data + p.offsets[at]
    cdef size_t left = p.offsets[at + 1] - p.offsets[at]
    cdef ssize_t done
    if p.begun == p.pipelines:
        return True
    p.begun += 1
    c.outstanding = p.replies
    while left:
        done = send(c.fd, bytes, left, 0)        # Python ignores SIGPIPE
        if done < 0 and errno == EINTR:
            continue
        if done <= 0:
            return False
        bytes += done
        left -= done
    return True


cdef int hear(Play* p, Connection* c) noexcept nogil:
    """What came, all of it: a poller that tells edges will not say it twice."""
    cdef Found found
    cdef ssize_t got
    while True:
        got = recv(c.fd, inbox, INBOX_BYTES, MSG_DONTWAIT)
        if got < 0 and errno == EINTR:
            continue
        if got < 0 and errno == EAGAIN:
            return PLAYED
        if got <= 0:
            return CLOSED
        p.received += got
        found.replies = found.errors = 0
        if not skip(&c.skipper, inbox, got, &p.first, &found) or found.replies > c.outstanding:
            return NOT_RESP
        p.errors += found.errors
        c.outstanding -= found.replies
        if found.replies and c.outstanding == 0:
            p.answered += 1
            if not say(p, c):
                return CLOSED


cdef int listen(int fd) noexcept nogil:
    """What a listener was told goes nowhere."""
    cdef ssize_t got = 1
    while got > 0 or errno == EINTR:
        got = recv(fd, inbox, INBOX_BYTES, MSG_DONTWAIT)
        if got == 0:
            return CLOSED
    return PLAYED if errno == EAGAIN else CLOSED


cdef int run(Play* p, const int* listeners, bint waits) noexcept nogil:
    """Until all is answered and, with listeners, they are silent."""
    cdef int i, n, how
    cdef uint64_t k, id
    for k in range(p.count):
        if not say(p, &p.connections[k]):
            return CLOSED
    while True:
        if p.answered == p.pipelines and not waits:
            return PLAYED
        n = poller_wait(&p.poller, PATIENCE_MS if p.answered < p.pipelines else QUIET_MS)
        if n == 0:
            return NO_ANSWER if p.answered < p.pipelines else PLAYED
        for i in range(n):
            id = p.poller.ids[i]
            how = hear(p, &p.connections[id]) if id < p.count else listen(listeners[id - p.count])
            if how != PLAYED:
                return how


class Broke(Exception):
    """The server closed a connection, was silent, or said what is no reply."""


def play(
    fds: list[int], listeners: list[int], data: bytes, offsets: array, pipelines: int, replies: int
) -> tuple[int, int, bytes]:
    """Send `pipelines` of them; pipeline n is data[offsets[n]:offsets[n + 1]], then the first comes again.

    replies: to each pipeline. Returns (bytes received, error replies, the text of the first). Raises Broke.
    O(bytes); the GIL is given up meanwhile. Only one play at a time: the inbox is one.
    """
    cdef Play p
    cdef const unsigned char[::1] text = data
    cdef const uint64_t[::1] places = offsets
    cdef int[::1] listening = _integers(listeners)
    cdef const int* heard = &listening[0]
    cdef bint waits = len(listeners) > 0
    cdef int how = PLAYED
    cdef uint64_t i
    if len(places) < 2 or places[len(places) - 1] > <uint64_t>len(text) or not fds or not replies:
        raise ValueError("nothing to play")
    p.count, p.data, p.offsets, p.distinct = len(fds), <const char*>&text[0], &places[0], len(places) - 1
    p.pipelines, p.replies = pipelines, replies
    p.begun = p.answered = p.errors = p.received = 0
    p.first.taken, p.first.length = False, 0
    if poller_open(&p.poller, BEST_POLLER):
        raise OSError(errno, "no poller")
    p.connections = <Connection*>calloc(p.count, sizeof(Connection))
    try:
        if p.connections == NULL:
            raise MemoryError
        for i in range(p.count):
            p.connections[i].fd = fds[i]
            skipper_reset(&p.connections[i].skipper)
            _watch(&p.poller, fds[i], i)
        for i in range(<uint64_t>len(listeners)):
            _watch(&p.poller, listeners[i], p.count + i)
        with nogil:
            how = run(&p, heard, waits)
        if how != PLAYED:
            raise Broke(("", "it closed a connection", "what it said is no reply", "no answer for 60 s")[how])
        return p.received, p.errors, error_text(&p.first) if p.errors else b""
    finally:
        poller_close(&p.poller)
        free(p.connections)


cdef _watch(Poller* poller, int fd, uint64_t id):
    cdef int error = poller_add(poller, fd, id, WATCH_CONNECTION)
    if error:
        raise OSError(error, "cannot be watched")


def _integers(numbers: list[int]):
    """As C sees them; at least one, so that there is an address."""
    return memoryview(array("i", numbers or [0]))
