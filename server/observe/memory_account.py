"""The account of memory: what INFO memory and MEMORY STATS show, kept without scanning keys or clients.

used_memory is the sum of what has an account of its own:

    keys and values            the slab allocator counts every block it hands out
    clients                    server.clients.limits looks at each about once a second
    scripts, functions         their texts and what keeps them
    AOF and replication        what waits to be written, and the backlog

The Python interpreter, the Lua states and what the pools of the I/O threads keep at hand are not in it, only in RSS:
used_memory is what the data and those who use it cost, so that maxmemory means what it means in Redis.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from server.observe import process

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
    databases: list[tuple[int, int, int]]      # number, overhead of keys, overhead of expires; without empty ones

    @property
    def overhead(self) -> int:
        """used_memory_overhead: all that is neither key nor value."""
        return (self.startup + self.backlog + self.clients_replicas + self.clients_normal + self.cluster_links
                + self.aof_buffer + self.eval_scripts + self.functions
                + sum(keys + expires for _, keys, expires in self.databases))

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


class MemoryAccount:
    """Reads the allocator and the rooms' own totals; remembers the peak and what start-up used."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._peak = 0
        self._resident_at_start: int | None = None
        self.startup = server.keyspace.memory_used()
        self.replication: Callable[[], Replication] = lambda: NO_REPLICATION      # for the room that replicates to set
        server.cron.every(SAMPLE_MS, self.sample)

    # ---- single numbers that are asked for often
    @property
    def clients(self) -> int:
        """Bytes that clients cost, replicas' shared buffers aside: each as it was seen last, half-read requests as they
        are now. Complexity: O(1)."""
        limits = self._server.limits
        grown = self._server.loop.partial_memory - limits.partial_accounted
        return max(0, sum(limits.memory_by_class.values()) + grown)

    @property
    def aof_buffer(self) -> int:
        """Bytes that wait to be written to the AOF."""
        aof = self._server.aof
        return 0 if aof.state == "off" else aof.sink.pending

    @property
    def besides_keys(self) -> int:
        """What maxmemory limits besides keys and values. Complexity: O(1)."""
        scripting = getattr(self._server, "scripting", None)   # maxmemory is followed before there are scripts
        buffers = self.replication()
        texts = scripting.memory if scripting is not None else 0
        return self.clients + texts + min(buffers.buffers, buffers.backlog) + buffers.places

    @property
    def used(self) -> int:
        """used_memory. Complexity: O(1)."""
        buffers = self.replication()
        beyond_backlog = max(0, buffers.buffers - buffers.backlog)
        return int(self._server.keyspace.memory_used()) + self.besides_keys + beyond_backlog + self.aof_buffer

    def sample(self) -> None:
        """The cron: the peak of the sum, and once what is resident without any data."""
        self._peak = max(self._peak, self.used)
        if self._resident_at_start is None:
            self._resident_at_start = max(0, process.resident_bytes() - self._server.keyspace.allocator()["resident"])

    # ---- all of them
    def figures(self) -> Figures:
        """Everything. Complexity: O(databases), whatever is in them and however many clients there are."""
        server = self._server
        slab = server.keyspace.allocator()
        by_class, buffers, scripting = server.limits.memory_by_class, self.replication(), server.scripting
        used = self.used
        self._peak = max(self._peak, used, slab["peak"])
        replicas = by_class["replica"]
        resident = process.resident_bytes()
        databases = [db for db in server.keyspace.databases if len(db)]
        return Figures(
            used=used,
            peak=self._peak,
            startup=self.startup,
            resident=resident,
            resident_at_start=self._resident_at_start or 0,
            allocated=slab["allocated"],
            active=slab["active"],
            allocator_resident=slab["resident"],
            clients_normal=max(0, self.clients - replicas),
            clients_replicas=replicas + max(0, buffers.buffers - buffers.backlog),
            backlog=min(buffers.buffers, buffers.backlog) + buffers.places,
            replication_buffers=buffers.buffers,
            replicas=buffers.replicas,
            cluster_links=0,
            aof_buffer=self.aof_buffer,
            eval_scripts=scripting.scripts.memory,
            functions=scripting.functions.memory,
            keys=sum(map(len, databases)),
            databases=[(db.index, *db.overhead()) for db in databases],
        )
