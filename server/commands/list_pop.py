"""Lists: taking elements out, moving them to another list, and waiting for elements to come.

The last element takes its key along. The B commands wait while all their keys are absent, first come first served; once
an element is there they are run again from the start (see clients.blocking) and do what the plain command does, which
is also what AOF and replicas are told. In a transaction or a script they do not wait, but answer as if time were over.
"""

from collections.abc import Sequence

from server.clients.blocking import LIST, seconds
from server.dispatch.call import Call
from server.registry import args, errors
from server.registry.command import BLOCKING, DENYOOM, FAST, WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, DELETE, INSERT, RW, counted_keys, every_key, keys, one_key, spec
from server.registry.reply import NULL_ARRAY, OK
from server.types.list import HEAD, TAIL, List

command = group("list")

_PUSHED = {HEAD: "lpush", TAIL: "rpush"}
_POPPED = {HEAD: "lpop", TAIL: "rpop"}
_POPS = {HEAD: b"LPOP", TAIL: b"RPOP"}
_FROM_TO = keys(spec(RW, ACCESS, DELETE), spec(RW, INSERT, begin=2))
_FLOAT_TIMEOUT = (("6.0.0", "`timeout` is interpreted as a double instead of an integer."),)


# ---- what they share
def _removed(call: Call, key: bytes, values: List, event: str, by: int) -> None:
    """Elements are gone from a list: tell, and with the last one delete the key."""
    if len(values):
        values.shrink()
        call.changed(key, event, by=by)
    else:
        call.db.delete(key)
        call.changed(key, event, by=by)
        call.notify("del", key)


def _pop_one(call: Call, key: bytes, values: List, end: int) -> bytes | None:
    value = values.pop(end)
    _removed(call, key, values, _POPPED[end], 1)
    return value


def _pop_range(call: Call, key: bytes, values: List, end: int, count: int) -> list[bytes]:
    """Take `count` elements or all there are, the outermost first."""
    length = len(values)
    count = min(count, length)
    if end == HEAD:
        popped = values.range(0, count - 1)
        values.delete_range(0, count)
    else:
        popped = values.range(-count, -1, reverse=True)
        values.delete_range(length - count, count)
    _removed(call, key, values, _POPPED[end], count)
    return popped


def _first_list(call: Call, names: Sequence[bytes]) -> tuple[bytes, List] | None:
    """The first key that exists. Errors: WRONGTYPE if it is not a list."""
    for name in names:
        values = call.db.lookup_write(name, List)
        if values is not None:
            return name, values
    return None


def _end(word: bytes) -> int:
    side = word.lower()
    if side not in (b"left", b"right"):
        raise syntax()
    return HEAD if side == b"left" else TAIL


# ---- from one list
def _pop(call: Call, key: bytes, counts: tuple[bytes, ...], end: int) -> object:
    if len(counts) > 1:
        raise errors.wrong_arity(call.command.name)
    count = args.positive(counts[0]) if counts else 1
    values = call.db.lookup_write(key, List)
    if values is None:
        return NULL_ARRAY if counts else None
    if not counts:
        return _pop_one(call, key, values, end)
    return _pop_range(call, key, values, end, count) if count else []


@command("LPOP", arity=-2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="1.0.0", syntax="key [count]",
         history=(("6.2.0", "Added the `count` argument."),))
def lpop(call: Call, key: bytes, *count: bytes) -> object:
    """Take the first element of a list, or with a count up to that many as an array; null without a list.

    Complexity: O(N) where N is the number of elements taken.
    """
    return _pop(call, key, count, HEAD)


@command("RPOP", arity=-2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="1.0.0", syntax="key [count]",
         history=(("6.2.0", "Added the `count` argument."),))
def rpop(call: Call, key: bytes, *count: bytes) -> object:
    """Take the last element of a list, or with a count up to that many, the last first, as an array; null without a
    list.

    Complexity: O(N) where N is the number of elements taken.
    """
    return _pop(call, key, count, TAIL)


@command("LREM", arity=4, flags=WRITE, keys=one_key(RW, DELETE), since="1.0.0", syntax="key count element")
def lrem(call: Call, key: bytes, count: bytes, element: bytes) -> int:
    """Remove elements that equal the given one: the first `count`, for a negative count the last, for 0 all of them.
    The reply is how many were removed.

    Complexity: O(N+M) where N is the length of the list and M the number of elements removed.
    """
    how_many = args.integer(count)
    values = call.db.lookup_write(key, List)
    if values is None:
        return 0
    gone = values.remove(element, how_many)
    if gone:
        _removed(call, key, values, "lrem", gone)
    return gone


@command("LTRIM", arity=4, flags=WRITE, keys=one_key(RW, DELETE), since="1.0.0", syntax="key start stop")
def ltrim(call: Call, key: bytes, start: bytes, stop: bytes) -> str:
    """Keep only the elements from index start to stop, both included; the list is deleted when none is left.

    Complexity: O(N) where N is the number of elements removed.
    """
    first, last = args.integer(start), args.integer(stop)
    values = call.db.lookup_write(key, List)
    if values is None:
        return OK
    length = len(values)
    first = max(first + length if first < 0 else first, 0)
    last = min(last + length if last < 0 else last, length - 1)
    left, right = (length, 0) if first > last else (first, length - last - 1)
    values.delete_range(0, left)
    values.delete_range(length - left - right, right)
    _removed(call, key, values, "ltrim", left + right)
    return OK


# ---- from the first of several
def _pop_first(call: Call, names: Sequence[bytes], end: int, count: int) -> list[object] | None:
    """[key, elements] of the first list there is, propagated as LPOP or RPOP; None without one."""
    found = _first_list(call, names)
    if found is None:
        return None
    key, values = found
    popped = _pop_range(call, key, values, end, count)
    call.propagate_as(_POPS[end], key, b"%d" % len(popped))
    return [key, popped]


def _read_lmpop(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], int, int]:
    """`numkeys key [key ...] LEFT|RIGHT [COUNT count]`: keys, end, count."""
    number = args.parse_integer(arguments[0])
    if number is None or number < 1:
        raise CommandError("ERR numkeys should be greater than 0")
    if number + 1 >= len(arguments):
        raise syntax()
    end = _end(arguments[number + 1])
    options = arguments[number + 2:]
    if not options:
        return arguments[1:number + 1], end, 1
    if len(options) == 1 or options[0].lower() != b"count":
        raise syntax()
    count = args.parse_integer(options[1])
    if count is None or count < 1:
        raise CommandError("ERR count should be greater than 0")
    if len(options) > 2:
        raise syntax()
    return arguments[1:number + 1], end, count


@command("LMPOP", arity=-4, flags=WRITE, keys=counted_keys(RW, ACCESS, DELETE), since="7.0.0",
         syntax="numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
def lmpop(call: Call, *arguments: bytes) -> object:
    """Take elements (one, or up to COUNT) from the first of several lists that is there: its key and an array of them;
    null when there is none.

    Complexity: O(N+M) where N is the number of keys and M the number of elements taken.
    """
    names, end, count = _read_lmpop(arguments)
    return _pop_first(call, names, end, count) or NULL_ARRAY


@command("BLMPOP", arity=-5, flags=WRITE | BLOCKING, keys=counted_keys(RW, ACCESS, DELETE, at=2), since="7.0.0",
         syntax="timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]")
def blmpop(call: Call, timeout: bytes, *arguments: bytes) -> object:
    """Take elements (one, or up to COUNT) from the first of several lists that is there, as LMPOP; wait for one to come
    when there is none.

    Complexity: O(N+M) where N is the number of keys and M the number of elements taken.
    """
    names, end, count = _read_lmpop(arguments)
    wait_ms = seconds(timeout)
    popped = _pop_first(call, names, end, count)
    if popped is None:
        return call.server.blocking.wait(call, LIST, names, wait_ms) if call.may_block else NULL_ARRAY
    return popped


def _blocking_pop(call: Call, names: Sequence[bytes], timeout: bytes, end: int) -> object:
    wait_ms = seconds(timeout)
    found = _first_list(call, names)
    if found is None:
        return call.server.blocking.wait(call, LIST, names, wait_ms) if call.may_block else NULL_ARRAY
    key, values = found
    value = _pop_one(call, key, values, end)
    call.propagate_as(_POPS[end], key)
    return [key, value]


@command("BLPOP", arity=-3, flags=WRITE | BLOCKING, keys=every_key(RW, ACCESS, DELETE, last=-2), since="2.0.0",
         syntax="key [key ...] timeout", history=_FLOAT_TIMEOUT)
def blpop(call: Call, *arguments: bytes) -> object:
    """Take the first element of the first list that is there: its key and the element. Wait for one to come when there
    is none, at most `timeout` seconds (0 for ever); null when time is over.

    Complexity: O(N) where N is the number of keys.
    """
    return _blocking_pop(call, arguments[:-1], arguments[-1], HEAD)


@command("BRPOP", arity=-3, flags=WRITE | BLOCKING, keys=every_key(RW, ACCESS, DELETE, last=-2), since="2.0.0",
         syntax="key [key ...] timeout", history=_FLOAT_TIMEOUT)
def brpop(call: Call, *arguments: bytes) -> object:
    """Take the last element of the first list that is there: its key and the element. Wait for one to come when there
    is none, at most `timeout` seconds (0 for ever); null when time is over.

    Complexity: O(N) where N is the number of keys.
    """
    return _blocking_pop(call, arguments[:-1], arguments[-1], TAIL)


# ---- from list to list
def _move(call: Call, source: bytes, destination: bytes, origin: int, end: int) -> bytes | None:
    """Take an element from one list and push it to another or the same; None without a source. Errors: WRONGTYPE."""
    values = call.db.lookup_write(source, List)
    if values is None:
        return None
    target = call.db.lookup_write(destination, List, create=True)
    value = values.pop(origin)
    assert value is not None
    target.push_popped(value, end)
    call.changed(destination, _PUSHED[end], by=0)
    _removed(call, source, values, _POPPED[origin], 1)
    return value


@command("LMOVE", arity=5, flags=WRITE | DENYOOM, keys=_FROM_TO, since="6.2.0",
         syntax="source destination <LEFT | RIGHT> <LEFT | RIGHT>")
def lmove(call: Call, source: bytes, destination: bytes, origin: bytes, end: bytes) -> bytes | None:
    """Take an element from an end of one list, push it to an end of another (or the same), and return it; null without
    a source.

    Complexity: O(1)
    """
    return _move(call, source, destination, _end(origin), _end(end))


@command("RPOPLPUSH", arity=3, flags=WRITE | DENYOOM, keys=_FROM_TO, since="1.2.0", syntax="source destination",
         deprecated=("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"))
def rpoplpush(call: Call, source: bytes, destination: bytes) -> bytes | None:
    """Take the last element of one list, make it the first of another (or the same), and return it; null without a
    source.

    Complexity: O(1)
    """
    return _move(call, source, destination, TAIL, HEAD)


def _blocking_move(call: Call, source: bytes, wait_ms: int, destination: bytes, origin: int, end: int) -> object:
    value = _move(call, source, destination, origin, end)
    if value is None:
        return call.server.blocking.wait(call, LIST, (source,), wait_ms) if call.may_block else None
    return value


@command("BLMOVE", arity=6, flags=WRITE | DENYOOM | BLOCKING, keys=_FROM_TO, since="6.2.0",
         syntax="source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout")
def blmove(call: Call, source: bytes, destination: bytes, origin: bytes, end: bytes, timeout: bytes) -> object:
    """Move an element from list to list as LMOVE; wait for the source when it is not there, at most `timeout` seconds
    (0 for ever); null when time is over.

    Complexity: O(1)
    """
    sides = _end(origin), _end(end)
    reply = _blocking_move(call, source, seconds(timeout), destination, *sides)
    if call.dirty:
        call.propagate_as(b"LMOVE", source, destination, origin, end)
    return reply


@command("BRPOPLPUSH", arity=4, flags=WRITE | DENYOOM | BLOCKING, keys=_FROM_TO, since="2.2.0",
         syntax="source destination timeout", history=_FLOAT_TIMEOUT,
         deprecated=("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"))
def brpoplpush(call: Call, source: bytes, destination: bytes, timeout: bytes) -> object:
    """Take the last element of one list and make it the first of another, as RPOPLPUSH; wait for the source when it is
    not there, at most `timeout` seconds (0 for ever); null when time is over.

    Complexity: O(1)
    """
    reply = _blocking_move(call, source, seconds(timeout), destination, TAIL, HEAD)
    if call.dirty:
        call.propagate_as(b"RPOPLPUSH", source, destination)
    return reply
