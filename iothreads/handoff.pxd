# cython: language_level=3
"""The hand-off between the main thread and the lanes that own the sockets. Read this file first.

        clients                        lanes                                        main thread
       ---------      -----------------------------------------     --------------------------------------
       socket  --->   recv, parse   --- BATCH, CLOSED, HOME -->      next_event(): execute, write into Output
       socket  <---   write         <-- OUTPUT, BATCH, CLOSE ---     send(), give_back(), close()

        lane 0: run by the main thread inside poll() and next_event(); "-->" is a plain queue
        io-threads N: N - 1 lanes more, each a native thread with its own poller; "-->" is a ring and, for who sleeps, an eventfd

Rules
1.  Only messages cross. Whoever holds a batch or a chunk owns its memory; no flag of a client is shared.
2.  A connection lives on one lane at a time and moves as a whole: move_away(), take_home(), resize(). Nobody spins.
3.  Lane 0 calls the same functions. There is one code path, and no queue in between where none is needed. A hand-off costs
    more than it brings while the main thread has time: who calls move_away() knows that it has none. Handshakes of clients
    begin on an I/O thread if there is one, and come home once they are over. Neither thread is woken for that: who sends
    the connection adds its socket to the other's poller as well, which wakes it when the peer speaks.
    Beside the messages a lane shows relaxed statistics: LaneStats, and per connection what a half-read request holds
    (QueryMeter). Nothing but a figure that a user reads, or a limit, may depend on them.
4.  A connection is named by its id: slot and generation. A message for a dead id is dropped, its chunks come home.
5.  At most one batch per connection is out, and its lane reads no further until give_back(). So a client that is slow to
    be served stops being read, and a full ring stops a lane from reading at all. A peer that leaves while its batch is
    out is noticed all the same: if the main thread still has the batch a turn later (a blocked client), EVENT_CLOSED
    comes; if not, the lane reads to the end first, so that replies to a half-closed socket are not lost.
6.  EVENT_CLOSED is the last event of a connection; the cookie is not mentioned after it. A batch that is still out then
    is given back like any other.
7.  A link is a connection that we asked for, or a peer's that is no client. It differs in how it begins (Start) and in what
    the main thread is told: every event of it has EVENT_OF_LINK set, and EVENT_OPENED comes before the first batch. Its
    batches hold requests, whole replies or raw bytes. Who has its batch may say before give_back() how it is read on
    (Batch.reads) and from which byte (Batch.consumed): what was received behind that is read again, so that no byte is
    lost between two ways of reading. rename() gives it another cookie, or makes it a client.
8.  A chunk may refer to somebody's value. release(owner) is called when it is home, on the main thread.
9.  After fork() the child calls after_fork_child() and may then use nothing of this.

All calls are made by the main thread, with the GIL; only wake_fd may be written by others.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.connection cimport Connection, Limits, QueryMeter
from iothreads.handshakes cimport PLACES
from iothreads.lane cimport Lane, LaneStats
from iothreads.message cimport Batch, Output
from iothreads.ring cimport Message, Queue, Sleeper
from iothreads.transport cimport Transport

cdef enum:                             # Event.kind
    EVENT_BATCH = 1                    # event.batch
    EVENT_CLOSED = 2                   # event.client: the connection is gone (peer, error, or our close): its id is dead
    EVENT_HOME = 3                     # event.client: `bytes` that send() could not write at once have left; chunks are released.
                                       # error: they never left, EVENT_CLOSED follows
    EVENT_ACCEPTED = 4                 # event.fd, event.listener: a new socket (non-blocking, CLOEXEC); answer with adopt() or close it

    EVENT_OPENED = 7                   # event.client: a link is connected; a client's or a link's transport is through its handshake
    EVENT_OF_LINK = 64                 # added to the kind: event.client is a link, event.batch holds what Batch.reads says

cdef struct Event:
    int kind
    void* client                       # the cookie
    Batch* batch
    size_t bytes
    int fd                             # -1 with an error: accepting pauses for ACCEPT_PAUSE_MS
    int listener                       # index of the listener
    int error                          # errno for CLOSED, 0 = EOF or our own close; errno for ACCEPTED, 0 = fd is good
    const char* reason                 # for CLOSED: what a transport says beside errno; NULL

cdef enum:                             # Slot.state
    SLOT_FREE = 0
    SLOT_LIVE = 1
    SLOT_REPORTED = 2                  # EVENT_CLOSED was given out ahead of the lane's own word

cdef struct Start:                     # how a connection begins that is no plain client
    bint link                          # events with EVENT_OF_LINK; no limits for requests
    bint authenticated
    bint connecting                    # connect() is under way
    bint peer_begins                   # the handshake: until it speaks there is nothing to do
    bint quick                         # the handshake takes well under a millisecond
    int reads                          # a READ_ (iothreads.message)
    int keepalive                      # TCP: seconds, 0 = off, -1 = as for clients; -2: not TCP
    const Transport* transport         # NULL: plain
    void* state                        # the transport's, which lets go of it

cdef struct Slot:                      # what the main thread knows of a connection
    uint64_t id                        # current name; the generation counts up with each use
    void* client
    int lane
    int fd
    int state
    int link                           # EVENT_OF_LINK, or 0
    bint batch_out                     # the main thread has its batch
    int closing                        # an I/O thread was told to close it: 1 at once, 2 after its output
    uint32_t next_free
    QueryMeter* meter                  # at a place of its own: lanes write it

cdef class IOThreads:
    # life: __init__(threads, poller=""), start(), stop(), after_fork_child(), resize(threads), listen(sockets), stop_accepting()
    # move_away(count), take_home(count), keep_away(yes), shake_hands_away(yes); away, at_home
    # set_limits(max_bulk=, query_buffer=, keepalive=, reply=); stats(), threads, multiplexing_api, io_threaded_reads / _writes
    cdef readonly int wake_fd          # 8 bytes written here end a poll(); for signal handlers and other threads
    cdef int thread_count              # as io-threads: 1 = no threads
    cdef int poller_kind
    cdef bint running
    cdef Lane** lanes                  # [0] is the main thread's own
    cdef int lane_count
    cdef Limits limits
    cdef Limits link_limits
    cdef Sleeper main
    cdef Slot* slots
    cdef uint32_t slot_count
    cdef uint32_t first_free
    cdef QueryMeter* meters[32]        # blocks of them, one for each time the slots grew
    cdef int meter_blocks
    cdef Queue events                  # messages that became due, to be given out by next_event
    cdef int due                       # how many of them are worth waking up for
    cdef Queue hangups                 # looked at in the next poll
    cdef Queue homes                   # batches given back in this turn; they go to their lanes behind the replies
    cdef Event event
    cdef Event link_event              # next_event_of() gives out this one: it is called while somebody looks at the other
    cdef char* reason                  # of the event given out last
    cdef bint slept                    # the last wait had to sleep, and little came
    cdef int ready                     # results of the last wait ...
    cdef int taken                     # ... and how many of them were looked at
    cdef list sockets                  # listening
    cdef int* listeners                # their fds
    cdef int listener_count
    cdef int accepting                 # index of the listener that is being emptied, -1
    cdef int accepted                  # from it in this turn
    cdef uint64_t accept_again_ns      # out of descriptors: when to try again, 0 = now
    cdef uint64_t retired_reads, retired_writes
    cdef uint32_t turns
    cdef int echoes                    # lanes that have answered settle()
    cdef bint always_away              # keep_away()
    cdef bint hands_away               # shake_hands_away()
    cdef uint64_t shaking[PLACES + 1]  # names of connections whose handshakes began on the main thread, and of no such one
    cdef bint full                     # the main thread has no time for more connections
    cdef uint32_t next_to_move         # slot behind which move_some() goes on

    cdef int poll(self, int timeout_ms) except -1
    cdef Event* next_event(self) noexcept
    cdef uint64_t adopt(self, int fd, void* client, bint is_tcp, bint authenticated) noexcept
    cdef uint64_t begin(self, int fd, void* client, const Start* start) noexcept
    cdef void rename(self, uint64_t connection, void* client, bint link) noexcept
    cdef bint poll_one(self, uint64_t connection, int timeout_ms) except -1
    cdef Event* next_event_of(self, uint64_t connection) noexcept
    cdef void poll_one_over(self) noexcept
    cdef size_t send(self, uint64_t connection, Output* out) noexcept
    cdef void flush_wakes(self) noexcept
    cdef void give_back(self, Batch* batch) noexcept
    cdef void close(self, uint64_t connection, bint after_flush) noexcept

    cdef void shrink(self, uint64_t connection) noexcept
    cdef QueryMeter* meter(self, uint64_t connection) noexcept
    cdef uint64_t query_memory(self) noexcept

    cdef Slot* take_slot(self, int fd, void* client, bint away) noexcept
    cdef bint has_event_of(self, uint64_t connection) noexcept
    cdef void push_homes(self) noexcept
    cdef Slot* find(self, uint64_t connection) noexcept
    cdef void tell(self, int lane, const Message* message) noexcept
    cdef bint push_backlog(self, Lane* lane) noexcept
    cdef void take_own(self) noexcept
    cdef void take_messages(self) noexcept
    cdef void take(self, Message* message) noexcept
    cdef bint all_quiet(self) noexcept
    cdef void judge_hangups(self) noexcept
    cdef int wait(self, int timeout_ms) noexcept
    cdef bint give_out(self, Message* message, Event* event) noexcept
    cdef bint accept_next(self) noexcept
    cdef void expect(self, uint64_t id) noexcept
    cdef void watch_listeners(self, bint on) noexcept
    cdef Lane* open_lane(self, int index) except NULL
    cdef int close_lane(self, int index) except -1
    cdef bint stays_away(self) noexcept
    cdef int lanes_for(self, int threads) noexcept
    cdef int fit_lanes(self) except -1
    cdef int lightest_lane(self) noexcept
    cdef void move_some(self, int count, bint from_home) noexcept
    cdef void spread(self, int threads) noexcept
    cdef void move(self, uint64_t connection, int to) noexcept
    cdef void arrive(self, Message* message) noexcept
    cdef bint slip_in(self, Slot* slot, Message* attach) noexcept
    cdef void come_home(self, Slot* slot, Connection* c, bint polled, bint is_open) noexcept
    cdef void await_return(self, uint64_t connection) noexcept
    cdef int settle(self, int lanes) except -1
    cdef void discard(self, int index) noexcept
    cdef void free_all(self) noexcept
