# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A turn of a worker:

    begin what is due (open loop)  ->  wait  ->  for each connection that is ready: receive, count, record, send anew

At depth 1 a request costs one recv, one send, a share of one wait and one reading of the clock, which is the end of one
batch and the beginning of the next. No connection is ever added to or taken from the poller meanwhile, and epoll tells
edges, so there is nothing else for the kernel to do.
"""
from libc.errno cimport ECONNRESET, EINPROGRESS, EINTR, EPIPE, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport abort, calloc, free, malloc, realloc
from libc.string cimport memcpy, memset, strncpy

from iothreads.poller cimport (HANGUP, POLLER_EPOLL, READABLE, WATCH_CONNECTION, WRITABLE, poller_add, poller_close,
                               poller_open, poller_remove, poller_wait, poller_writing, pollfd)
from iothreads.ring cimport load_relaxed, store_relaxed, store_relaxed64
from iothreads.system cimport c_close, open_socket
from iothreads.tls cimport tls_state, tls_transport
from iothreads.transport cimport WANT_READ, WANT_WRITE, plain_transport, socket_close
from perf.benchmark.draw cimport draw_exponential, random_next, random_seed
from perf.benchmark.histogram cimport Cells, cells_clear, cells_record
from perf.benchmark.replies cimport Found, skip, skipper_reset
from perf.benchmark.request cimport Template, fill_holes, render, template_most

cdef extern from "<sys/socket.h>" nogil:
    int c_connect "connect"(int, const sockaddr*, socklen_t)
    int setsockopt(int, int, int, const void*, socklen_t)
    int AF_UNIX
cdef extern from "<netinet/tcp.h>" nogil:
    int IPPROTO_TCP, TCP_NODELAY
cdef extern from "<netinet/in.h>" nogil:
    pass
cdef extern from "<unistd.h>" nogil:
    ssize_t c_write "write"(int, const void*, size_t)
cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_MONOTONIC, CLOCK_THREAD_CPUTIME_ID
cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <poll.h>
    #include <time.h>
    #ifdef REMUS_LINUX
    #include <sys/prctl.h>
    /* A sleeping thread is woken up to 50 us late by default, to save power: too late for arrival times. */
    #define remus_punctual() prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL)
    /* Sleep until the poller has news or the time is over. */
    static int remus_sleep_for(int fd, long long ns) {
        struct pollfd watched = {fd, POLLIN, 0};
        struct timespec until = {ns / 1000000000, ns % 1000000000};
        return ppoll(&watched, 1, &until, NULL);
    }
    #else
    #define remus_punctual() ((void)0)
    static int remus_sleep_for(int fd, long long ns) {
        struct pollfd watched = {fd, POLLIN, 0};
        return poll(&watched, 1, (int)(ns / 1000000));
    }
    #endif
    #define remus_take_requests(p, n) __atomic_fetch_add((p), (n), __ATOMIC_RELAXED)
    """
    void punctual "remus_punctual"() noexcept nogil
    int sleep_for "remus_sleep_for"(int fd, long long ns) noexcept nogil
    uint64_t take_requests "remus_take_requests"(uint64_t* counter, uint64_t more) noexcept nogil

cdef enum:
    INBOX = 65536                      # bytes of one recv: replies are looked at while they are in the cache
    GLANCE_MS = 50                     # how often a worker that waits looks at Plan.stop
    SECOND = 1000000000
    PATIENCE = 10                      # seconds after the deadline that replies may take


cdef int64_t clock_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * SECOND + now.tv_nsec


cdef void fail(Worker* w, int failure) noexcept nogil:
    if w.failure == NO_FAILURE:
        w.failure = failure
        w.failure_errno = errno
    store_relaxed(&w.plan.stop, 1)


cdef void fail_transport(Worker* w, Connection* c) noexcept nogil:
    """What ended a connection is the end of the run."""
    errno = c.socket.error
    if c.socket.reason == NULL:
        fail(w, SYSTEM_ERROR)
        return
    if w.failure == NO_FAILURE:
        strncpy(w.failure_words, c.socket.reason, WORDS - 1)
    fail(w, TRANSPORT_ERROR)


# ---- batches

cdef void reserve(Connection* c, size_t capacity) noexcept nogil:
    if capacity <= c.capacity:
        return
    c.capacity = max(capacity, c.capacity + c.capacity // 2)
    c.buffer = <char*>realloc(c.buffer, c.capacity)
    if c.buffer == NULL:
        abort()


cdef inline uint32_t choose(Worker* w) noexcept nogil:
    """A template, by weight."""
    cdef uint64_t r = random_next(&w.random) >> 32
    cdef uint32_t i = 0
    while i + 1 < w.plan.template_count and r >= w.plan.thresholds[i]:
        i += 1
    return i


cdef void build(Worker* w, Connection* c, uint32_t requests) noexcept nogil:
    """Put a batch behind the greeting; c.length is its end."""
    cdef Plan* plan = w.plan
    cdef Template* t = plan.templates
    cdef size_t at = plan.greeting_length
    cdef uint32_t i, kind
    if plan.ready_made:
        if t.hole_count:
            for i in range(requests):
                fill_holes(t, c.buffer + at + <size_t>i * t.length, &plan.keys, &w.random)
        c.length = at + <size_t>requests * t.length
        return
    for i in range(requests):
        if c.kinds != NULL:
            kind = choose(w)
            c.kinds[i] = <uint8_t>kind
            t = &plan.templates[kind]
        reserve(c, at + template_most(t, &plan.sizes))
        at += render(t, c.buffer + at, &plan.keys, &plan.sizes, &plan.pool, &w.random)
    c.length = at


cdef void make_ready(Plan* plan, Connection* c) noexcept nogil:
    """The bytes that no batch changes."""
    cdef Template* t = plan.templates
    cdef uint32_t i
    reserve(c, plan.greeting_length + (<size_t>plan.pipeline * t.length if plan.ready_made else 64))
    memcpy(c.buffer, plan.greeting, plan.greeting_length)
    if plan.ready_made:
        for i in range(plan.pipeline):
            memcpy(c.buffer + plan.greeting_length + <size_t>i * t.length, t.bytes, t.length)


cdef uint32_t grant(Worker* w, int64_t start) noexcept nogil:
    """How many requests a batch may have that begins now; 0: none, it is over."""
    cdef Plan* plan = w.plan
    cdef uint64_t before
    if plan.deadline and start >= plan.deadline:
        return 0
    if plan.requests == 0 or start < plan.measure_from:
        return plan.pipeline
    before = take_requests(&plan.taken, plan.pipeline)
    if before >= plan.requests:
        return 0
    return <uint32_t>min(<uint64_t>plan.pipeline, plan.requests - before)


cdef void wait_for_room(Worker* w, Connection* c, bint yes) noexcept nogil:
    if c.writing != yes:
        c.writing = yes
        poller_writing(&w.poller, c.socket.fd, c.index + 1, yes)


cdef bint shake(Worker* w, Connection* c) noexcept nogil:
    """Go on with the handshake; whether it is through."""
    cdef int result = c.socket.transport.handshake(&c.socket)
    if result == 0:
        c.shaking = False
        return True
    if result == WANT_READ or result == WANT_WRITE:
        wait_for_room(w, c, result == WANT_WRITE)
    else:
        fail_transport(w, c)
    return False


cdef void flush(Worker* w, Connection* c) noexcept nogil:
    cdef ssize_t n
    if c.shaking and not shake(w, c):
        return
    while c.written < c.length:
        n = c.socket.transport.send(&c.socket, c.buffer + c.written, c.length - c.written)
        if n < 0:
            if n == WANT_WRITE:
                wait_for_room(w, c, True)
            elif c.socket.reason == NULL and (c.socket.error == EPIPE or c.socket.error == ECONNRESET):
                receive(w, c, True)    # it may have said why
            elif n != WANT_READ:
                fail_transport(w, c)
            return
        c.written += n
        w.sent_bytes += n
    wait_for_room(w, c, False)


cdef void let_go(Connection* c) noexcept nogil:
    """Its socket is closed; a plain one without a further system call."""
    if c.socket.state != NULL:
        socket_close(&c.socket, False)
    else:
        c_close(c.socket.fd)
    free(c.socket.reason)
    memset(&c.socket, 0, sizeof(c.socket))
    c.socket.transport = plain_transport()
    c.socket.fd = -1


cdef bint reconnect(Worker* w, Connection* c) noexcept nogil:
    """A new connection in the place of the old one; it is connected when it can be written."""
    cdef Plan* plan = w.plan
    cdef int yes = 1
    if c.socket.fd >= 0:
        poller_remove(&w.poller, c.socket.fd)
        let_go(c)
    c.socket.fd = open_socket(plan.address.ss_family)
    if c.socket.fd < 0:
        fail(w, SYSTEM_ERROR)
        return False
    if plan.address.ss_family != AF_UNIX:
        setsockopt(c.socket.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes))
    if c_connect(c.socket.fd, <const sockaddr*>&plan.address, plan.address_length) < 0 and errno != EINPROGRESS:
        fail(w, SYSTEM_ERROR)
        return False
    if poller_add(&w.poller, c.socket.fd, c.index + 1, WATCH_CONNECTION) != 0:
        fail(w, SYSTEM_ERROR)
        return False
    if plan.tls != NULL:
        c.socket.state = tls_state(plan.tls, False, plan.server_name)
        if c.socket.state == NULL:
            abort()
        c.socket.transport = tls_transport()
        c.shaking = True
    skipper_reset(&c.skipper)
    c.writing = False
    c.greeting = plan.greeting_replies
    return True


cdef bint begin(Worker* w, Connection* c, int64_t start) noexcept nogil:
    """Send the next batch; False when there is none."""
    cdef uint32_t requests = grant(w, start)
    if requests == 0:
        return False
    build(w, c, requests)
    c.start = start
    c.measured = start >= w.plan.measure_from
    c.requests = c.outstanding = requests
    c.written = w.plan.greeting_length
    w.active += 1
    if not w.plan.keep_alive:
        if not reconnect(w, c):
            return True
        c.written = 0
    flush(w, c)
    return True


cdef void ended(Worker* w, Connection* c, int64_t now) noexcept nogil:
    """All of the batch is answered."""
    w.active -= 1
    if w.plan.interval > 0:
        c.idle_since = now
        w.idle[(w.idle_first + w.idle_count) % w.count] = c.index
        w.idle_count += 1
    elif not w.over and not begin(w, c, now):
        w.over = True


# ---- replies

cdef inline void record(Worker* w, Connection* c, uint32_t replies, int64_t now) noexcept nogil:
    cdef uint64_t took = <uint64_t>max(now - c.start, 0)
    cdef uint32_t i
    store_relaxed64(&w.answered, w.answered + replies)
    store_relaxed64(&w.waited, w.waited + took * replies)
    if not c.measured:
        return
    w.last = now
    if c.kinds == NULL:
        cells_record(&w.latency[0], took, replies)
        return
    for i in range(c.requests - c.outstanding, c.requests - c.outstanding + replies):
        cells_record(&w.latency[c.kinds[i]], took, 1)


cdef bint count(Worker* w, Connection* c, size_t length) noexcept nogil:
    """Look for replies in the inbox; False when the connection has nothing more to say for now."""
    cdef Found found
    cdef uint32_t replies, greeting
    cdef int64_t now
    found.replies = found.errors = 0
    if not skip(&c.skipper, w.inbox, length, &w.first_error, &found):
        fail(w, NOT_RESP)
        return False
    if found.replies > <uint64_t>c.outstanding + c.greeting:
        fail(w, TOO_MANY_REPLIES)
        return False
    if found.errors:
        store_relaxed64(&w.errors, w.errors + found.errors)
        if w.plan.stop_at_error:
            fail(w, ERROR_REPLY)
    replies = <uint32_t>found.replies
    greeting = min(c.greeting, replies)
    c.greeting -= greeting
    replies -= greeting
    if replies == 0:
        return True
    now = clock_ns()
    record(w, c, replies, now)
    c.outstanding -= replies
    if c.outstanding == 0:
        ended(w, c, now)
        return w.plan.keep_alive
    return True


cdef void receive(Worker* w, Connection* c, bint hangup) noexcept nogil:
    cdef ssize_t n
    while True:
        n = c.socket.transport.recv(&c.socket, w.inbox, INBOX)
        if n < 0:
            if n != WANT_READ and n != WANT_WRITE:
                fail_transport(w, c)
            return
        if n == 0:
            fail(w, SERVER_CLOSED)
            return
        w.received_bytes += n
        if not count(w, c, n) or (emptied(c, n) and not hangup):
            return


cdef inline bint emptied(Connection* c, ssize_t n) noexcept nogil:
    """Whether a recv that gave n bytes has taken all there was."""
    return n < INBOX if c.socket.transport.short_blocks else c.socket.transport.drained(&c.socket)


cdef void ready(Worker* w, uint64_t id, uint32_t mask) noexcept nogil:
    cdef Connection* c = &w.connections[id - 1]
    if c.shaking or mask & WRITABLE and c.writing:
        flush(w, c)
    if mask & (READABLE | HANGUP) and not c.shaking:
        receive(w, c, mask & HANGUP != 0)


# ---- the open loop's clock

cdef inline void next_arrival(Worker* w) noexcept nogil:
    w.next_arrival += w.plan.interval * draw_exponential(&w.random) if w.plan.poisson else w.plan.interval


cdef void arrivals(Worker* w, int64_t now) noexcept nogil:
    """Begin each batch that is due, as far as there are idle connections."""
    cdef Connection* c
    while not w.over and w.idle_count and w.next_arrival <= <double>now:
        c = &w.connections[w.idle[w.idle_first]]
        if not begin(w, c, <int64_t>w.next_arrival):
            w.over = True
            return
        w.idle_first = (w.idle_first + 1) % w.count
        w.idle_count -= 1
        now = clock_ns()
        if c.measured:
            cells_record(&w.lag, <uint64_t>max(now - max(c.start, c.idle_since), 0), 1)
        next_arrival(w)


cdef void close_books(Worker* w) noexcept nogil:
    """The deadline has come while batches were waiting for a connection."""
    w.over = True
    while w.next_arrival < <double>w.plan.deadline:
        w.unsent += w.plan.pipeline
        next_arrival(w)


cdef int wait(Worker* w, int64_t now) noexcept nogil:
    cdef int64_t left = GLANCE_MS * 1000000
    if w.plan.interval > 0 and not w.over and w.idle_count:
        left = min(left, <int64_t>w.next_arrival - now)
        if left <= 0 or w.plan.spin:
            return poller_wait(&w.poller, 0)
        if w.poller.kind == POLLER_EPOLL:
            sleep_for(w.poller.fd, left)
            return poller_wait(&w.poller, 0)
    return poller_wait(&w.poller, <int>(left // 1000000))


# ---- the thread

cdef void run(Worker* w) noexcept nogil:
    cdef Plan* plan = w.plan
    cdef bint open_loop = plan.interval > 0
    cdef int64_t now = clock_ns()
    cdef int i, n
    cdef uint32_t k
    if open_loop:
        punctual()
    else:
        for k in range(w.count):
            if not begin(w, &w.connections[k], clock_ns()):
                break
    while load_relaxed(&plan.stop) == 0:
        if open_loop:
            now = clock_ns()
            arrivals(w, now)
            if plan.deadline and now >= plan.deadline and not w.over:
                close_books(w)
        if w.active == 0 and (not open_loop or w.over):
            break
        n = wait(w, now)
        for i in range(n):
            ready(w, w.poller.ids[i], w.poller.masks[i])
        if n == 0 and plan.deadline and clock_ns() > plan.deadline + <int64_t>PATIENCE * SECOND:
            fail(w, NO_ANSWER)


cdef void* worker_main(void* argument) noexcept nogil:
    cdef Worker* w = <Worker*>argument
    cdef timespec cpu
    run(w)
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu)
    w.cpu = <int64_t>cpu.tv_sec * SECOND + cpu.tv_nsec
    while c_write(w.plan.done_fd, b".", 1) < 0 and errno == EINTR:
        pass
    return NULL


cdef int worker_prepare(Worker* w, Plan* plan, uint32_t index, uint32_t count, int poller_kind,
                        uint64_t seed) noexcept nogil:
    cdef uint32_t i
    memset(w, 0, sizeof(Worker))
    w.plan = plan
    w.index = index
    w.count = count
    w.connections = <Connection*>calloc(count, sizeof(Connection))
    w.idle = <uint32_t*>calloc(count, sizeof(uint32_t))
    w.latency = <Cells*>calloc(plan.template_count, sizeof(Cells))
    w.inbox = <char*>malloc(INBOX)
    if w.connections == NULL or w.idle == NULL or w.latency == NULL or w.inbox == NULL:
        abort()
    for i in range(plan.template_count):
        cells_clear(&w.latency[i])
    cells_clear(&w.lag)
    random_seed(&w.random, seed)
    w.idle_count = count
    for i in range(count):
        w.idle[i] = i
        w.connections[i].index = i
        w.connections[i].socket.fd = -1
        w.connections[i].socket.transport = plain_transport()
        if plan.template_count > 1:
            w.connections[i].kinds = <uint8_t*>malloc(plan.pipeline)
        make_ready(plan, &w.connections[i])
    return poller_open(&w.poller, poller_kind)


cdef void worker_free(Worker* w) noexcept nogil:
    cdef uint32_t i
    for i in range(w.count):
        if w.connections[i].socket.fd >= 0:
            let_go(&w.connections[i])
        free(w.connections[i].buffer)
        free(w.connections[i].kinds)
    poller_close(&w.poller)
    free(w.connections)
    free(w.idle)
    free(w.latency)
    free(w.inbox)
