"""Unions, intersections and differences of sorted sets, returned or stored.

Plain sets take part too, each member with the score 1. WEIGHTS multiplies the scores of each input; AGGREGATE says what
becomes of a member's scores: their sum, the lowest or the highest. Nothing is ever NaN: inf - inf counts as 0.
"""

from collections.abc import Sequence

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, READONLY, WRITE, group
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError, syntax, wrong_type
from server.registry.keys import ACCESS, OW, RO, UPDATE, Keys, counted_keys, keys, spec
from server.registry.light import Any, NamedTuple
from server.types.set import Set
from server.types.sorted_set import SortedSet
from server.types.sorted_set_algebra import Combined, count_common
from server.types.sorted_set_result import score as read_score, store_value

command = group("sorted_set")

UNION, INTERSECTION, DIFFERENCE = range(3)          # as types.sorted_set_algebra names them
_AGGREGATES = {b"SUM": 0, b"MIN": 1, b"MAX": 2}


@dataclass
class Input:
    """One of the keys: a sorted set, a set, or nothing."""

    value: SortedSet | Set | None
    weight: float = 1.0


class Wanted(NamedTuple):
    """What a command was told."""

    inputs: list[Input]
    aggregate: int
    scores: bool
    limit: int                      # of ZINTERCARD; 0 for none


def _arguments(call: Call, words: Sequence[bytes], options: set[bytes]) -> Wanted:
    """`numkeys key [key ...]` and the options of this command. The keys are looked up before the options are read."""
    numkeys = args.integer(words[0])
    if numkeys < 1:
        raise CommandError(f"ERR at least 1 input key is needed for '{call.command.name}' command")
    if numkeys > len(words) - 1:
        raise syntax()
    inputs = [Input(_look_up(call, key)) for key in words[1:numkeys + 1]]
    aggregate, scores, limit = 0, False, 0
    rest = list(words[numkeys + 1:])
    while rest:
        name = rest.pop(0).upper()
        if name not in options:
            raise syntax()
        if name == b"WEIGHTS" and len(rest) >= numkeys:
            for source in inputs:
                source.weight = read_score(rest.pop(0), "ERR weight value is not a float")
        elif name == b"AGGREGATE" and rest:
            chosen = _AGGREGATES.get(rest.pop(0).upper())
            if chosen is None:
                raise syntax()
            aggregate = chosen
        elif name == b"LIMIT" and rest:
            limit = args.integer_in(rest.pop(0), 0, args.INT64_MAX, "ERR LIMIT can't be negative")
        elif name == b"WITHSCORES":
            scores = True
        else:
            raise syntax()
    return Wanted(inputs, aggregate, scores, limit)


def _look_up(call: Call, key: bytes) -> SortedSet | Set | None:
    kind = call.db.type_of(key, touch=True)
    if kind is None:
        return None
    if kind not in ("zset", "set"):
        raise wrong_type()
    view: SortedSet | Set | None = call.db.view(key)
    return view


def _combined(which: int, wanted: Wanted) -> Combined:
    return Combined(which, [(source.value, source.weight) for source in wanted.inputs], wanted.aggregate)


def _answer(call: Call, which: int, words: Sequence[bytes], options: set[bytes]) -> Any:
    """The reply of a command that stores nothing."""
    wanted = _arguments(call, words, options | {b"WITHSCORES"})
    return _combined(which, wanted).reply(wanted.scores, call.client.resp)


def _store(call: Call, which: int, destination: bytes, words: Sequence[bytes], options: set[bytes], event: str) -> int:
    found = _combined(which, _arguments(call, words, options))
    return store_value(call, destination, found.stored() if len(found) else None, event)


_STORE_KEYS: Keys = keys(spec(OW, UPDATE), spec(RO, ACCESS, begin=2, find=("keynum", 0, 1, 1)))
_COMBINE = {b"WEIGHTS", b"AGGREGATE"}


# ---- union
@command("ZUNION", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
def zunion(call: Call, *words: bytes) -> Any:
    """Return the members that at least one of several sorted sets has.

    Complexity: O(N)+O(M*log(M)) where N is the sum of the sizes and M the size of the result.
    """
    return _answer(call, UNION, words, _COMBINE)


@command("ZUNIONSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="2.0.0",
         syntax="destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
def zunionstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members that at least one of several sorted sets has; reply with how many it is.

    Complexity: O(N)+O(M*log(M)) where N is the sum of the sizes and M the size of the result.
    """
    return _store(call, UNION, destination, words, _COMBINE, "zunionstore")


# ---- intersection
@command("ZINTER", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
def zinter(call: Call, *words: bytes) -> Any:
    """Return the members that all of several sorted sets have.

    Complexity: O(N*K)+O(M*log(M)) where N is the size of the smallest, K their number and M the size of the result.
    """
    return _answer(call, INTERSECTION, words, _COMBINE)


@command("ZINTERSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="2.0.0",
         syntax="destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
def zinterstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members that all of several sorted sets have; reply with how many it is.

    Complexity: O(N*K)+O(M*log(M)) where N is the size of the smallest, K their number and M the size of the result.
    """
    return _store(call, INTERSECTION, destination, words, _COMBINE, "zinterstore")


@command("ZINTERCARD", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="7.0.0",
         syntax="numkeys key [key ...] [LIMIT limit]")
def zintercard(call: Call, *words: bytes) -> int:
    """Count the members that all of several sorted sets have, up to LIMIT (0: no limit).

    Complexity: O(N*K) where N is the size of the smallest and K their number.
    """
    wanted = _arguments(call, words, {b"LIMIT"})
    return count_common([(source.value, source.weight) for source in wanted.inputs], wanted.limit)


# ---- difference
@command("ZDIFF", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WITHSCORES]")
def zdiff(call: Call, *words: bytes) -> Any:
    """Return the members of the first of several sorted sets that none of the others has.

    Complexity: O(L + (N-K)log(N)) where L is the sum of the sizes, N the size of the first and K that of the result.
    """
    return _answer(call, DIFFERENCE, words, set())


@command("ZDIFFSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="6.2.0",
         syntax="destination numkeys key [key ...]")
def zdiffstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members of the first of several sorted sets that none of the others has; reply with how many it is.

    Complexity: O(L + (N-K)log(N)) where L is the sum of the sizes, N the size of the first and K that of the result.
    """
    return _store(call, DIFFERENCE, destination, words, set(), "zdiffstore")
