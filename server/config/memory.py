"""Directives about memory: limits, eviction, lazy freeing, defragmentation, the active expire cycle."""

from server.registry.directive import (
    INT_MAX,
    LLONG_MAX,
    LONG_MAX,
    MB,
    ULLONG_MAX,
    Bool,
    Choice,
    Flag,
    Memory,
    Number,
)


def _check_defrag(wanted: bool) -> str | None:
    if wanted:
        return (
            "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc "
            "like the one shipped by default with the Redis source distribution"
        )
    return None


DIRECTIVES = (
    Memory("maxmemory", 0, 0, ULLONG_MAX, "Memory the data set may use before keys are evicted; 0 for no limit."),
    Choice("maxmemory-policy", "noeviction",
           ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu",
            "allkeys-random", "noeviction"),
           "Which keys go when maxmemory is reached."),
    Number("maxmemory-samples", 5, 1, INT_MAX, "Keys looked at to find the one to evict; more is more exact."),
    Number("maxmemory-eviction-tenacity", 10, 0, 100, "How long eviction may hold the loop: 0 is least, 100 no limit."),
    Number("lfu-log-factor", 10, 0, INT_MAX, "How slowly the LFU access counter of a key grows."),
    Number("lfu-decay-time", 1, 0, INT_MAX, "Minutes after which an idle key's LFU counter is lowered by one."),
    Number("active-expire-effort", 1, 1, 10, "How much CPU the search for expired keys may use."),
    Bool("lazyfree-lazy-eviction", False, "Free evicted values in the background.", flags=Flag.DEBUG),
    Bool("lazyfree-lazy-expire", False, "Free expired values in the background.", flags=Flag.DEBUG),
    Bool("lazyfree-lazy-server-del", False, "Free values that a command overwrites in the background.",
         flags=Flag.DEBUG),
    Bool("lazyfree-lazy-user-del", False, "Let DEL work as UNLINK does.", flags=Flag.DEBUG),
    Bool("lazyfree-lazy-user-flush", False, "Let FLUSHALL and FLUSHDB without a mode work as with ASYNC.",
         flags=Flag.DEBUG),
    Bool("activerehashing", True, "Give a millisecond per cron run to growing and shrinking the key tables."),
    Bool("jemalloc-bg-thread", True, "Accepted for compatibility: the allocator's own thread is not ours to steer.",
         part="jemalloc"),
    Bool("activedefrag", False, "Move values to close gaps in memory; cannot be turned on here.", flags=Flag.DEBUG,
         part="defragmentation", check=_check_defrag),
    Memory("active-defrag-ignore-bytes", 100 * MB, 1, LLONG_MAX, "Fragmentation below this many bytes is let be.",
           part="defragmentation"),
    Number("active-defrag-threshold-lower", 10, 0, 1000, "Percent of fragmentation at which defragmentation starts.",
           part="defragmentation"),
    Number("active-defrag-threshold-upper", 100, 0, 1000, "Percent of fragmentation that gets the greatest effort.",
           part="defragmentation"),
    Number("active-defrag-cycle-min", 1, 1, 99, "Least effort of defragmentation, in percent of CPU.",
           part="defragmentation"),
    Number("active-defrag-cycle-max", 25, 1, 99, "Greatest effort of defragmentation, in percent of CPU.",
           part="defragmentation"),
    Number("active-defrag-max-scan-fields", 1000, 1, LONG_MAX,
           "Collections with more elements than this are defragmented in steps.", part="defragmentation"),
)
