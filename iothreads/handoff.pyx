# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The main thread's side of the hand-off. Its picture and its rules are at the head of handoff.pxd."""
import os

from libc.errno cimport EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdlib cimport abort, calloc, free, malloc, realloc
from libc.string cimport memset

from iothreads.connection cimport (WAITS_CONNECT, WAITS_HANDSHAKE, Connection, accepted_tune, connection_new, connection_reads,
                                   connection_tune, listeners_tune)
from iothreads.handshakes cimport NO_PLACE, place_for
from iothreads.lane cimport (LISTENER_SLOT, clock_ns, lane_adopt, lane_again, lane_clock, lane_close, lane_detach, lane_find,
                             lane_finish, lane_found, lane_free, lane_give_back, lane_open, lane_output, lane_ready, lane_shrink,
                             lane_write)
from iothreads.message cimport Chunk, batch_free, chunks_home, output_init
from iothreads.poller cimport (HANGUP, POLLER_EPOLL, POLLER_POLL, READABLE, WATCH_CONNECTION, WATCH_LISTENER, WATCH_WAKER,
                               WRITABLE, poller_add, poller_ready, poller_remove, poller_says, poller_wait)
from iothreads.ring cimport (TO_LANE_ADOPT, TO_LANE_ATTACH, TO_LANE_BATCH, TO_LANE_CLOSE, TO_LANE_DETACH, TO_LANE_OUTPUT,
                             TO_LANE_ECHO, TO_LANE_SHRINK, TO_LANE_STOP, TO_MAIN_BATCH, TO_MAIN_CLOSED, TO_MAIN_DETACHED,
                             TO_MAIN_ECHO, TO_MAIN_HANGUP, TO_MAIN_HOME, TO_MAIN_OPENED, TO_MAIN_RETURNED, exchange, fence, get_up,
                             lie_down, load_relaxed, load_relaxed64, queue_empty, queue_free, queue_pop, queue_push, ring_empty,
                             ring_fill, ring_offer, ring_pop, ring_push, sleeper_close, sleeper_open, sleeper_ring, store_relaxed,
                             store_relaxed64, wake)
from iothreads.system cimport (BEST_POLLER, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, accept_socket, c_close, c_poll,
                               c_pollfd, empty_bell, no_sigpipe)
from iothreads.thread cimport lane_main, thread_join, thread_start

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void* at) nogil

cdef enum:
    ACCEPTS_PER_TURN = 1000            # from one listener
    ACCEPT_PAUSE_MS = 100              # after the process ran out of descriptors
    LOOK_AT_SOCKETS = 16               # turns between two looks at the listeners while the lanes keep us busy
    BUSY_EVENTS = 4                    # a wait that brings so many is likely to be followed by one that need not sleep
    NO_SLOT = 0xFFFFFFFF

POLLERS = {"poll": POLLER_POLL}            # by name: those of this build; "" is the best
if BEST_POLLER != POLLER_POLL:
    POLLERS["epoll" if BEST_POLLER == POLLER_EPOLL else "kqueue"] = BEST_POLLER
POLLERS[""] = BEST_POLLER
MAX_THREADS = 128


cdef class IOThreads:
    """All sockets of a server.

    threads: as io-threads: 1 serves every connection on the calling thread, N starts N - 1 native I/O threads.
    poller: one of POLLERS.

    Connections start on lane 0, the calling thread's own, and go to the I/O threads by move_away(); keep_away(True) puts
    every one of them on an I/O thread for good.
    """

    def __cinit__(self):
        self.wake_fd = self.main.fd = self.main.bell = self.accepting = -1
        self.first_free = NO_SLOT
        self.limits.max_bulk = 512 * 1024 * 1024
        self.limits.query_buffer = 1024 * 1024 * 1024
        self.limits.keepalive = 300
        self.limits.roomy = True                           # what a master sends is passed on as it came, in one piece
        self.link_limits.max_bulk = <uint64_t>1 << 62      # a master sends what it has, as a client it has no limits
        self.link_limits.query_buffer = <uint64_t>1 << 62
        self.link_limits.reply = 1024 * 1024 * 1024
        self.sockets = []

    def __init__(self, int threads, str poller=""):
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError("threads must be between 1 and 128")
        self.thread_count = threads
        self.poller_kind = POLLERS[poller]
        if sleeper_open(&self.main, self.poller_kind == POLLER_EPOLL) != 0:
            raise OSError(errno, os.strerror(errno))
        self.wake_fd = self.main.bell
        self.lanes = <Lane**>calloc(MAX_THREADS, sizeof(void*))
        self.open_lane(0)

    def __dealloc__(self):
        self.free_all()

    # ---- life

    def start(self) -> None:
        """Starts the I/O threads; connections may be adopted from now on."""
        cdef int i
        if self.running:
            return
        self.running = True
        for i in range(1, self.lanes_for(self.thread_count)):
            self.open_lane(i)

    def stop(self) -> None:
        """Ends the threads (what they were told before is still written) and closes every connection and listener.

        No events follow. Batches that are out may be given back, or left to the process's end.
        """
        cdef int i
        if self.lanes == NULL:
            return
        self.stop_accepting()
        self.push_homes()
        for i in range(self.lane_count - 1, 0, -1):
            self.close_lane(i)
        self.running = False
        self.free_all()

    cdef Lane* open_lane(self, int index) except NULL:
        cdef Lane* lane = <Lane*>calloc(1, sizeof(Lane))
        cdef int error
        if lane == NULL:
            raise MemoryError
        error = lane_open(lane, index, self.poller_kind, &self.limits, &self.main)
        if error == 0:
            lane.home = &self.lanes[0].poller if index else NULL
            if index == 0:
                error = poller_add(&lane.poller, self.main.fd, 0, WATCH_WAKER)
            else:
                error = thread_start(&lane.thread, lane_main, lane)
        if error != 0:
            lane_free(lane)
            free(lane)
            raise OSError(error, os.strerror(error))
        self.lanes[index] = lane
        self.lane_count = index + 1
        return lane

    cdef int close_lane(self, int index) except -1:
        """Ends the thread of the last lane and takes what it still had to say."""
        cdef Lane* lane = self.lanes[index]
        cdef Message m
        memset(&m, 0, sizeof(Message))
        m.kind = TO_LANE_STOP
        self.tell(index, &m)
        while not self.push_backlog(lane):
            sleeper_ring(&lane.sleeper)
            self.take_messages()
        sleeper_ring(&lane.sleeper)
        with nogil:
            thread_join(lane.thread)
        while ring_pop(lane.to_main, &m):
            self.take(&m)
        while not queue_empty(&lane.queue):
            m = queue_pop(&lane.queue)[0]
            self.take(&m)
        self.retired_reads += lane.stats.reads
        self.retired_writes += lane.stats.writes
        self.discard(index)
        self.lanes[index] = NULL
        self.lane_count = index
        lane_free(lane)
        free(lane)
        return 0

    cdef void discard(self, int index) noexcept:
        """Lets go of the output that the connections of a dead lane still have."""
        cdef Lane* lane = self.lanes[index]
        cdef Connection* c
        cdef uint32_t i
        for i in range(lane.slot_capacity):
            c = lane.connections[i]
            if c != NULL:
                chunks_home(c.done_head)
                chunks_home(c.head)
                c.done_head = c.done_tail = c.head = c.tail = NULL

    cdef void free_all(self) noexcept:
        cdef Message* m
        if self.lanes == NULL:
            return
        while not queue_empty(&self.lanes[0].queue):
            m = queue_pop(&self.lanes[0].queue)
            if m.kind == TO_MAIN_HOME:
                chunks_home(<Chunk*>m.pointer)
        self.discard(0)
        lane_free(self.lanes[0])
        free(self.lanes[0])
        free(self.lanes)
        self.lanes = NULL
        self.lane_count = 0
        queue_free(&self.events)
        queue_free(&self.hangups)
        queue_free(&self.homes)
        sleeper_close(&self.main)
        self.wake_fd = -1
        free(self.reason)
        self.reason = NULL
        free(self.slots)
        while self.meter_blocks:
            self.meter_blocks -= 1
            free(self.meters[self.meter_blocks])
        free(self.listeners)
        self.slots = NULL
        self.listeners = NULL
        self.slot_count = 0
        self.listener_count = 0
        self.first_free = NO_SLOT

    def after_fork_child(self) -> None:
        """In a forked child: the threads do not exist here. Forgets all; only descriptors of pollers and bells are closed."""
        cdef int i
        if self.lanes == NULL:
            return
        for i in range(self.lane_count):
            if self.lanes[i].poller.kind == POLLER_EPOLL:
                c_close(self.lanes[i].poller.fd)           # a kqueue stays with the parent
            sleeper_close(&self.lanes[i].sleeper)
        sleeper_close(&self.main)
        self.wake_fd = -1
        self.lanes = NULL              # its memory is the parent's story; freeing would only dirty pages
        self.slots = NULL
        self.lane_count = self.slot_count = self.listener_count = 0
        self.running = False
        self.sockets = []

    # ---- listening

    def listen(self, list sockets) -> None:
        """Replaces the set of listening sockets (made by iothreads.listen). The old ones are only let go of, not closed."""
        cdef int i
        self.watch_listeners(False)
        free(self.listeners)
        self.accepting = -1
        self.sockets, self.listener_count = list(sockets), len(sockets)
        self.listeners = <int*>malloc((self.listener_count + 1) * sizeof(int))
        for i in range(self.listener_count):
            self.listeners[i] = self.sockets[i].fileno()
        listeners_tune(self.listeners, self.listener_count, self.limits.keepalive)
        self.watch_listeners(True)

    def stop_accepting(self) -> None:
        """Takes no more connections; the listening sockets stay open."""
        self.listen([])

    cdef void watch_listeners(self, bint on) noexcept:
        cdef int i
        for i in range(self.listener_count):
            if on:
                poller_add(&self.lanes[0].poller, self.listeners[i], <uint64_t>LISTENER_SLOT + <uint64_t>i, WATCH_LISTENER)
            else:
                poller_remove(&self.lanes[0].poller, self.listeners[i])

    cdef bint accept_next(self) noexcept:
        """One connection from the listener in turn; true when self.event tells of it."""
        cdef int fd
        cdef Event* event = &self.event
        while self.accepting >= 0:
            if self.accepting >= self.listener_count or self.accepted == ACCEPTS_PER_TURN:
                self.accepting = -1
                return False
            fd = accept_socket(self.listeners[self.accepting])
            if fd < 0 and (errno == EINTR or errno == ECONNABORTED):
                continue
            memset(event, 0, sizeof(Event))
            event.kind = EVENT_ACCEPTED
            event.listener = self.accepting
            event.fd = fd
            if fd >= 0:
                self.accepted += 1
                return True
            event.error = errno
            self.accepting = -1
            if event.error == EAGAIN:
                return False
            if event.error == EMFILE or event.error == ENFILE or event.error == ENOBUFS or event.error == ENOMEM:
                self.watch_listeners(False)            # still readable: looking at once again would be spinning
                self.accept_again_ns = clock_ns() + <uint64_t>ACCEPT_PAUSE_MS * 1000000
            return True
        return False

    # ---- limits and figures

    def set_limits(self, *, max_bulk=None, query_buffer=None, keepalive=None, reply=None) -> None:
        """proto-max-bulk-len and client-query-buffer-limit in bytes, tcp-keepalive in seconds: of clients. reply: bytes of
        the longest reply that a link takes. None leaves one as it is."""
        if max_bulk is not None:
            store_relaxed64(&self.limits.max_bulk, max_bulk)
        if query_buffer is not None:
            store_relaxed64(&self.limits.query_buffer, query_buffer)
        if keepalive is not None:
            store_relaxed64(&self.limits.keepalive, keepalive)
            listeners_tune(self.listeners, self.listener_count, keepalive)
        if reply is not None:
            store_relaxed64(&self.link_limits.reply, reply)

    @property
    def threads(self) -> int:
        """As io-threads."""
        return self.thread_count

    @property
    def multiplexing_api(self) -> str:
        """As INFO shows it."""
        return ("epoll", "poll", "kqueue")[self.poller_kind]

    @property
    def io_threaded_reads(self) -> int:
        """Reads done by I/O threads, those that are gone included."""
        return self.retired_reads + sum(lane["reads"] for lane in self.stats()[1:])

    @property
    def io_threaded_writes(self) -> int:
        return self.retired_writes + sum(lane["writes"] for lane in self.stats()[1:])

    def stats(self) -> list[dict[str, int]]:
        """One dict per lane, lane 0 (the main thread's) first: the fields of LaneStats and LaneQueue."""
        cdef LaneStats* s
        cdef int i
        result = []
        for i in range(self.lane_count):
            s = &self.lanes[i].stats
            result.append({
                "reads": load_relaxed64(&s.reads), "writes": load_relaxed64(&s.writes),
                "bytes_in": load_relaxed64(&s.bytes_in), "bytes_out": load_relaxed64(&s.bytes_out),
                "busy_ns": load_relaxed64(&s.busy_ns), "idle_ns": load_relaxed64(&s.idle_ns),
                "batches": load_relaxed64(&s.batches), "commands": load_relaxed64(&s.commands),
                "connections": load_relaxed(&s.connections),
                "queue_depth": self.lanes[i].waiting.last, "queue_most": self.lanes[i].waiting.most,
                "queue_looks": self.lanes[i].waiting.looks, "queue_found": self.lanes[i].waiting.found,
            })
        return result

    def reset_peaks(self) -> None:
        """Forget how many messages have waited at most (CONFIG RESETSTAT)."""
        cdef int i
        for i in range(self.lane_count):
            self.lanes[i].waiting.most = 0

    # ---- names

    cdef Slot* find(self, uint64_t connection) noexcept:
        cdef uint32_t slot = <uint32_t>connection
        if slot >= self.slot_count or self.slots[slot].id != connection or self.slots[slot].state == SLOT_FREE:
            return NULL
        return &self.slots[slot]

    cdef Slot* take_slot(self, int fd, void* client, bint away) noexcept:
        """A name for a new connection, and the lane that it will live on: an I/O thread's if there is one, when `away`."""
        cdef uint32_t i, grown
        cdef Slot* slot
        cdef QueryMeter* meters
        if self.first_free == NO_SLOT:
            grown = self.slot_count * 2 if self.slot_count else 64
            self.slots = <Slot*>realloc(self.slots, grown * sizeof(Slot))
            if self.slots == NULL:
                abort()
            memset(&self.slots[self.slot_count], 0, (grown - self.slot_count) * sizeof(Slot))
            for i in range(self.slot_count, grown):
                self.slots[i].id = i
                self.slots[i].next_free = i + 1 if i + 1 < grown else NO_SLOT
            meters = <QueryMeter*>calloc(grown - self.slot_count, sizeof(QueryMeter))
            if meters == NULL:
                abort()
            self.meters[self.meter_blocks] = meters
            self.meter_blocks += 1
            for i in range(self.slot_count, grown):
                self.slots[i].meter = &meters[i - self.slot_count]
            self.first_free = self.slot_count
            self.slot_count = grown
        slot = &self.slots[self.first_free]
        self.first_free = slot.next_free
        slot.id += <uint64_t>1 << 32
        slot.client = client
        slot.lane = self.lightest_lane() if self.lane_count > 1 and (away or self.stays_away()) else 0
        slot.fd = fd
        slot.state = SLOT_LIVE
        slot.link = 0
        slot.batch_out = False
        slot.closing = 0
        memset(slot.meter, 0, sizeof(QueryMeter))      # its last lane is done with it: it said CLOSED
        self.lanes[slot.lane].load += 1
        return slot

    cdef uint64_t adopt(self, int fd, void* client, bint is_tcp, bint authenticated) noexcept:
        """Makes a socket a connection of a client; returns its id. A failure comes as EVENT_CLOSED."""
        cdef Slot* slot = self.take_slot(fd, client, False)
        cdef Message m
        if is_tcp:
            accepted_tune(fd, self.limits.keepalive)
        if slot.lane == 0:
            lane_adopt(self.lanes[0], connection_new(slot.id, fd, client, authenticated, slot.meter, &self.limits), False)
        else:
            memset(&m, 0, sizeof(Message))
            m.kind = TO_LANE_ADOPT
            m.fd = fd
            m.error = authenticated
            m.connection = slot.id
            m.client = client
            m.pointer = slot.meter
            self.tell(slot.lane, &m)
        return slot.id

    cdef uint64_t begin(self, int fd, void* client, const Start* start) noexcept:
        """The same for a link, or with a transport of its own. What is sent before EVENT_OPENED leaves after it."""
        cdef bint shakes_hands = start.transport != NULL and start.transport.handshake != NULL
        cdef int place = place_for(self.lanes[0], self.shaking) if start.quick and self.slept else NO_PLACE
        cdef Slot* slot = self.take_slot(fd, client, shakes_hands and not start.link and place == NO_PLACE)
        cdef Connection* c
        cdef Message m
        no_sigpipe(fd)
        self.shaking[place] = slot.id
        if start.keepalive >= -1:
            connection_tune(fd, self.limits.keepalive if start.keepalive == -1 else <uint64_t>start.keepalive)
        slot.link = EVENT_OF_LINK if start.link else 0
        c = connection_new(slot.id, fd, client, start.authenticated, slot.meter,
                           &self.link_limits if start.link else &self.limits)
        if start.transport != NULL:
            c.socket.transport = start.transport
            c.socket.state = start.state
        if start.connecting:
            c.waits = WAITS_CONNECT
        elif start.link or shakes_hands:
            c.waits = WAITS_HANDSHAKE
        c.goes_home = slot.lane != 0 and not self.stays_away()
        c.blocked = c.waits != 0
        c.watched = c.blocked and not start.peer_begins        # what is there already makes an edge when it is watched
        connection_reads(c, start.reads)
        if slot.lane == 0:
            lane_adopt(self.lanes[0], c, False)
            return slot.id
        memset(&m, 0, sizeof(Message))
        m.kind, m.connection, m.pointer = TO_LANE_ATTACH, slot.id, <void*>c
        if not start.peer_begins or not self.slip_in(slot, &m):
            self.tell(slot.lane, &m)
        return slot.id

    cdef bint slip_in(self, Slot* slot, Message* attach) noexcept:
        """Attaches a connection to a lane that may sleep on until the peer speaks: its poller wakes it then, and it looks for
        messages before it looks at sockets. False: the lane must be told as ever."""
        cdef Lane* lane = self.lanes[slot.lane]
        if lane.poller.kind != POLLER_EPOLL or not queue_empty(&lane.backlog):
            return False
        attach.bytes = 1
        if not ring_push(lane.to_lane, attach):
            attach.bytes = 0
            return False
        if poller_add(&lane.poller, slot.fd, slot.id, WATCH_CONNECTION) != 0:
            self.close(slot.id, False)
        return True

    cdef void rename(self, uint64_t connection, void* client, bint link) noexcept:
        """Gives a connection another cookie; whether it is a link's or a client's."""
        cdef Slot* slot = self.find(connection)
        if slot != NULL:
            slot.client = client
            slot.link = EVENT_OF_LINK if link else 0

    # ---- to the lanes

    cdef void tell(self, int index, const Message* message) noexcept:
        cdef Lane* lane = self.lanes[index]
        lane.posted = True
        if not ring_offer(lane.to_lane, &lane.backlog, message):
            self.push_backlog(lane)

    cdef bint push_backlog(self, Lane* lane) noexcept:
        """Moves what the ring had no room for; true when nothing is left. Else the lane will wake us when it has room."""
        cdef uint32_t waited = lane.backlog.head
        cdef bint done = ring_fill(lane.to_lane, &lane.backlog)
        if lane.backlog.head != waited:
            lane.posted = True
        return done

    cdef void flush_wakes(self) noexcept:
        cdef int i
        cdef Lane* lane
        self.push_homes()
        for i in range(1, self.lane_count):
            lane = self.lanes[i]
            if lane.posted:
                self.push_backlog(lane)
                lane.posted = False
                wake(&lane.sleeper)

    cdef size_t send(self, uint64_t connection, Output* out) noexcept:
        """Takes all chunks; returns the bytes that left at once. Of the others EVENT_HOME will tell."""
        cdef Slot* slot = self.find(connection)
        cdef Chunk* head = out.head
        cdef Chunk* tail = out.tail
        cdef size_t bytes = out.bytes
        cdef Lane* lane
        cdef Connection* c
        cdef Message m
        output_init(out)
        if head == NULL:
            return 0
        if slot == NULL or slot.state != SLOT_LIVE:
            chunks_home(head)
            return bytes
        if slot.lane != 0:
            m.connection = connection
            m.bytes = bytes
            m.kind = TO_LANE_OUTPUT
            m.fd = -1
            m.error = 0
            m.client = tail
            m.pointer = head
            self.tell(slot.lane, &m)
            return 0
        lane = self.lanes[0]
        lane_output(lane, connection, head, tail, bytes)
        lane.dirty.size = 0            # it is written right here
        c = lane_find(lane, connection)
        if c == NULL or not c.dirty:
            return 0
        c.dirty = False
        lane_write(lane, c)
        c = lane_find(lane, connection)
        if c == NULL or c.done_head == NULL:
            return 0
        chunks_home(c.done_head)       # home already: no message needed
        bytes = c.done_bytes
        c.done_head = c.done_tail = NULL
        c.done_bytes = 0
        return bytes

    cdef void give_back(self, Batch* batch) noexcept:
        cdef Slot* slot = self.find(batch.connection)
        cdef Message m
        if slot == NULL or slot.state != SLOT_LIVE:
            batch_free(batch)
            return
        slot.batch_out = False
        if slot.lane == 0:
            lane_give_back(self.lanes[0], batch)
            return
        memset(&m, 0, sizeof(Message))
        m.kind = TO_LANE_BATCH
        m.connection = batch.connection
        m.pointer = batch
        queue_push(&self.homes, &m)

    cdef void push_homes(self) noexcept:
        """Batches go home behind the replies that they caused: a lane that has its batch back and reads the end of a
        half-closed socket closes it, and what is on the way by then is lost."""
        cdef Message m
        cdef Slot* slot
        while not queue_empty(&self.homes):
            m = queue_pop(&self.homes)[0]
            slot = self.find(m.connection)
            if slot == NULL or slot.state != SLOT_LIVE:
                batch_free(<Batch*>m.pointer)
            else:
                self.tell(slot.lane, &m)

    cdef void close(self, uint64_t connection, bint after_flush) noexcept:
        cdef Slot* slot = self.find(connection)
        cdef Message m
        if slot == NULL:
            return
        if slot.lane == 0:
            lane_close(self.lanes[0], connection, after_flush)
            return
        slot.closing = 2 if after_flush else 1
        memset(&m, 0, sizeof(Message))
        m.kind = TO_LANE_CLOSE
        m.connection = connection
        m.error = after_flush
        self.tell(slot.lane, &m)

    # ---- half-read requests

    cdef QueryMeter* meter(self, uint64_t connection) noexcept:
        """What the half-read request of a connection holds; NULL when there is no such connection."""
        cdef Slot* slot = self.find(connection)
        return NULL if slot == NULL else slot.meter

    cdef uint64_t query_memory(self) noexcept:
        """What all half-read requests hold, bytes. O(lanes)."""
        cdef uint64_t total = 0
        cdef int i
        for i in range(self.lane_count):
            total += load_relaxed64(&self.lanes[i].stats.query_memory)
        return total

    cdef void shrink(self, uint64_t connection) noexcept:
        """A half-read request that does not go on lets go of the room it reserved."""
        cdef Slot* slot = self.find(connection)
        cdef Message m
        if slot == NULL or slot.state != SLOT_LIVE:
            return
        if slot.lane == 0:
            lane_shrink(self.lanes[0], connection)
            return
        memset(&m, 0, sizeof(Message))
        m.kind = TO_LANE_SHRINK
        m.connection = connection
        self.tell(slot.lane, &m)

    # ---- from the lanes

    cdef void take(self, Message* m) noexcept:
        """A message from a lane: written chunks are let go of at once, the rest waits for next_event."""
        if m.kind == TO_MAIN_HOME:
            chunks_home(<Chunk*>m.pointer)
            m.pointer = NULL
            if m.client == NULL:
                return
        elif m.kind == TO_MAIN_HANGUP:
            queue_push(&self.hangups, m)
            self.due += 1
            return
        elif m.kind == TO_MAIN_DETACHED or m.kind == TO_MAIN_RETURNED:
            self.arrive(m)
            if m.bytes == 0:
                return
            m.kind = TO_MAIN_OPENED
            self.due += 1
        elif m.kind == TO_MAIN_ECHO:
            self.echoes += 1
            return
        else:
            self.due += 1
        queue_push(&self.events, m)

    cdef void take_own(self) noexcept:
        cdef Message m
        while not queue_empty(&self.lanes[0].queue):
            m = queue_pop(&self.lanes[0].queue)[0]
            self.take(&m)

    cdef void take_messages(self) noexcept:
        cdef int i
        cdef uint32_t n
        cdef Lane* lane
        cdef Message m
        self.take_own()
        for i in range(1, self.lane_count):
            lane = self.lanes[i]
            n = 0
            while n <= lane.to_main.mask and ring_pop(lane.to_main, &m):
                self.take(&m)
                n += 1
            if n > 0:
                lane_found(lane, n)
                fence()
                if load_relaxed(&lane.to_main.waits) and exchange(&lane.to_main.waits, 0):
                    lane.posted = True         # it has more for us than the ring could take: flush_wakes tells it
            if not queue_empty(&lane.backlog):
                self.push_backlog(lane)
        self.take_own()                # what those who have come home brought with them

    cdef void judge_hangups(self) noexcept:
        """A turn after a peer left: if its batch is still out, nobody will answer it any more."""
        cdef Message m
        cdef Slot* slot
        while not queue_empty(&self.hangups):
            m = queue_pop(&self.hangups)[0]
            slot = self.find(m.connection)
            if slot == NULL or slot.state != SLOT_LIVE or not slot.batch_out or slot.link:
                continue
            self.close(m.connection, False)
            slot.state = SLOT_REPORTED
            m.kind = TO_MAIN_CLOSED
            m.fd = -2                  # early word: the slot is not free yet
            queue_push(&self.events, &m)
            self.due += 1

    cdef bint all_quiet(self) noexcept:
        cdef int i
        for i in range(1, self.lane_count):
            if not ring_empty(self.lanes[i].to_main):
                return False
        return True

    def somebody_waits(self) -> bool:
        """Whether the next poll would find something: for who works on as long as nobody does. Costs a system call."""
        cdef Lane* lane = self.lanes[0] if self.lanes != NULL else NULL
        if lane == NULL:
            return False
        if (self.due != 0 or lane.again.size != 0 or not self.all_quiet() or not queue_empty(&self.events)
                or not queue_empty(&self.hangups) or not queue_empty(&lane.queue)):
            return True
        return poller_ready(&lane.poller)

    cdef int wait(self, int timeout_ms) noexcept:
        """Asks the poller, and sleeps (without the GIL) if nothing is there. A first look without sleeping saves giving up
        the GIL, but costs a system call when it finds nothing: it is left out while the last one found nothing."""
        cdef Lane* lane = self.lanes[0]
        cdef int n = 0
        if timeout_ms == 0 or (lane.load and not self.slept):
            n = poller_wait(&lane.poller, 0)
        self.slept = n == 0 and timeout_ms == 0
        if n == 0 and timeout_ms != 0:
            lie_down(&self.main)
            if self.all_quiet():
                lane_clock(lane, True)
                with nogil:
                    n = poller_wait(&lane.poller, timeout_ms)
                lane_clock(lane, False)
                self.slept = n < BUSY_EVENTS
            get_up(&self.main)
        else:
            lane_clock(lane, True)
        return n

    cdef int poll(self, int timeout_ms) except -1:
        """Waits at most timeout_ms (-1: for ever) for sockets, messages, or wake_fd. Returns whether next_event has some."""
        cdef Lane* lane
        cdef uint64_t now
        if self.lanes == NULL or self.taken < self.ready:      # within a turn that has not looked at all: an edge comes once
            return self.lanes != NULL
        lane = self.lanes[0]
        self.due = self.ready = self.taken = 0
        self.judge_hangups()
        self.flush_wakes()
        if lane.again.size:
            timeout_ms = 0
            lane_again(lane)
        self.take_messages()
        if self.accept_again_ns:
            now = clock_ns()
            if now >= self.accept_again_ns:
                self.accept_again_ns = 0
                self.watch_listeners(True)
            elif timeout_ms < 0 or timeout_ms > ACCEPT_PAUSE_MS:
                timeout_ms = ACCEPT_PAUSE_MS
        if self.due or not queue_empty(&self.hangups):
            timeout_ms = 0
        self.turns += 1
        if lane.load or timeout_ms != 0 or self.due == 0 or self.turns % LOOK_AT_SOCKETS == 0:
            self.ready = self.wait(timeout_ms)
            if self.ready > 0:
                lane_found(lane, self.ready)
            self.take_messages()
            self.flush_wakes()
        return self.ready > 0 or not queue_empty(&self.events)

    cdef bint give_out(self, Message* m, Event* event) noexcept:
        """Fills the event; false if this message concerns nobody any more."""
        cdef Slot* slot = self.find(m.connection)
        cdef int state = SLOT_FREE if slot == NULL else slot.state
        if m.kind == TO_MAIN_CLOSED and m.fd != -2 and slot != NULL:
            if slot.lane < self.lane_count:
                self.lanes[slot.lane].load -= 1
            slot.state = SLOT_FREE
            slot.next_free = self.first_free
            self.first_free = <uint32_t>(slot - self.slots)
            free(self.reason)
            self.reason = <char*>m.pointer
        if m.kind == TO_MAIN_BATCH:
            if state != SLOT_LIVE:
                batch_free(<Batch*>m.pointer)
                return False
            slot.batch_out = True
        elif slot == NULL or (state != SLOT_LIVE and m.fd != -2):
            return False
        event.kind = m.kind | slot.link
        event.client = slot.client
        event.batch = <Batch*>m.pointer
        event.bytes = m.bytes
        event.fd = -1
        event.listener = -1
        event.error = m.error
        event.reason = self.reason if m.kind == TO_MAIN_CLOSED else NULL
        return True

    cdef void expect(self, uint64_t id) noexcept:
        """Fetches from memory what the next ready socket needs, while this one is read."""
        cdef uint32_t slot = <uint32_t>id
        cdef Connection* c
        cdef char* client
        if slot >= self.slot_count or slot >= self.lanes[0].slot_capacity:
            return
        c = self.lanes[0].connections[slot]
        client = <char*>self.slots[slot].client
        prefetch(c)
        prefetch(<char*>c + 64)
        prefetch(<char*>c + 128)
        prefetch(client)
        prefetch(client + 64)
        prefetch(client + 128)

    cdef Event* next_event(self) noexcept:
        """What happened, one thing at a time; NULL when that was all of this turn. Valid until the next call."""
        cdef Message* m
        cdef uint64_t id
        cdef Lane* lane
        if self.lanes == NULL:
            return NULL
        lane = self.lanes[0]
        while True:
            m = queue_pop(&self.events)
            if m != NULL:
                if self.give_out(m, &self.event):
                    return &self.event
                continue
            if self.accepting >= 0 and self.accept_next():
                return &self.event
            if self.taken >= self.ready:
                return NULL
            id = lane.poller.ids[self.taken]
            self.taken += 1
            if self.taken < self.ready:
                self.expect(lane.poller.ids[self.taken])
            if <uint32_t>id >= <uint32_t>LISTENER_SLOT:
                self.accepting = <int>(<uint32_t>id - <uint32_t>LISTENER_SLOT)
                self.accepted = 0
            elif id != 0:
                lane_ready(lane, id, lane.poller.masks[self.taken - 1])
                m = queue_pop(&lane.queue)
                if m == NULL:
                    if lane_find(lane, id) == NULL:
                        self.await_return(id)
                    continue
                if m.kind == TO_MAIN_BATCH and queue_empty(&lane.queue):
                    if self.give_out(m, &self.event):           # as nearly always
                        return &self.event
                    continue
                self.take(m)
                self.take_own()        # a socket makes a message or two: they come out in this turn

    # ---- one connection alone

    cdef bint has_event_of(self, uint64_t connection) noexcept:
        cdef uint32_t i
        for i in range(self.events.tail - self.events.head):
            if self.events.items[(self.events.head + i) & (self.events.capacity - 1)].connection == connection:
                return True
        return False

    cdef bint poll_one(self, uint64_t connection, int timeout_ms) except -1:
        """Waits at most so long for events of one connection; whatever else happens waits for poll(). Returns whether
        next_event_of() has some; false also when a signal came or nothing of interest. Call poll_one_over() at the end."""
        cdef Slot* slot = self.find(connection)
        cdef Lane* lane
        cdef Connection* c
        cdef c_pollfd at
        self.flush_wakes()
        self.take_messages()
        if slot == NULL or self.has_event_of(connection):
            return slot != NULL
        at.events = POLLIN | POLLRDHUP
        at.revents = 0
        if slot.lane == 0:
            lane = self.lanes[0]
            c = lane_find(lane, connection)
            if c != NULL and c.again:
                lane_finish(lane, c)
            elif c != NULL:
                at.fd = c.socket.fd
                if c.watched:
                    at.events |= POLLOUT
                with nogil:
                    c_poll(&at, 1, timeout_ms)
                lane_ready(lane, connection, (READABLE if at.revents & POLLIN else 0)
                           | (WRITABLE if at.revents & POLLOUT else 0)
                           | (HANGUP if at.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL) else 0))
        else:
            at.fd = self.main.fd
            lie_down(&self.main)
            self.take_messages()
            if not self.has_event_of(connection):
                with nogil:
                    c_poll(&at, 1, timeout_ms)
                    if at.revents:
                        empty_bell(at.fd)
            get_up(&self.main)
        self.take_messages()
        return self.has_event_of(connection)

    cdef Event* next_event_of(self, uint64_t connection) noexcept:
        """The oldest event of one connection, NULL if there is none; the others keep their order. Valid until the next
        call. O(events that wait)."""
        cdef Message m, found
        cdef uint32_t i, size = self.events.tail - self.events.head
        found.kind = 0
        for i in range(size):
            m = queue_pop(&self.events)[0]
            if m.connection == connection and found.kind == 0:
                found = m
            else:
                queue_push(&self.events, &m)
        if found.kind == 0:
            return NULL
        return &self.link_event if self.give_out(&found, &self.link_event) else self.next_event_of(connection)

    cdef void poll_one_over(self) noexcept:
        """The next poll() shall not sleep over what came meanwhile."""
        sleeper_ring(&self.main)

    # ---- who serves which connection

    cdef bint stays_away(self) noexcept:
        """Whether connections that come now are for the I/O threads."""
        return self.thread_count > 1 and (self.always_away or self.full)

    cdef int lanes_for(self, int threads) noexcept:
        return 2 if threads == 1 and self.hands_away else threads

    def shake_hands_away(self, bint yes) -> None:
        """Whether clients' handshakes are done by an I/O thread, be io-threads 1: it has one then that does nothing else."""
        if yes != self.hands_away:
            self.hands_away = yes
            if self.running:
                self.fit_lanes()

    cdef int lightest_lane(self) noexcept:
        """The I/O thread with the fewest connections."""
        cdef int lane = 1, other
        for other in range(2, self.lane_count):
            if self.lanes[other].load < self.lanes[lane].load:
                lane = other
        return lane

    cdef void move(self, uint64_t connection, int to) noexcept:
        """Starts the move of a connection to another lane; it is over when arrive() was called for it."""
        cdef Slot* slot = self.find(connection)
        cdef Message m
        memset(&m, 0, sizeof(Message))
        m.connection = connection
        if slot.lane == 0:
            m.pointer = lane_detach(self.lanes[0], connection)
            if m.pointer != NULL:
                self.lanes[0].load -= 1
                slot.lane = to
                self.lanes[to].load += 1
                m.kind = TO_LANE_ATTACH
                self.tell(to, &m)
            return
        m.kind = TO_LANE_DETACH
        self.tell(slot.lane, &m)
        self.lanes[slot.lane].load -= 1
        slot.lane = to
        self.lanes[to].load += 1

    cdef void arrive(self, Message* m) noexcept:
        """A connection has left its old lane: hand it to the new one. One that left by itself comes to lane 0, unless it was
        to move elsewhere meanwhile; what its lane was told of it on the way was lost."""
        cdef Slot* slot = self.find(m.connection)
        cdef Message attach = m[0]
        if m.bytes and slot.lane == m.error:
            self.lanes[slot.lane].load -= 1
            self.lanes[0].load += 1
            slot.lane = 0
        if slot.lane == 0:
            self.come_home(slot, <Connection*>m.pointer, m.kind == TO_MAIN_RETURNED, m.bytes != 0)
            return
        if m.kind == TO_MAIN_RETURNED:
            poller_remove(&self.lanes[0].poller, slot.fd)
        attach.bytes = 0
        attach.kind = TO_LANE_ATTACH
        self.tell(slot.lane, &attach)

    cdef void come_home(self, Slot* slot, Connection* c, bint polled, bint is_open) noexcept:
        """What one that is through its handshake has for us is read in this turn."""
        cdef bint unread = is_open and c.readable
        if polled and not poller_says(&self.lanes[0].poller, self.taken, self.ready, slot.id):
            unread = c.socket.news = True      # what the poller said of it before this message was lost
        c.readable = c.readable and not unread
        lane_adopt(self.lanes[0], c, polled)
        if slot.closing:
            lane_close(self.lanes[0], slot.id, slot.closing == 2)
        elif unread and lane_find(self.lanes[0], slot.id) == c:
            c.readable = True
            lane_ready(self.lanes[0], slot.id, 0)

    cdef void await_return(self, uint64_t connection) noexcept:
        """The poller tells of a connection whose message is still on the way: that one shall wake us."""
        cdef Slot* slot = self.find(connection)
        if slot != NULL and slot.lane != 0:
            store_relaxed(&self.lanes[slot.lane].awaited, 1)   # lie_down() makes it seen

    @property
    def away(self) -> int:
        """Connections that I/O threads serve. O(threads)."""
        cdef int i
        cdef int total = 0
        for i in range(1, self.lane_count):
            total += self.lanes[i].load
        return total

    @property
    def at_home(self) -> int:
        """Connections that the calling thread serves itself."""
        return self.lanes[0].load if self.lanes != NULL else 0

    def move_away(self, int count) -> None:
        """Up to `count` connections of the calling thread, and those that come from now on, go to the I/O threads."""
        if self.thread_count == 1 or self.lane_count == 1:
            return
        self.full = True
        self.move_some(count, True)
        self.flush_wakes()

    def take_home(self, int count) -> None:
        """Up to `count` connections come back from the I/O threads; new ones stay here. Returns when they are here: it
        takes the I/O threads a turn."""
        self.full = False
        if self.away > 0:
            self.push_homes()
            self.move_some(count, False)
            self.settle(self.lane_count)
            self.flush_wakes()

    cdef void move_some(self, int count, bint from_home) noexcept:
        """Goes on where the last call ended, so that each connection has its turn. O(connections)."""
        cdef uint32_t i
        cdef Slot* slot
        for i in range(self.slot_count):
            if count <= 0:
                return
            self.next_to_move = self.next_to_move + 1 if self.next_to_move + 1 < self.slot_count else 0
            slot = &self.slots[self.next_to_move]
            if slot.state == SLOT_LIVE and (slot.lane == 0) == from_home:
                self.move(slot.id, self.lightest_lane() if from_home else 0)
                count -= 1

    def keep_away(self, bint yes) -> None:
        """io-threads-always-active: whether every connection is on an I/O thread, be there ever so little to do."""
        if yes and not self.always_away and self.running:
            self.move_away(self.slot_count)
        self.always_away = yes

    def resize(self, int threads) -> None:
        """io-threads changes while running. Connections move as they are: with half-read requests and unsent replies.

        Returns when all have moved: a thread needs only as long for it as for one turn. O(connections).
        """
        cdef int before = self.thread_count
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError("threads must be between 1 and 128")
        self.thread_count = threads
        if threads != before and self.running:
            self.fit_lanes()

    cdef int fit_lanes(self) except -1:
        """As many lanes as there shall be; connections leave those that end."""
        cdef int i
        cdef int before = self.lane_count
        cdef int lanes = self.lanes_for(self.thread_count)
        self.push_homes()
        for i in range(before, lanes):
            self.open_lane(i)
        self.spread(self.thread_count)
        self.settle(before)
        for i in range(before - 1, lanes - 1, -1):
            self.close_lane(i)
        self.flush_wakes()
        return 0

    cdef void spread(self, int threads) noexcept:
        """Starts the moves that another number of threads makes necessary: nobody stays on one that ends, and what is away
        is shared out evenly."""
        cdef int to = 1
        cdef uint32_t i
        cdef Slot* slot
        for i in range(self.slot_count):
            slot = &self.slots[i]
            if slot.state != SLOT_LIVE or (slot.lane == 0 and not self.always_away):
                continue
            if threads == 1:
                to = 0
            if slot.lane != to:
                self.move(slot.id, to)
            to = to + 1 if to + 1 < threads else 1

    cdef int settle(self, int lanes) except -1:
        """Waits until the lanes 1 .. lanes - 1 have done all that they were told so far."""
        cdef Message m
        cdef int i
        cdef c_pollfd waker
        memset(&m, 0, sizeof(Message))
        m.kind = TO_LANE_ECHO
        self.echoes = 0
        for i in range(1, lanes):
            self.tell(i, &m)
        waker.fd = self.main.fd
        waker.events = POLLIN
        while True:
            self.flush_wakes()
            lie_down(&self.main)
            self.take_messages()
            if self.echoes >= lanes - 1:
                break
            with nogil:
                c_poll(&waker, 1, 100)
                empty_bell(waker.fd)
        get_up(&self.main)
        sleeper_ring(&self.main)       # we may have taken down a wake that was meant for the next poll()
        return 0
