"""Intersection, union and difference of sets, answered or stored under a key.

A key that does not exist is an empty set. What is stored replaces the destination whatever it held, and an empty
result deletes it; the destination may be one of the inputs.
"""

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, READONLY, WRITE, group
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, OW, RO, RW, UPDATE, counted_keys, every_key, keys, spec
from server.registry.reply import SetOf
from server.types import set_algebra
from server.types.set import Set

command = group("set")

_SOURCES = spec(RO, ACCESS, begin=2, find=("range", -1, 1, 0))


def _inputs(call: Call, names: tuple[bytes, ...]) -> list[Set | None]:
    """The sets of these keys, None for each that does not exist. Errors: WRONGTYPE."""
    return [call.db.lookup_read(name, Set) for name in names]


def _store(call: Call, destination: bytes, result: Set | None, event: str) -> int:
    """Put a result under a key, or delete the key for an empty one; how many members it has."""
    if result is None or not len(result):
        if call.db.delete(destination):
            call.deleted(destination)
        return 0
    members = len(result)
    call.db.store(destination, result)
    call.changed(destination, event)
    return members


# ---- intersection
def _all_there(call: Call, names: tuple[bytes, ...]) -> list[Set]:
    """The sets to intersect; empty when one of them is."""
    sets = _inputs(call, names)
    there = [set_ for set_ in sets if set_ is not None]
    return there if len(there) == len(sets) else []


@command("SINTER", arity=-2, flags=READONLY, keys=every_key(RO, ACCESS), since="1.0.0", syntax="key [key ...]",
         tips=("nondeterministic_output_order",))
def sinter(call: Call, *names: bytes) -> SetOf:
    """Return the members that all of several sets have.

    Complexity: O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.
    """
    sets = _all_there(call, names)
    return SetOf(set_algebra.intersection(sets) if sets else [])


@command("SINTERCARD", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="7.0.0",
         syntax="numkeys key [key ...] [LIMIT limit]")
def sintercard(call: Call, numkeys: bytes, *words: bytes) -> int:
    """Return how many members all of several sets have, counting no further than a limit.

    Complexity: O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.
    """
    count = args.integer_in(numkeys, 1, args.INT64_MAX, "ERR numkeys should be greater than 0")
    if count > len(words):
        raise CommandError("ERR Number of keys can't be greater than number of args")
    limit = 0
    for at in range(count, len(words), 2):
        if words[at].upper() != b"LIMIT" or at + 1 == len(words):
            raise syntax()
        limit = args.positive(words[at + 1], "ERR LIMIT can't be negative")
    sets = _all_there(call, words[:count])
    return set_algebra.intersection_size(sets, limit) if sets else 0


@command("SINTERSTORE", arity=-3, flags=WRITE | DENYOOM, keys=keys(spec(RW, UPDATE), _SOURCES), since="1.0.0",
         syntax="destination key [key ...]")
def sinterstore(call: Call, destination: bytes, *names: bytes) -> int:
    """Store the members that all of several sets have; the reply is how many there are.

    Complexity: O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.
    """
    sets = _all_there(call, names)
    return _store(call, destination, set_algebra.intersection_set(sets) if sets else None, "sinterstore")


# ---- union
@command("SUNION", arity=-2, flags=READONLY, keys=every_key(RO, ACCESS), since="1.0.0", syntax="key [key ...]",
         tips=("nondeterministic_output_order",))
def sunion(call: Call, *names: bytes) -> SetOf:
    """Return the members that any of several sets has.

    Complexity: O(N) where N is the total number of elements in all given sets.
    """
    return SetOf(set_algebra.union_set(_inputs(call, names)).members())


@command("SUNIONSTORE", arity=-3, flags=WRITE | DENYOOM, keys=keys(spec(OW, UPDATE), _SOURCES), since="1.0.0",
         syntax="destination key [key ...]")
def sunionstore(call: Call, destination: bytes, *names: bytes) -> int:
    """Store the members that any of several sets has; the reply is how many there are.

    Complexity: O(N) where N is the total number of elements in all given sets.
    """
    return _store(call, destination, set_algebra.union_set(_inputs(call, names)), "sunionstore")


# ---- difference
@command("SDIFF", arity=-2, flags=READONLY, keys=every_key(RO, ACCESS), since="1.0.0", syntax="key [key ...]",
         tips=("nondeterministic_output_order",))
def sdiff(call: Call, *names: bytes) -> SetOf:
    """Return the members of the first set that none of the others has.

    Complexity: O(N) where N is the total number of elements in all given sets.
    """
    return SetOf(set_algebra.difference_set(_inputs(call, names)).members())


@command("SDIFFSTORE", arity=-3, flags=WRITE | DENYOOM, keys=keys(spec(OW, UPDATE), _SOURCES), since="1.0.0",
         syntax="destination key [key ...]")
def sdiffstore(call: Call, destination: bytes, *names: bytes) -> int:
    """Store the members of the first set that none of the others has; the reply is how many there are.

    Complexity: O(N) where N is the total number of elements in all given sets.
    """
    return _store(call, destination, set_algebra.difference_set(_inputs(call, names)), "sdiffstore")
