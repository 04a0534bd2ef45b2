"""Unions, intersections and differences of sorted sets, returned or stored.

Plain sets take part too, each member with the score 1. WEIGHTS multiplies the scores of each input; AGGREGATE says what
becomes of a member's scores: their sum, the lowest or the highest. Nothing is ever NaN: inf - inf counts as 0.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, READONLY, WRITE, group
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError, syntax, wrong_type
from server.registry.keys import ACCESS, OW, RO, UPDATE, Keys, counted_keys, keys, spec
from server.registry.light import NamedTuple
from server.types.set import Set
from server.types.sorted_set import SortedSet, pairs_reply
from server.types.sorted_set_result import score as read_score, store

command = group("sorted_set")

Pair = tuple[bytes, float]


@dataclass
class Input:
    """One of the keys: a sorted set, a set, or nothing."""

    value: SortedSet | Set | None
    weight: float = 1.0

    def __len__(self) -> int:
        return 0 if self.value is None else len(self.value)

    def pairs(self) -> Iterable[Pair]:
        """Every member with its score, without the weight."""
        if self.value is None:
            return ()
        if isinstance(self.value, SortedSet):
            return self.value.items()
        return ((member, 1.0) for member in self.value.members())

    def score(self, member: bytes) -> float | None:
        """A member's score without the weight, None when it is none."""
        if self.value is None:
            return None
        if isinstance(self.value, SortedSet):
            return self.value.score(member)
        return 1.0 if member in self.value else None


def _sum(a: float, b: float) -> float:
    return _number(a + b)


def _lowest(a: float, b: float) -> float:
    return b if b < a else a


def _highest(a: float, b: float) -> float:
    return b if b > a else a


def _number(score: float) -> float:
    """0 for what is not a number: inf - inf, inf * 0."""
    return 0.0 if score != score else score


_AGGREGATES: dict[bytes, Callable[[float, float], float]] = {b"SUM": _sum, b"MIN": _lowest, b"MAX": _highest}


class Wanted(NamedTuple):
    """What a command was told."""

    inputs: list[Input]
    aggregate: Callable[[float, float], float]
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
    aggregate: Callable[[float, float], float] = _sum
    scores, limit = False, 0
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


# ---- the work
def _union(wanted: Wanted) -> list[Pair]:
    """From the smallest input to the largest, as Redis adds them up."""
    found: dict[bytes, float] = {}
    for source in sorted(wanted.inputs, key=len):
        weight = source.weight
        for member, score in source.pairs():
            score = _number(weight * score)
            known = found.get(member)
            found[member] = score if known is None else wanted.aggregate(known, score)
    return list(found.items())


def _intersection(wanted: Wanted) -> Iterable[Pair]:
    """Members of the smallest input that all others have."""
    smallest, *others = sorted(wanted.inputs, key=len)
    for member, score in smallest.pairs():
        score = _number(smallest.weight * score)
        for other in others:
            value = other.score(member)
            if value is None:
                break
            score = wanted.aggregate(score, value * other.weight)
        else:
            yield member, score


def _difference(wanted: Wanted) -> list[Pair]:
    """Members of the first input that no other has."""
    first, *others = wanted.inputs
    if len(others) * len(first) <= sum(map(len, others)) + len(first):
        return [(m, s) for m, s in first.pairs() if all(other.score(m) is None for other in others)]
    left = dict(first.pairs())
    for other in others:
        for member, _ in other.pairs():
            left.pop(member, None)
        if not left:
            break
    return list(left.items())


def _answer(call: Call, wanted: Wanted, pairs: Iterable[Pair]) -> list[Any]:
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    return pairs_reply(ordered, call.client.resp) if wanted.scores else [member for member, _ in ordered]


_STORE_KEYS: Keys = keys(spec(OW, UPDATE), spec(RO, ACCESS, begin=2, find=("keynum", 0, 1, 1)))
_COMBINE = {b"WEIGHTS", b"AGGREGATE"}


# ---- union
@command("ZUNION", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
def zunion(call: Call, *words: bytes) -> list[Any]:
    """Return the members that at least one of several sorted sets has.

    Complexity: O(N)+O(M*log(M)) where N is the sum of the sizes and M the size of the result.
    """
    wanted = _arguments(call, words, _COMBINE | {b"WITHSCORES"})
    return _answer(call, wanted, _union(wanted))


@command("ZUNIONSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="2.0.0",
         syntax="destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
def zunionstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members that at least one of several sorted sets has; reply with how many it is.

    Complexity: O(N)+O(M*log(M)) where N is the sum of the sizes and M the size of the result.
    """
    return store(call, destination, _union(_arguments(call, words, _COMBINE)), "zunionstore")


# ---- intersection
@command("ZINTER", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]")
def zinter(call: Call, *words: bytes) -> list[Any]:
    """Return the members that all of several sorted sets have.

    Complexity: O(N*K)+O(M*log(M)) where N is the size of the smallest, K their number and M the size of the result.
    """
    wanted = _arguments(call, words, _COMBINE | {b"WITHSCORES"})
    return _answer(call, wanted, _intersection(wanted))


@command("ZINTERSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="2.0.0",
         syntax="destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]")
def zinterstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members that all of several sorted sets have; reply with how many it is.

    Complexity: O(N*K)+O(M*log(M)) where N is the size of the smallest, K their number and M the size of the result.
    """
    return store(call, destination, list(_intersection(_arguments(call, words, _COMBINE))), "zinterstore")


@command("ZINTERCARD", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="7.0.0",
         syntax="numkeys key [key ...] [LIMIT limit]")
def zintercard(call: Call, *words: bytes) -> int:
    """Count the members that all of several sorted sets have, up to LIMIT (0: no limit).

    Complexity: O(N*K) where N is the size of the smallest and K their number.
    """
    wanted = _arguments(call, words, {b"LIMIT"})
    count = 0
    for _ in _intersection(wanted):
        count += 1
        if count == wanted.limit:
            break
    return count


# ---- difference
@command("ZDIFF", arity=-3, flags=READONLY, keys=counted_keys(RO, ACCESS), since="6.2.0",
         syntax="numkeys key [key ...] [WITHSCORES]")
def zdiff(call: Call, *words: bytes) -> list[Any]:
    """Return the members of the first of several sorted sets that none of the others has.

    Complexity: O(L + (N-K)log(N)) where L is the sum of the sizes, N the size of the first and K that of the result.
    """
    wanted = _arguments(call, words, {b"WITHSCORES"})
    return _answer(call, wanted, _difference(wanted))


@command("ZDIFFSTORE", arity=-4, flags=WRITE | DENYOOM, keys=_STORE_KEYS, since="6.2.0",
         syntax="destination numkeys key [key ...]")
def zdiffstore(call: Call, destination: bytes, *words: bytes) -> int:
    """Store the members of the first of several sorted sets that none of the others has; reply with how many it is.

    Complexity: O(L + (N-K)log(N)) where L is the sum of the sizes, N the size of the first and K that of the result.
    """
    return store(call, destination, _difference(_arguments(call, words, set())), "zdiffstore")
