"""Sets: unordered collections of different members. Algebra over several sets is in set_algebra.

A set appears with its first member and the key goes with the last one. Sets of integers and small sets are stored
compactly (`set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`).
"""

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.errors import syntax
from server.registry.keys import ACCESS, DELETE, INSERT, RO, RW, keys, one_key, spec
from server.registry.reply import PIECE, SetOf, Streamed, pieces
from server.types.set import Set

command = group("set")

BATCH = 1024        # members of one SREM that AOF and replicas are told instead of an SPOP with a count


# ---- writing
@command("SADD", arity=-3, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, INSERT), since="1.0.0",
         syntax="key member [member ...]", history=(("2.4.0", "Accepts multiple `member` arguments."),))
def sadd(call: Call, key: bytes, *members: bytes) -> int:
    """Add members to a set; the reply is how many are new.

    Complexity: O(1) for each element added, so O(N) to add N elements when the command is called with multiple
    arguments.
    """
    set_ = call.db.lookup_write(key, Set, create=True)
    set_.grow(members)
    added = sum(set_.add(member) for member in members)
    if added:
        call.changed(key, "sadd", by=added)
    return added


@command("SREM", arity=-3, flags=WRITE | FAST, keys=one_key(RW, DELETE), since="1.0.0",
         syntax="key member [member ...]", history=(("2.4.0", "Accepts multiple `member` arguments."),))
def srem(call: Call, key: bytes, *members: bytes) -> int:
    """Remove members from a set, and the key with the last one; the reply is how many there were.

    Complexity: O(N) where N is the number of members to be removed.
    """
    set_ = call.db.lookup_write(key, Set)
    if set_ is None:
        return 0
    removed = sum(set_.remove(member) for member in members)
    if not removed:
        return 0
    emptied = not len(set_)
    if emptied:
        call.db.delete(key)
    call.changed(key, "srem", by=removed)
    if emptied:
        call.notify("del", key)
    return removed


@command("SMOVE", arity=4, flags=WRITE | FAST, since="1.0.0", syntax="source destination member",
         keys=keys(spec(RW, ACCESS, DELETE), spec(RW, INSERT, begin=2)))
def smove(call: Call, source: bytes, destination: bytes, member: bytes) -> int:
    """Move a member from one set to another: 1 when it was in the first, else 0.

    Complexity: O(1)
    """
    from_ = call.db.lookup_write(source, Set)
    if from_ is None:
        return 0
    to = call.db.lookup_write(destination, Set)
    if to is not None and from_.is_same(to):
        return int(member in from_)
    if not from_.remove(member):
        return 0
    call.notify("srem", source)
    if not len(from_):
        call.db.delete(source)
        call.notify("del", source)
    call.changed(source)
    to = call.db.lookup_write(destination, Set, create=True)
    if not len(to):
        to.grow((member,))
    if to.add(member):
        call.changed(destination, "sadd")
    return 1


# ---- reading
@command("SISMEMBER", arity=3, flags=READONLY | FAST, keys=one_key(RO), since="1.0.0", syntax="key member")
def sismember(call: Call, key: bytes, member: bytes) -> int:
    """Return 1 when a set has a member, else 0.

    Complexity: O(1)
    """
    set_ = call.db.lookup_read(key, Set)
    return int(set_ is not None and member in set_)


@command("SMISMEMBER", arity=-3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="6.2.0",
         syntax="key member [member ...]")
def smismember(call: Call, key: bytes, *members: bytes) -> list[int]:
    """Return 1 for each of several members that a set has, else 0.

    Complexity: O(N) where N is the number of elements being checked for membership
    """
    set_ = call.db.lookup_read(key, Set)
    return [int(set_ is not None and member in set_) for member in members]


@command("SCARD", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="1.0.0", syntax="key")
def scard(call: Call, key: bytes) -> int:
    """Return how many members a set has.

    Complexity: O(1)
    """
    set_ = call.db.lookup_read(key, Set)
    return 0 if set_ is None else len(set_)


@command("SMEMBERS", arity=2, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key",
         tips=("nondeterministic_output_order",))
def smembers(call: Call, key: bytes) -> SetOf:
    """Return all members of a set.

    Complexity: O(N) where N is the set cardinality.
    """
    set_ = call.db.lookup_read(key, Set)
    return SetOf([] if set_ is None else set_.members())


# ---- chance
@command("SPOP", arity=-2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="1.0.0", syntax="key [count]",
         tips=("nondeterministic_output",), history=(("3.2.0", "Added the `count` argument."),))
def spop(call: Call, key: bytes, *words: bytes) -> bytes | SetOf | None:
    """Take random members out of a set, and the key with the last one.

    Without a count one member, or null; with one that many, or all. AOF and replicas are told which ones left.

    Complexity: Without the count argument O(1), otherwise O(N) where N is the value of the passed count.
    """
    if len(words) > 1:
        raise syntax()
    if words:
        return SetOf(_pop_many(call, key, args.positive(words[0])))
    set_ = call.db.lookup_write(key, Set)
    if set_ is None:
        return None
    member = set_.pop()
    call.notify("spop", key)
    call.propagate_as(b"SREM", key, member)
    if not len(set_):
        call.db.delete(key)
        call.notify("del", key)
    call.changed(key)
    return member


def _pop_many(call: Call, key: bytes, count: int) -> list[bytes]:
    """Take `count` members out, all if there are fewer."""
    set_ = call.db.lookup_write(key, Set)
    if set_ is None or count == 0:
        return []
    call.notify("spop", key)
    if count >= len(set_):
        members = set_.members()
        call.db.delete(key)
        call.notify("del", key)
        call.propagate_as(b"UNLINK" if call.config.lazyfree_lazy_server_del else b"DEL", key)
    else:
        members = set_.pop_many(count)
        for at in range(0, count, BATCH):
            call.propagate_as(b"SREM", key, *members[at:at + BATCH])
    call.changed(key, by=len(members))
    return members


@command("SRANDMEMBER", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.0", syntax="key [count]",
         tips=("nondeterministic_output",), history=(("2.6.0", "Added the optional `count` argument."),))
def srandmember(call: Call, key: bytes, *words: bytes) -> bytes | list[bytes] | Streamed | None:
    """Return random members of a set.

    Without a count one member, or null. A positive count gives that many different members, or all; a negative one
    that many drawn independently, so that some may repeat.

    Complexity: Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.
    """
    if len(words) > 1:
        raise syntax()
    if not words:
        set_ = call.db.lookup_read(key, Set)
        return None if set_ is None else set_.random()
    count = args.integer_in(words[0], -args.INT64_MAX, args.INT64_MAX)
    set_ = call.db.lookup_read(key, Set)
    if set_ is None or count == 0:
        return []
    if count < -PIECE and call.may_stream:
        return Streamed(-count, (set_.draw(part) for part in pieces(-count)))
    return set_.draw(-count) if count < 0 else set_.draw_distinct(count)


# ---- parts of it
@command("SSCAN", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.0",
         syntax="key cursor [MATCH pattern] [COUNT count]", tips=("nondeterministic_output",))
def sscan(call: Call, key: bytes, cursor_text: bytes, *words: bytes) -> list[object]:
    """Walk over the members of a set in steps: the reply is the cursor for the next call, and some members.

    Start with cursor 0, and the walk is complete when 0 comes back. Members that were there all the time are returned,
    some perhaps twice. A small set is answered all at once.

    Complexity: O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to
    return back to 0. N is the number of elements inside the collection.
    """
    cursor = args.cursor(cursor_text)
    set_ = call.db.lookup_read(key, Set)
    if set_ is None:
        return [b"0", []]
    pattern, count = args.scan_options(words)
    cursor, found = set_.scan(cursor, count, pattern)
    return [b"%d" % cursor, found]
