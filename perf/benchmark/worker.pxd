# cython: language_level=3
"""One thread of load: its own poller, its own connections, its own figures. Threads share the Plan, which is read-only
but for three counters.

A connection carries one batch at a time: `pipeline` requests sent together, the next batch when all are answered.

    closed loop     a batch begins when the one before it ends              its time counts from there
    open loop       a batch begins when it is due, on an idle connection    its time counts from when it was due,
                    (if all are busy: as soon as one is idle)               however late it was sent
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from iothreads.poller cimport Poller
from iothreads.transport cimport Socket
from perf.benchmark.draw cimport Keys, Random, Sizes
from perf.benchmark.histogram cimport Cells
from perf.benchmark.replies cimport FirstError, Skipper
from perf.benchmark.request cimport Pool, Template

cdef enum:                             # Worker.failure
    NO_FAILURE = 0
    SYSTEM_ERROR = 1                   # Worker.failure_errno says which
    SERVER_CLOSED = 2
    NOT_RESP = 3
    TOO_MANY_REPLIES = 4
    NO_ANSWER = 5                      # replies outstanding long after the end
    ERROR_REPLY = 6                    # and Plan.stop_at_error
    TRANSPORT_ERROR = 7                # Worker.failure_words
    WORDS = 256                        # room for those

cdef extern from "<sys/socket.h>" nogil:
    struct sockaddr:
        pass
    struct sockaddr_storage:
        unsigned short ss_family
    ctypedef unsigned int socklen_t

cdef struct Plan:
    Template* templates
    uint32_t template_count
    uint64_t* thresholds               # by template, of a 32-bit draw, ascending
    bint ready_made                    # one template of one segment: batches are built once
    Keys keys                          # .next: shared, atomic
    Sizes sizes
    Pool pool
    char* greeting                     # AUTH, SELECT...: what a new connection of our own sends first
    uint32_t greeting_length
    uint32_t greeting_replies
    uint32_t pipeline
    bint keep_alive                    # else a new connection for each batch
    sockaddr_storage address           # of the server, when not keep_alive
    socklen_t address_length
    void* tls                          # SSL_CTX of connections of our own, when not keep_alive; NULL: they are plain
    char* server_name                  # of those; "": none is told
    bint stop_at_error
    double interval                    # open loop: ns between two batches of one worker; 0: closed loop
    bint poisson                       # open loop: the interval is a mean
    bint spin                          # open loop: never sleep, so that nothing is sent late
    uint64_t requests                  # in total, 0: until the deadline
    int64_t begin                      # ns of CLOCK_MONOTONIC
    int64_t measure_from               # batches that begin earlier warm up
    int64_t deadline                   # no batch begins after it; 0: none
    int done_fd                        # gets a byte from each worker that ends
    uint64_t taken                     # shared, atomic: of `requests`
    uint32_t stop                      # shared, atomic: end now

cdef struct Connection:
    Socket socket
    uint32_t index                     # in Worker.connections
    bint shaking                       # in its TLS handshake
    bint writing                       # the poller watches for room
    bint measured                      # the batch counts
    uint32_t greeting                  # replies to the greeting still to come
    uint32_t requests                  # of the batch
    uint32_t outstanding               # of those, not answered
    int64_t start                      # ns, what latency counts from
    int64_t idle_since                 # ns, when the batch before it was answered
    char* buffer                       # greeting, then the batch
    size_t capacity
    size_t written                     # the next byte to send
    size_t length
    uint8_t* kinds                     # by request of the batch: its template; NULL when there is only one
    Skipper skipper

cdef struct Worker:
    Plan* plan
    uint32_t index
    Poller poller
    Connection* connections
    uint32_t count
    uint32_t active                    # connections with a batch
    uint32_t* idle                     # open loop: a ring of `count` indexes, the longest idle first
    uint32_t idle_first
    uint32_t idle_count
    bint over                          # no further batch begins
    double next_arrival                # ns, open loop
    Random random
    char* inbox
    Cells* latency                     # by template
    Cells lag                          # open loop: sent - due, without waiting for an idle connection
    FirstError first_error
    uint64_t answered                  # with the warm-up; read by others
    uint64_t errors                    # read by others
    uint64_t waited                    # sum of latencies, ns; read by others
    uint64_t unsent                    # open loop: due before the deadline and never sent
    uint64_t sent_bytes
    uint64_t received_bytes
    int64_t last                       # ns, when the last measured reply came
    int64_t cpu                        # ns of processor time of the thread
    int failure
    int failure_errno
    char[WORDS] failure_words
    unsigned long thread

cdef int worker_prepare(Worker* worker, Plan* plan, uint32_t index, uint32_t count, int poller_kind,
                        uint64_t seed) noexcept nogil          # 0, or errno; connections[i].fd is the caller's to set
cdef void* worker_main(void* worker) noexcept nogil            # what its thread runs (iothreads.thread)
cdef void worker_free(Worker* worker) noexcept nogil           # closes its connections, too
cdef int64_t clock_ns() noexcept nogil
