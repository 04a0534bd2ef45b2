"""The account of memory: what INFO memory and MEMORY STATS show, kept without scanning keys or clients.

used_memory is the sum of what has an account of its own:

    keys and values            the slab allocator counts every block it hands out
    clients                    server.clients.limits looks at each about once a second
    scripts, functions         their texts and what keeps them
    AOF and replication        what waits to be written, and the backlog

The Python interpreter, the Lua states and what the pools of the I/O threads keep at hand are not in it, only in RSS:
used_memory is what the data and those who use it cost, so that maxmemory means what it means in Redis.
"""

from collections.abc import Callable, Sequence

from server.observe import process
from server.registry.clock import monotonic_now_us
from server.registry.light import NamedTuple, Protocol

ALLOCATOR = "remus-slab"               # mem_allocator
SAMPLE_MS = 100                        # how often the peak of everything together is looked at


class Replication(NamedTuple):
    """Memory of replication, bytes."""

    buffers: int                       # all that waits for replicas, the backlog among it
    backlog: int                       # repl-backlog-size, 0 as long as there is no backlog
    places: int                        # what finds a place in it
    replicas: int                      # replicas that are connected


NO_REPLICATION = Replication(0, 0, 0, 0)


def ratio(top: float, bottom: float) -> float:
    """0 without a divisor."""
    return top / bottom if bottom else 0.0


class Figures(NamedTuple):
    """All of it at one moment, in bytes."""

    used: int                          # used_memory
    peak: int
    startup: int
    resident: int                      # RSS
    resident_at_start: int             # of that, what was not the allocator's when the server began: the interpreter
    allocated: int                     # the allocator's: handed out,
    active: int                        # in pages that are in use, as far as they have been,
    allocator_resident: int            # and with pages kept for later
    clients_normal: int                # pubsub and master links among them
    clients_replicas: int
    backlog: int
    replication_buffers: int
    replicas: int                      # connected
    cluster_links: int
    aof_buffer: int
    eval_scripts: int
    functions: int
    keys: int                          # how many
    databases: list[tuple[int, int, int, int]]     # number, overhead of keys, of expires, of slots; without empty ones
    overhead: int                      # used_memory_overhead: all that is neither key nor value

    @property
    def dataset(self) -> int:
        """used_memory_dataset: keys and values."""
        return max(0, self.used - self.overhead)

    @property
    def net(self) -> int:
        """What came since the start, at least 1: percentages and averages are of that."""
        return max(1, self.used - self.startup)

    @property
    def dataset_percent(self) -> float:
        """used_memory_dataset_perc."""
        return 100 * self.dataset / self.net

    @property
    def peak_percent(self) -> float:
        """used_memory_peak_perc."""
        return 100 * ratio(self.used, self.peak)

    @property
    def not_counted_for_evict(self) -> int:
        """What maxmemory does not limit, because eviction itself makes it grow."""
        return self.clients_replicas + self.aof_buffer


class Numbered(Protocol):
    """A database."""

    index: int

    def __len__(self) -> int:
        """Keys."""

    def overhead(self) -> tuple[int, int, int]:
        """Bytes of keys and of expires that are neither key nor value."""


class Data(Protocol):
    """The keyspace and its allocator."""

    @property
    def databases(self) -> Sequence[Numbered]:
        """All of them."""

    def memory_used(self) -> int:
        """Bytes handed out."""

    def keys_total(self) -> int:
        """Keys in all of them."""

    def allocator(self) -> dict[str, int]:
        """allocated, active, resident, peak."""


class ClientSums(Protocol):
    """What clients cost, by class, each as it was seen last."""

    memory_by_class: dict[str, int]
    partial_accounted: int              # of that, what half-read requests held


class Texts(Protocol):
    """Scripts and functions: what their texts cost."""

    @property
    def memory(self) -> int:
        """Of both."""

    def texts(self) -> tuple[int, int]:
        """Of the cache of scripts, of function libraries."""


class MemoryAccount:
    """Reads the allocator and the rooms' own totals; remembers the peak and what start-up used.

    partial_memory(): bytes that half-read requests hold now; aof_pending(): bytes that wait to be written to the AOF.
    """

    def __init__(self, data: Data, clients: ClientSums, scripts: Texts, partial_memory: Callable[[], int],
                 aof_pending: Callable[[], int]) -> None:
        self._data = data
        self._clients = clients
        self._scripts = scripts
        self._partial_memory = partial_memory
        self._aof_pending = aof_pending
        self._peak = 0
        self._resident_at_start: int | None = None
        self._resident = self._resident_at = 0      # when it was asked for last, and when that was, monotonic us
        self.startup = data.memory_used()
        self.replication: Callable[[], Replication] = lambda: NO_REPLICATION      # for the room that replicates to set
        self.cluster_links: Callable[[], int] = lambda: 0

    # ---- single numbers that are asked for often
    @property
    def clients(self) -> int:
        """Bytes that clients cost, replicas' shared buffers aside: each as it was seen last, half-read requests as they
        are now. Complexity: O(1)."""
        grown = self._partial_memory() - self._clients.partial_accounted
        return max(0, sum(self._clients.memory_by_class.values()) + grown)

    @property
    def besides_keys(self) -> int:
        """What maxmemory limits besides keys and values. Complexity: O(1)."""
        buffers = self.replication()
        return self.clients + self._scripts.memory + min(buffers.buffers, buffers.backlog) + buffers.places

    @property
    def used(self) -> int:
        """used_memory. Complexity: O(1)."""
        buffers = self.replication()
        return (self._data.memory_used() + self.clients + self._scripts.memory + buffers.buffers + buffers.places
                + self._aof_pending())

    def resident(self) -> int:
        """RSS of the process. To ask the system for it costs as much as the rest of INFO memory, so it may be a moment
        old, as it is in Redis."""
        now = monotonic_now_us()
        if now - self._resident_at > SAMPLE_MS * 1000 or not self._resident:
            self._resident, self._resident_at = process.resident_bytes(), now
        return self._resident

    def sample(self) -> None:
        """The cron: the peak of the sum, and once what is resident without any data."""
        self._peak = max(self._peak, self.used)
        if self._resident_at_start is None:
            self._resident_at_start = max(0, process.resident_bytes() - self._data.allocator()["resident"])

    # ---- all of them
    def figures(self) -> Figures:
        """Everything. Complexity: O(databases), whatever is in them and however many clients there are."""
        slab = self._data.allocator()
        buffers = self.replication()
        eval_scripts, functions = self._scripts.texts()
        clients, aof_buffer, cluster_links = self.clients, self._aof_pending(), self.cluster_links()
        used = (self._data.memory_used() + clients + eval_scripts + functions + buffers.buffers + buffers.places
                + aof_buffer)          # as the property, but nothing is asked for twice
        self._peak = max(self._peak, used, slab["peak"])
        replicas = self._clients.memory_by_class["replica"]
        normal, beside_backlog = max(0, clients - replicas), replicas + max(0, buffers.buffers - buffers.backlog)
        backlog = min(buffers.buffers, buffers.backlog) + buffers.places
        databases = [(db.index, *db.overhead()) for db in self._data.databases if len(db)]
        overhead = (self.startup + backlog + beside_backlog + normal + cluster_links + aof_buffer + eval_scripts
                    + functions)
        for _, of_keys, of_expires, of_slots in databases:
            overhead += of_keys + of_expires + of_slots
        return Figures(
            used=used,
            peak=self._peak,
            startup=self.startup,
            resident=self.resident(),
            resident_at_start=self._resident_at_start or 0,
            allocated=slab["allocated"],
            active=slab["active"],
            allocator_resident=slab["resident"],
            clients_normal=normal,
            clients_replicas=beside_backlog,
            backlog=backlog,
            replication_buffers=buffers.buffers,
            replicas=buffers.replicas,
            cluster_links=cluster_links,
            aof_buffer=aof_buffer,
            eval_scripts=eval_scripts,
            functions=functions,
            keys=self._data.keys_total(),
            databases=databases,
            overhead=overhead,
        )
