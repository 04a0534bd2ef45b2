"""Streams: following several at once, as an observer (XREAD) or as a consumer of a group (XREADGROUP), and waiting.

`XREAD ... STREAMS a b 5-0 $` wants entries above 5-0 of a, and those of b that come from now on. In a group, `>` wants
what nobody of the group was given yet: it is given to this consumer, and pending until XACK; an ID instead asks for
what is pending for this consumer above it. A client that waits is run again from the start when a stream grows (see
clients.blocking), a group's also when the stream or the group goes, so that it can answer the error.

Reading in a group changes it. Replicas and the AOF are told the result: an XCLAIM for each entry, or with NOACK the
group's new position (XGROUP SETID) and its new consumers.
"""

from server.clients.blocking import STREAM, milliseconds
from server.clients.client import SCRIPT
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import BLOCKING, READONLY, WRITE, group
from server.registry.errors import CommandError, named, syntax
from server.registry.keys import ACCESS, RO, Keys, keys, spec
from server.registry.light import NamedTuple
from server.registry.reply import NULL_ARRAY, Pairs
from server.types import stream_id
from server.types.stream import Consumer, Group, Stream
from server.types.stream_id import HIGHEST, LOWEST, Id

command = group("stream")

_NEW = HIGHEST           # what `>` stands for
_DOLLAR_IN_GROUP = ("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                    "consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just "
                    "return an empty result set.")
_NO_GROUP = b"NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option"
_NEW_WITHOUT_GROUP = ("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
                      "option.")


class _Wanted(NamedTuple):
    keys: list[bytes]
    ids: list[bytes]     # as written
    most: int            # entries of each stream, 0 for any number
    wait_ms: int         # -1: do not wait; 0: for ever
    group: bytes
    consumer: bytes
    no_ack: bool


def _streams(call: Call, at: int, in_group: bool) -> tuple[list[bytes], list[bytes]]:
    """The keys and the IDs behind the word STREAMS."""
    names = call.argv[at:]
    if len(names) % 2:
        raise CommandError(f"ERR Unbalanced '{call.command.name}' list of streams: for each stream key an ID or "
                           f"'{'>' if in_group else '$'}' must be specified.")
    return names[:len(names) // 2], names[len(names) // 2:]


def _read_words(call: Call, in_group: bool) -> _Wanted:
    argv, at = call.argv, 1
    count, wait_ms, no_ack = 0, -1, False
    group_name = consumer = None
    while at < len(argv):
        option, more = argv[at].lower(), len(argv) - 1 - at
        if option == b"block" and more:
            if call.client.has(SCRIPT):
                raise CommandError(b"ERR %s command is not allowed with BLOCK option from scripts" % argv[0])
            at += 1
            wait_ms = milliseconds(argv[at])
        elif option == b"count" and more:
            at += 1
            count = max(args.integer(argv[at]), 0)
        elif option == b"streams" and more:
            names, ids = _streams(call, at + 1, in_group)
            if in_group and group_name is None:
                raise CommandError("ERR Missing GROUP option for XREADGROUP")
            return _Wanted(names, ids, count, wait_ms, group_name or b"", consumer or b"", no_ack)
        elif option in (b"group", b"noack") and (option == b"noack" or more >= 2):
            if not in_group:
                raise CommandError(f"ERR The {option.decode().upper()} option is only supported by XREADGROUP. "
                                   "You called XREAD instead.")
            if option == b"noack":
                no_ack = True
            else:
                group_name, consumer = argv[at + 1:at + 3]
                at += 2
        else:
            raise syntax()
        at += 1
    raise syntax()


def _reply(call: Call, found: list[tuple[bytes, object]]) -> object:
    """Streams with their entries: a map for RESP3, an array of pairs for RESP2."""
    return Pairs(found) if call.client.resp == 3 else found


def _wait(call: Call, wanted: _Wanted, ids: list[Id] | None, in_group: bool) -> object:
    """Nothing was found: wait if that is wanted and allowed. `$` becomes the ID that it stood for."""
    if wanted.wait_ms < 0 or not call.may_block:
        return NULL_ARRAY
    argv = call.argv
    if ids is not None and b"$" in wanted.ids:
        argv = list(argv)
        first = len(argv) - len(ids)
        for at, id in enumerate(ids):
            if argv[first + at] == b"$":
                argv[first + at] = stream_id.text(id)
    return call.server.blocking.wait(call, STREAM, wanted.keys, wanted.wait_ms, on_no_key=in_group, argv=argv)


# ---- as an observer
def _resolve(stream: Stream | None, word: bytes) -> Id:
    """The ID above which entries are wanted."""
    if word == b"$":
        return stream.last_id if stream is not None else LOWEST
    if word == b">":
        raise CommandError(_NEW_WITHOUT_GROUP)
    return stream_id.read(word)


@command("XREAD", arity=-4, flags=BLOCKING | READONLY, since="5.0.0",
         keys=keys(spec(RO, ACCESS, begin=("keyword", "STREAMS", 1), find=("range", -1, 1, 2))),
         syntax="[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]")
def xread(call: Call, *_words: bytes) -> object:
    """Return entries of one or more streams with IDs above those given, `$` for the last ID there is now; with BLOCK
    wait for some to come when there are none. Streams without any are left out; null when all are.

    Complexity: O(M) where M is the number of entries returned; O(log N) to find the first of each stream.
    """
    wanted = _read_words(call, in_group=False)
    ids = [_resolve(call.db.lookup_read(key, Stream), word) for key, word in zip(wanted.keys, wanted.ids, strict=True)]
    found: list[tuple[bytes, object]] = []
    for key, id in zip(wanted.keys, ids, strict=True):
        stream = call.db.lookup_read(key, Stream)
        if stream is not None and len(stream) and (stream.edge(False) or LOWEST) > id:
            found.append((key, stream.range(stream_id.following(id) or LOWEST, HIGHEST, wanted.most)))
    return _reply(call, found) if found else _wait(call, wanted, ids, in_group=False)


# ---- in a group
def _group(call: Call, key: bytes, name: bytes) -> tuple[Stream, Group]:
    """A stream and its group. Errors: no such group."""
    stream = call.db.lookup_read(key, Stream)
    readers = stream.group(name) if stream is not None else None
    if stream is None or readers is None:
        raise named(_NO_GROUP, key, name)
    return stream, readers


def _check_group(call: Call, key: bytes, name: bytes, word: bytes) -> Id:
    """The ID that is asked for. Errors: no such group, no such ID."""
    _group(call, key, name)
    if word == b"$":
        raise CommandError(_DOLLAR_IN_GROUP)
    return _NEW if word == b">" else stream_id.read(word)


def _consumer(call: Call, key: bytes, readers: Group, wanted: _Wanted) -> Consumer:
    """The consumer, created when it is new."""
    consumer = readers.consumer(wanted.consumer)
    if consumer is None:
        consumer = readers.create_consumer(wanted.consumer, call.now_ms)
        assert consumer is not None
        call.dirty += 1
        call.notify("xgroup-createconsumer", key)
        if wanted.no_ack:
            call.propagate_as(b"XGROUP", b"CREATECONSUMER", key, wanted.group, wanted.consumer)
    consumer.seen_ms = call.now_ms
    return consumer


def _deliver(call: Call, key: bytes, readers: Group, consumer: Consumer, wanted: _Wanted) -> object:
    """Give new entries to a consumer; say so to replicas."""
    reply, ids = readers.read_new(consumer, wanted.most, not wanted.no_ack, call.now_ms)
    if wanted.no_ack:
        if ids:
            call.propagate_as(b"XGROUP", b"SETID", key, wanted.group, stream_id.text(readers.last_id), b"ENTRIESREAD",
                              b"%d" % readers.entries_read)
        return reply
    now = b"%d" % call.now_ms
    for id in ids:
        call.propagate_as(b"XCLAIM", key, wanted.group, wanted.consumer, b"0", id, b"TIME", now, b"RETRYCOUNT", b"1",
                          b"FORCE", b"JUSTID", b"LASTID", id)
    return reply


def _read_in_group(call: Call, key: bytes, id: Id, wanted: _Wanted) -> object:
    """What one stream has for the consumer; None for nothing new."""
    stream, readers = _group(call, key, wanted.group)
    consumer = _consumer(call, key, readers, wanted)
    if id != _NEW:
        call.dirty += 1
        start = stream_id.following(id) or HIGHEST      # the highest ID itself is _NEW
        return readers.read_history(consumer, start, wanted.most, call.now_ms, call.client.resp)
    if not len(stream) or (stream.edge(False) or LOWEST) <= readers.last_id:
        return None
    call.dirty += 1
    return _deliver(call, key, readers, consumer, wanted)


_GROUP_KEYS: Keys = keys(spec(RO, ACCESS, begin=("keyword", "STREAMS", 4), find=("range", -1, 1, 2)))


@command("XREADGROUP", arity=-7, flags=BLOCKING | WRITE, keys=_GROUP_KEYS, since="5.0.0",
         syntax="GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]")
def xreadgroup(call: Call, *_words: bytes) -> object:
    """Return entries of one or more streams to a consumer of a group: with `>` those that nobody of the group got,
    which are pending from now on (not with NOACK); with an ID those above it that are pending for this consumer. With
    BLOCK wait for new ones when there are none.

    Complexity: O(M) where M is the number of entries returned, and O(log N) for each to be pending.
    """
    wanted = _read_words(call, in_group=True)
    ids = [_check_group(call, key, wanted.group, word) for key, word in zip(wanted.keys, wanted.ids, strict=True)]
    call.propagate_nothing()
    found: list[tuple[bytes, object]] = []
    for key, id in zip(wanted.keys, ids, strict=True):
        entries = _read_in_group(call, key, id, wanted)
        if entries is not None:
            found.append((key, entries))
    return _reply(call, found) if found else _wait(call, wanted, None, in_group=True)
