"""Strings: any bytes up to proto-max-bulk-len (512 MB), which may also be numbers to count with.

Setting a string replaces a value of any type and forgets the key's expire unless told otherwise; what changes a string
in place (APPEND, SETRANGE, INCR...) keeps the expire and refuses other types. Options with a time give the key an
expire; AOF and replicas always hear of it as an absolute time in milliseconds.
"""

from collections.abc import Sequence

from server.dispatch.call import Call
from server.registry import args, errors
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax, wrong_arity
from server.registry.keys import (
    ACCESS,
    DELETE,
    INSERT,
    OW,
    RO,
    RW,
    UPDATE,
    VARIABLE_FLAGS,
    every_key,
    keys,
    one_key,
    spec,
)
from server.registry.light import NamedTuple
from server.registry.reply import OK
from server.structures import lcs, long_double

command = group("string")

LCS_LONGEST = 0xFFFFFFFF - 1        # bytes of one string that LCS takes, exclusive


# ---- times that SET and GETEX give
_UNIT_MS = {"EX": 1000, "EXAT": 1000, "PX": 1, "PXAT": 1}


def _time_in(options: dict[str, bytes]) -> tuple[str, bytes]:
    """The option with a time, and its number; "" without one."""
    return next(((name, number) for name, number in options.items() if name in _UNIT_MS), ("", b""))


def _expire_at(call: Call, text: bytes, name: str) -> int:
    """The Unix time in ms that EX, PX, EXAT or PXAT with this number means. Errors: not an integer, invalid time."""
    when = args.integer(text) * _UNIT_MS[name]
    if 0 < when <= args.INT64_MAX and name in ("EX", "PX"):
        when += call.now_ms
    if not 0 < when <= args.INT64_MAX:
        raise CommandError(errors.INVALID_EXPIRE.format(call.command.name))
    return when


def _is_past(call: Call, when: int) -> bool:
    """Whether giving a key this expire means deleting it. Not on a replica or while loading: there a DEL follows."""
    shared = call.db.keyspace
    return when <= call.now_ms and not (shared.keep_expired or shared.show_expired)


def _check_length(call: Call, length: int) -> None:
    """proto-max-bulk-len for a string that grows; what our master or the AOF says is taken as it is."""
    if not call.client.obeyed and length > call.config.proto_max_bulk_len:
        raise CommandError(errors.STRING_TOO_LONG)


# ---- SET and its elder forms
def _set(call: Call, key: bytes, value: bytes, when: int | None = None, *, keep_ttl: bool = False) -> None:
    """Replace the value; with `when` (Unix ms) the key gets that expire."""
    call.db.set(key, value, keep_ttl or when is not None)
    call.changed(key, "set")
    if when is not None:
        call.db.set_expire(key, when)
        call.notify("expire", key)


@command("SET", arity=-3, flags=WRITE | DENYOOM, since="1.0.0",
         keys=keys(spec(RW, ACCESS, UPDATE, VARIABLE_FLAGS, notes="RW and ACCESS due to the optional `GET` argument"),
                   reads_with=b"GET"),
         syntax="key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
                "PXAT unix-time-milliseconds | KEEPTTL]",
         history=(("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."), ("6.0.0", "Added the `KEEPTTL` option."),
                  ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
                  ("7.0.0", "Allowed the `NX` and `GET` options to be used together.")))
def set_(call: Call, key: bytes, value: bytes, *words: bytes) -> str | bytes | None:
    """Set the string value of a key, whatever it held before.

    NX only when the key is absent, XX only when it is there: otherwise the reply is null and nothing happens. GET
    answers with the old string (null without one) in every case; another type is then an error. The expire is
    forgotten unless KEEPTTL or a new time (EX seconds, PX ms, EXAT and PXAT Unix times) is given.

    Complexity: O(1)
    """
    options = call.command.option_words.read(words)
    time, number = _time_in(options)
    when = _expire_at(call, number, time) if time else None
    reads = "GET" in options
    old = call.db.get(key) if reads else None
    found = call.db.exists(key)
    if ("NX" in options and found) or ("XX" in options and not found):
        call.db.exists_for_write(key)       # an access all the same
        return old
    _set(call, key, value, when, keep_ttl="KEEPTTL" in options)
    if when is not None:
        if time != "PXAT":
            call.propagate_as(b"SET", key, value, b"PXAT", b"%d" % when)
    elif reads:
        call.propagate_as(*call.argv[:3], *(word for word in words if word.upper() != b"GET"))
    return old if reads else OK


@command("SETNX", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(OW, INSERT), since="1.0.0", syntax="key value",
         deprecated=("2.6.12", "`SET` with the `NX` argument"))
def setnx(call: Call, key: bytes, value: bytes) -> int:
    """Set a string only when the key is absent: 1 when it was set, else 0.

    Complexity: O(1)
    """
    if call.db.exists_for_write(key):
        return 0
    _set(call, key, value)
    return 1


@command("SETEX", arity=4, flags=WRITE | DENYOOM, keys=one_key(OW, UPDATE), since="2.0.0", syntax="key seconds value",
         deprecated=("2.6.12", "`SET` with the `EX` argument"))
def setex(call: Call, key: bytes, seconds: bytes, value: bytes) -> str:
    """Set a string together with its time to live in seconds.

    Complexity: O(1)
    """
    return _set_for(call, key, value, _expire_at(call, seconds, "EX"))


@command("PSETEX", arity=4, flags=WRITE | DENYOOM, keys=one_key(OW, UPDATE), since="2.6.0",
         syntax="key milliseconds value", deprecated=("2.6.12", "`SET` with the `PX` argument"))
def psetex(call: Call, key: bytes, milliseconds: bytes, value: bytes) -> str:
    """Set a string together with its time to live in milliseconds.

    Complexity: O(1)
    """
    return _set_for(call, key, value, _expire_at(call, milliseconds, "PX"))


def _set_for(call: Call, key: bytes, value: bytes, when: int) -> str:
    call.db.exists(key)         # one that expired goes first, with its own event
    _set(call, key, value, when)
    call.propagate_as(b"SET", key, value, b"PXAT", b"%d" % when)
    return OK


@command("MSET", arity=-3, flags=WRITE | DENYOOM, keys=every_key(OW, UPDATE, step=2), since="1.0.1",
         syntax="key value [key value ...]", tips=("request_policy:multi_shard", "response_policy:all_succeeded"))
def mset(call: Call, *pairs: bytes) -> str:
    """Set several strings at once; never fails half way.

    Complexity: O(N) where N is the number of keys.
    """
    if len(pairs) % 2:
        raise wrong_arity(call.command.name)
    for key, value in zip(pairs[0::2], pairs[1::2], strict=True):
        call.db.exists(key)
        _set(call, key, value)
    return OK


@command("MSETNX", arity=-3, flags=WRITE | DENYOOM, keys=every_key(OW, INSERT, step=2), since="1.0.1",
         syntax="key value [key value ...]")
def msetnx(call: Call, *pairs: bytes) -> int:
    """Set several strings if not one of the keys exists: 1 when all were set, 0 when none was.

    Complexity: O(N) where N is the number of keys.
    """
    if len(pairs) % 2:
        raise wrong_arity(call.command.name)
    if any(call.db.exists_for_write(key) for key in pairs[0::2]):
        return 0
    for key, value in zip(pairs[0::2], pairs[1::2], strict=True):
        _set(call, key, value)
    return 1


# ---- reading
@command("GET", arity=2, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key")
def get(call: Call, key: bytes) -> bytes | None:
    """Return the string value of a key, null when it is absent.

    Complexity: O(1)
    """
    return call.db.get(key)


@command("MGET", arity=-2, flags=READONLY | FAST, keys=every_key(RO, ACCESS), since="1.0.0", syntax="key [key ...]",
         tips=("request_policy:multi_shard",))
def mget(call: Call, *names: bytes) -> list[bytes | None]:
    """Return the strings of several keys, null for those that are absent or hold another type.

    Complexity: O(N) where N is the number of keys.
    """
    return [call.db.get_if_string(name) for name in names]


@command("STRLEN", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="2.2.0", syntax="key")
def strlen(call: Call, key: bytes) -> int:
    """Return the length of a string in bytes, 0 when the key is absent.

    Complexity: O(1)
    """
    return call.db.string_length(key)


@command("GETRANGE", arity=4, flags=READONLY, keys=one_key(RO, ACCESS), since="2.4.0", syntax="key start end")
def getrange(call: Call, key: bytes, start: bytes, end: bytes) -> bytes:
    """Return part of a string: bytes start to end, both included, negative from the end.

    Complexity: O(N) where N is the length of the reply.
    """
    return call.db.get_range(key, args.integer(start), args.integer(end))


@command("SUBSTR", arity=4, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key start end",
         deprecated=("2.0.0", "`GETRANGE`"))
def substr(call: Call, key: bytes, start: bytes, end: bytes) -> bytes:
    """Return part of a string: the old name of GETRANGE.

    Complexity: O(N) where N is the length of the reply.
    """
    return getrange(call, key, start, end)


# ---- reading and writing
@command("GETSET", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0",
         syntax="key value", deprecated=("6.2.0", "`SET` with the `!GET` argument"))
def getset(call: Call, key: bytes, value: bytes) -> bytes | None:
    """Set a string and return the one before, null when there was none.

    Complexity: O(1)
    """
    old = call.db.get(key)
    _set(call, key, value)
    call.propagate_as(b"SET", key, value)
    return old


@command("GETDEL", arity=2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="6.2.0", syntax="key")
def getdel(call: Call, key: bytes) -> bytes | None:
    """Return a string and delete its key.

    Complexity: O(1)
    """
    value = call.db.get(key)
    if value is not None:
        call.db.delete(key)
        call.deleted(key)
        call.propagate_as(b"DEL", key)
    return value


@command("GETEX", arity=-2, flags=WRITE | FAST, since="6.2.0",
         keys=keys(spec(RW, ACCESS, UPDATE, notes="RW and UPDATE because it changes the TTL")),
         syntax="key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]")
def getex(call: Call, key: bytes, *words: bytes) -> bytes | None:
    """Return a string and give its key another expire, or with PERSIST none.

    Without an option it is GET. A Unix time that has passed deletes the key.

    Complexity: O(1)
    """
    options = call.command.option_words.read(words)
    time, number = _time_in(options)
    value = call.db.get(key)
    if value is None:
        return None
    if time:
        when = _expire_at(call, number, time)
        if time.endswith("AT") and _is_past(call, when):
            call.delete_expired(key)
        else:
            call.db.set_expire(key, when)
            call.changed(key, "expire")
            call.propagate_as(b"PEXPIREAT", key, b"%d" % when)
    elif options and call.db.persist(key):
        call.changed(key, "persist")
        call.propagate_as(b"PERSIST", key)
    return value


# ---- changing in place
@command("APPEND", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="2.0.0", syntax="key value")
def append(call: Call, key: bytes, value: bytes) -> int:
    """Add to the end of a string, creating it when absent; the reply is its new length.

    Complexity: O(1) amortized for a short addition: a string that grows gets room to spare.
    """
    if call.db.check_string(key):
        length = call.db.string_length(key, write=True)
        _check_length(call, length + len(value))
        length = call.db.set_range(key, length, value)
    else:
        call.db.set(key, value)
        length = len(value)
    call.changed(key, "append")
    return length


@command("SETRANGE", arity=4, flags=WRITE | DENYOOM, keys=one_key(RW, UPDATE), since="2.2.0", syntax="key offset value")
def setrange(call: Call, key: bytes, offset: bytes, value: bytes) -> int:
    """Overwrite part of a string from an offset, padding with zero bytes up to there; the reply is its length.

    An empty value changes nothing, and creates nothing.

    Complexity: O(M) where M is the length of the value, and of the padding where the string grows.
    """
    start = args.integer(offset)
    if start < 0:
        raise CommandError("ERR offset is out of range")
    length = call.db.string_length(key, write=True)
    if not value:
        return length
    _check_length(call, start + len(value))
    length = call.db.set_range(key, start, value)
    call.changed(key, "setrange")
    return length


# ---- counting
def _increment(call: Call, key: bytes, by: int) -> int:
    """Add to a number, 0 when the key is absent. Errors: WRONGTYPE, not an integer, overflow."""
    text = call.db.get_for_write(key)
    value = by + (0 if text is None else args.integer(text))
    if not args.INT64_MIN <= value <= args.INT64_MAX:
        raise CommandError(errors.OVERFLOW)
    call.db.set_integer(key, value)
    call.changed(key, "incrby")
    return value


@command("INCR", arity=2, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0", syntax="key")
def incr(call: Call, key: bytes) -> int:
    """Add one to the number in a key, which counts as 0 when absent.

    Complexity: O(1)
    """
    return _increment(call, key, 1)


@command("DECR", arity=2, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0", syntax="key")
def decr(call: Call, key: bytes) -> int:
    """Subtract one from the number in a key, which counts as 0 when absent.

    Complexity: O(1)
    """
    return _increment(call, key, -1)


@command("INCRBY", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0",
         syntax="key increment")
def incrby(call: Call, key: bytes, increment: bytes) -> int:
    """Add an integer to the number in a key, which counts as 0 when absent.

    Complexity: O(1)
    """
    return _increment(call, key, args.integer(increment))


@command("DECRBY", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.0.0",
         syntax="key decrement")
def decrby(call: Call, key: bytes, decrement: bytes) -> int:
    """Subtract an integer from the number in a key, which counts as 0 when absent.

    Complexity: O(1)
    """
    by = args.integer(decrement)
    if by == args.INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    return _increment(call, key, -by)


@command("INCRBYFLOAT", arity=3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="2.6.0",
         syntax="key increment")
def incrbyfloat(call: Call, key: bytes, increment: bytes) -> bytes:
    """Add a floating point number to the one in a key, which counts as 0 when absent; the reply is the sum as a string.

    The sum never has an exponent and up to 17 decimals. AOF and replicas are told the result, so that they cannot
    differ in rounding.

    Complexity: O(1)
    """
    value = call.db.peek(key) if call.db.check_string(key) else None
    if not (value is None or long_double.is_number(value)) or not long_double.is_number(increment):
        raise CommandError(errors.NOT_A_FLOAT)
    result = long_double.add(b"0" if value is None else value, increment)
    if result is None:
        raise CommandError(errors.NAN_OR_INFINITY)
    call.db.set(key, result, True)
    call.changed(key, "incrbyfloat")
    call.propagate_as(b"SET", key, result, b"KEEPTTL")
    return result


# ---- LCS
class LcsOptions(NamedTuple):
    """What LCS was asked for."""

    length: bool
    ranges: bool
    shortest: int           # stretches shorter than this are left out
    with_lengths: bool


def _lcs_options(words: Sequence[bytes]) -> LcsOptions:
    """In any order and any number; the first word that is wrong decides the error."""
    given: set[bytes] = set()
    shortest = 0
    left = iter(words)
    for word in left:
        name = word.upper()
        if name == b"MINMATCHLEN":
            value = next(left, None)
            if value is None:
                raise syntax()
            shortest = args.integer(value)
        elif name in (b"LEN", b"IDX", b"WITHMATCHLEN"):
            given.add(name)
        else:
            raise syntax()
    return LcsOptions(b"LEN" in given, b"IDX" in given, shortest, b"WITHMATCHLEN" in given)


def _lcs_subject(call: Call, key: bytes) -> bytes:
    try:
        return call.db.get(key) or b""
    except CommandError:
        raise CommandError("ERR The specified keys must contain string values") from None


@command("LCS", arity=-3, flags=READONLY, keys=every_key(RO, ACCESS, last=1), since="7.0.0",
         syntax="key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]")
def lcs_(call: Call, first_key: bytes, second_key: bytes, *words: bytes) -> bytes | int | dict[bytes, object]:
    """Find the longest subsequence that two strings have in common.

    Plain, the reply is the subsequence; with LEN its length; with IDX a map of the stretches that match in both strings
    (last one first, each with its length under WITHMATCHLEN, at least MINMATCHLEN long) and the whole length. An absent
    key counts as an empty string. 4 bytes for every pair of bytes may be at most proto-max-bulk-len (Redis's table).

    Complexity: O(N*M) where N and M are the lengths of the strings.
    """
    first, second = _lcs_subject(call, first_key), _lcs_subject(call, second_key)
    options = _lcs_options(words)
    if options.length and options.ranges:
        raise CommandError("ERR If you want both the length and indexes, please just use IDX.")
    if max(len(first), len(second)) >= LCS_LONGEST:
        raise CommandError("ERR String too long for LCS")
    if lcs.table_bytes(first, second) > call.config.proto_max_bulk_len:
        raise CommandError("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    try:
        common = lcs.CommonSubsequence(first, second)
    except MemoryError:
        raise CommandError("ERR Insufficient memory, failed allocating transient memory for LCS") from None
    if options.ranges:
        return {b"matches": _matches(common, options), b"len": common.length}
    return common.length if options.length else common.text()


def _matches(common: lcs.CommonSubsequence, options: LcsOptions) -> list[list[object]]:
    found: list[list[object]] = []
    for start, end, other_start, other_end in common.ranges():
        size = end - start + 1
        if size >= options.shortest:
            found.append([[start, end], [other_start, other_end]] + ([size] if options.with_lengths else []))
    return found
