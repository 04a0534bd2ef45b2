"""Streams: XINFO, everything there is to know about a stream, its consumer groups and their consumers."""

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import LOADING, READONLY, STALE, container, group
from server.registry.errors import NO_SUCH_KEY, CommandError, named, wrong_subcommand
from server.registry.keys import ACCESS, RO, one_key
from server.types import stream_id
from server.types.stream import UNKNOWN, Consumer, Group, Stream
from server.types.stream_id import HIGHEST, LOWEST

command = group("stream")
container("XINFO", "stream", "What is known about streams, their consumer groups and consumers.",
          since="5.0.0", acl=("-stream",))

_KEY = one_key(RO, ACCESS, at=2)


def _stream_for(call: Call, key: bytes) -> Stream:
    stream = call.db.lookup_read(key, Stream)
    if stream is None:
        raise CommandError(NO_SUCH_KEY)
    return stream


def _entries_read(readers: Group) -> int | None:
    return None if readers.entries_read == UNKNOWN else readers.entries_read


# ---- a stream
def _facts(stream: Stream) -> dict[bytes, object]:
    listpacks, tree_nodes = stream.nodes()
    return {
        b"length": len(stream), b"radix-tree-keys": listpacks, b"radix-tree-nodes": tree_nodes,
        b"last-generated-id": stream_id.text(stream.last_id),
        b"max-deleted-entry-id": stream_id.text(stream.max_deleted_id),
        b"entries-added": stream.entries_added,
        b"recorded-first-entry-id": stream_id.text(stream.first_id),
    }


def _edge_entry(stream: Stream, first: bool) -> object:
    id = stream.edge(first)
    return stream.entries_reply([id], bare=True) if id is not None else None


def _consumer_in_full(readers: Group, consumer: Consumer, count: int) -> dict[bytes, object]:
    pending = readers.pending_range(consumer, LOWEST, HIGHEST, count or -1)
    return {
        b"name": consumer.name, b"seen-time": consumer.seen_ms, b"active-time": consumer.active_ms,
        b"pel-count": consumer.pending_count,
        b"pending": [[id, delivered, deliveries] for id, _, delivered, deliveries in pending],
    }


def _group_in_full(readers: Group, count: int) -> dict[bytes, object]:
    return {
        b"name": readers.name, b"last-delivered-id": stream_id.text(readers.last_id),
        b"entries-read": _entries_read(readers), b"lag": readers.lag(), b"pel-count": readers.pending_count,
        b"pending": readers.pending_range(None, LOWEST, HIGHEST, count or -1),
        b"consumers": [_consumer_in_full(readers, consumer, count) for consumer in readers.consumers()],
    }


def _full_count(call: Call, options: tuple[bytes, ...]) -> int:
    """`FULL [COUNT count]`: how much of each list, 0 for all of it."""
    words = [word.lower() for word in options[:2]]
    if len(options) not in (1, 3) or words not in ([b"full"], [b"full", b"count"]):
        raise wrong_subcommand(call.argv)
    count = args.integer(options[2]) if len(options) == 3 else 10
    return count if count >= 0 else 10


@command("XINFO|STREAM", arity=-3, flags=READONLY, keys=_KEY, since="5.0.0", syntax="key [FULL [COUNT count]]",
         history=(("6.0.0", "Added the `FULL` modifier."),
                  ("7.0.0", "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, "
                            "`entries-read` and `lag` fields"),
                  ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`.")))
def xinfo_stream(call: Call, key: bytes, *options: bytes) -> dict[bytes, object]:
    """Return facts about a stream; with FULL also its first entries, its groups, and what is pending (COUNT of each, 10
    by default, 0 for all).

    Complexity: O(1), with FULL O(N) where N is what is listed.
    """
    stream = _stream_for(call, key)
    if not options:
        return _facts(stream) | {b"groups": len(stream.groups()), b"first-entry": _edge_entry(stream, True),
                                 b"last-entry": _edge_entry(stream, False)}
    count = _full_count(call, options)
    return _facts(stream) | {b"entries": stream.range(LOWEST, HIGHEST, count),
                             b"groups": [_group_in_full(readers, count) for readers in stream.groups()]}


# ---- its groups
@command("XINFO|GROUPS", arity=3, flags=READONLY, keys=_KEY, since="5.0.0", syntax="key",
         history=(("7.0.0", "Added the `entries-read` and `lag` fields"),))
def xinfo_groups(call: Call, key: bytes) -> list[object]:
    """List the consumer groups of a stream, with how far they are.

    Complexity: O(1)
    """
    return [{
        b"name": readers.name, b"consumers": len(readers.consumers()), b"pending": readers.pending_count,
        b"last-delivered-id": stream_id.text(readers.last_id), b"entries-read": _entries_read(readers),
        b"lag": readers.lag(),
    } for readers in _stream_for(call, key).groups()]


@command("XINFO|CONSUMERS", arity=4, flags=READONLY, keys=_KEY, since="5.0.0", syntax="key group",
         tips=("nondeterministic_output",), history=(("7.2.0", "Added the `inactive` field."),))
def xinfo_consumers(call: Call, key: bytes, name: bytes) -> list[object]:
    """List the consumers of a group: what is pending for each, milliseconds since it last tried and last got something.

    Complexity: O(1)
    """
    readers = _stream_for(call, key).group(name)
    if readers is None:
        raise named(b"NOGROUP No such consumer group '%s' for key name '%s'", name, key)
    now = call.now_ms
    return [{
        b"name": consumer.name, b"pending": consumer.pending_count, b"idle": max(now - consumer.seen_ms, 0),
        b"inactive": now - consumer.active_ms if consumer.active_ms != -1 else -1,
    } for consumer in readers.consumers()]


@command("XINFO|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def xinfo_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    List the consumers of a group.",
        "GROUPS <key>",
        "    List the consumer groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]",
        "    Tell everything about a stream.",
        "HELP",
        "    Print this help.",
    ]
