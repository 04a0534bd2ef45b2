"""Lists: sequences of strings, pushed and popped at both ends in O(1); a key without elements does not exist.

Indexes count from 0 at the head (the left), negative ones from the tail: -1 is the last element. Here is what adds
elements or looks at them; what takes elements out, or waits for them, is in list_pop.
"""

from server.dispatch.call import Call
from server.registry import args, errors
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, INSERT, RO, RW, UPDATE, one_key
from server.registry.reply import OK
from server.types.list import HEAD, TAIL, List

command = group("list")

_MANY_ELEMENTS = "Accepts multiple `element` arguments."


# ---- pushing
def _push(call: Call, key: bytes, elements: tuple[bytes, ...], end: int, create: bool) -> int:
    values = call.db.lookup_write(key, List, create=create)
    if values is None:
        return 0
    length = values.push(elements, end)
    call.changed(key, "lpush" if end == HEAD else "rpush", by=len(elements))
    return length


@command("LPUSH", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="1.0.0",
         syntax="key element [element ...]", history=(("2.4.0", _MANY_ELEMENTS),))
def lpush(call: Call, key: bytes, *elements: bytes) -> int:
    """Put elements before the head of a list, one after the other: the last one named becomes the first. Makes the list
    when there is none; the reply is its length.

    Complexity: O(N) where N is the number of elements pushed.
    """
    return _push(call, key, elements, HEAD, True)


@command("RPUSH", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="1.0.0",
         syntax="key element [element ...]", history=(("2.4.0", _MANY_ELEMENTS),))
def rpush(call: Call, key: bytes, *elements: bytes) -> int:
    """Append elements to a list. Makes the list when there is none; the reply is its length.

    Complexity: O(N) where N is the number of elements pushed.
    """
    return _push(call, key, elements, TAIL, True)


@command("LPUSHX", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="2.2.0",
         syntax="key element [element ...]", history=(("4.0.0", _MANY_ELEMENTS),))
def lpushx(call: Call, key: bytes, *elements: bytes) -> int:
    """Put elements before the head of a list that exists; the reply is its length, 0 without a list.

    Complexity: O(N) where N is the number of elements pushed.
    """
    return _push(call, key, elements, HEAD, False)


@command("RPUSHX", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="2.2.0",
         syntax="key element [element ...]", history=(("4.0.0", _MANY_ELEMENTS),))
def rpushx(call: Call, key: bytes, *elements: bytes) -> int:
    """Append elements to a list that exists; the reply is its length, 0 without a list.

    Complexity: O(N) where N is the number of elements pushed.
    """
    return _push(call, key, elements, TAIL, False)


@command("LINSERT", arity=5, flags=WRITE | DENYOOM, keys=one_key(RW, INSERT), since="2.2.0",
         syntax="key <BEFORE | AFTER> pivot element")
def linsert(call: Call, key: bytes, where: bytes, pivot: bytes, element: bytes) -> int:
    """Insert an element before or after the first one that equals the pivot. The reply is the new length, 0 without a
    list, -1 without the pivot.

    Complexity: O(N) where N is the number of elements before the pivot.
    """
    side = where.lower()
    if side not in (b"before", b"after"):
        raise syntax()
    values = call.db.lookup_write(key, List)
    if values is None:
        return 0
    if not values.insert(pivot, element, side == b"after"):
        return -1
    call.changed(key, "linsert")
    return len(values)


# ---- looking
@command("LLEN", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="1.0.0", syntax="key")
def llen(call: Call, key: bytes) -> int:
    """Tell the length of a list; 0 without one.

    Complexity: O(1)
    """
    values = call.db.lookup_read(key, List)
    return 0 if values is None else len(values)


@command("LINDEX", arity=3, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key index")
def lindex(call: Call, key: bytes, index: bytes) -> bytes | None:
    """Return one element of a list by its index; null when there is none.

    Complexity: O(N) where N is the number of elements to skip from the nearer end; O(1) for the first and the last.
    """
    values = call.db.lookup_read(key, List)
    return None if values is None else values.index(args.integer(index))


@command("LRANGE", arity=4, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key start stop")
def lrange(call: Call, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
    """Return the elements from index start to stop, both included; what lies outside the list is left out.

    Complexity: O(S+N) where S is the distance of start from the nearer end, and N the length of the reply.
    """
    first, last = args.integer(start), args.integer(stop)
    values = call.db.lookup_read(key, List)
    return [] if values is None else values.range(first, last)


@command("LPOS", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="6.0.6",
         syntax="key element [RANK rank] [COUNT num-matches] [MAXLEN len]")
def lpos(call: Call, key: bytes, element: bytes, *options: bytes) -> object:
    """Tell the index of an element: of its first match, with RANK of a later one or (negative) of one counted from the
    tail. COUNT asks for several matches as an array (0 for all), MAXLEN bounds how many elements are looked at.

    Complexity: O(N) where N is the number of elements looked at.
    """
    rank, count, max_length = _lpos_options(options)
    values = call.db.lookup_read(key, List)
    if values is None:
        return None if count is None else []
    found = values.positions(element, abs(rank), 1 if count is None else count, max_length, rank < 0)
    if count is None:
        return found[0] if found else None
    return found


def _lpos_options(options: tuple[bytes, ...]) -> tuple[int, int | None, int]:
    rank, count, max_length = 1, None, 0
    at = 0
    while at < len(options):
        name = options[at].lower()
        if at + 1 == len(options):
            raise syntax()
        if name == b"rank":
            rank = args.integer(options[at + 1])
            if rank < -args.INT64_MAX:
                raise CommandError(f"{errors.OUT_OF_RANGE}, value must between {-args.INT64_MAX} and {args.INT64_MAX}")
            if rank == 0:
                raise CommandError("ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                                   "or use negative to start from the end of the list")
        elif name == b"count":
            count = args.positive(options[at + 1], "ERR COUNT can't be negative")
        elif name == b"maxlen":
            max_length = args.positive(options[at + 1], "ERR MAXLEN can't be negative")
        else:
            raise syntax()
        at += 2
    return rank, count, max_length


# ---- changing in the middle
@command("LSET", arity=4, flags=WRITE | DENYOOM, keys=one_key(RW, UPDATE), since="1.0.0", syntax="key index element")
def lset(call: Call, key: bytes, index: bytes, element: bytes) -> str:
    """Replace the element at an index. Errors: no such key, index out of range.

    Complexity: O(N) where N is the number of elements to skip from the nearer end; O(1) for the first and the last.
    """
    values = call.db.lookup_write(key, List)
    if values is None:
        raise CommandError(errors.NO_SUCH_KEY)
    if not values.replace(args.integer(index), element):
        raise CommandError(errors.INDEX_OUT_OF_RANGE)
    call.changed(key, "lset")
    values.shrink()
    return OK
