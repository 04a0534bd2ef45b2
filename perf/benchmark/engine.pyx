# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What Python sees of the workers: it hands over templates and connected sockets, starts the threads, looks on, and
collects the figures when they have ended. All that the threads read is owned by the Engine.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from iothreads.poller cimport POLLER_EPOLL, POLLER_POLL, WATCH_CONNECTION, poller_add
from iothreads.ring cimport load_relaxed64, store_relaxed
from iothreads.system cimport BEST_POLLER
from iothreads.thread cimport thread_join, thread_start
from perf.benchmark.draw cimport FIXED, LIST, LOGNORMAL, RANGE, SEQUENTIAL, UNIFORM, ZIPF, Random, keys_make, random_seed
from perf.benchmark.histogram cimport Histogram, cells_add
from perf.benchmark.replies cimport error_text
from iothreads.tls cimport TlsContext
from perf.benchmark.request cimport NO_VALUE, VALUE_BYTES, VALUE_LENGTH, Segment, Template, render, template_most
from perf.benchmark.secure cimport SecureSocket
from perf.benchmark.worker cimport (NO_FAILURE, Plan, Worker, clock_ns, sockaddr, socklen_t, worker_free,
                                    worker_main, worker_prepare)

import os

cdef extern from "<sys/socket.h>" nogil:
    int getpeername(int, sockaddr*, socklen_t*)

KEYS = {"uniform": UNIFORM, "zipf": ZIPF, "sequential": SEQUENTIAL}
SIZES = {"fixed": FIXED, "range": RANGE, "list": LIST, "lognormal": LOGNORMAL}
VALUES = {"": NO_VALUE, "length": VALUE_LENGTH, "bytes": VALUE_BYTES}
FAILURES = ("", "system", "closed", "not RESP", "too many replies", "no answer", "error reply",
            "transport")


cdef void* room(size_t count, size_t size) except NULL:
    cdef void* made = calloc(max(count, 1), size)
    if made == NULL:
        raise MemoryError
    return made


cdef uint64_t* thresholds_of(list weights) except NULL:
    """Weights as ascending limits of a 32-bit draw; the last one is above them all."""
    cdef uint64_t* made = <uint64_t*>room(len(weights), sizeof(uint64_t))
    cdef double total = sum(weights), so_far = 0
    cdef size_t i
    for i in range(len(weights)):
        so_far += <double>weights[i]
        made[i] = <uint64_t>(so_far / total * 4294967296.0 + 0.5)
    return made


cdef int poller_kind() noexcept:
    """A kqueue would tell of a connection twice in a wait, when another may have its place: rather poll(2)."""
    return POLLER_EPOLL if BEST_POLLER == POLLER_EPOLL else POLLER_POLL


cdef class Engine:
    """One run. Sizes are bytes, times ns.

    templates: (segments, weight) each; a segment is (bytes, offsets of numbers, "" or "length" or "bytes", fixed, times).
    keys: (kind, space, theta). sizes: (kind, least, most, mu, sigma, [(weight, size)]). pool: letters for values.
    greeting: (bytes, replies), what a new connection sends first when `keep_alive` is false; tls, server_name: how that
    one is secured, None: not at all.
    """

    cdef Plan plan
    cdef Worker* workers
    cdef uint32_t capacity
    cdef readonly uint32_t threads
    cdef uint32_t started
    cdef int64_t warmup
    cdef int64_t duration
    cdef uint64_t seed
    cdef double batch_rate             # batches per second in total; 0: closed loop
    cdef TlsContext tls                # kept for Plan.tls
    cdef bytes server_name             # kept for Plan.server_name

    def __cinit__(self):
        memset(&self.plan, 0, sizeof(Plan))

    def __init__(self, *, list templates, tuple keys, tuple sizes, bytes pool, tuple greeting, uint32_t pipeline,
                 uint32_t threads, bint keep_alive=True, uint64_t requests=0, int64_t warmup=0, int64_t duration=0,
                 double rate=0, bint poisson=False, bint spin=False, bint stop_at_error=False,
                 uint64_t seed=1, TlsContext tls=None, str server_name=""):
        cdef size_t i
        cdef Plan* plan = &self.plan
        plan.pipeline = pipeline
        plan.keep_alive = keep_alive
        plan.requests = requests
        plan.poisson = poisson
        plan.spin = spin
        plan.stop_at_error = stop_at_error
        self.warmup = warmup
        self.duration = duration
        self.batch_rate = rate / pipeline
        self.seed = seed
        keys_make(&plan.keys, KEYS[keys[0]], keys[1], keys[2])
        self.set_sizes(sizes)
        plan.pool.bytes = <char*>room(len(pool), 1)
        memcpy(plan.pool.bytes, <char*>pool, len(pool))
        plan.pool.length = len(pool)
        plan.pool.spare = plan.pool.length - plan.sizes.most
        plan.greeting_length = len(greeting[0])
        plan.greeting = <char*>room(plan.greeting_length, 1)
        memcpy(plan.greeting, <char*>(<bytes>greeting[0]), plan.greeting_length)
        plan.greeting_replies = greeting[1]
        plan.templates = <Template*>room(len(templates), sizeof(Template))
        for i in range(len(templates)):
            self.add_template(templates[i][0])
        plan.thresholds = thresholds_of([weight for _, weight in templates])
        plan.ready_made = plan.template_count == 1 and plan.templates[0].values == 0
        self.tls = tls
        self.server_name = server_name.encode()
        plan.tls = tls.context if tls is not None else NULL
        plan.server_name = self.server_name
        self.workers = <Worker*>room(threads, sizeof(Worker))
        self.capacity = threads

    def __dealloc__(self):
        cdef uint32_t i
        cdef Template* t
        if self.started:
            store_relaxed(&self.plan.stop, 1)
            with nogil:
                for i in range(self.started):
                    thread_join(self.workers[i].thread)
        for i in range(self.threads):
            worker_free(&self.workers[i])
        free(self.workers)
        for i in range(self.plan.template_count):
            t = &self.plan.templates[i]
            free(t.bytes)
            free(t.holes)
            free(t.segments)
        free(self.plan.templates)
        free(self.plan.thresholds)
        free(self.plan.sizes.thresholds)
        free(self.plan.sizes.sizes)
        free(self.plan.pool.bytes)
        free(self.plan.greeting)

    cdef int set_sizes(self, tuple given) except -1:
        kind, least, most, mu, sigma, choices = given
        cdef size_t i
        self.plan.sizes.kind = SIZES[kind]
        self.plan.sizes.least = least
        self.plan.sizes.most = most
        self.plan.sizes.mu = mu
        self.plan.sizes.sigma = sigma
        self.plan.sizes.choices = len(choices)
        if choices:
            self.plan.sizes.thresholds = thresholds_of([weight for weight, _ in choices])
            self.plan.sizes.sizes = <uint32_t*>room(len(choices), sizeof(uint32_t))
            for i in range(len(choices)):
                self.plan.sizes.sizes[i] = choices[i][1]
        return 0

    cdef int add_template(self, list segments) except -1:
        cdef Template* t = &self.plan.templates[self.plan.template_count]
        cdef Segment* s
        cdef size_t i
        cdef uint32_t at
        cdef bytes whole = b"".join([segment[0] for segment in segments])
        self.plan.template_count += 1
        t.length = len(whole)
        t.bytes = <char*>room(t.length, 1)
        memcpy(t.bytes, <char*>whole, t.length)
        t.holes = <uint32_t*>room(sum([len(segment[1]) for segment in segments]), sizeof(uint32_t))
        t.segments = <Segment*>room(len(segments), sizeof(Segment))
        at = 0
        for text, holes, value, fixed, times in segments:
            s = &t.segments[t.segment_count]
            t.segment_count += 1
            s.start = at
            s.length = len(text)
            s.first_hole = t.hole_count
            s.holes = len(holes)
            s.value = VALUES[value]
            s.fixed = fixed
            s.times = times
            t.values += s.value == VALUE_BYTES
            for i in range(len(holes)):
                t.holes[t.hole_count] = at + <uint32_t>holes[i]
                t.hole_count += 1
            at += s.length
        return 0

    def sample(self, uint32_t template=0, uint64_t seed=1) -> bytes:
        """A request as a worker would send it; each call with a new seed is a new draw."""
        cdef Template* t = &self.plan.templates[template]
        cdef char* bytes_ = <char*>room(template_most(t, &self.plan.sizes), 1)
        cdef Random random
        cdef size_t n
        random_seed(&random, seed)
        n = render(t, bytes_, &self.plan.keys, &self.plan.sizes, &self.plan.pool, &random)
        made = bytes_[:n]
        free(bytes_)
        return made

    def add_worker(self, list connections, bint poll=False) -> None:
        """A thread with these connections, ready for commands, which now belong to it: descriptors of non-blocking
        sockets, or SecureSockets. Without `keep_alive` they are only counted, the first tells the server's address, and
        the caller keeps them."""
        cdef Worker* w
        cdef size_t i
        cdef socklen_t length = sizeof(self.plan.address)
        cdef int error
        if self.threads == self.capacity:
            raise ValueError("more workers than threads")
        w = &self.workers[self.threads]
        error = worker_prepare(w, &self.plan, self.threads, len(connections), POLLER_POLL if poll else poller_kind(),
                               self.seed * 1000003 + self.threads)
        self.threads += 1
        if not self.plan.keep_alive and error == 0:
            getpeername(connections[0], <sockaddr*>&self.plan.address, &length)
            self.plan.address_length = length
            return
        for i in range(len(connections)):
            if isinstance(connections[i], SecureSocket):
                w.connections[i].socket = (<SecureSocket>connections[i]).take()
            else:
                w.connections[i].socket.fd = connections[i]
            if error == 0:
                error = poller_add(&w.poller, w.connections[i].socket.fd, i + 1, WATCH_CONNECTION)
        if error:
            raise OSError(error, os.strerror(error))

    def start(self, int done_fd) -> None:
        """Start all threads; each writes a byte to `done_fd` when it ends."""
        cdef uint32_t i
        cdef int error
        cdef Plan* plan = &self.plan
        plan.done_fd = done_fd
        plan.interval = 1e9 / self.batch_rate * self.threads if self.batch_rate > 0 else 0
        plan.begin = clock_ns()
        plan.measure_from = plan.begin + self.warmup
        plan.deadline = plan.measure_from + self.duration if self.duration > 0 else 0
        for i in range(self.threads):
            self.workers[i].next_arrival = plan.begin + plan.interval * i / self.threads
            error = thread_start(&self.workers[i].thread, worker_main, &self.workers[i])
            if error:
                store_relaxed(&plan.stop, 1)
                raise OSError(error, os.strerror(error))
            self.started += 1

    def stop(self) -> None:
        """Ask all threads to end now; they do within 50 ms."""
        store_relaxed(&self.plan.stop, 1)

    def join(self) -> None:
        """Wait until all threads have ended."""
        cdef uint32_t i
        with nogil:
            for i in range(self.started):
                thread_join(self.workers[i].thread)
        self.started = 0

    def progress(self) -> tuple[int, int, int]:
        """So far, the warm-up included: replies, error replies, sum of latencies in ns. At any time."""
        cdef uint64_t answered = 0, errors = 0, waited = 0
        cdef uint32_t i
        for i in range(self.threads):
            answered += load_relaxed64(&self.workers[i].answered)
            errors += load_relaxed64(&self.workers[i].errors)
            waited += load_relaxed64(&self.workers[i].waited)
        return answered, errors, waited

    # ---- after join()

    def latencies(self) -> list[Histogram]:
        """One histogram per template."""
        cdef Histogram made
        cdef uint32_t i, k
        found = []
        for k in range(self.plan.template_count):
            made = Histogram()
            for i in range(self.threads):
                cells_add(&made.cells, &self.workers[i].latency[k])
            found.append(made)
        return found

    def lag(self) -> Histogram:
        """Open loop: how late batches were sent by our own fault: due, and a connection was idle."""
        cdef Histogram made = Histogram()
        cdef uint32_t i
        for i in range(self.threads):
            cells_add(&made.cells, &self.workers[i].lag)
        return made

    def totals(self) -> dict[str, int]:
        """Sums over the threads: errors, unsent, sent_bytes, received_bytes, cpu_ns; and elapsed_ns, from the end of the
        warm-up to the last reply."""
        cdef uint32_t i
        cdef int64_t last = self.plan.measure_from
        sums = dict.fromkeys(("errors", "unsent", "sent_bytes", "received_bytes", "cpu_ns"), 0)
        for i in range(self.threads):
            sums["errors"] += self.workers[i].errors
            sums["unsent"] += self.workers[i].unsent
            sums["sent_bytes"] += self.workers[i].sent_bytes
            sums["received_bytes"] += self.workers[i].received_bytes
            sums["cpu_ns"] += self.workers[i].cpu
            last = max(last, self.workers[i].last)
        sums["elapsed_ns"] = last - self.plan.measure_from
        return sums

    def first_error(self) -> bytes:
        """The text of the first error reply (of the first thread that has one)."""
        cdef uint32_t i
        for i in range(self.threads):
            if self.workers[i].first_error.length:
                return error_text(&self.workers[i].first_error)
        return b""

    def failure(self) -> tuple[str, int, str]:
        """What ended the run too early (see FAILURES), errno, and TLS's words for it; ("", 0, "") when nothing did."""
        cdef uint32_t i
        for i in range(self.threads):
            if self.workers[i].failure != NO_FAILURE:
                words = (<bytes>self.workers[i].failure_words).decode("utf-8", "replace")
                return FAILURES[self.workers[i].failure], self.workers[i].failure_errno, words
        return "", 0, ""
