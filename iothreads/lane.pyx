# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a lane does with its connections. Everything here runs without the GIL and knows no Python object."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport abort, calloc, free, realloc
from libc.string cimport memcpy, memmove, memset

from iothreads.connection cimport (IO_AGAIN, IO_BATCH, IO_BLOCKED, IO_CLOSED, WAITS_CONNECT, WAITS_HANDSHAKE, WAITS_TO_READ,
                                   WAITS_TO_WRITE, QueryMeter, Traffic, connection_back, connection_free, connection_new,
                                   connection_open, connection_read, connection_write)
from iothreads.message cimport (BUFFER_BYTES, CHUNK_BYTES, CONSUMED_ALL, PARSE_OK, READ_RAW, READ_REQUESTS, Arg, batch_free,
                                batch_pool, batch_pool_clear)
from iothreads.poller cimport (HANGUP, POLLER_EPOLL, POLLER_POLL, READABLE, WATCH_CONNECTION, WATCH_WAKER, WRITABLE, poller_add,
                               poller_close, poller_mute, poller_open, poller_reading, poller_remove, poller_writing)
from iothreads.resp_reader cimport compact, reader_reset
from iothreads.ring cimport (NOT_WRITTEN, TO_LANE_ADOPT, TO_LANE_ATTACH, TO_LANE_BATCH, TO_LANE_CLOSE, TO_LANE_DETACH, TO_LANE_ECHO,
                             TO_LANE_OUTPUT, TO_LANE_SHRINK, TO_LANE_STOP, TO_MAIN_BATCH, TO_MAIN_CLOSED, TO_MAIN_DETACHED,
                             TO_MAIN_ECHO, TO_MAIN_HANGUP, TO_MAIN_HOME, TO_MAIN_OPENED, TO_MAIN_RETURNED, count, exchange, fence,
                             load_relaxed, queue_empty, queue_free, queue_pop, queue_push, ring_fill, ring_free, ring_new,
                             ring_offer, sleeper_close, sleeper_open, store_relaxed, store_relaxed64)
from iothreads.transport cimport TRANSPORT_FAILED, WANT_WRITE, holders, socket_close

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec*)
    int CLOCK_MONOTONIC


# ---- life

cdef uint64_t clock_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t>t.tv_sec * 1000000000 + <uint64_t>t.tv_nsec


cdef void lane_clock(Lane* lane, bint was_busy) noexcept nogil:
    """Accounts for the time since the last call."""
    cdef uint64_t now = clock_ns()
    count(&lane.stats.busy_ns if was_busy else &lane.stats.idle_ns, now - lane.clock_ns)
    lane.clock_ns = now
    lane.now_us = <int64_t>(now // 1000)


cdef int lane_open(Lane* lane, int index, int poller, Limits* limits, Sleeper* main) noexcept nogil:
    cdef int error
    memset(lane, 0, sizeof(Lane))
    lane.index = index
    lane.limits = limits
    lane.main = main
    lane.sleeper.fd = lane.sleeper.bell = -1
    lane.clock_ns = clock_ns()
    lane.now_us = <int64_t>(lane.clock_ns // 1000)
    error = poller_open(&lane.poller, poller)
    if error == 0 and index > 0:
        lane.to_main = ring_new(RING_MESSAGES)
        lane.to_lane = ring_new(RING_MESSAGES)
        error = sleeper_open(&lane.sleeper, poller == POLLER_EPOLL)
        if error == 0:
            error = poller_add(&lane.poller, lane.sleeper.fd, 0, WATCH_WAKER)
    return error


cdef void lane_free(Lane* lane) noexcept nogil:
    cdef uint32_t i
    cdef Connection* c
    for i in range(lane.slot_capacity):
        c = lane.connections[i]
        if c != NULL:
            socket_close(&c.socket, False)
            if c.batch != NULL and not c.batch_out:
                batch_free(c.batch)
            connection_free(c)
    free(lane.connections)
    lane.connections = NULL
    lane.slot_capacity = 0
    batch_pool_clear(&lane.batches)
    poller_close(&lane.poller)
    free(lane.again.items)
    free(lane.dirty.items)
    queue_free(&lane.queue)
    queue_free(&lane.backlog)
    ring_free(lane.to_main)
    ring_free(lane.to_lane)
    sleeper_close(&lane.sleeper)


cdef inline void ids_push(Ids* ids, uint64_t id) noexcept nogil:
    if ids.size == ids.capacity:
        ids.capacity = ids.capacity * 2 if ids.capacity else 64
        ids.items = <uint64_t*>realloc(ids.items, ids.capacity * sizeof(uint64_t))
        if ids.items == NULL:
            abort()
    ids.items[ids.size] = id
    ids.size += 1


cdef inline void later(Lane* lane, Connection* c) noexcept nogil:
    if not c.again:
        c.again = True
        ids_push(&lane.again, c.id)


# ---- towards the main thread

cdef void lane_post(Lane* lane, const Message* message) noexcept nogil:
    if message.kind != TO_MAIN_HOME and message.kind != TO_MAIN_RETURNED:
        lane.urgent = True
    if lane.to_main == NULL:
        queue_push(&lane.queue, message)
    elif not ring_offer(lane.to_main, &lane.queue, message):
        lane.urgent = True
        store_relaxed(&lane.to_main.waits, 1)


cdef bint lane_flush(Lane* lane) noexcept nogil:
    return ring_fill(lane.to_main, &lane.queue)


cdef inline void post(Lane* lane, int kind, Connection* c, void* pointer, size_t bytes, int error) noexcept nogil:
    cdef Message m
    m.kind, m.fd, m.error = kind, -1, error
    m.connection = c.id
    m.client = c.client
    m.pointer = pointer
    m.bytes = bytes
    lane_post(lane, &m)


cdef void lane_home(Lane* lane, Connection* c) noexcept nogil:
    if c.done_head != NULL:
        post(lane, TO_MAIN_HOME, c, c.done_head, c.done_bytes, 0)
        c.done_head = c.done_tail = NULL
        c.done_bytes = 0


# ---- what half-read requests hold

cdef void measure(Lane* lane, Connection* c) noexcept nogil:
    """Shows the main thread what the half-read request of a connection holds. Only a connection that has one comes here,
    or one that no longer has it."""
    cdef Batch* b = c.batch
    cdef uint64_t memory = 0
    if b != NULL and not c.batch_out:
        memory = b.capacity + b.arg_count * sizeof(Arg)
    store_relaxed64(&c.meter.used, b.used - c.reader.position if memory else 0)
    store_relaxed64(&c.meter.memory, memory)
    store_relaxed64(&lane.stats.query_memory, lane.stats.query_memory + memory - c.metered)
    c.metered = memory


cdef void lane_shrink(Lane* lane, uint64_t id) noexcept nogil:
    cdef Connection* c = lane_find(lane, id)
    cdef size_t wanted
    cdef char* smaller
    if c == NULL or c.batch == NULL or c.batch_out:
        return
    wanted = c.batch.used if c.batch.used > BUFFER_BYTES else BUFFER_BYTES
    if wanted < c.batch.capacity:
        smaller = <char*>realloc(c.batch.buffer, wanted)
        if smaller != NULL:
            c.batch.buffer = smaller
            c.batch.capacity = wanted
    measure(lane, c)


# ---- connections come and go

cdef void lane_adopt(Lane* lane, Connection* c, bint polled) noexcept nogil:
    """A new connection, or one that comes from another lane with whatever it has half done."""
    cdef uint32_t slot = <uint32_t>c.id
    cdef uint32_t i, capacity
    cdef int error
    if slot >= lane.slot_capacity:
        capacity = lane.slot_capacity * 2 if lane.slot_capacity else 64
        while capacity <= slot:
            capacity *= 2
        lane.connections = <Connection**>realloc(lane.connections, capacity * sizeof(void*))
        if lane.connections == NULL:
            abort()
        for i in range(lane.slot_capacity, capacity):
            lane.connections[i] = NULL
        lane.slot_capacity = capacity
    lane.connections[slot] = c
    store_relaxed(&lane.stats.connections, lane.stats.connections + 1)
    store_relaxed64(&lane.stats.query_memory, lane.stats.query_memory + c.metered)
    error = 0 if polled else poller_add(&lane.poller, c.socket.fd, c.id, WATCH_CONNECTION)
    if error != 0:
        c.socket.error = error
        end(lane, c)
        return
    if c.batch_out:
        poller_reading(&lane.poller, c.socket.fd, False)
    if c.watched:
        poller_writing(&lane.poller, c.socket.fd, c.id, True)
    if c.readable or c.unparsed or c.head != NULL:
        later(lane, c)


cdef Connection* lane_detach(Lane* lane, uint64_t id) noexcept nogil:
    cdef Connection* c = lane_find(lane, id)
    if c == NULL:
        return NULL
    lane_home(lane, c)
    forget(lane, c, False)
    c.again = c.dirty = False
    return c


cdef void forget(Lane* lane, Connection* c, bint alone) noexcept nogil:
    if not alone or lane.poller.kind != POLLER_EPOLL:      # a socket that is closed and nobody else holds leaves epoll by itself
        poller_remove(&lane.poller, c.socket.fd)
    lane.connections[<uint32_t>c.id] = NULL
    store_relaxed(&lane.stats.connections, lane.stats.connections - 1)
    store_relaxed64(&lane.stats.query_memory, lane.stats.query_memory - c.metered)


cdef void end(Lane* lane, Connection* c) noexcept nogil:
    """The last of a connection: its chunks go home, then its name."""
    cdef bint alone = lane.index == 0 and not holders.child
    cdef Chunk* chunk = c.head
    cdef size_t bytes = 0
    lane_home(lane, c)
    if chunk != NULL:                  # what was not written is let go of like the rest
        while chunk != NULL:
            bytes += chunk.used
            chunk = chunk.next
        post(lane, TO_MAIN_HOME, c, c.head, bytes, NOT_WRITTEN)
        c.head = c.tail = NULL
    if c.batch != NULL and not c.batch_out:
        batch_pool(&lane.batches, c.batch)
    forget(lane, c, alone)
    socket_close(&c.socket, alone)
    post(lane, TO_MAIN_CLOSED, c, c.socket.reason, 0, c.socket.error)
    c.socket.reason = NULL             # the message has it now
    connection_free(c)


cdef void lane_close(Lane* lane, uint64_t id, bint after_flush) noexcept nogil:
    cdef Connection* c = lane_find(lane, id)
    if c == NULL:
        return
    c.closing = True
    if not after_flush or c.head == NULL:
        end(lane, c)
    elif c.waits:
        pass                           # it may have to hear something before it can write
    elif c.hangup:
        poller_mute(&lane.poller, c.socket.fd)
    else:
        poller_reading(&lane.poller, c.socket.fd, False)


# ---- writing

cdef void watch_writing(Lane* lane, Connection* c, bint on) noexcept nogil:
    if c.watched != on:
        c.watched = on
        poller_writing(&lane.poller, c.socket.fd, c.id, on)


cdef bint swallowed(Chunk* tail, Chunk* more) noexcept nogil:
    """Fills up the last chunk that waits from the next one, so that what waits takes the memory of its bytes. Whether that
    took all of it."""
    cdef size_t n
    if tail.capacity == 0 or more.capacity == 0 or more.capacity > CHUNK_BYTES:
        return False
    n = tail.capacity - tail.used
    if n > more.used:
        n = more.used
    memcpy(tail.bytes + tail.used, more.bytes, n)
    tail.used += n
    more.used -= n
    memmove(more.bytes, more.bytes + n, more.used)
    return more.used == 0


cdef void append_packed(Connection* c, Chunk* chunk) noexcept nogil:
    """Appends chunks to those that wait already, without gaps; empty ones are ready to go home."""
    cdef Chunk* following
    while chunk != NULL:
        following = chunk.next
        chunk.next = NULL
        if not swallowed(c.tail, chunk):
            c.tail.next = chunk
            c.tail = chunk
        elif c.done_tail == NULL:
            c.done_head = c.done_tail = chunk
        else:
            c.done_tail.next = chunk
            c.done_tail = chunk
        chunk = following


cdef void lane_output(Lane* lane, uint64_t id, Chunk* head, Chunk* tail, size_t bytes) noexcept nogil:
    """Appends to the output of a connection; the chunks of a dead one go straight home."""
    cdef Connection* c = lane_find(lane, id)
    cdef Message m
    if c == NULL or c.closing:
        m.kind = TO_MAIN_HOME
        m.fd = -1
        m.error = 0
        m.connection = id
        m.client = NULL if c == NULL else c.client
        m.pointer = head
        m.bytes = bytes
        lane_post(lane, &m)
        return
    if c.blocked and c.tail != NULL:
        append_packed(c, head)
        lane_home(lane, c)
        return
    if c.tail == NULL:
        c.head = head
    else:
        c.tail.next = head
    c.tail = tail
    if not c.dirty and not c.blocked:
        c.dirty = True
        ids_push(&lane.dirty, id)


cdef bint heard_by_writing(Lane* lane, Connection* c) noexcept nogil:
    """Whether a transport that must hear something in order to write has read bytes for us, too: no poller tells of them."""
    if c.socket.transport.pending == NULL or not c.socket.transport.pending(&c.socket):
        return False
    c.readable = True
    if not c.batch_out:                # else when it is given back
        later(lane, c)
    return True


cdef void lane_write(Lane* lane, Connection* c) noexcept nogil:
    """Writes what the socket takes. May end the connection."""
    cdef Chunk* more
    cdef Traffic traffic
    cdef int result
    cdef bint heard
    traffic.calls = traffic.bytes = 0
    c.waits &= ~<uint8_t>WAITS_TO_WRITE
    result = connection_write(c, &traffic)
    heard = heard_by_writing(lane, c)
    if traffic.calls:
        count(&lane.stats.writes, traffic.calls)
        count(&lane.stats.bytes_out, traffic.bytes)
    if result == IO_BLOCKED:
        if not c.blocked:
            c.blocked = True
            more = c.head.next         # it may wait for long now
            c.tail = c.head
            c.head.next = NULL
            append_packed(c, more)
        if c.waits & WAITS_TO_WRITE and not heard:
            poller_reading(&lane.poller, c.socket.fd, True)
        watch_writing(lane, c, c.waits != WAITS_TO_WRITE)
        return
    if c.blocked:
        c.blocked = False
        watch_writing(lane, c, c.waits & WAITS_TO_READ != 0)
    if result == IO_AGAIN:
        later(lane, c)
    elif result == IO_CLOSED or c.closing:
        end(lane, c)


cdef inline bint write_and_home(Lane* lane, Connection* c) noexcept nogil:
    """False if the connection ended."""
    cdef uint64_t id = c.id
    lane_write(lane, c)
    if lane_find(lane, id) == NULL:
        return False
    lane_home(lane, c)
    return True


cdef void lane_write_dirty(Lane* lane) noexcept nogil:
    cdef uint32_t i
    cdef Connection* c
    for i in range(lane.dirty.size):
        c = lane_find(lane, lane.dirty.items[i])
        if c != NULL and c.dirty:
            c.dirty = False
            write_and_home(lane, c)
    lane.dirty.size = 0


# ---- reading

cdef void lane_read(Lane* lane, Connection* c) noexcept nogil:
    """Reads and parses; hands a batch over, keeps a partial request, or ends the connection."""
    cdef Traffic traffic
    cdef int result
    if c.batch_out or c.closing or c.failed:
        return
    if lane.to_main != NULL and not queue_empty(&lane.queue):
        later(lane, c)                 # the main thread does not keep up: read nothing more for it
        return
    traffic.calls = traffic.bytes = 0
    result = connection_read(c, &lane.batches, &traffic)
    if traffic.calls:
        count(&lane.stats.reads, traffic.calls)
        count(&lane.stats.bytes_in, traffic.bytes)
        if result != IO_BATCH or c.reads != READ_REQUESTS:
            store_relaxed64(&c.meter.read_us, clock_ns() // 1000)
    if result == IO_CLOSED:
        end(lane, c)
        return
    if result == IO_BATCH:
        hand_over(lane, c)
    else:
        if result == IO_AGAIN:
            later(lane, c)
        if c.batch != NULL or c.metered:
            measure(lane, c)
    if c.waits:
        after_reading(lane, c)


cdef void after_reading(Lane* lane, Connection* c) noexcept nogil:
    """Reading waits for room to write, or what it has read is what writing waited for."""
    if c.waits & WAITS_TO_READ:
        watch_writing(lane, c, True)
    if c.waits & WAITS_TO_WRITE:
        c.waits &= ~<uint8_t>WAITS_TO_WRITE
        write_and_home(lane, c)


cdef inline void hand_over(Lane* lane, Connection* c) noexcept nogil:
    cdef Batch* b = c.batch
    b.connection = c.id
    b.client = c.client
    b.authenticated = c.authenticated
    b.memory = b.capacity
    b.ready_at = lane.now_us if lane.to_main == NULL else <int64_t>(clock_ns() // 1000)    # in a thread, now_us may be old
    b.link = NULL
    c.batch_out = True
    if c.metered:
        measure(lane, c)
    if b.error != PARSE_OK:
        c.failed = True
    if c.reads == READ_REQUESTS:
        count(&lane.stats.batches, 1)
        count(&lane.stats.commands, b.command_count)
    else:
        b.reads = c.reads
        b.consumed = CONSUMED_ALL
    poller_reading(&lane.poller, c.socket.fd, False)
    post(lane, TO_MAIN_BATCH, c, b, 0, 0)
    if c.hangup:
        poller_mute(&lane.poller, c.socket.fd)
        post(lane, TO_MAIN_HANGUP, c, NULL, 0, 0)


cdef void lane_give_back(Lane* lane, Batch* b) noexcept nogil:
    cdef Connection* c = lane_find(lane, b.connection)
    if c == NULL:
        batch_pool(&lane.batches, b)
        return
    c.batch_out = False
    c.authenticated = b.authenticated
    if c.reads | b.reads:
        connection_back(c, b)
    else:
        compact(&c.reader, b)
    b.error = PARSE_OK
    b.input_bytes = 0
    if b.used == 0 and c.reader.remaining == 0 and not (c.raw_room and c.readable):
        reader_reset(&c.reader)
        c.batch = NULL
        batch_pool(&lane.batches, b)
    elif not c.failed:
        c.unparsed = True
        later(lane, c)
        measure(lane, c)
    if c.closing or c.failed:
        return
    poller_reading(&lane.poller, c.socket.fd, True)
    if c.readable:
        later(lane, c)


# ---- what wakes a lane

cdef void lane_ready(Lane* lane, uint64_t id, uint32_t mask) noexcept nogil:
    """The poller has something for a connection."""
    cdef Connection* c = lane_find(lane, id)
    if c == NULL:
        return
    if mask:
        c.socket.news = True
    if c.waits and not lane_waited(lane, c, mask):
        return
    if mask & WRITABLE and c.blocked and not write_and_home(lane, c):
        return
    if mask & HANGUP:
        if not c.hangup and c.batch_out:
            post(lane, TO_MAIN_HANGUP, c, NULL, 0, 0)
        c.hangup = True
        c.readable = True
        if c.batch_out or c.closing or c.failed:
            poller_mute(&lane.poller, c.socket.fd)
    if mask & READABLE:
        c.readable = True
    if c.readable:
        lane_read(lane, c)


cdef bint lane_waited(Lane* lane, Connection* c, uint32_t mask) noexcept nogil:
    """The same for one that waits for something out of the ordinary; false when there is nothing more to do for it."""
    cdef uint8_t waits = c.waits
    if waits & (WAITS_CONNECT | WAITS_HANDSHAKE):
        return lane_open_on(lane, c, mask)
    c.waits = waits & WAITS_TO_WRITE
    if waits & WAITS_TO_READ:
        c.readable = True              # whatever it was that came: reading says again what it wants
        watch_writing(lane, c, c.blocked and not waits & WAITS_TO_WRITE)
    if waits & WAITS_TO_WRITE and mask & (READABLE | HANGUP):
        c.waits = 0
        if c.batch_out:
            poller_reading(&lane.poller, c.socket.fd, False)
        return write_and_home(lane, c)
    return True


cdef bint lane_open_on(Lane* lane, Connection* c, uint32_t mask) noexcept nogil:
    """Connecting or shaking hands goes on; true once it is over, and reading and writing may begin."""
    cdef int result = connection_open(c, mask & WRITABLE != 0)
    if mask & HANGUP:
        c.hangup = True
    if result == TRANSPORT_FAILED:
        end(lane, c)
    elif result == WANT_WRITE:
        c.watched = True               # asked for anew, which makes an edge: it may be writable now
        poller_writing(&lane.poller, c.socket.fd, c.id, True)
    elif result != 0:
        watch_writing(lane, c, False)
    else:
        watch_writing(lane, c, False)
        c.blocked = False
        c.readable = True
        if c.goes_home and lane.home != NULL and not c.closing:    # it may have been moved there meanwhile
            c.goes_home = False
            if c.socket.transport.drained != NULL and c.socket.transport.drained(&c.socket) and not c.hangup:
                c.readable = False     # the handshake has read all that was there
            go_home(lane, c)
            return False
        post(lane, TO_MAIN_OPENED, c, NULL, 0, 0)
        if c.head != NULL or c.closing:
            return write_and_home(lane, c)
    return result == 0


cdef void go_home(Lane* lane, Connection* c) noexcept nogil:
    """An open connection leaves by itself. If nothing is to be done for it, the main thread's poller gets it from here, for that
    thread to sleep on until the peer speaks; before the message, with which it becomes that thread's, to close or not."""
    cdef int kind = TO_MAIN_DETACHED
    lane_detach(lane, c.id)
    if (not c.readable and c.head == NULL and not c.watched and lane.home.kind != POLLER_POLL
            and poller_add(lane.home, c.socket.fd, c.id, WATCH_CONNECTION) == 0):
        kind = TO_MAIN_RETURNED
    post(lane, kind, c, c, 1, lane.index)
    if kind == TO_MAIN_RETURNED:
        fence()
        if load_relaxed(&lane.awaited) and exchange(&lane.awaited, 0):
            lane.urgent = True


cdef void lane_finish(Lane* lane, Connection* c) noexcept nogil:
    """What a connection left unfinished, if anything."""
    if not c.again:
        return
    c.again = False
    if c.head != NULL and not c.blocked and not write_and_home(lane, c):
        return
    if c.readable or c.unparsed:
        lane_read(lane, c)


cdef void lane_again(Lane* lane) noexcept nogil:
    """One round over the unfinished; what they leave unfinished again is for the next turn."""
    cdef uint32_t i, size = lane.again.size
    cdef Connection* c
    for i in range(size):
        c = lane_find(lane, lane.again.items[i])
        if c != NULL:
            lane_finish(lane, c)
    for i in range(size, lane.again.size):
        lane.again.items[i - size] = lane.again.items[i]
    lane.again.size -= size


cdef void lane_handle(Lane* lane, const Message* m) noexcept nogil:
    """A message from the main thread."""
    cdef Connection* c
    cdef Message echo
    if m.kind == TO_LANE_OUTPUT:
        lane_output(lane, m.connection, <Chunk*>m.pointer, <Chunk*>m.client, m.bytes)
    elif m.kind == TO_LANE_BATCH:
        lane_give_back(lane, <Batch*>m.pointer)
    elif m.kind == TO_LANE_ADOPT:
        lane_adopt(lane, connection_new(m.connection, m.fd, m.client, m.error != 0, <QueryMeter*>m.pointer,
                                          lane.limits), False)
    elif m.kind == TO_LANE_SHRINK:
        lane_shrink(lane, m.connection)
    elif m.kind == TO_LANE_CLOSE:
        lane_close(lane, m.connection, m.error != 0)
    elif m.kind == TO_LANE_DETACH:
        lane_write_dirty(lane)
        c = lane_detach(lane, m.connection)
        if c != NULL:
            post(lane, TO_MAIN_DETACHED, c, c, 0, 0)
    elif m.kind == TO_LANE_ATTACH:
        lane_adopt(lane, <Connection*>m.pointer, m.bytes != 0)
    elif m.kind == TO_LANE_ECHO:
        echo = m[0]
        echo.kind = TO_MAIN_ECHO
        lane_post(lane, &echo)
    elif m.kind == TO_LANE_STOP:
        lane.stop = True
