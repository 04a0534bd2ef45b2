"""Streams: consumer groups, and what is pending in them.

A group reads a stream once for all its consumers: each entry goes to one of them (XREADGROUP) and is pending until that
one acknowledges it (XACK). What a consumer that died left pending, others claim (XCLAIM, XAUTOCLAIM); an entry that was
deleted meanwhile is then pending no more. Each claim is propagated as an XCLAIM that leaves its receiver no choice.
"""

from collections.abc import Sequence

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, FAST, LOADING, READONLY, STALE, WRITE, container, group
from server.registry.errors import BUSY_GROUP, CommandError, named, syntax, wrong_subcommand
from server.registry.keys import ACCESS, DELETE, INSERT, RO, RW, UPDATE, one_key
from server.registry.light import NamedTuple
from server.registry.reply import NULL_ARRAY, OK
from server.types import stream_id
from server.types.stream import UNKNOWN, Consumer, Group, PendingEntry, Stream
from server.types.stream_id import LOWEST, Id

command = group("stream")
container("XGROUP", "stream", "Create, change and remove consumer groups and their consumers.",
          since="5.0.0", acl=("-stream",))

_NO_STREAM = ("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
              "MKSTREAM option to create an empty stream automatically.")


# ---- what they share
def _stream_for(call: Call, key: bytes) -> Stream:
    """The stream that XGROUP is about. Errors: WRONGTYPE, no such key."""
    stream = call.db.lookup_write(key, Stream)
    if stream is None:
        raise CommandError(_NO_STREAM)
    return stream


def _group_of(stream: Stream, key: bytes, name: bytes) -> Group:
    """The group that XGROUP is about. Errors: no such group."""
    found = stream.group(name)
    if found is None:
        raise named(b"NOGROUP No such consumer group '%s' for key name '%s'", name, key)
    return found


def _group_for(call: Call, key: bytes, name: bytes) -> Group:
    """The same. Errors: no such key, too."""
    return _group_of(_stream_for(call, key), key, name)


def _read_group(call: Call, key: bytes, name: bytes) -> tuple[Stream | None, Group | None]:
    """The stream and the group, looked up as a read; None where there is none. Errors: WRONGTYPE."""
    stream = call.db.lookup_read(key, Stream)
    return stream, stream.group(name) if stream is not None else None


def _no_group(key: bytes, name: bytes) -> CommandError:
    return named(b"NOGROUP No such key '%s' or consumer group '%s'", key, name)


def _consumer_for(call: Call, key: bytes, readers: Group, name: bytes) -> Consumer:
    """Who claims; created when it is new."""
    consumer = readers.consumer(name) or _create_consumer(call, key, readers, name)
    assert consumer is not None
    consumer.seen_ms = call.now_ms
    return consumer


def _create_consumer(call: Call, key: bytes, readers: Group, name: bytes) -> Consumer | None:
    """A new consumer; None when there is one of this name."""
    consumer = readers.create_consumer(name, call.now_ms)
    if consumer is not None:
        call.dirty += 1
        call.notify("xgroup-createconsumer", key)
    return consumer


# ---- groups
def _read_group_options(call: Call, options: Sequence[bytes], creating: bool) -> tuple[bool, int]:
    """Whether MKSTREAM was said, and ENTRIESREAD."""
    make, entries_read, at = False, UNKNOWN, 0
    while at < len(options):
        option = options[at].lower()
        if creating and option == b"mkstream":
            make = True
            at += 1
        elif option == b"entriesread" and at + 1 < len(options):
            entries_read = args.integer(options[at + 1])
            if entries_read < 0 and entries_read != UNKNOWN:
                raise CommandError("ERR value for ENTRIESREAD must be positive or -1")
            at += 2
        else:
            raise wrong_subcommand(call.argv)
    return make, entries_read


@command("XGROUP|CREATE", arity=-5, flags=WRITE | DENYOOM, keys=one_key(RW, INSERT, at=2), since="5.0.0",
         syntax="key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
         history=(("7.0.0", "Added the `entries_read` named argument."),))
def xgroup_create(call: Call, key: bytes, name: bytes, last: bytes, *options: bytes) -> str:
    """Create a consumer group that reads what comes after an ID, `$` for the last one there is now.

    Complexity: O(1)
    """
    make, entries_read = _read_group_options(call, options, creating=True)
    stream = call.db.lookup_write(key, Stream)
    if stream is None and not make:
        raise CommandError(_NO_STREAM)
    if len(options) > 3:
        raise wrong_subcommand(call.argv)
    if last == b"$":
        id = stream.last_id if stream is not None else LOWEST
    else:
        id = stream_id.read(last)
    if stream is None:
        stream = call.db.lookup_write(key, Stream, create=True)
        call.changed(key, by=0)
    if stream.create_group(name, id, entries_read) is None:
        raise CommandError(BUSY_GROUP)
    call.dirty += 1
    call.notify("xgroup-create", key)
    return OK


@command("XGROUP|SETID", arity=-5, flags=WRITE, keys=one_key(RW, UPDATE, at=2), since="5.0.0",
         syntax="key group <id | $> [ENTRIESREAD entries-read]",
         history=(("7.0.0", "Added the optional `entries_read` argument."),))
def xgroup_setid(call: Call, key: bytes, name: bytes, last: bytes, *options: bytes) -> str:
    """Have a group go on behind another ID, `$` for the last one of the stream.

    Complexity: O(1)
    """
    _, entries_read = _read_group_options(call, options, creating=False)
    stream = _stream_for(call, key)
    readers = _group_of(stream, key, name)
    if len(options) not in (0, 2):
        raise wrong_subcommand(call.argv)
    readers.last_id = stream.last_id if last == b"$" else stream_id.read_any(last)
    readers.entries_read = entries_read
    call.dirty += 1
    call.notify("xgroup-setid", key)
    return OK


@command("XGROUP|DESTROY", arity=4, flags=WRITE, keys=one_key(RW, DELETE, at=2), since="5.0.0", syntax="key group")
def xgroup_destroy(call: Call, key: bytes, name: bytes) -> int:
    """Remove a group with its consumers and all that is pending: 1, or 0 without such a group.

    Complexity: O(N) where N is the number of entries pending in the group.
    """
    if not _stream_for(call, key).remove_group(name):
        return 0
    call.dirty += 1
    call.notify("xgroup-destroy", key)
    if key in call.db.blocking:                     # who waits to read in this group must hear that there is none
        call.server.blocking.note(call.db, key)
    return 1


@command("XGROUP|CREATECONSUMER", arity=5, flags=WRITE | DENYOOM, keys=one_key(RW, INSERT, at=2), since="6.2.0",
         syntax="key group consumer")
def xgroup_createconsumer(call: Call, key: bytes, name: bytes, consumer: bytes) -> int:
    """Create a consumer, which also happens when it reads: 1, or 0 when there is one of this name.

    Complexity: O(1)
    """
    return int(_create_consumer(call, key, _group_for(call, key, name), consumer) is not None)


@command("XGROUP|DELCONSUMER", arity=5, flags=WRITE, keys=one_key(RW, DELETE, at=2), since="5.0.0",
         syntax="key group consumer")
def xgroup_delconsumer(call: Call, key: bytes, name: bytes, consumer: bytes) -> int:
    """Remove a consumer and what is pending for it; the reply is how many entries that were.

    Complexity: O(N) where N is the number of entries pending for it.
    """
    pending = _group_for(call, key, name).remove_consumer(consumer)
    if pending is None:
        return 0
    call.dirty += 1
    call.notify("xgroup-delconsumer", key)
    return pending


@command("XGROUP|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def xgroup_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <groupname> <id|$> [option]",
        "    Create a consumer group that reads behind <id>. Options are:",
        "    * MKSTREAM",
        "      Create an empty stream when there is none.",
        "    * ENTRIESREAD entries_read",
        "      Say how many entries were read up to <id> (internal use).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Create a consumer in a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove a consumer, with what is pending for it.",
        "DESTROY <key> <groupname>",
        "    Remove a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Have a group go on behind another ID.",
        "HELP",
        "    Print this help.",
    ]


# ---- what is pending
@command("XACK", arity=-4, flags=WRITE | FAST, keys=one_key(RW, UPDATE), since="5.0.0", syntax="key group id [id ...]")
def xack(call: Call, key: bytes, name: bytes, *words: bytes) -> int:
    """Acknowledge entries: they are pending no more. The reply is how many were.

    Complexity: O(1) for each ID.
    """
    _, readers = _read_group(call, key, name)
    if readers is None:
        return 0
    done = readers.acknowledge([stream_id.read(word) for word in words])
    call.dirty += done
    return done


class _PendingRange(NamedTuple):
    start: Id
    end: Id
    most: int            # entries
    min_idle: int
    consumer: bytes | None


def _read_pending_range(words: tuple[bytes, ...]) -> _PendingRange:
    """`[IDLE ms] start end count [consumer]`."""
    min_idle, given = 0, len(words)
    if not 3 <= given <= 6:
        raise syntax()
    if words[0].lower() == b"idle":
        min_idle = args.integer(words[1])
        words = words[2:]
        if given < 5:
            raise syntax()
    count = max(args.integer(words[2]), 0)
    start, end = stream_id.range_start(words[0]), stream_id.range_end(words[1])
    return _PendingRange(start, end, count, min_idle, words[3] if len(words) > 3 else None)


def _pending_summary(readers: Group) -> list[object]:
    edges = readers.pending_edges()
    if edges is None:
        return [0, None, None, NULL_ARRAY]
    owners = [[owner.name, b"%d" % owner.pending_count] for owner in readers.consumers() if owner.pending_count]
    return [readers.pending_count, *edges, owners]


@command("XPENDING", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="5.0.0",
         tips=("nondeterministic_output",), syntax="key group [[IDLE min-idle-time] start end count [consumer]]",
         history=(("6.2.0", "Added the `IDLE` option and exclusive range intervals."),))
def xpending(call: Call, key: bytes, name: bytes, *words: bytes) -> list[object]:
    """Return what is pending in a group: how many, the lowest and highest ID, and how many for which consumer. With a
    range each entry: ID, consumer, milliseconds since it was delivered, how often it was delivered.

    Complexity: O(N) where N is the number of entries returned, or of consumers; with IDLE, of entries in the range.
    """
    wanted = _read_pending_range(words) if words else None
    _, readers = _read_group(call, key, name)
    if readers is None:
        raise _no_group(key, name)
    if wanted is None:
        return _pending_summary(readers)
    consumer = readers.consumer(wanted.consumer) if wanted.consumer is not None else None
    if wanted.consumer is not None and consumer is None:
        return []
    now = call.now_ms
    found = readers.pending_range(consumer, wanted.start, wanted.end, wanted.most, wanted.min_idle, now)
    return [[id, owner, max(now - delivered, 0), deliveries] for id, owner, delivered, deliveries in found]


# ---- claiming
class _Claim(NamedTuple):
    ids: list[tuple[Id, bytes]]      # and as written
    delivered_ms: int                # -1: now
    deliveries: int                  # -1: one more, with JUSTID as many
    force: bool
    just_id: bool
    last_id: Id


def _claim_number(word: bytes, option: str) -> int:
    return args.integer(word, f"ERR Invalid {option} option argument for XCLAIM")


def _read_claim(call: Call, words: tuple[bytes, ...]) -> _Claim:
    """`id [id ...]` and the options, which begin with the first word that is no ID."""
    ids: list[tuple[Id, bytes]] = []
    for word in words:
        id = stream_id.parse(word)
        if id is None:
            break
        ids.append((id, word))
    at = len(ids)
    delivered_ms, deliveries, force, just_id, last_id = -1, -1, False, False, LOWEST
    while at < len(words):
        option = words[at].lower()
        if option == b"force":
            force = True
        elif option == b"justid":
            just_id = True
        elif option in (b"idle", b"time", b"retrycount", b"lastid") and at + 1 < len(words):
            at += 1
            if option == b"idle":
                delivered_ms = call.now_ms - _claim_number(words[at], "IDLE")
            elif option == b"time":
                delivered_ms = _claim_number(words[at], "TIME")
            elif option == b"retrycount":
                deliveries = _claim_number(words[at], "RETRYCOUNT")
            else:
                last_id = stream_id.read(words[at])
        else:
            raise named(b"ERR Unrecognized XCLAIM option '%s'", words[at])
        at += 1
    return _Claim(ids, delivered_ms, deliveries, force, just_id, last_id)


def _propagate_claim(call: Call, key: bytes, readers: Group, id: Id | bytes, entry: PendingEntry) -> None:
    """Whose an entry is now, since when, and how often it was delivered. Where it is deleted from the stream, this
    XCLAIM removes it from what is pending."""
    call.dirty += 1
    if not call.is_heard:
        return
    written = id if isinstance(id, bytes) else stream_id.text(id)
    call.propagate_as(b"XCLAIM", key, readers.name, entry.owner, b"0", written, b"TIME", b"%d" % entry.delivered_ms,
                      b"RETRYCOUNT", b"%d" % entry.deliveries, b"FORCE", b"JUSTID", b"LASTID",
                      stream_id.text(readers.last_id))


def _claim_one(call: Call, readers: Group, consumer: Consumer, id: Id, claim: _Claim,
               min_idle: int) -> PendingEntry | None:
    """Give an entry that exists to a consumer; None when it is not pending, or not for long enough."""
    entry, now = readers.pending(id), call.now_ms
    if entry is None:
        if not claim.force:
            return None
        entry = readers.add_pending(id, consumer, now, 1)
    elif min_idle and now - entry.delivered_ms < min_idle:
        return None
    delivered = claim.delivered_ms if 0 <= claim.delivered_ms <= now else now
    if claim.deliveries >= 0:
        deliveries = claim.deliveries
    else:
        deliveries = entry.deliveries + (not claim.just_id)
    entry.claim(consumer, delivered, deliveries)
    consumer.active_ms = now
    return entry


@command("XCLAIM", arity=-6, flags=WRITE | FAST, keys=one_key(RW, UPDATE), since="5.0.0",
         tips=("nondeterministic_output",),
         syntax="key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] "
                "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]")
def xclaim(call: Call, key: bytes, name: bytes, consumer_name: bytes, idle: bytes,
           *words: bytes) -> object:
    """Take over pending entries that were delivered at least min-idle-time milliseconds ago; the reply is those
    entries, or with JUSTID their IDs. FORCE also takes entries that are not pending.

    Complexity: O(log N) for each ID, where N is the number of entries pending in the group.
    """
    stream, readers = _read_group(call, key, name)
    if stream is None or readers is None:
        raise _no_group(key, name)
    min_idle = max(args.integer(idle, "ERR Invalid min-idle-time argument for XCLAIM"), 0)
    claim = _read_claim(call, words)
    call.propagate_nothing()
    moved = claim.last_id > readers.last_id
    if moved:
        readers.last_id = claim.last_id
    consumer = _consumer_for(call, key, readers, consumer_name)
    claimed: list[Id] = []
    for id, written in claim.ids:
        entry: PendingEntry | None
        if stream.has(id):
            entry = _claim_one(call, readers, consumer, id, claim, min_idle)
            if entry is not None:
                claimed.append(id)
                _propagate_claim(call, key, readers, written, entry)
                moved = False
        elif (entry := readers.pending(id)) is not None:
            _propagate_claim(call, key, readers, written, entry)
            entry.remove()
            moved = False
    if moved:                                       # an XCLAIM would have told the group's last ID, too
        call.dirty += 1
        call.propagate_as(b"XGROUP", b"SETID", key, name, stream_id.text(readers.last_id), b"ENTRIESREAD",
                          b"%d" % readers.entries_read)
    return _claimed(stream, claimed, claim.just_id)


def _claimed(stream: Stream, ids: list[Id], just_id: bool) -> object:
    """How entries are told to who claimed them."""
    return [stream_id.text(id) for id in ids] if just_id else stream.entries_reply(ids)


_ATTEMPTS = 10           # entries that XAUTOCLAIM looks at, for each that it may claim
_MOST = args.INT64_MAX // 16


def _read_autoclaim(words: tuple[bytes, ...]) -> tuple[int, bool]:
    """`[COUNT count] [JUSTID]`."""
    count, just_id, at = 100, False, 0
    while at < len(words):
        option = words[at].lower()
        if option == b"count" and at + 1 < len(words):
            at += 1
            count = args.integer_in(words[at], 1, _MOST, "ERR COUNT must be > 0")
        elif option == b"justid":
            just_id = True
        else:
            raise syntax()
        at += 1
    return count, just_id


@command("XAUTOCLAIM", arity=-6, flags=WRITE | FAST, keys=one_key(RW, DELETE), since="6.2.0",
         tips=("nondeterministic_output",), syntax="key group consumer min-idle-time start [COUNT count] [JUSTID]",
         history=(("7.0.0", "Added an element to the reply array, containing deleted entries the command cleared "
                            "from the PEL"),))
def xautoclaim(call: Call, key: bytes, name: bytes, consumer_name: bytes, idle: bytes, start: bytes,
               *words: bytes) -> list[object]:
    """Take over pending entries from an ID on that were delivered at least min-idle-time milliseconds ago. The reply:
    where to go on (0-0 at the end), the entries (with JUSTID their IDs), and deleted IDs that are pending no more.

    Complexity: O(1) if COUNT is small.
    """
    min_idle = max(args.integer(idle, "ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    first = stream_id.range_start(start)
    count, just_id = _read_autoclaim(words)
    stream, readers = _read_group(call, key, name)
    if stream is None or readers is None:
        raise _no_group(key, name)
    call.propagate_nothing()
    consumer = _consumer_for(call, key, readers, consumer_name)
    claim = _Claim([], -1, -1, False, just_id, LOWEST)
    attempts = count * _ATTEMPTS
    claimed: list[Id] = []
    deleted: list[object] = []
    entry = readers.pending_from(first)
    while entry is not None and attempts and count:
        attempts -= 1
        id = entry.id
        if not stream.has(id):
            _propagate_claim(call, key, readers, id, entry)
            entry.remove()
            deleted.append(stream_id.text(id))
            count -= 1
        elif (taken := _claim_one(call, readers, consumer, id, claim, min_idle)) is not None:
            claimed.append(id)
            _propagate_claim(call, key, readers, id, taken)
            count -= 1
        after = stream_id.following(id)
        entry = readers.pending_from(after) if after is not None else None
    return [stream_id.text(entry.id if entry is not None else LOWEST), _claimed(stream, claimed, just_id), deleted]
