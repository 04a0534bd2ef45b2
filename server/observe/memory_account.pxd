# cython: language_level=3
"""The account of memory, and what rooms above tell it."""
from libc.stdint cimport int64_t

cdef class Figures:
    cdef readonly int64_t used         # used_memory
    cdef readonly int64_t peak, startup
    cdef readonly int64_t resident     # RSS
    cdef readonly int64_t resident_at_start        # of that, what was not the allocator's when the server began: the interpreter
    cdef readonly int64_t allocated    # the allocator's: handed out,
    cdef readonly int64_t active       # in pages that are in use, as far as they have been,
    cdef readonly int64_t allocator_resident       # and with pages kept for later
    cdef readonly int64_t clients_normal           # pubsub and master links among them
    cdef readonly int64_t clients_replicas
    cdef readonly int64_t backlog, replication_buffers
    cdef readonly int64_t replicas     # connected
    cdef readonly int64_t cluster_links, aof_buffer, eval_scripts, functions
    cdef readonly int64_t keys         # how many
    cdef readonly list databases       # number, overhead of keys, of expires, of slots; without empty ones. None: not asked for
    cdef int64_t of_databases          # all their overhead
    cdef readonly int64_t overhead     # used_memory_overhead: all that is neither key nor value
    cdef readonly int64_t scripts      # used_memory_scripts: texts of either kind
    cdef readonly int64_t dataset      # used_memory_dataset: keys and values
    cdef readonly int64_t bytes_per_key            # of what came since the start; 0 without keys
    cdef readonly int64_t net          # what came since the start, at least 1: percentages and averages are of that
    cdef readonly double dataset_percent, peak_percent
    cdef readonly int64_t not_counted_for_evict    # what maxmemory does not limit, because eviction itself makes it grow
    # What is held beyond what is used, as ratio and in bytes: by pages that are partly in use; by pages that nothing is in;
    # by what is not the allocator's; all together.
    cdef readonly double allocator_frag_ratio, allocator_rss_ratio, rss_overhead_ratio, fragmentation_ratio
    cdef readonly int64_t allocator_frag_bytes, allocator_rss_bytes, rss_overhead_bytes, fragmentation_bytes

    cdef void derive(self) noexcept

cdef class MemoryAccount:
    cdef object _data, _clients, _scripts, _partial_memory, _aof_pending
    cdef public object replication     # () -> Replication: for the room that replicates to set
    cdef public object cluster_links   # () -> bytes
    cdef readonly int64_t startup
    cdef int64_t _peak
    cdef int64_t _resident_at_start    # -1: not known yet
    cdef int64_t _resident, _resident_at           # when it was asked for last, and when that was, monotonic us

    cdef int64_t _of_clients(self) except -1
    cdef int64_t used_now(self) except -1
    cdef Figures _figures(self, bint by_database)

# ---- what rooms above do for it, each set by its file
cdef struct Slab:                      # the allocator's account, bytes
    int64_t allocated, active, resident, peak

ctypedef int64_t (*used_t)() noexcept                      # bytes handed out
ctypedef void (*slab_t)(Slab* slab) noexcept
ctypedef int (*databases_t)(object data, Figures figures) except -1
    # fill in keys, of_databases, and `databases` if that is a list

cdef struct Above:
    used_t used                        # structures.memory
    slab_t slab
    databases_t databases              # keyspace.keyspace_told

cdef Above above
