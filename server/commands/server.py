"""The server as a whole: emptying it, its size and role, watching it (MONITOR, INFO), and its end (SHUTDOWN)."""

from server.clients import multi
from server.clients.client import DENY_BLOCKING, LINK, MONITOR, REPLICA
from server.dispatch import conditions
from server.dispatch.call import Call
from server.registry import args, clock
from server.registry.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    SENTINEL,
    STALE,
    WRITE,
    group,
)
from server.registry.errors import DB_OUT_OF_RANGE, CommandError, syntax
from server.registry.info import render
from server.registry.reply import NO_REPLY, OK, NoReply, Verbatim
from server.version import REDIS_VERSION

command = group("server")
_ON_ALL_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")
_FLUSH_HISTORY = (("4.0.0", "Takes ASYNC: memory comes back in the background."),
                  ("6.2.0", "Takes SYNC: the opposite, whatever lazyfree-lazy-user-flush says."))
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_NOTHING = Verbatim(f"Redis ver. {REDIS_VERSION}\n")


# ---- keys of whole databases
@command("DBSIZE", arity=1, flags=READONLY | FAST, since="1.0.0", acl=("keyspace",),
         tips=("request_policy:all_shards", "response_policy:agg_sum"))
def dbsize(call: Call) -> int:
    """Return how many keys the selected database has, expired ones that are still there included.

    Complexity: O(1)
    """
    return len(call.db)


def _lazily(call: Call, words: tuple[bytes, ...]) -> bool:
    """Whether a flush is to free memory in steps: [ASYNC | SYNC], else lazyfree-lazy-user-flush."""
    if not words:
        return bool(call.config.lazyfree_lazy_user_flush)
    how = words[0].upper()
    if len(words) > 1 or how not in (b"ASYNC", b"SYNC"):
        raise syntax()
    return how == b"ASYNC"


def _no_slots_move(call: Call) -> None:
    """Slots on their way, in a cluster, are not what they were: their migration is over."""
    if call.server.cluster is not None:
        call.server.cluster.migrating.flushed()


def _told_even_if_empty(call: Call) -> None:
    """A flush is propagated although it removed nothing: a replica may have more than we do."""
    call.propagate_as(*call.argv)


@command("FLUSHDB", arity=-1, flags=WRITE, since="1.0.0", acl=("keyspace", "dangerous"), syntax="[ASYNC | SYNC]",
         tips=_ON_ALL_SHARDS, history=_FLUSH_HISTORY)
def flushdb(call: Call, *words: bytes) -> str:
    """Remove all keys of the selected database.

    Complexity: O(N) where N is the number of keys in the database
    """
    lazy = _lazily(call, words)
    multi.all_changed(call.db)
    call.dirty += call.db.flush(lazy)
    call.server.tracking.flushed(lazy)
    call.server.blocking.emptied([call.db])
    _no_slots_move(call)
    _told_even_if_empty(call)
    return OK


@command("FLUSHALL", arity=-1, flags=WRITE, since="1.0.0", acl=("keyspace", "dangerous"), syntax="[ASYNC | SYNC]",
         tips=_ON_ALL_SHARDS, history=_FLUSH_HISTORY)
def flushall(call: Call, *words: bytes) -> str:
    """Remove all keys of all databases.

    Complexity: O(N) where N is the number of keys in all databases
    """
    lazy = _lazily(call, words)
    databases = call.db.keyspace.databases
    for db in databases:
        if db.watched:
            multi.all_changed(db)
    call.server.blocking.emptied(databases)
    call.dirty += call.db.keyspace.flush(lazy)
    call.server.tracking.flushed(lazy)
    _no_slots_move(call)
    if call.server.snapshots.emptied():
        call.dirty = 0
    _told_even_if_empty(call)
    return OK


@command("SWAPDB", arity=3, flags=WRITE | FAST, since="4.0.0", acl=("keyspace", "dangerous"), syntax="index1 index2")
def swapdb(call: Call, first: bytes, second: bytes) -> str:
    """Exchange two databases: clients connected to one see the keys of the other at once.

    Complexity: O(N) where N is the number of clients that watch or wait for keys of the two.
    """
    if call.config.cluster_enabled:
        raise CommandError("ERR SWAPDB is not allowed in cluster mode")
    one = args.integer_in(first, _INT_MIN, _INT_MAX, "ERR invalid first DB index")
    other = args.integer_in(second, _INT_MIN, _INT_MAX, "ERR invalid second DB index")
    databases = call.db.keyspace.databases
    if not (0 <= one < len(databases) and 0 <= other < len(databases)):
        raise CommandError(DB_OUT_OF_RANGE)
    call.dirty += 1
    if one != other:
        a, b = databases[one], databases[other]
        multi.all_changed(a, b)
        multi.all_changed(b, a)
        call.db.keyspace.swap(one, other)
        call.server.blocking.swapped(a, b)
    return OK


# ---- what it says of itself
@command("TIME", arity=1, flags=LOADING | STALE | FAST, since="2.6.0", tips=("nondeterministic_output",))
def time_(call: Call) -> list[bytes]:
    """Return the server's time: Unix seconds, and the microseconds of the current second.

    Complexity: O(1)
    """
    now = clock.unix_us()
    return [b"%d" % (now // 1000000), b"%d" % (now % 1000000)]


@command("LOLWUT", arity=-1, flags=READONLY | FAST, since="5.0.0", syntax="[VERSION version]")
def lolwut(call: Call, *words: bytes) -> Verbatim:
    """Show something of no use at all, and the version.

    Complexity: O(1)
    """
    if len(words) >= 2 and words[0].upper() == b"VERSION":
        args.integer(words[1])
    return _NOTHING


@command("INFO", arity=-1, flags=LOADING | STALE | SENTINEL, since="1.0.0", acl=("dangerous",),
         syntax="[section [section ...]]",
         tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
         history=(("7.0.0", "Takes several sections."),))
def info(call: Call, *sections: bytes) -> Verbatim:
    """Return facts and counters about the server, as lines of `name:value` under section titles.

    Without arguments those sections that are cheap and usually wanted; `all` adds the long ones, `everything` what
    modules have to say.

    Complexity: O(1)
    """
    return Verbatim(render(call.server.parts, sections))


@command("MONITOR", arity=1, flags=ADMIN | NOSCRIPT | LOADING | STALE, since="1.0.0")
def monitor(call: Call) -> str | NoReply:
    """Have every command that the server runs sent to this connection, until it closes or sends RESET.

    Complexity: O(1), and from then on the cost of showing every command
    """
    if call.client.has(DENY_BLOCKING):
        raise CommandError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if call.client.has(REPLICA):
        return NO_REPLY
    call.client.set(REPLICA | MONITOR)
    call.client.slow_because(LINK)
    call.server.monitors.append(call.client)
    conditions.slow_because("monitors", True)
    return OK


# ---- its end
@command("SHUTDOWN", arity=-1, flags=ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | SENTINEL | ALLOW_BUSY,
         since="1.0.0", syntax="[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
         history=(("7.0.0", "Knows NOW, FORCE and ABORT."),))
def shutdown(call: Call, *words: bytes) -> str | NoReply:
    """Save what is to be saved, stop the server and close every connection: there is no reply, unless it fails.

    SAVE and NOSAVE overrule the save points. NOW does not wait for replicas that lag, FORCE goes on although saving
    failed, ABORT calls off a shutdown that waits.

    Complexity: O(N) when saving, N being all keys; otherwise O(1)
    """
    chosen = frozenset(word.decode("latin-1").lower() for word in words)
    if not chosen <= {"save", "nosave", "now", "force", "abort"} or {"save", "nosave"} <= chosen:
        raise syntax()
    if "abort" in chosen:
        if len(chosen) > 1:
            raise syntax()
        if not call.server.shutdown.abort():
            raise CommandError("ERR No shutdown in progress.")
        return OK
    if "now" not in chosen and call.client.has(DENY_BLOCKING):
        raise CommandError("ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client")
    call.server.shutdown.request(chosen, call.client)
    return NO_REPLY
