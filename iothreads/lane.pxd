# cython: language_level=3
"""A lane: a poller and the connections that live on it. The same functions serve the main thread (io-threads 1)
and every I/O thread; only who calls them differs. Main-thread face of the whole package: `iothreads.handoff`.

Owner of every field: the lane's own thread, except where said. Work that a turn could not finish (the socket had more
than its share, a batch came home with a tail) waits in `again` for the next turn, so one busy client starves nobody.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.connection cimport Connection, Limits
from iothreads.message cimport Batch, BatchPool, Chunk
from iothreads.poller cimport Poller
from iothreads.ring cimport Message, Queue, Ring, Sleeper

cdef enum:
    RING_MESSAGES = 4096               # per direction
    LISTENER_SLOT = 0xFFFFFF00         # ids from here on, in the low half, are listeners

cdef struct LaneStats:                 # published by the lane with relaxed atomics, read by the main thread
    uint64_t reads, writes             # recv / send calls that moved bytes
    uint64_t bytes_in, bytes_out
    uint64_t busy_ns, idle_ns          # busy share = busy / (busy + idle)
    uint64_t batches, commands
    uint32_t connections
    uint64_t query_memory              # of all half-read requests, bytes

cdef struct LaneQueue:                 # what the main thread finds when it turns to a lane: messages of a thread, ready sockets of its own
    uint32_t last                      # found last
    uint32_t most                      # since the last reset_peaks()
    uint64_t looks                     # how often it found some ...
    uint64_t found                     # ... and how many in all

cdef struct Ids:                       # a growing list of connection ids
    uint64_t* items
    uint32_t size
    uint32_t capacity

cdef struct Lane:
    int index                          # 0 = the main thread's
    Poller poller
    Connection** connections           # by slot; NULL where the slot lives elsewhere or nowhere
    uint32_t slot_capacity
    BatchPool batches
    Limits* limits                     # IOThreads owns it
    LaneStats stats
    int64_t now_us                     # monotonic, taken when the last wait returned
    uint64_t clock_ns                  # when busy or idle time was last accounted
    Ids again                          # connections with unfinished work
    Ids dirty                          # connections with output that came in this turn (threads)
    # towards the main thread
    Ring* to_main                      # NULL on lane 0, which puts everything into `queue`
    Queue queue                        # what the ring had no room for
    bint urgent                        # something was posted that the main thread should be woken for
    Sleeper* main                      # the main thread, to wake it
    Poller* home                       # the main thread's; a thread only adds sockets to it
    uint32_t awaited                   # raised by the main thread, which has seen a socket before its message; taken down by the thread
    # from the main thread
    Ring* to_lane
    Queue backlog                      # owner: main thread; what to_lane had no room for
    bint posted                        # owner: main thread; it pushed since the last wake
    uint32_t load                      # owner: main thread; connections that it has given to this lane
    LaneQueue waiting                  # owner: main thread
    Sleeper sleeper
    bint stop
    uint64_t looked_for                # batches that were made when it looked at its sockets last without need
    unsigned long thread               # pthread_t

cdef int lane_open(Lane* lane, int index, int poller, Limits* limits, Sleeper* main) noexcept nogil   # 0, or errno
cdef void lane_free(Lane* lane) noexcept nogil                     # after the main thread took its messages; closes its sockets
cdef void lane_post(Lane* lane, const Message* message) noexcept nogil
cdef void lane_adopt(Lane* lane, Connection* c, bint polled) noexcept nogil        # polled: its poller knows it already
cdef Connection* lane_detach(Lane* lane, uint64_t id) noexcept nogil   # NULL if it is gone
cdef void lane_output(Lane* lane, uint64_t id, Chunk* head, Chunk* tail, size_t bytes) noexcept nogil
cdef void lane_write(Lane* lane, Connection* c) noexcept nogil
cdef void lane_home(Lane* lane, Connection* c) noexcept nogil      # sends written chunks home
cdef void lane_give_back(Lane* lane, Batch* batch) noexcept nogil
cdef void lane_shrink(Lane* lane, uint64_t id) noexcept nogil      # a half-read request lets go of room it does not fill
cdef void lane_close(Lane* lane, uint64_t id, bint after_flush) noexcept nogil
cdef void lane_ready(Lane* lane, uint64_t id, uint32_t mask) noexcept nogil
cdef void lane_finish(Lane* lane, Connection* c) noexcept nogil    # unfinished work of one connection
cdef void lane_again(Lane* lane) noexcept nogil                    # one round of unfinished work
cdef void lane_write_dirty(Lane* lane) noexcept nogil              # writes what came in since the last call
cdef void lane_handle(Lane* lane, const Message* message) noexcept nogil
cdef bint lane_flush(Lane* lane) noexcept nogil                    # queue -> ring; true if nothing is left
cdef void lane_clock(Lane* lane, bint was_busy) noexcept nogil
cdef uint64_t clock_ns() noexcept nogil

cdef inline Connection* lane_find(const Lane* lane, uint64_t id) noexcept nogil:
    """The living connection of that name, or NULL."""
    cdef uint32_t slot = <uint32_t>id
    if slot >= lane.slot_capacity:
        return NULL
    cdef Connection* c = lane.connections[slot]
    return c if c != NULL and c.id == id else NULL

cdef inline void lane_found(Lane* lane, uint32_t count) noexcept nogil:
    """What the main thread has found."""
    lane.waiting.last = count
    if count > lane.waiting.most:
        lane.waiting.most = count
    lane.waiting.looks += 1
    lane.waiting.found += count
