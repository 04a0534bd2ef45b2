# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What clients cost, in sums by class, and the cron's look at each of them once a second.

    a client that did something  --look-->  accounted anew, its buffers judged  --nothing is left to change-->  at rest

Nothing of a client at rest changes by itself, so that thousands of them cost next to nothing.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

from server.clients.client cimport CLIENT_CLOSE_ASAP, CLIENT_MASTER, CLIENT_MONITOR, CLIENT_REPLICA, Client
from server.clients.client_list cimport STATIC_REPLY_BYTES, memory_of

from server.observe.debug_settings import settings

cdef enum:
    IDLE_REPLY_BYTES = 1024            # what Redis leaves of a client's own reply buffer when little is written
    WASTE = 4096                       # bytes of a query buffer that may stay unfilled
    IDLE_US = 3000000                  # after which a query buffer that is not filled is let go of

NORMAL, REPLICAS, PUBSUB, MASTERS = "normal", "replica", "pubsub", "master"
CLASSES = (NORMAL, REPLICAS, PUBSUB, MASTERS)


cpdef str class_of(Client client):
    """The class that output limits and CLIENT LIST TYPE go by: a monitor is a normal client. Complexity: O(1)."""
    if client.state & CLIENT_MASTER:
        return MASTERS
    if client.state & CLIENT_REPLICA and not client.state & CLIENT_MONITOR:
        return REPLICAS
    return PUBSUB if client.subscriptions is not None and client.subscriptions else NORMAL


cpdef bint at_rest(Client client) except -1:
    """Whether nothing came from it or went to it since it came to rest. Complexity: O(1)."""
    return (client.rests_at == client.bytes_in + client.bytes_out and client.out.bytes == 0
            and client.in_flight == 0 and not client.state & CLIENT_CLOSE_ASAP
            and client.loop is not None and client.loop.partial_memory_of(client) == 0)


cdef inline bint _may_rest(Client client) noexcept:
    """Whether no buffer holds anything or will shrink."""
    return (client.out.bytes == 0 and client.in_flight == 0 and client.query_memory == 0 and client.tracking is None
            and not client.state & (CLIENT_REPLICA | CLIENT_MASTER | CLIENT_MONITOR)
            and client.reply_buffer == IDLE_REPLY_BYTES)


cdef class Accounts:
    """The sums, and what the last look found.

    memory_by_class: bytes of each of CLASSES, as last seen; partial_accounted: of that, what half-read requests held
    resting: how many of those looked at are at rest; grown, shrunk: reply buffers that Redis would have resized
    query_peak, output_peak: the largest buffers among them, bytes
    """

    def __cinit__(self):
        self.memory_by_class = dict.fromkeys(CLASSES, 0)

    cdef int add(self, str kind, int64_t size, int64_t partial) except -1:
        self.memory_by_class[kind] = <int64_t>self.memory_by_class[kind] + size
        self.partial_accounted += partial
        return 0

    cpdef int account(self, Client client) except -1:
        """Take a client's memory into the sums again. Complexity: O(1)."""
        cdef str kind = class_of(client)
        cdef int64_t size = memory_of(client), partial = 0
        if kind is REPLICAS:
            size -= client.in_flight           # stands in the stream, which counts once
        if client.loop is not None:
            partial = client.loop.partial_memory_of(client)
        if size != client.accounted or partial != client.partial_accounted or kind is not client.accounted_class:
            self.forget(client)
            self.add(kind, size, partial)
            client.accounted_class, client.accounted, client.partial_accounted = kind, size, partial
        return 0

    cpdef int forget(self, Client client) except -1:
        """Take it out of the sums; harmless when it is not in them. Complexity: O(1)."""
        if client.accounted_class is not None:
            self.add(client.accounted_class, -client.accounted, -client.partial_accounted)
            client.accounted_class = None
        return 0

    # ---- the cron
    def look(self, list clients, Py_ssize_t at, Py_ssize_t count, int64_t now_us, int64_t since_us) -> list:
        """Look at so many clients, from `at` on. now_us, since_us: monotonic. Returns those of whom the caller has to see:
        who did nothing since then, and whose replies wait. Complexity: O(count)."""
        cdef Client client
        cdef list found = []
        cdef bint resting
        self.resting = self.grown = self.shrunk = 0
        self.query_peak = self.output_peak = 0
        for at in range(at, at + count):
            client = clients[at]
            resting = at_rest(client)
            self.resting += resting
            if not resting and not client.state & CLIENT_CLOSE_ASAP and client.loop is not None:
                self.examine(client, now_us)
            if client.active_us < since_us or (not resting and client.out.bytes + client.in_flight):
                found.append(client)
        return found

    cdef int examine(self, Client client, int64_t now_us) except -1:
        cdef size_t held, filled, output = client.out.memory + client.in_flight
        held, filled = client.loop.query_of(client)
        self.query_peak = max(self.query_peak, held)
        self.output_peak = max(self.output_peak, output)
        if filled and filled != client.query_filled:
            client.active_us = now_us          # a request that still comes in keeps its client from being idle
        client.query_filled = filled
        if held > filled + WASTE and now_us - client.active_us >= IDLE_US:
            client.loop.shrink_query(client)
        self.judge_replies(client, now_us)
        self.account(client)
        if held == 0 and _may_rest(client):
            client.rests_at = client.bytes_in + client.bytes_out
        return 0

    cdef int judge_replies(self, Client client, int64_t now_us) except -1:
        """What a client was sent since the last look: rbs= is the buffer that Redis would have sized after it. It grows with
        the first reply that needs it, and shrinks when none did for a while (DEBUG REPLYBUFFER)."""
        cdef uint32_t before = client.reply_buffer
        cdef int64_t patience_ms
        if before == 0:
            client.reply_buffer = before = STATIC_REPLY_BYTES
            client.replies_seen, client.reply_needed_us = client.bytes_out, now_us
        if client.bytes_out - client.replies_seen > IDLE_REPLY_BYTES:
            client.reply_buffer, client.reply_needed_us = STATIC_REPLY_BYTES, now_us
        elif before != IDLE_REPLY_BYTES:
            patience_ms = settings.reply_buffer_peak_reset_ms
            if 0 <= patience_ms <= (now_us - client.reply_needed_us) // 1000 and settings.reply_buffer_resizing:
                client.reply_buffer = IDLE_REPLY_BYTES
        client.replies_seen = client.bytes_out
        self.grown += client.reply_buffer > before
        self.shrunk += client.reply_buffer < before
        return 0
