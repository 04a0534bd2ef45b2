"""Streams: entries of fields and values under IDs that only grow, and ranges of them.

An entry's ID is `ms-seq`, the time it was added unless the client says another; a higher one than any before. A stream
remembers its last ID and what it lost, so it stays when its last entry goes. Trimming drops entries at the old end:
exactly, or with `~` by whole nodes only, which costs next to nothing. Replicas and the AOF are told the ID that was
chosen, and how far trimming really went.
"""

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import NO_SUCH_KEY, CommandError, syntax, wrong_arity
from server.registry.keys import ACCESS, DELETE, RO, RW, UPDATE, keys, one_key, spec
from server.registry.light import NamedTuple
from server.registry.reply import NULL_ARRAY, OK
from server.types import stream_id
from server.types.stream import MAX_BYTES, MAXLEN, MINID, Stream
from server.types.stream_id import HIGHEST, LOWEST, Id

command = group("stream")

_TRIM = "[<MAXLEN | MINID> [= | ~] threshold [LIMIT count]]"
_STRATEGY = {"MAXLEN": MAXLEN, "MINID": MINID}
_LIMIT_ALONE = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
_LIMIT_EXACT = "ERR syntax error, LIMIT cannot be used without the special ~ option"
_TWO_STRATEGIES = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
_NODES_AT_ONCE, _FEWEST_AT_ONCE, _MOST_AT_ONCE = 100, 10000, 1000000


# ---- how to trim
class Trim(NamedTuple):
    """What to drop, and where it was said."""

    strategy: int
    threshold: int | Id
    approx: bool
    limit: int           # entries at most, 0 for any number
    place: int           # index of the threshold in argv


class _Options(NamedTuple):
    trim: Trim | None
    no_stream: bool      # NOMKSTREAM
    id: Id | None        # None for `*`
    whole_id: bool       # not `ms-*`
    place: int           # index in argv of XADD's ID


def _default_limit(call: Call) -> int:
    """Approximate trimming takes a bite at a time, so that it never holds the server up."""
    limit = _NODES_AT_ONCE * call.config.stream_node_max_entries
    return min(limit if limit > 0 else _FEWEST_AT_ONCE, _MOST_AT_ONCE)


def _read_threshold(strategy: int, word: bytes) -> int | Id:
    if strategy == MINID:
        return stream_id.read(word)
    length = args.integer(word)
    if length < 0:
        raise CommandError("ERR The MAXLEN argument must be >= 0.")
    return length


def _read_options(call: Call, adding: bool) -> _Options:
    """The options of XTRIM, or with `adding` those of XADD up to the ID."""
    argv, name_of = call.argv, call.command.option_words.name_of
    at, end = 2, len(argv)
    strategy, approx, place = 0, False, 0
    threshold: int | Id = 0
    limit: int | None = None
    no_stream, id, whole_id = False, None, True
    while at < end:
        word, more = argv[at], end - 1 - at
        option = name_of(word)
        if option == "*":
            break
        if option in _STRATEGY and more:
            if strategy:
                raise CommandError(_TWO_STRATEGIES)
            operator = name_of(argv[at + 1]) if more >= 2 else ""
            approx = operator == "~"
            at += 2 if operator in ("~", "=") else 1
            threshold = _read_threshold(_STRATEGY[option], argv[at])
            strategy, place = _STRATEGY[option], at
        elif option == "LIMIT" and more:
            at += 1
            limit = args.integer(argv[at])
            if limit < 0:
                raise CommandError("ERR The LIMIT argument must be >= 0.")
        elif option == "NOMKSTREAM":
            no_stream = True
        elif adding:
            id, whole_id = stream_id.read_partial(word)
            break
        else:
            raise syntax()
        at += 1
    if limit and not strategy:
        raise CommandError(_LIMIT_ALONE)
    if not adding and not strategy:
        raise CommandError("ERR syntax error, XTRIM must be called with a trimming strategy")
    if call.client.obeyed:                 # trimming went as far as it says, whatever the limit
        limit = 0
    elif limit is None:
        limit = _default_limit(call) if approx else 0
    elif not approx:
        raise CommandError(_LIMIT_EXACT)
    trim = Trim(strategy, threshold, approx, limit, place) if strategy else None
    return _Options(trim, no_stream, id, whole_id, at)


def _as_trimmed(argv: list[bytes], stream: Stream, trim: Trim) -> None:
    """Have the words to propagate say exactly how far an approximate trimming went."""
    argv[trim.place - 1] = b"="
    if trim.strategy == MAXLEN:
        argv[trim.place] = b"%d" % len(stream)
    else:
        argv[trim.place] = stream_id.text(stream.edge(True, deleted_too=True) or HIGHEST)


# ---- adding
def _new_id(call: Call, stream: Stream | None, options: _Options) -> Id:
    """The ID of the entry to add. Errors: not above the last one, or no ID is left."""
    last = stream.last_id if stream is not None else LOWEST
    if last == HIGHEST:
        raise CommandError("ERR The stream has exhausted the last possible ID, unable to add more items")
    id = options.id
    if id is None:
        id = max((call.now_ms, 0), stream_id.following(last) or LOWEST)
    elif not options.whole_id and id[0] == last[0]:
        id = (id[0], last[1] + 1) if last[1] < stream_id.UINT64_MAX else LOWEST
    if id <= last:
        raise CommandError("ERR The ID specified in XADD is equal or smaller than the target stream top item")
    return id


@command("XADD", arity=-5, flags=WRITE | DENYOOM | FAST, since="5.0.0",
         keys=keys(spec(RW, UPDATE, notes="UPDATE instead of INSERT because of the optional trimming feature")),
         syntax=f"key [NOMKSTREAM] {_TRIM} <* | id> field value [field value ...]", tips=("nondeterministic_output",),
         history=(("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
                  ("7.0.0", "Added support for the `<ms>-*` explicit ID form.")))
def xadd(call: Call, key: bytes, *_words: bytes) -> bytes | None:
    """Add an entry to a stream, which is created unless NOMKSTREAM forbids; the reply is the entry's ID.

    Complexity: O(1) to add, O(N) for the N entries that trimming drops.
    """
    options = _read_options(call, adding=True)
    pairs = call.argv[options.place + 1:]
    if len(pairs) < 2 or len(pairs) % 2:
        raise wrong_arity(call.command.name)
    if options.whole_id and options.id == LOWEST:
        raise CommandError("ERR The ID specified in XADD must be greater than 0-0")
    stream = call.db.lookup_write(key, Stream)
    if stream is None and options.no_stream:
        return None
    id = _new_id(call, stream, options)
    if sum(map(len, pairs)) > MAX_BYTES:
        raise CommandError("ERR Elements are too large to be stored")
    if stream is None:
        stream = call.db.lookup_write(key, Stream, create=True)
    stream.append(id, pairs)
    call.changed(key, "xadd")
    trim = options.trim
    if trim and stream.trim(*trim[:4]):
        call.notify("xtrim", key)
    written = stream_id.text(id)
    if options.id is None or not options.whole_id or (trim and trim.approx):
        argv = list(call.argv)
        argv[options.place] = written
        if trim and trim.approx:
            _as_trimmed(argv, stream, trim)
        call.propagate_as(*argv)
    return written


# ---- dropping
@command("XTRIM", arity=-4, flags=WRITE, keys=one_key(RW, DELETE), since="5.0.0", tips=("nondeterministic_output",),
         syntax="key <<MAXLEN | MINID> [= | ~] threshold [LIMIT count]>",
         history=(("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),))
def xtrim(call: Call, key: bytes, *_words: bytes) -> int:
    """Drop the oldest entries: all but MAXLEN many, or those with an ID below MINID; the reply is how many went.

    Complexity: O(N) where N is the number of entries dropped; little more than constant for whole nodes.
    """
    trim = _read_options(call, adding=False).trim
    assert trim is not None
    stream = call.db.lookup_write(key, Stream)
    if stream is None:
        return 0
    gone = stream.trim(*trim[:4])
    if gone:
        call.changed(key, "xtrim", by=gone)
        if trim.approx:
            argv = list(call.argv)
            _as_trimmed(argv, stream, trim)
            call.propagate_as(*argv)
    return gone


@command("XDEL", arity=-3, flags=WRITE | FAST, keys=one_key(RW, DELETE), since="5.0.0", syntax="key id [id ...]")
def xdel(call: Call, key: bytes, *words: bytes) -> int:
    """Delete entries by their IDs; the reply is how many there were.

    Complexity: O(1) for each entry, whatever the length of the stream.
    """
    stream = call.db.lookup_write(key, Stream)
    if stream is None:
        return 0
    gone = stream.delete([stream_id.read(word) for word in words])
    if gone:
        call.changed(key, "xdel", by=gone)
    return gone


# ---- reading
@command("XLEN", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="5.0.0", syntax="key")
def xlen(call: Call, key: bytes) -> int:
    """Return how many entries a stream has; 0 when there is none.

    Complexity: O(1)
    """
    stream = call.db.lookup_read(key, Stream)
    return len(stream) if stream is not None else 0


def _range(call: Call, key: bytes, first: bytes, last: bytes, options: tuple[bytes, ...], reverse: bool) -> object:
    start, end = stream_id.range_start(first), stream_id.range_end(last)
    count = -1
    for at in range(0, len(options), 2):
        if options[at].lower() != b"count" or at + 1 == len(options):
            raise syntax()
        count = max(args.integer(options[at + 1]), 0)
    stream = call.db.lookup_read(key, Stream)
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    return stream.range(start, end, max(count, 0), reverse)


@command("XRANGE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="5.0.0",
         syntax="key start end [COUNT count]", history=(("6.2.0", "Added exclusive ranges."),))
def xrange(call: Call, key: bytes, start: bytes, end: bytes, *options: bytes) -> object:
    """Return entries with IDs from start to end, both included unless written `(id`, as [ID, [field, value ...]] each.

    Complexity: O(N) where N is the number of entries returned; O(log M) to find the first.
    """
    return _range(call, key, start, end, options, reverse=False)


@command("XREVRANGE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="5.0.0",
         syntax="key end start [COUNT count]", history=(("6.2.0", "Added exclusive ranges."),))
def xrevrange(call: Call, key: bytes, end: bytes, start: bytes, *options: bytes) -> object:
    """Return entries as XRANGE, from the end of the range to its start.

    Complexity: O(N) where N is the number of entries returned; O(log M) to find the first.
    """
    return _range(call, key, start, end, options, reverse=True)


# ---- what only replication and rewriting need
@command("XSETID", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, UPDATE), since="5.0.0",
         syntax="key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
         history=(("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments."),))
def xsetid(call: Call, key: bytes, last_id: bytes, *options: bytes) -> str:
    """Set a stream's last ID, how many entries it ever had, and the highest ID it lost.

    Complexity: O(1)
    """
    id = stream_id.read(last_id)
    added, max_deleted = None, LOWEST
    for at in range(0, len(options), 2):
        option = options[at].lower()
        if at + 1 == len(options) or option not in (b"entriesadded", b"maxdeletedid"):
            raise syntax()
        if option == b"entriesadded":
            added = args.integer(options[at + 1])
            if added < 0:
                raise CommandError("ERR entries_added must be positive")
        else:
            max_deleted = stream_id.read(options[at + 1])
            if id < max_deleted:
                raise CommandError("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    stream = call.db.lookup_write(key, Stream)
    if stream is None:
        raise CommandError(NO_SUCH_KEY)
    if id < stream.max_deleted_id:
        raise CommandError("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
    if len(stream):
        if id < (stream.edge(False) or LOWEST):
            raise CommandError("ERR The ID specified in XSETID is smaller than the target stream top item")
        if added is not None and added < len(stream):
            raise CommandError("ERR The entries_added specified in XSETID is smaller than the target stream length")
    stream.set_ids(id, added, max_deleted)
    call.dirty += 1
    call.notify("xsetid", key)
    return OK
