"""MEMORY: where memory goes, for one key and for the server. The numbers are kept by server.observe.memory_account."""

from functools import lru_cache

from server.dispatch.call import Call
from server.keyspace.estimate import weight
from server.observe import memory_advice
from server.observe.memory_account import Figures
from server.registry import args
from server.registry.command import LOADING, READONLY, STALE, container, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import RO, one_key
from server.registry.numbers_reply import NumberNames, NumbersReply
from server.registry.reply import OK, Pairs, Verbatim
from server.structures import memory as allocator

command = group("server")
container("MEMORY", "server", "Where memory goes.", since="4.0.0")

_EMPTY = Verbatim(memory_advice.EMPTY)
_SPECIAL = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")


@command("MEMORY|USAGE", arity=-3, flags=READONLY, keys=one_key(RO, at=2), since="4.0.0", syntax="key [SAMPLES count]")
def memory_usage(call: Call, key: bytes, *words: bytes) -> int | None:
    """Return the bytes that a key and its value cost, null when it is absent.

    Values of many elements are judged by some of them, as many as are worth looking at, whatever SAMPLES says; with
    SAMPLES 0 by all of them.

    Complexity: O(1), with SAMPLES 0 O(N) for large values
    """
    rest = list(words)
    samples = -1
    while rest:
        if rest.pop(0).upper() != b"SAMPLES" or not rest:
            raise syntax()
        samples = args.integer(rest.pop(0))
        if samples < 0:
            raise syntax()
    return call.db.memory_usage(key) if samples == 0 else weight(call.db, key)


_BEFORE_DATABASES = NumberNames(Figures, [
    (b"peak.allocated", "peak"),
    (b"total.allocated", "used"),
    (b"startup.allocated", "startup"),
    (b"replication.backlog", "backlog"),
    (b"clients.slaves", "clients_replicas"),
    (b"clients.normal", "clients_normal"),
    (b"cluster.links", "cluster_links"),
    (b"aof.buffer", "aof_buffer"),
    (b"lua.caches", "eval_scripts"),
    (b"functions.caches", "functions"),
])
_BEHIND_DATABASES = NumberNames(Figures, [
    (b"overhead.total", "overhead"),
    (b"keys.count", "keys"),
    (b"keys.bytes-per-key", "bytes_per_key"),
    (b"dataset.bytes", "dataset"),
    (b"dataset.percentage", "dataset_percent"),
    (b"peak.percentage", "peak_percent"),
    (b"allocator.allocated", "allocated"),
    (b"allocator.active", "active"),
    (b"allocator.resident", "allocator_resident"),
    (b"allocator-fragmentation.ratio", "allocator_frag_ratio"),
    (b"allocator-fragmentation.bytes", "allocator_frag_bytes"),
    (b"allocator-rss.ratio", "allocator_rss_ratio"),
    (b"allocator-rss.bytes", "allocator_rss_bytes"),
    (b"rss-overhead.ratio", "rss_overhead_ratio"),
    (b"rss-overhead.bytes", "rss_overhead_bytes"),
    (b"fragmentation", "fragmentation_ratio"),
    (b"fragmentation.bytes", "fragmentation_bytes"),
])


@command("MEMORY|STATS", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_stats(call: Call) -> NumbersReply:
    """Return the server's use of memory, item by item.

    Complexity: O(1)
    """
    figures = call.server.memory.figures_by_database()
    databases = [(b"db.%d" % number, _database(*parts)) for number, *parts in figures.databases]
    return NumbersReply(figures, _BEFORE_DATABASES, databases, _BEHIND_DATABASES)


def _database(keys: int, expires: int, slots: int) -> Pairs:
    return Pairs([(b"overhead.hashtable.main", keys), (b"overhead.hashtable.expires", expires),
                  (b"overhead.hashtable.slot-to-keys", slots)])


@command("MEMORY|DOCTOR", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_doctor(call: Call) -> Verbatim:
    """Look for what is unusual about memory, and explain it.

    Complexity: O(1)
    """
    server = call.server
    figures = server.memory.figures()
    if figures.used < memory_advice.LITTLE:
        return _EMPTY
    return _report(figures.unusual(len(server.clients), len(server.scripting.scripts)))


@lru_cache
def _report(unusual: int) -> Verbatim:
    return Verbatim(memory_advice.report(unusual))


@command("MEMORY|MALLOC-STATS", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_malloc_stats(call: Call) -> Verbatim:
    """Return the allocator's own figures as text.

    Complexity: Depends on how much memory is allocated
    """
    lines = [f"{name}:{value}\n" for name, value in (allocator.info() | allocator.libc()).items()]
    lines.append("\nSize classes with room: bytes of a block, pages, blocks in use, blocks free\n")
    lines += [" ".join(f"{number:8}" for number in each) + "\n" for each in allocator.classes()]
    return Verbatim("".join(lines))


@command("MEMORY|PURGE", arity=2, since="4.0.0", tips=("request_policy:all_shards", "response_policy:all_succeeded"))
def memory_purge(call: Call) -> str:
    """Give free memory back to the system.

    Complexity: Depends on how much memory is allocated, could be slow
    """
    try:
        allocator.purge()
    except MemoryError:
        raise CommandError("ERR Error purging dirty pages") from None
    return OK


@command("MEMORY|HELP", arity=2, flags=LOADING | STALE, since="4.0.0")
def memory_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Report what is unusual about memory.",
        "MALLOC-STATS",
        "    Show the allocator's figures.",
        "PREFIX <cursor> [SEPARATOR <separator>] [DEPTH <depth>] [COUNT <count>]",
        "    Sum up keys and bytes by prefix, in steps like SCAN's.",
        "PURGE",
        "    Give free memory back to the system.",
        "STATS",
        "    Show how the server uses memory.",
        "USAGE <key> [SAMPLES <count>]",
        "    Show the bytes that <key> and its value cost.",
        "HELP",
        "    Print this help.",
    ]
