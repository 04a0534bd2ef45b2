"""Hashes: fields with values under one key, as many as memory holds.

A hash appears with its first field and the key goes with the last one. A hash of few short fields is stored compactly
(`hash-max-listpack-entries`, `hash-max-listpack-value`); there, fields come back in the order in which they were added,
in a larger one in no order.
"""

from server.dispatch.call import Call
from server.registry import args, errors
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax, wrong_arity
from server.registry.keys import ACCESS, DELETE, INSERT, RO, RW, UPDATE, one_key
from server.registry.light import Any
from server.registry.reply import OK, PIECE, Streamed, pieces
from server.structures import long_double
from server.types.hash import Hash

command = group("hash")

NOT_A_FLOAT = "ERR hash value is not a float"
MANY_PAIRS = args.INT64_MAX // 2      # pairs whose number still fits when fields and values are counted alike


# ---- writing
def _set_pairs(call: Call, key: bytes, pairs: tuple[bytes, ...]) -> int:
    """Set fields and values given in turn; how many fields are new. Errors: arity, WRONGTYPE."""
    if len(pairs) % 2:
        raise wrong_arity(call.command.name)
    hash_ = call.db.lookup_write(key, Hash, create=True)
    hash_.grow(pairs)
    added = sum(hash_.set(pairs[at], pairs[at + 1]) for at in range(0, len(pairs), 2))
    call.changed(key, "hset", by=len(pairs) // 2)
    return added


@command("HSET", arity=-4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, UPDATE), since="2.0.0",
         syntax="key field value [field value ...]",
         history=(("4.0.0", "Accepts multiple `field` and `value` arguments."),))
def hset(call: Call, key: bytes, *pairs: bytes) -> int:
    """Set fields of a hash; the reply is how many of them are new.

    Complexity: O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with
    multiple field/value pairs.
    """
    return _set_pairs(call, key, pairs)


@command("HMSET", arity=-4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, UPDATE), since="2.0.0",
         syntax="key field value [field value ...]",
         deprecated=("4.0.0", "`HSET` with multiple field-value pairs"))
def hmset(call: Call, key: bytes, *pairs: bytes) -> str:
    """Set fields of a hash.

    Complexity: O(N) where N is the number of fields being set.
    """
    _set_pairs(call, key, pairs)
    return OK


@command("HSETNX", arity=4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="2.0.0",
         syntax="key field value")
def hsetnx(call: Call, key: bytes, field: bytes, value: bytes) -> int:
    """Set a field only when it is absent: 1 when it was set, else 0.

    Complexity: O(1)
    """
    hash_ = call.db.lookup_write(key, Hash, create=True)
    if field in hash_:
        return 0
    hash_.grow((field, value))
    hash_.set(field, value)
    call.changed(key, "hset")
    return 1


@command("HINCRBY", arity=4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="2.0.0",
         syntax="key field increment")
def hincrby(call: Call, key: bytes, field: bytes, increment: bytes) -> int:
    """Add to the integer in a field, which counts as 0 when absent; the reply is the sum.

    Complexity: O(1)
    """
    by = args.integer(increment)
    hash_ = call.db.lookup_write(key, Hash)
    text = hash_.get(field) if hash_ is not None else None
    value = by + (0 if text is None else args.integer(text, errors.HASH_VALUE_NOT_AN_INTEGER))
    if not args.INT64_MIN <= value <= args.INT64_MAX:
        raise CommandError(errors.OVERFLOW)
    if hash_ is None:
        hash_ = call.db.lookup_write(key, Hash, create=True)
    hash_.set(field, b"%d" % value)
    call.changed(key, "hincrby")
    return value


@command("HINCRBYFLOAT", arity=4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="2.6.0",
         syntax="key field increment")
def hincrbyfloat(call: Call, key: bytes, field: bytes, increment: bytes) -> bytes:
    """Add a floating point number to the one in a field, which counts as 0 when absent; the reply is the sum.

    The sum never has an exponent and up to 17 decimals. AOF and replicas are told the result, so that they cannot
    differ in rounding.

    Complexity: O(1)
    """
    if not long_double.is_number(increment):
        raise CommandError(errors.NOT_A_FLOAT)
    if not long_double.is_finite(increment):
        raise CommandError("ERR value is NaN or Infinity")
    hash_ = call.db.lookup_write(key, Hash)
    text = hash_.get(field) if hash_ is not None else None
    if text is not None and not long_double.is_number(text):
        raise CommandError(NOT_A_FLOAT)
    result = long_double.add(b"0" if text is None else text, increment)
    if result is None:
        raise CommandError(errors.NAN_OR_INFINITY)
    if hash_ is None:
        hash_ = call.db.lookup_write(key, Hash, create=True)
    hash_.set(field, result)
    call.changed(key, "hincrbyfloat")
    call.propagate_as(b"HSET", key, field, result)
    return result


@command("HDEL", arity=-3, flags=WRITE | FAST, keys=one_key(RW, DELETE), since="2.0.0", syntax="key field [field ...]",
         history=(("2.4.0", "Accepts multiple `field` arguments."),))
def hdel(call: Call, key: bytes, *fields: bytes) -> int:
    """Remove fields of a hash, and the key with the last one; the reply is how many there were.

    Complexity: O(N) where N is the number of fields to be removed.
    """
    hash_ = call.db.lookup_write(key, Hash)
    if hash_ is None:
        return 0
    deleted = sum(hash_.delete(field) for field in fields)
    if not deleted:
        return 0
    emptied = not len(hash_)
    if emptied:
        call.db.delete(key)
    call.changed(key, "hdel", by=deleted)
    if emptied:
        call.notify("del", key)
    return deleted


# ---- reading
@command("HGET", arity=3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.0.0", syntax="key field")
def hget(call: Call, key: bytes, field: bytes) -> bytes | None:
    """Return the value of a field, null without it.

    Complexity: O(1)
    """
    hash_ = call.db.lookup_read(key, Hash)
    return None if hash_ is None else hash_.get(field)


@command("HMGET", arity=-3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.0.0",
         syntax="key field [field ...]")
def hmget(call: Call, key: bytes, *fields: bytes) -> list[bytes | None]:
    """Return the values of several fields, null for each that is absent.

    Complexity: O(N) where N is the number of fields being requested.
    """
    hash_ = call.db.lookup_read(key, Hash)
    return [None] * len(fields) if hash_ is None else [hash_.get(field) for field in fields]


@command("HGETALL", arity=2, flags=READONLY, keys=one_key(RO, ACCESS), since="2.0.0", syntax="key",
         tips=("nondeterministic_output_order",))
def hgetall(call: Call, key: bytes) -> dict[bytes, bytes]:
    """Return all fields with their values.

    Complexity: O(N) where N is the size of the hash.
    """
    hash_ = call.db.lookup_read(key, Hash)
    return {} if hash_ is None else dict(hash_.items())


@command("HKEYS", arity=2, flags=READONLY, keys=one_key(RO, ACCESS), since="2.0.0", syntax="key",
         tips=("nondeterministic_output_order",))
def hkeys(call: Call, key: bytes) -> list[bytes]:
    """Return all fields.

    Complexity: O(N) where N is the size of the hash.
    """
    hash_ = call.db.lookup_read(key, Hash)
    return [] if hash_ is None else [field for field, _ in hash_.items()]


@command("HVALS", arity=2, flags=READONLY, keys=one_key(RO, ACCESS), since="2.0.0", syntax="key",
         tips=("nondeterministic_output_order",))
def hvals(call: Call, key: bytes) -> list[bytes]:
    """Return the values of all fields.

    Complexity: O(N) where N is the size of the hash.
    """
    hash_ = call.db.lookup_read(key, Hash)
    return [] if hash_ is None else [value for _, value in hash_.items()]


@command("HLEN", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="2.0.0", syntax="key")
def hlen(call: Call, key: bytes) -> int:
    """Return how many fields a hash has.

    Complexity: O(1)
    """
    hash_ = call.db.lookup_read(key, Hash)
    return 0 if hash_ is None else len(hash_)


@command("HEXISTS", arity=3, flags=READONLY | FAST, keys=one_key(RO), since="2.0.0", syntax="key field")
def hexists(call: Call, key: bytes, field: bytes) -> int:
    """Return 1 when a hash has a field, else 0.

    Complexity: O(1)
    """
    hash_ = call.db.lookup_read(key, Hash)
    return int(hash_ is not None and field in hash_)


@command("HSTRLEN", arity=3, flags=READONLY | FAST, keys=one_key(RO), since="3.2.0", syntax="key field")
def hstrlen(call: Call, key: bytes, field: bytes) -> int:
    """Return the length of a field's value in bytes, 0 without the field.

    Complexity: O(1)
    """
    hash_ = call.db.lookup_read(key, Hash)
    return 0 if hash_ is None else hash_.value_length(field)


# ---- parts of it
@command("HRANDFIELD", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="6.2.0",
         syntax="key [count [WITHVALUES]]", tips=("nondeterministic_output",))
def hrandfield(call: Call, key: bytes, *words: bytes) -> bytes | list[Any] | Streamed | None:
    """Return random fields of a hash.

    Without a count one field, or null. A positive count gives that many different fields, or all; a negative one that
    many drawn independently, so that some may repeat. WITHVALUES adds each field's value.

    Complexity: O(N) where N is the number of fields returned
    """
    if not words:
        hash_ = call.db.lookup_read(key, Hash)
        return None if hash_ is None else hash_.random()
    count = args.integer_in(words[0], -args.INT64_MAX, args.INT64_MAX)
    if len(words) > 2 or (len(words) == 2 and words[1].upper() != b"WITHVALUES"):
        raise syntax()
    with_values = len(words) == 2
    if with_values and abs(count) > MANY_PAIRS:
        raise CommandError(errors.OUT_OF_RANGE)
    hash_ = call.db.lookup_read(key, Hash)
    if hash_ is None or count == 0:
        return []
    nested = with_values and call.client.resp == 3

    def shape(pairs: list[tuple[bytes, bytes]]) -> list[Any]:
        if nested:
            return [list(pair) for pair in pairs]
        return [word for pair in pairs for word in pair] if with_values else [field for field, _ in pairs]

    if count < -PIECE and call.may_stream:
        parts = (shape(hash_.draw(part)) for part in pieces(-count))
        return Streamed(-count * 2 if with_values and not nested else -count, parts)
    return shape(hash_.draw(-count) if count < 0 else hash_.draw_distinct(count))


@command("HSCAN", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.0",
         syntax="key cursor [MATCH pattern] [COUNT count]", tips=("nondeterministic_output",))
def hscan(call: Call, key: bytes, cursor_text: bytes, *words: bytes) -> list[object]:
    """Walk over the fields of a hash in steps: the reply is the cursor for the next call, and fields with their values.

    Start with cursor 0, and the walk is complete when 0 comes back. Fields that were there all the time are returned,
    some perhaps twice. A small hash is answered all at once.

    Complexity: O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to
    return back to 0. N is the number of elements inside the collection.
    """
    cursor = args.cursor(cursor_text)
    hash_ = call.db.lookup_read(key, Hash)
    if hash_ is None:
        return [b"0", []]
    pattern, count = args.scan_options(words)
    cursor, found = hash_.scan(cursor, count, pattern)
    return [b"%d" % cursor, found]
