"""What INFO tells of the data: databases, expiry and eviction, what is freed later, big keys and how long values are.

bigkeys is shown only when it is asked for by name, for it names keys. keysizes is as Redis 8.0 tells it, and also part
of INFO all.
"""

from collections.abc import Iterator

from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.defrag import ActiveDefrag
from server.keyspace.defrag_walk import DefragWalk
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.keyspace.keyspace_told import DatabaseLines  # and where the numbers of the keyspace are
from server.keyspace.lazyfree import LazyFree
from server.registry.info import section
from server.registry.info_sections import CLIENTS, KEYSPACE, MEMORY, STATS
from server.registry.quoting import shown_key

SHOWN = 10

# ---- databases
CLIENTS.of(Keyspace).field("total_blocking_keys", lambda keyspace: keyspace.blocking_total,
                           metric="total_blocking_keys")
KEYSPACE.of(DatabaseLines).family(lambda databases: databases.now())


# ---- what becomes of keys
stats = STATS.of(Keyspace)
stats.field("expired_keys", lambda keyspace: keyspace.expired_keys, metric="expired_keys_total", counter=True)
stats.field("keyspace_hits", lambda keyspace: keyspace.hits, metric="keyspace_hits_total", counter=True)
stats.field("keyspace_misses", lambda keyspace: keyspace.misses, metric="keyspace_misses_total", counter=True)

expiry = STATS.of(ActiveExpire)
expiry.field("expired_stale_perc", lambda expiry: expiry.stale_percent, metric="expired_stale_percentage", digits=2)
expiry.field("expired_time_cap_reached_count", lambda expiry: expiry.time_cap_reached,
             metric="expired_time_cap_reached_total", counter=True)
expiry.field("expire_cycle_cpu_milliseconds", lambda expiry: expiry.cpu_milliseconds,
             metric="expire_cycle_cpu_time_ms_total", counter=True)


evictions = STATS.of(Evictor)
evictions.field("evicted_keys", lambda evictor: evictor.evicted_keys, metric="evicted_keys_total", counter=True)
evictions.field("total_eviction_exceeded_time",
                lambda evictor: evictor.total_exceeded_ms,
                metric="eviction_exceeded_time_ms_total", counter=True)
evictions.field("current_eviction_exceeded_time", lambda evictor: evictor.current_exceeded_ms,
                metric="current_eviction_exceeded_time_ms")

lazyfree = MEMORY.of(LazyFree)
lazyfree.field("lazyfree_pending_objects", lambda lazyfree: lazyfree.pending, metric="lazyfree_pending_objects")
lazyfree.field("lazyfreed_objects", lambda lazyfree: lazyfree.freed, metric="lazyfreed_objects")

# ---- active defragmentation
MEMORY.of(ActiveDefrag).field("active_defrag_running", lambda defrag: defrag.running, metric="active_defrag_running")
defrag = STATS.of(ActiveDefrag)
defrag.field("active_defrag_hits", lambda defrag: defrag.hits, metric="defrag_hits")
defrag.field("active_defrag_misses", lambda defrag: defrag.misses, metric="defrag_misses")
walk = STATS.of(DefragWalk)
walk.field("active_defrag_key_hits", lambda walk: walk.key_hits, metric="defrag_key_hits")
walk.field("active_defrag_key_misses", lambda walk: walk.key_misses, metric="defrag_key_misses")
defrag.field("total_active_defrag_time", lambda defrag: defrag.total_ms)
defrag.field("current_active_defrag_time", lambda defrag: defrag.current_ms)

# ---- what the walk over the keys met (big-keys-walk)
bigkeys = section("bigkeys", "Bigkeys", default=False, in_all=False).of(BigKeys)
bigkeys.field("big_keys_walks", lambda walk: walk.passes)
bigkeys.field("big_keys_walked_keys", lambda walk: walk.keys)
bigkeys.field("big_keys_walk_usec", lambda walk: walk.spent_us)


@bigkeys.family
def big_key_lines(walk: BigKeys) -> Iterator[tuple[str, str]]:
    """big_hash_0:db=0,bytes=123456,elements=1000,key="user:1": the biggest of each type; the key comes last."""
    number: dict[str, int] = {}
    for each in walk.biggest(SHOWN):
        at = number[each.type] = number.get(each.type, -1) + 1
        yield (
            f"big_{each.type}_{at}",
            f"db={each.db},bytes={each.weight},elements={each.elements},key={shown_key(each.key)}",
        )


KEYSIZES = {"string": "strings_sizes", "list": "lists_items", "set": "sets_items", "zset": "zsets_items",
            "hash": "hashes_items"}  # fmt: skip


def scaled(size: int) -> str:
    """A power of two in short: 512, 1K, 2M."""
    for unit in ("", "K", "M", "G", "T", "P"):
        if size < 1024:
            return f"{size}{unit}"
        size //= 1024
    return f"{size}E"


@section("keysizes", "Keysizes", default=False).of(BigKeys).family
def key_size_lines(walk: BigKeys) -> Iterator[tuple[str, str]]:
    """db0_distrib_lists_items:1=2,4=1K: the number before the sign is the least of its class, and the next class begins
    at twice as many. What the last complete walk over the keys met; no lines without one."""
    for (db, name), classes in walk.lengths().items():
        if name in KEYSIZES:
            yield f"db{db}_distrib_{KEYSIZES[name]}", ",".join(f"{scaled(least)}={keys}" for least, keys in classes)
