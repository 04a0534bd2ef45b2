"""MEMORY: where memory goes, for one key and for the server. The numbers are kept by server.observe.memory_account."""

from typing import Any

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import LOADING, READONLY, STALE, container, group
from server.registry.errors import CommandError, syntax
from server.registry.info import human
from server.registry.keys import RO, one_key
from server.registry.reply import OK, Pairs, Verbatim
from server.structures import memory as allocator

command = group("server")
container("MEMORY", "server", "Where memory goes.", since="4.0.0")

_SPECIAL = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")
_SMALL = 5 << 20                       # bytes: below, ratios say nothing
_MUCH = 10 << 20                       # bytes that are worth a remark
_CLIENT_MUCH = 200 << 10               # bytes per client, on average


@command("MEMORY|USAGE", arity=-3, flags=READONLY, keys=one_key(RO, at=2), since="4.0.0", syntax="key [SAMPLES count]")
def memory_usage(call: Call, key: bytes, *words: bytes) -> int | None:
    """Return the bytes that a key and its value cost, null when it is absent.

    Sizes of elements are known exactly here, so SAMPLES is read but changes nothing.

    Complexity: O(1) for strings and compact values, O(N) for large ones
    """
    rest = list(words)
    while rest:
        if rest.pop(0).upper() != b"SAMPLES" or not rest:
            raise syntax()
        if args.integer(rest.pop(0)) < 0:
            raise syntax()
    return call.db.memory_usage(key)


def _figures(server: Any) -> dict[str, Any]:
    """Everything MEMORY STATS shows, by its name there, but for the databases."""
    account = server.memory
    used, resident = account.used, account.resident
    slab = allocator.info()
    keys = server.keyspace.keys_total()
    dataset = account.dataset

    def ratio(top: int, bottom: int) -> float:
        return top / bottom if bottom else 0.0

    return {
        "peak.allocated": max(account.peak, used),
        "total.allocated": used,
        "startup.allocated": account.startup,
        "replication.backlog": 0,
        "clients.slaves": 0,
        "clients.normal": account.clients,
        "cluster.links": 0,
        "aof.buffer": 0,
        "lua.caches": 0,
        "functions.caches": 0,
        "overhead.total": account.overhead,
        "keys.count": keys,
        "keys.bytes-per-key": max(0, used - account.startup) // keys if keys else 0,
        "dataset.bytes": dataset,
        "dataset.percentage": 100 * ratio(dataset, max(1, used - account.startup)),
        "peak.percentage": 100 * ratio(used, max(account.peak, used)),
        "allocator.allocated": slab["allocated"],
        "allocator.active": slab["active"],
        "allocator.resident": slab["resident"],
        "allocator-fragmentation.ratio": ratio(slab["active"], slab["allocated"]),
        "allocator-fragmentation.bytes": slab["active"] - slab["allocated"],
        "allocator-rss.ratio": ratio(slab["resident"], slab["active"]),
        "allocator-rss.bytes": slab["resident"] - slab["active"],
        "rss-overhead.ratio": ratio(resident, slab["resident"]),
        "rss-overhead.bytes": resident - slab["resident"],
        "fragmentation": ratio(resident, used),
        "fragmentation.bytes": resident - used,
    }


@command("MEMORY|STATS", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_stats(call: Call) -> Pairs:
    """Return the server's use of memory, item by item.

    Complexity: O(1)
    """
    figures = _figures(call.server)
    pairs: list[tuple[bytes, Any]] = []
    for name, value in figures.items():
        if name == "overhead.total":
            pairs += [(b"db.%d" % db.index, _database(db)) for db in call.server.keyspace.databases if len(db)]
        pairs.append((name.encode(), value))
    return Pairs(pairs)


def _database(db: Any) -> Pairs:
    main, expires = db.overhead()
    return Pairs([(b"overhead.hashtable.main", main), (b"overhead.hashtable.expires", expires),
                  (b"overhead.hashtable.slot-to-keys", 0)])


@command("MEMORY|DOCTOR", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_doctor(call: Call) -> Verbatim:
    """Look for what is unusual about memory, and explain it.

    Complexity: O(1)
    """
    figures = _figures(call.server)
    if figures["total.allocated"] - figures["startup.allocated"] < _SMALL:
        return Verbatim("Nothing to examine: the data set is empty or very small, and ratios would mean little. Ask "
                        "again when it has grown.\n")
    findings = list(_findings(call.server, figures))
    if not findings:
        return Verbatim("No memory problem found.\n")
    return Verbatim("What looks unusual about memory:\n\n" + "".join(f" * {text}\n\n" for text in findings))


def _findings(server: Any, figures: dict[str, Any]) -> Any:
    if figures["peak.allocated"] > 1.5 * figures["total.allocated"]:
        yield (f"Peak memory: {human(figures['peak.allocated'])} were in use once, {human(figures['total.allocated'])} "
               "are now. What was freed is used again before the system is asked for more, so this is harmless; a high "
               "resident size follows from it. MEMORY PURGE gives back what can be.")
    if figures["fragmentation"] > 1.4 and figures["fragmentation.bytes"] > _MUCH:
        yield ("High total RSS: the process holds much more than its data needs. Usually that is left from a peak or "
               "from deleting keys of very different sizes.")
    if figures["allocator-fragmentation.ratio"] > 1.1 and figures["allocator-fragmentation.bytes"] > _MUCH:
        yield "High allocator fragmentation: many blocks of memory are only partly in use, mostly after deleting keys."
    if figures["allocator-rss.ratio"] > 1.1 and figures["allocator-rss.bytes"] > _MUCH:
        yield "High allocator RSS overhead: free blocks are still held. MEMORY PURGE gives them back."
    if figures["rss-overhead.ratio"] > 1.1 and figures["rss-overhead.bytes"] > _MUCH + figures["startup.allocated"]:
        yield "High process RSS overhead: memory outside the keyspace has grown: buffers, scripts, the interpreter."
    if figures["clients.normal"] > _CLIENT_MUCH * max(1, len(server.clients)):
        yield ("Big client buffers: clients hold more than 200 KB each on average, because they do not read their "
               "replies fast enough or send very large commands. CLIENT LIST shows which (omem, qbuf).")


@command("MEMORY|MALLOC-STATS", arity=2, since="4.0.0", tips=_SPECIAL)
def memory_malloc_stats(call: Call) -> Verbatim:
    """Return the allocator's own figures as text.

    Complexity: Depends on how much memory is allocated
    """
    return Verbatim("".join(f"{name}:{value}\n" for name, value in allocator.info().items()))


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
        "PURGE",
        "    Give free memory back to the system.",
        "STATS",
        "    Show how the server uses memory.",
        "USAGE <key> [SAMPLES <count>]",
        "    Show the bytes that <key> and its value cost.",
        "HELP",
        "    Print this help.",
    ]
