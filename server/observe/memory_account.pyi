"""The account of memory: what INFO memory and MEMORY STATS show, kept without scanning keys or clients."""

from collections.abc import Callable

from server.observe.seams import ClientSums, Replication, Texts

ALLOCATOR: str
SAMPLE_MS: int

class Figures:
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
    scripts: int                       # used_memory_scripts: texts of either kind
    dataset: int                       # used_memory_dataset: keys and values
    net: int                           # what came since the start, at least 1: percentages and averages are of that
    bytes_per_key: int                 # of what came since the start; 0 without keys
    dataset_percent: float
    peak_percent: float
    not_counted_for_evict: int         # what maxmemory does not limit, because eviction itself makes it grow
    # What is held beyond what is used: by pages that are partly in use, by pages that nothing is in, by what is not the
    # allocator's, all together.
    allocator_frag_ratio: float
    allocator_frag_bytes: int
    allocator_rss_ratio: float
    allocator_rss_bytes: int
    rss_overhead_ratio: float
    rss_overhead_bytes: int
    fragmentation_ratio: float
    fragmentation_bytes: int

    def unusual(self, clients: int, scripts: int) -> int:
        """Of memory_advice's remarks those to be made, a bit each, in their order. clients: connected ones; scripts: how
        many are cached."""

class MemoryAccount:
    """Reads the allocator and the rooms' own totals; remembers the peak and what start-up used. data: the keyspace."""

    replication: Callable[[], Replication]
    cluster_links: Callable[[], int]
    startup: int

    def __init__(self, data: object, clients: ClientSums, scripts: Texts, partial_memory: Callable[[], int],
                 aof_pending: Callable[[], int]) -> None: ...

    @property
    def clients(self) -> int:
        """Bytes that clients cost, replicas' shared buffers aside: each as it was seen last, half-read requests as they
        are now. Complexity: O(1)."""

    @property
    def besides_keys(self) -> int:
        """What maxmemory limits besides keys and values. Complexity: O(1)."""

    @property
    def used(self) -> int:
        """used_memory. Complexity: O(1)."""

    def resident(self) -> int:
        """RSS of the process, at most a moment old."""

    def sample(self) -> None:
        """The cron: the peak of the sum, and once what is resident without any data."""

    def figures(self) -> Figures:
        """Everything. Complexity: O(databases), whatever is in them and however many clients there are."""

    def figures_by_database(self) -> Figures:
        """The same, with those of each database."""
