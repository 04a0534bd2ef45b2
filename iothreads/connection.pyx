# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading and writing one socket. A read that comes back short has emptied the socket, so none follows it."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdlib cimport abort, calloc, free
from libc.string cimport memset

from iothreads.message cimport PARSE_OK, PARSE_QUERY_BUFFER_LIMIT, batch_new, batch_pool, batch_room
from iothreads.resp_reader cimport compact, parse, reader_reset
from iothreads.ring cimport load_relaxed64

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    ssize_t recv(int, void*, size_t, int)
    ssize_t send(int, const void*, size_t, int)
    ssize_t sendmsg(int, const msghdr*, int)
    int setsockopt(int, int, int, const void*, unsigned int)
    int SOL_SOCKET, SO_KEEPALIVE, MSG_NOSIGNAL, MSG_DONTWAIT
cdef extern from "<netinet/in.h>" nogil:
    int IPPROTO_TCP
cdef extern from "<netinet/tcp.h>" nogil:
    int TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT

cdef enum:
    SLACK = 4096                       # read past a known argument, so that the read of its end comes back short


cdef Connection* connection_new(uint64_t id, int fd, void* client, bint authenticated, QueryMeter* meter) noexcept nogil:
    cdef Connection* c = <Connection*>calloc(1, sizeof(Connection))
    if c == NULL:
        abort()
    c.id = id
    c.fd = fd
    c.client = client
    c.authenticated = authenticated
    c.meter = meter
    reader_reset(&c.reader)
    return c


cdef void connection_free(Connection* c) noexcept nogil:
    free(c)


cdef void set_option(int fd, int level, int name, int value) noexcept nogil:
    setsockopt(fd, level, name, &value, sizeof(int))


cdef void connection_tune(int fd, uint64_t keepalive) noexcept nogil:
    """No delay for small replies; probes after `keepalive` seconds of silence, three of them, a third of it apart."""
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    if keepalive > 0:
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, <int>keepalive)
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, <int>(keepalive // 3) if keepalive >= 3 else 1)
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3)


cdef inline bint parse_more(Connection* c, const Limits* limits) noexcept nogil:
    """Parses what is there; true if the main thread must see the batch."""
    cdef Batch* b = c.batch
    c.unparsed = False
    parse(&c.reader, b, <int64_t>load_relaxed64(&limits.max_bulk), c.authenticated)
    b.buffered = b.used - c.reader.position
    if b.error == PARSE_OK and (c.authenticated or b.command_count == 0):
        if b.buffered > load_relaxed64(&limits.query_buffer):
            b.error = PARSE_QUERY_BUFFER_LIMIT
    return b.command_count > 0 or b.error != PARSE_OK


cdef inline size_t make_room(Connection* c, size_t turn_bytes) noexcept nogil:
    """Room to read into: all of a known argument at once, else the rest of the buffer, doubled up to a turn's share."""
    cdef Batch* b = c.batch
    cdef size_t wanted
    if c.reader.bulk_length >= 0:
        wanted = c.reader.position + <size_t>c.reader.bulk_length + 2
        if wanted > b.capacity:
            batch_room(b, wanted + SLACK)
    if b.used == b.capacity:
        batch_room(b, b.capacity * 2)
    wanted = b.capacity - b.used
    return wanted if wanted <= turn_bytes else turn_bytes


cdef int connection_read(Connection* c, BatchPool* pool, const Limits* limits, Traffic* traffic) noexcept nogil:
    cdef size_t room, total = 0
    cdef ssize_t n
    cdef Batch* b = c.batch
    cdef int result
    if b == NULL:
        b = c.batch = batch_new(pool)
    elif c.unparsed and parse_more(c, limits):
        return IO_BATCH
    while True:
        room = make_room(c, BULK_TURN_BYTES if c.reader.bulk_length >= 0 else TURN_BYTES)
        n = recv(c.fd, b.buffer + b.used, room, MSG_DONTWAIT)
        if n > 0:
            traffic.calls += 1
            traffic.bytes += <uint64_t>n
            b.used += <size_t>n
            b.input_bytes += <size_t>n
            total += <size_t>n
            if <size_t>n < room and not c.hangup:
                c.readable = False
            if parse_more(c, limits):
                return IO_BATCH
            result = IO_DONE
            if not c.readable:
                break
            result = IO_AGAIN
            if total >= TURN_BYTES:
                break
        elif n == 0:
            c.error = 0
            return IO_CLOSED
        elif errno == EAGAIN:
            c.readable = False
            result = IO_DONE
            break
        elif errno != EINTR:
            c.error = errno
            return IO_CLOSED
    if b.used == c.reader.position and c.reader.remaining == 0:
        idle(c, pool)
        return result
    if c.reader.position > TURN_BYTES:
        compact(&c.reader, b)          # only empty requests before it
    if c.reader.bulk_length >= BIG_ARGUMENT:
        make_room(c, BULK_TURN_BYTES)
    return result


cdef inline void idle(Connection* c, BatchPool* pool) noexcept nogil:
    """Nothing is half read: the connection needs no buffer."""
    reader_reset(&c.reader)
    batch_pool(pool, c.batch)
    c.batch = NULL


cdef inline void written(Connection* c, size_t n) noexcept nogil:
    """Accounts for n bytes that the socket took; whole chunks start their way home."""
    cdef Chunk* chunk
    while c.head != NULL:
        chunk = c.head
        if chunk.used - chunk.sent > n:
            chunk.sent += n
            return
        n -= chunk.used - chunk.sent
        chunk.sent = chunk.used
        c.done_bytes += chunk.used
        c.head = chunk.next
        chunk.next = NULL
        if c.done_tail == NULL:
            c.done_head = chunk
        else:
            c.done_tail.next = chunk
        c.done_tail = chunk
    c.tail = NULL


cdef ssize_t write_many(Connection* c, size_t room, size_t* asked) noexcept nogil:
    """Writes at most `room` bytes of the chunks that wait; `asked` says what it tried."""
    cdef iovec vectors[IOVECS]
    cdef msghdr header
    cdef Chunk* chunk = c.head
    cdef size_t n = 0
    asked[0] = 0
    while chunk != NULL and n < IOVECS and asked[0] < room:
        vectors[n].iov_base = chunk.bytes + chunk.sent
        vectors[n].iov_len = min(chunk.used - chunk.sent, room - asked[0])
        asked[0] += vectors[n].iov_len
        n += 1
        chunk = chunk.next
    memset(&header, 0, sizeof(msghdr))
    header.msg_iov = vectors
    header.msg_iovlen = n
    return sendmsg(c.fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT)


cdef int connection_write(Connection* c, Traffic* traffic) noexcept nogil:
    cdef size_t asked, total = 0
    cdef ssize_t n
    cdef Chunk* chunk
    while c.head != NULL:
        if total >= WRITE_TURN_BYTES:
            return IO_AGAIN
        chunk = c.head
        if chunk.next == NULL:
            asked = min(chunk.used - chunk.sent, WRITE_TURN_BYTES - total)
            n = send(c.fd, chunk.bytes + chunk.sent, asked, MSG_NOSIGNAL | MSG_DONTWAIT)
        else:
            n = write_many(c, WRITE_TURN_BYTES - total, &asked)
        if n >= 0:
            traffic.calls += 1
            traffic.bytes += <uint64_t>n
            total += <size_t>n
            written(c, <size_t>n)
            if <size_t>n < asked:
                return IO_BLOCKED
        elif errno == EAGAIN:
            return IO_BLOCKED
        elif errno != EINTR:
            c.error = errno
            return IO_CLOSED
    return IO_DONE
