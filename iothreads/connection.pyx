# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading and writing one socket. A read that comes back short has emptied the socket, so none follows it."""
from libc.stdlib cimport abort, calloc, free
from libc.string cimport memmove

from iothreads.message cimport (CONSUMED_ALL, PARSE_NOT_A_REPLY, PARSE_OK, PARSE_QUERY_BUFFER_LIMIT, PARSE_REPLY_TOO_LONG,
                                READ_RAW, READ_REPLIES, READ_REQUESTS, Request, batch_more_commands, batch_new, batch_pool,
                                batch_room)
from iothreads.resp_reader cimport compact, leave_room, parse, reader_reset
from iothreads.resp_reply_reader cimport BROKEN, IN_BULK, reply_scan, reply_scanner_reset
from iothreads.ring cimport load_relaxed64
from iothreads.system cimport ACCEPTED_INHERIT, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL
from iothreads.transport cimport (TRANSPORT_FAILED, WANT_READ, WANT_WRITE, iovec, plain_transport)

cdef extern from "<sys/socket.h>" nogil:
    int setsockopt(int, int, int, const void*, unsigned int)
    int getsockopt(int, int, int, void*, unsigned int*)
    int SOL_SOCKET, SO_KEEPALIVE, SO_ERROR
cdef extern from "<netinet/in.h>" nogil:
    int IPPROTO_TCP
cdef extern from "<netinet/tcp.h>" nogil:
    int TCP_NODELAY

cdef enum:
    AHEAD = 67108864                   # of an argument that is longer, no more room is made before so much of it has come
    SLACK = 4096                       # read past a known argument, so that the read of its end comes back short


cdef Connection* connection_new(uint64_t id, int fd, void* client, bint authenticated, QueryMeter* meter,
                                const Limits* limits) noexcept nogil:
    """A plain connection that is open and reads requests."""
    cdef Connection* c = <Connection*>calloc(1, sizeof(Connection))
    if c == NULL:
        abort()
    c.id = id
    c.socket.fd = fd
    c.socket.transport = plain_transport()
    c.client = client
    c.authenticated = authenticated
    c.meter = meter
    c.limits = limits
    reader_reset(&c.reader)
    return c


cdef void connection_free(Connection* c) noexcept nogil:
    free(c.socket.reason)
    free(c.replies)
    free(c)


cdef void set_option(int fd, int level, int name, int value) noexcept nogil:
    setsockopt(fd, level, name, &value, sizeof(int))


cdef void connection_tune(int fd, uint64_t keepalive) noexcept nogil:
    """No delay for small replies; probes after `keepalive` seconds of silence, three of them, a third of it apart."""
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive > 0)
    if keepalive > 0:
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, <int>keepalive)
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, <int>(keepalive // 3) if keepalive >= 3 else 1)
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3)


cdef void accepted_tune(int fd, uint64_t keepalive) noexcept nogil:
    if not ACCEPTED_INHERIT:
        connection_tune(fd, keepalive)


cdef void listeners_tune(const int* listeners, int count, uint64_t keepalive) noexcept nogil:
    """A unix socket refuses what is TCP's."""
    cdef int i
    for i in range(count if ACCEPTED_INHERIT else 0):
        connection_tune(listeners[i], keepalive)


# ---- opening

cdef int connection_open(Connection* c, bint writable) noexcept nogil:
    """Goes on with connecting and the transport's handshake: 0 when it is open, WANT_READ or WANT_WRITE when the socket
    must be ready for that first, TRANSPORT_FAILED. writable: the poller says so, which is how connect() ends."""
    cdef int error = 0
    cdef unsigned int size = sizeof(int)
    cdef int result = 0
    if c.waits & WAITS_CONNECT:
        if getsockopt(c.socket.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 and error != 0:
            c.socket.error = error
            return TRANSPORT_FAILED
        if not writable:
            return WANT_WRITE
        c.waits = WAITS_HANDSHAKE
    if c.socket.transport.handshake != NULL:
        result = c.socket.transport.handshake(&c.socket)
    if result == 0:
        c.waits = 0
    return result


# ---- the readers

cdef void connection_reads(Connection* c, int reads) noexcept nogil:
    c.reads = reads
    c.raw_room = 0
    reader_reset(&c.reader)
    if reads == READ_REPLIES:
        if c.replies == NULL:
            c.replies = <ReplyScanner*>calloc(1, sizeof(ReplyScanner))
            if c.replies == NULL:
                abort()
        reply_scanner_reset(c.replies)


cdef void connection_back(Connection* c, Batch* b) noexcept nogil:
    cdef size_t cut = c.reader.command_start if c.reader.remaining else c.reader.position
    if b.consumed == CONSUMED_ALL and b.reads == c.reads:
        compact(&c.reader, b)
        return
    if b.consumed != CONSUMED_ALL:
        cut = min(<size_t>b.consumed, b.used)
    b.used -= cut
    memmove(b.buffer, b.buffer + cut, b.used)
    b.arg_count = b.command_count = b.next = 0
    cut = c.raw_room if b.reads == c.reads else 0
    if b.reads == READ_RAW and c.reads == READ_RAW and b.used > 0:
        connection_reads(c, READ_RAW)
        c.reader.position = b.used     # the main thread has seen these: it wants more of them
        c.reader.remaining = 1
    else:
        connection_reads(c, b.reads)
    c.raw_room = cut


cdef bint parse_replies(Connection* c) noexcept nogil:
    cdef Batch* b = c.batch
    cdef ReplyScanner* scanner = c.replies
    cdef Reader* reader = &c.reader
    cdef int64_t longest = <int64_t>load_relaxed64(&c.limits.reply)
    cdef Request* reply
    while reader.position < b.used:
        if not scanner.inside:
            reader.command_start = reader.position
            if b.buffer[reader.position] == c'\n':
                reader.position += 1   # a master that has no answer yet says so that it lives
                continue
        reader.position = reply_scan(scanner, b.buffer + reader.position, b.buffer + b.used, longest) - b.buffer
        if scanner.phase == BROKEN:
            if b.command_count:        # after these it may be read otherwise; if not, it is found again
                reader.position = reader.command_start
                reply_scanner_reset(scanner)
            else:
                b.error = PARSE_NOT_A_REPLY
            break
        if not scanner.inside:
            if b.command_count == b.command_capacity:
                batch_more_commands(b)
            reply = &b.commands[b.command_count]
            reply.first_arg = reply.arg_count = 0
            reply.record = NULL
            reply.hash = 0
            reply.bytes = reader.command_start
            reply.bytes_length = reader.position - reader.command_start
            b.command_count += 1
    b.buffered = b.used - reader.command_start if scanner.inside else 0
    reader.remaining = scanner.inside
    reader.bulk_length = scanner.left - 2 if scanner.phase == IN_BULK and scanner.left > 2 else -1
    if <int64_t>b.buffered > longest and b.error == PARSE_OK and b.command_count == 0:
        b.error = PARSE_REPLY_TOO_LONG
    return b.command_count > 0 or b.error != PARSE_OK


cdef bint parse_raw(Connection* c) noexcept nogil:
    cdef Batch* b = c.batch
    cdef bint more = b.used > c.reader.position
    if more:
        if b.used == b.capacity:       # all that there was room for
            c.raw_room = min(b.capacity * 2, <size_t>RAW_MAX)
        c.reader.position = b.used
        c.reader.remaining = 0
        b.buffered = 0
    return more


cdef inline bint parse_more(Connection* c) noexcept nogil:
    """Parses what is there; true if the main thread must see the batch."""
    cdef Batch* b = c.batch
    c.unparsed = False
    if c.reads != READ_REQUESTS:
        return parse_raw(c) if c.reads == READ_RAW else parse_replies(c)
    parse(&c.reader, b, <int64_t>load_relaxed64(&c.limits.max_bulk), c.authenticated)
    b.buffered = b.used - c.reader.position
    if b.error == PARSE_OK and (c.authenticated or b.command_count == 0):
        if b.buffered > load_relaxed64(&c.limits.query_buffer):
            b.error = PARSE_QUERY_BUFFER_LIMIT
    if c.limits.prepare != NULL and b.command_count > 0:
        c.limits.prepare(b)
    return b.command_count > 0 or b.error != PARSE_OK


# ---- reading

cdef inline size_t make_room(Connection* c, size_t turn_bytes) noexcept nogil:
    """Room to read into: all of a known argument at once, else the rest of the buffer, doubled up to a turn's share. Of a
    huge argument, whose length is only a promise (a master's has no limit), so much more as has come of it already. Nothing
    is read past one that may stay where it is."""
    cdef Batch* b = c.batch
    cdef size_t wanted
    cdef bint promised
    if c.reader.bulk_length >= 0:
        if not c.reader.roomy and c.limits.roomy:
            leave_room(&c.reader, b)
        wanted = c.reader.position + <size_t>c.reader.bulk_length + 2
        promised = wanted > 2 * b.used + AHEAD
        if promised:
            wanted = 2 * b.used + AHEAD
        if wanted > b.capacity and not (promised and b.capacity - b.used > SLACK):
            batch_room(b, wanted if c.reader.roomy else wanted + SLACK)
    elif c.raw_room > b.capacity - b.used:
        batch_room(b, b.used + c.raw_room)
    if b.used == b.capacity:
        batch_room(b, b.capacity * 2)
    wanted = b.capacity - b.used
    return wanted if wanted <= turn_bytes else turn_bytes


cdef inline bint drained(Connection* c) noexcept nogil:
    return c.socket.transport.drained != NULL and c.socket.transport.drained(&c.socket)


cdef int connection_read(Connection* c, BatchPool* pool, Traffic* traffic) noexcept nogil:
    cdef const Transport* transport = c.socket.transport
    cdef size_t room, total = 0
    cdef ssize_t n
    cdef Batch* b = c.batch
    cdef int result
    if b == NULL:
        b = c.batch = batch_new(pool)
    elif c.unparsed and parse_more(c):
        return IO_BATCH
    while True:
        room = make_room(c, BULK_TURN_BYTES if c.reader.bulk_length >= 0 or c.raw_room else TURN_BYTES)
        n = transport.recv(&c.socket, b.buffer + b.used, room)
        if n > 0:
            traffic.calls += 1
            traffic.bytes += <uint64_t>n
            b.used += <size_t>n
            b.input_bytes += <size_t>n
            total += <size_t>n
            if <size_t>n < room and not c.hangup and (transport.short_blocks or drained(c)):
                c.readable = False
            if parse_more(c):
                return IO_BATCH
            result = IO_DONE
            if not c.readable:
                break
            result = IO_AGAIN
            if total >= TURN_BYTES:
                break
        elif n == WANT_READ or n == WANT_WRITE:
            if n == WANT_WRITE:
                c.waits |= WAITS_TO_READ
            c.readable = False
            result = IO_DONE
            break
        else:
            if n == 0:
                c.socket.error = 0
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
    cdef Chunk* chunk = c.head
    cdef size_t n = 0
    asked[0] = 0
    while chunk != NULL and n < IOVECS and asked[0] < room:
        vectors[n].iov_base = chunk.bytes + chunk.sent
        vectors[n].iov_len = min(chunk.used - chunk.sent, room - asked[0])
        asked[0] += vectors[n].iov_len
        n += 1
        chunk = chunk.next
    return c.socket.transport.sendmsg(&c.socket, vectors, n)


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
            n = c.socket.transport.send(&c.socket, chunk.bytes + chunk.sent, asked)
        else:
            n = write_many(c, WRITE_TURN_BYTES - total, &asked)
        if n >= 0:
            traffic.calls += 1
            traffic.bytes += <uint64_t>n
            total += <size_t>n
            written(c, <size_t>n)
            if <size_t>n < asked and c.socket.transport.short_blocks:
                return IO_BLOCKED
        elif n == WANT_WRITE:
            return IO_BLOCKED
        elif n == WANT_READ:
            c.waits |= WAITS_TO_WRITE
            return IO_BLOCKED
        else:
            return IO_CLOSED
    return IO_DONE
