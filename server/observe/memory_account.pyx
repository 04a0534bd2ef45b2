# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The account of memory: what INFO memory and MEMORY STATS show, kept without scanning keys or clients.

used_memory is the sum of what has an account of its own:

    keys and values            the slab allocator counts every block it hands out
    clients                    server.clients.limits looks at each about once a second
    scripts, functions         their texts and what keeps them
    AOF and replication        what waits to be written, and the backlog

The Python interpreter, the Lua states and what the pools of the I/O threads keep at hand are not in it, only in RSS:
used_memory is what the data and those who use it cost, so that maxmemory means what it means in Redis.
"""
from libc.stdint cimport int64_t

from server.registry.number_places cimport integers_at, reals_at

from server.observe import process
from server.observe.seams import NO_REPLICATION
from server.registry.clock import monotonic_now_us

ALLOCATOR = "remus-slab"               # mem_allocator
SAMPLE_MS = 100                        # how often the peak of everything together is looked at

cdef enum:                             # from where MEMORY DOCTOR makes a remark, bytes:
    MUCH = 10 << 20
    CLIENT_MUCH = 200 << 10            # per client, on average
    SCRIPTS_MANY = 1000


cdef inline double _ratio(double top, double bottom) noexcept:
    return top / bottom if bottom else 0.0


cdef inline int _bit(int n, bint on) noexcept:
    return on << n


cdef inline bint _exceeds(int64_t held, int64_t used, double ratio) noexcept:
    return _ratio(held, used) > ratio and held - used > MUCH


cdef class Figures:
    """All of it at one moment, in bytes."""

    cdef void derive(self) noexcept:
        """What follows from the others."""
        self.scripts = self.eval_scripts + self.functions
        self.dataset = max(<int64_t>0, self.used - self.overhead)
        self.net = max(<int64_t>1, self.used - self.startup)
        self.bytes_per_key = self.net // self.keys if self.keys else 0
        self.dataset_percent = 100 * _ratio(self.dataset, self.net)
        self.peak_percent = 100 * _ratio(self.used, self.peak)
        self.not_counted_for_evict = self.clients_replicas + self.aof_buffer
        self.allocator_frag_ratio = _ratio(self.active, self.allocated)
        self.allocator_frag_bytes = self.active - self.allocated
        self.allocator_rss_ratio = _ratio(self.allocator_resident, self.active)
        self.allocator_rss_bytes = self.allocator_resident - self.active
        self.rss_overhead_ratio = _ratio(self.resident, self.allocator_resident)
        self.rss_overhead_bytes = self.resident - self.allocator_resident
        self.fragmentation_ratio = _ratio(self.resident, self.used)
        self.fragmentation_bytes = self.resident - self.used

    def unusual(self, int64_t clients, int64_t scripts) -> int:
        """Of memory_advice's remarks those to be made, a bit each, in their order. clients: connected ones; scripts: how
        many are cached. RSS is judged without what the interpreter took before there were any data."""
        cdef int64_t resident = self.resident - self.resident_at_start
        return (_bit(0, self.peak > 1.5 * self.used)
                | _bit(1, _exceeds(resident, self.used, 1.4))
                | _bit(2, _exceeds(self.active, self.allocated, 1.1))
                | _bit(3, _exceeds(self.allocator_resident, self.active, 1.1))
                | _bit(4, _exceeds(resident, self.allocator_resident, 1.1))
                | _bit(5, self.replicas and self.clients_replicas > MUCH)
                | _bit(6, self.clients_normal > CLIENT_MUCH * max(<int64_t>1, clients - self.replicas))
                | _bit(7, scripts > SCRIPTS_MANY))


cdef Figures _model = Figures.__new__(Figures)
integers_at(_model, {
    "used": <size_t>&_model.used, "peak": <size_t>&_model.peak, "startup": <size_t>&_model.startup,
    "resident": <size_t>&_model.resident, "allocated": <size_t>&_model.allocated, "active": <size_t>&_model.active,
    "allocator_resident": <size_t>&_model.allocator_resident, "clients_normal": <size_t>&_model.clients_normal,
    "clients_replicas": <size_t>&_model.clients_replicas, "backlog": <size_t>&_model.backlog,
    "replication_buffers": <size_t>&_model.replication_buffers, "cluster_links": <size_t>&_model.cluster_links,
    "aof_buffer": <size_t>&_model.aof_buffer, "eval_scripts": <size_t>&_model.eval_scripts,
    "functions": <size_t>&_model.functions, "overhead": <size_t>&_model.overhead, "scripts": <size_t>&_model.scripts,
    "keys": <size_t>&_model.keys, "bytes_per_key": <size_t>&_model.bytes_per_key,
    "dataset": <size_t>&_model.dataset, "not_counted_for_evict": <size_t>&_model.not_counted_for_evict,
    "allocator_frag_bytes": <size_t>&_model.allocator_frag_bytes,
    "allocator_rss_bytes": <size_t>&_model.allocator_rss_bytes,
    "rss_overhead_bytes": <size_t>&_model.rss_overhead_bytes,
    "fragmentation_bytes": <size_t>&_model.fragmentation_bytes})
reals_at(_model, {
    "dataset_percent": <size_t>&_model.dataset_percent, "peak_percent": <size_t>&_model.peak_percent,
    "allocator_frag_ratio": <size_t>&_model.allocator_frag_ratio,
    "allocator_rss_ratio": <size_t>&_model.allocator_rss_ratio,
    "rss_overhead_ratio": <size_t>&_model.rss_overhead_ratio,
    "fragmentation_ratio": <size_t>&_model.fragmentation_ratio})


cdef class MemoryAccount:
    """Reads the allocator and the rooms' own totals; remembers the peak and what start-up used.

    partial_memory(): bytes that half-read requests hold now; aof_pending(): bytes that wait to be written to the AOF.
    """

    def __init__(self, data, clients, scripts, partial_memory, aof_pending):
        self._data, self._clients, self._scripts = data, clients, scripts
        self._partial_memory, self._aof_pending = partial_memory, aof_pending
        self._resident_at_start = -1
        self.startup = above.used()
        self.replication = lambda: NO_REPLICATION
        self.cluster_links = int

    # ---- single numbers that are asked for often
    cdef int64_t _of_clients(self) except -1:
        cdef int64_t total = <int64_t>self._partial_memory() - <int64_t>self._clients.partial_accounted
        for size in (<dict>self._clients.memory_by_class).values():
            total += size
        return max(<int64_t>0, total)

    @property
    def clients(self) -> int:
        """Bytes that clients cost, replicas' shared buffers aside: each as it was seen last, half-read requests as they
        are now. Complexity: O(1)."""
        return self._of_clients()

    @property
    def besides_keys(self) -> int:
        """What maxmemory limits besides keys and values. Complexity: O(1)."""
        buffers, backlog, places, _ = self.replication()
        return self._of_clients() + self._scripts.memory + min(buffers, backlog) + places

    @property
    def used(self) -> int:
        """used_memory. Complexity: O(1)."""
        return self.used_now()

    cdef int64_t used_now(self) except -1:
        cdef int64_t buffers, places
        buffers, _, places, _ = self.replication()
        return (above.used() + self._of_clients() + self._scripts.memory + buffers + places
                + self._aof_pending())

    def resident(self) -> int:
        """RSS of the process. To ask the system for it costs as much as the rest of INFO memory, so it may be a moment
        old, as it is in Redis."""
        cdef int64_t now = monotonic_now_us()
        if now - self._resident_at > SAMPLE_MS * 1000 or not self._resident:
            self._resident, self._resident_at = process.resident_bytes(), now
        return self._resident

    def sample(self) -> None:
        """The cron: the peak of the sum, and once what is resident without any data."""
        cdef Slab slab
        self._peak = max(self._peak, <int64_t>self.used)
        if self._resident_at_start < 0:
            above.slab(&slab)
            self._resident_at_start = max(<int64_t>0, <int64_t>process.resident_bytes() - slab.resident)

    # ---- all of them
    def figures(self) -> Figures:
        """Everything. Complexity: O(databases), whatever is in them and however many clients there are."""
        return self._figures(False)

    def figures_by_database(self) -> Figures:
        """The same, with those of each database."""
        return self._figures(True)

    cdef Figures _figures(self, bint by_database):
        cdef Figures f = Figures.__new__(Figures)
        cdef Slab slab
        cdef int64_t buffers, backlog, places, replicas
        cdef int64_t clients = self._of_clients()
        above.slab(&slab)
        buffers, backlog, places, f.replicas = self.replication()
        f.eval_scripts, f.functions = self._scripts.texts()
        f.aof_buffer, f.cluster_links = self._aof_pending(), self.cluster_links()
        f.used = (above.used() + clients + f.eval_scripts + f.functions + buffers + places
                  + f.aof_buffer)      # as the property, but nothing is asked for twice
        f.peak = self._peak = max(self._peak, f.used, slab.peak)
        f.startup, f.resident = self.startup, self.resident()
        f.resident_at_start = max(<int64_t>0, self._resident_at_start)
        f.allocated, f.active, f.allocator_resident = slab.allocated, slab.active, slab.resident
        replicas = self._clients.memory_by_class["replica"]
        f.clients_normal, f.clients_replicas = max(<int64_t>0, clients - replicas), replicas + max(<int64_t>0, buffers - backlog)
        f.backlog, f.replication_buffers = min(buffers, backlog) + places, buffers
        if by_database:
            f.databases = []
        above.databases(self._data, f)
        f.overhead = (f.startup + f.backlog + f.clients_replicas + f.clients_normal + f.cluster_links + f.aof_buffer
                      + f.eval_scripts + f.functions + f.of_databases)
        f.derive()
        return f
