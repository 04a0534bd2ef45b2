# cython: language_level=3
"""How messages cross between two threads: a single-producer single-consumer ring, and how a sleeper is woken.

The ring is bounded. A producer that finds it full keeps the message in its own Queue, stops making more (a lane stops
reading sockets) and asks with `waits` to be woken once there is room.

Waking without spinning: whoever is about to sleep raises `sleeping`, fences, and looks at its rings once more; whoever
has pushed fences and looks at `sleeping`. One of the two must see the other, so no message is slept over, and a peer
that is awake costs no system call.
"""
from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef REMUS_ATOMICS
    #define REMUS_ATOMICS
    #define remus_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define remus_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
    #define remus_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define remus_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define remus_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
    #define remus_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    #define remus_count(p, v) __atomic_store_n((p), __atomic_load_n((p), __ATOMIC_RELAXED) + (v), __ATOMIC_RELAXED)
    #if defined(__GNUC__) && !defined(__clang__)
    #pragma GCC diagnostic ignored "-Wtsan"
    #endif
    #endif
    """
    uint32_t load_relaxed "remus_load_relaxed"(const uint32_t* at) noexcept nogil
    void store_relaxed "remus_store_relaxed"(uint32_t* at, uint32_t value) noexcept nogil
    uint64_t load_relaxed64 "remus_load_relaxed"(const uint64_t* at) noexcept nogil
    void store_relaxed64 "remus_store_relaxed"(uint64_t* at, uint64_t value) noexcept nogil
    uint32_t load_acquire "remus_load_acquire"(const uint32_t* at) noexcept nogil
    void store_release "remus_store_release"(uint32_t* at, uint32_t value) noexcept nogil
    uint32_t exchange "remus_exchange"(uint32_t* at, uint32_t value) noexcept nogil
    void fence "remus_fence"() noexcept nogil
    void count "remus_count"(uint64_t* at, uint64_t more) noexcept nogil      # a counter with one writer, read by others

cdef enum:                             # Message.kind
    TO_MAIN_BATCH = 1                  # pointer: Batch
    TO_MAIN_CLOSED = 2                 # error: errno; pointer: NULL, or malloc'd text
    TO_MAIN_HOME = 3                   # pointer: first Chunk of a chain, bytes: their payload; client NULL if it is gone; error: 0 or
    NOT_WRITTEN = 1                    # ... their connection ended first
    TO_MAIN_HANGUP = 4                 # the peer is gone while its batch is out
    TO_MAIN_DETACHED = 5               # pointer: Connection, on its way to another lane; bytes: it left by itself, error: the lane
    TO_MAIN_ECHO = 6
    TO_MAIN_OPENED = 7                 # connected, and the transport's handshake is over
    TO_MAIN_RETURNED = 8               # pointer: Connection, which left by itself and which the main thread's poller knows already;
                                       # error: the lane. Nobody is woken for it
    TO_LANE_ADOPT = 10                 # fd, client; error: FLAG_AUTHENTICATED or 0
    TO_LANE_OUTPUT = 11                # pointer: first Chunk, client: last Chunk, bytes
    TO_LANE_BATCH = 12                 # pointer: Batch, given back
    TO_LANE_CLOSE = 13                 # error: 1 = after its output is written
    TO_LANE_DETACH = 14
    TO_LANE_ATTACH = 15                # pointer: Connection; bytes: the lane's poller knows it already
    TO_LANE_STOP = 16
    TO_LANE_SHRINK = 18                # give back what a half-read request has reserved and not filled
    TO_LANE_ECHO = 17                  # answered with TO_MAIN_ECHO: all that was said before is done

cdef struct Message:
    int32_t kind
    int32_t fd
    int32_t error
    uint64_t connection                # id
    void* client
    void* pointer
    size_t bytes

cdef struct Queue:                     # a growing FIFO inside one thread
    Message* items
    uint32_t capacity                  # a power of two, or 0
    uint32_t head
    uint32_t tail

cdef struct Ring:
    uint32_t tail                      # written by the producer
    uint32_t known_head                # the producer's last look at head
    uint32_t waits                     # raised by a producer that found it full, taken down by the consumer
    char producer_line[52]             # keeps the two sides on different cache lines
    uint32_t head                      # written by the consumer
    char consumer_line[60]
    uint32_t mask
    Message* items

cdef struct Sleeper:                   # somebody who can be woken
    uint32_t sleeping
    int fd                             # in its poller
    int bell                           # what is written here is heard there; with an eventfd, the same number
    char line[52]

cdef Ring* ring_new(uint32_t capacity) noexcept nogil          # capacity: a power of two
cdef void ring_free(Ring* ring) noexcept nogil
cdef void queue_grow(Queue* queue) noexcept nogil
cdef void queue_free(Queue* queue) noexcept nogil
cdef bint ring_fill(Ring* ring, Queue* queue) noexcept nogil  # producer: queue -> ring; true if nothing is left
cdef int sleeper_open(Sleeper* sleeper, bint counts) noexcept nogil    # 0, or errno; counts: its bell is an eventfd
cdef void sleeper_close(Sleeper* sleeper) noexcept nogil
cdef void sleeper_ring(Sleeper* sleeper) noexcept nogil        # rings whether it sleeps or not

cdef inline bint queue_empty(const Queue* queue) noexcept nogil:
    return queue.head == queue.tail

cdef inline void queue_push(Queue* queue, const Message* message) noexcept nogil:
    if queue.tail - queue.head == queue.capacity:
        queue_grow(queue)
    queue.items[queue.tail & (queue.capacity - 1)] = message[0]
    queue.tail += 1

cdef inline Message* queue_pop(Queue* queue) noexcept nogil:
    """The oldest message, valid until the next push; NULL when empty."""
    if queue.head == queue.tail:
        return NULL
    cdef Message* message = &queue.items[queue.head & (queue.capacity - 1)]
    queue.head += 1
    return message

cdef inline bint ring_push(Ring* ring, const Message* message) noexcept nogil:
    """Producer. False when the ring is full."""
    cdef uint32_t tail = ring.tail
    if tail - ring.known_head > ring.mask:
        ring.known_head = load_acquire(&ring.head)
        if tail - ring.known_head > ring.mask:
            return False
    ring.items[tail & ring.mask] = message[0]
    store_release(&ring.tail, tail + 1)
    return True

cdef inline bint ring_offer(Ring* ring, Queue* queue, const Message* message) noexcept nogil:
    """Producer, in order: false when it must wait in the queue until there is room."""
    if queue_empty(queue) and ring_push(ring, message):
        return True
    queue_push(queue, message)
    return False

cdef inline bint ring_empty(const Ring* ring) noexcept nogil:
    """Consumer."""
    return load_acquire(&ring.tail) == ring.head

cdef inline bint ring_pop(Ring* ring, Message* message) noexcept nogil:
    """Consumer. False when the ring is empty."""
    cdef uint32_t head = ring.head
    if load_acquire(&ring.tail) == head:
        return False
    message[0] = ring.items[head & ring.mask]
    store_release(&ring.head, head + 1)
    return True

cdef inline void wake(Sleeper* sleeper) noexcept nogil:
    """After a push: wakes the other side if it sleeps."""
    fence()
    if load_relaxed(&sleeper.sleeping) != 0 and exchange(&sleeper.sleeping, 0) != 0:
        sleeper_ring(sleeper)

cdef inline void lie_down(Sleeper* sleeper) noexcept nogil:
    """Before sleeping: after this, look at the rings once more."""
    store_relaxed(&sleeper.sleeping, 1)
    fence()

cdef inline void get_up(Sleeper* sleeper) noexcept nogil:
    store_relaxed(&sleeper.sleeping, 0)
