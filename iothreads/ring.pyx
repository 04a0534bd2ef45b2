# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The slow halves of `ring.pxd`: making, growing, freeing, and the bell."""
from libc.errno cimport errno
from libc.stdlib cimport abort, calloc, free, malloc

from iothreads.system cimport c_close, open_eventfd, open_pipe

cdef extern from "<unistd.h>" nogil:
    ssize_t c_write "write"(int, const void*, size_t)


cdef Ring* ring_new(uint32_t capacity) noexcept nogil:
    cdef Ring* ring = <Ring*>calloc(1, sizeof(Ring))
    if ring == NULL:
        abort()
    ring.items = <Message*>calloc(capacity, sizeof(Message))
    if ring.items == NULL:
        abort()
    ring.mask = capacity - 1
    return ring


cdef void ring_free(Ring* ring) noexcept nogil:
    if ring != NULL:
        free(ring.items)
        free(ring)


cdef void queue_grow(Queue* queue) noexcept nogil:
    """Doubles a full queue, oldest message first."""
    cdef uint32_t capacity = queue.capacity * 2 if queue.capacity else 64
    cdef Message* items = <Message*>malloc(capacity * sizeof(Message))
    cdef uint32_t i, size = queue.tail - queue.head
    if items == NULL:
        abort()
    for i in range(size):
        items[i] = queue.items[(queue.head + i) & (queue.capacity - 1)]
    free(queue.items)
    queue.items = items
    queue.capacity = capacity
    queue.head = 0
    queue.tail = size


cdef void queue_free(Queue* queue) noexcept nogil:
    free(queue.items)
    queue.items = NULL
    queue.capacity = queue.head = queue.tail = 0


cdef bint ring_fill(Ring* ring, Queue* queue) noexcept nogil:
    """What waits moves into the ring. When that is full the consumer is asked to wake us, and then we look once more: it
    may have made room before it saw that we wait."""
    cdef Message* oldest
    while not queue_empty(queue):
        oldest = &queue.items[queue.head & (queue.capacity - 1)]
        if not ring_push(ring, oldest):
            store_relaxed(&ring.waits, 1)
            fence()
            if not ring_push(ring, oldest):
                return False
        queue_pop(queue)
    return True


cdef int sleeper_open(Sleeper* sleeper, bint counts) noexcept nogil:
    sleeper.sleeping = 0
    sleeper.fd = sleeper.bell = -1
    if counts:
        sleeper.fd = sleeper.bell = open_eventfd()
        return errno if sleeper.fd < 0 else 0
    return errno if open_pipe(&sleeper.fd, &sleeper.bell) < 0 else 0


cdef void sleeper_close(Sleeper* sleeper) noexcept nogil:
    if sleeper.bell >= 0 and sleeper.bell != sleeper.fd:
        c_close(sleeper.bell)
    if sleeper.fd >= 0:
        c_close(sleeper.fd)
    sleeper.fd = sleeper.bell = -1


cdef void sleeper_ring(Sleeper* sleeper) noexcept nogil:
    cdef uint64_t one = 1
    c_write(sleeper.bell, &one, 8)         # full: it is awake
