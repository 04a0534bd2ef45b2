"""Ranges of sorted sets: by rank, by score, or, where all scores are equal, by the members' bytes.

A score limit is a number, "(" before it excludes it, "-inf" and "+inf" are the ends. A member limit is "[member" or
"(member", "-" and "+" are the ends. ZRANGE does it all; the other names are older.
"""

from collections.abc import Callable

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import DENYOOM, FAST, READONLY, WRITE, group
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError, syntax
from server.registry.keys import ACCESS, DELETE, OW, RO, RW, UPDATE, keys, one_key, spec
from server.registry.light import Any
from server.types.sorted_set import SortedSet
from server.types.sorted_set_result import lex_limits, rank_limits, score_limits, store

command = group("sorted_set")

RANK, SCORE, LEX = "RANK", "BYSCORE", "BYLEX"
_METHODS: dict[str, tuple[Callable[..., tuple[Any, ...]], Callable[..., tuple[int, int]]]] = {
    RANK: (rank_limits, SortedSet.rank_range),
    SCORE: (score_limits, SortedSet.score_range),
    LEX: (lex_limits, SortedSet.lex_range),
}


@dataclass(frozen=True)
class Range:
    """What a range command was told. `limits` is what the SortedSet's method for `kind` takes."""

    kind: str
    limits: tuple[Any, ...]
    reverse: bool
    scores: bool
    offset: int
    count: int                      # -1 for all

    def ranks(self, zset: SortedSet) -> tuple[int, int]:
        """First rank and end (excluded) in a sorted set."""
        if self.kind == RANK:
            start, stop = self.limits
            return zset.rank_range(start, stop, self.reverse)
        first, end = _METHODS[self.kind][1](zset, *self.limits)
        if self.offset < 0 or self.offset >= end - first:
            return 0, 0
        if self.reverse:
            end -= self.offset
            return (first if self.count < 0 else max(first, end - self.count)), end
        first += self.offset
        return first, (end if self.count < 0 else min(end, first + self.count))


def _range(low: bytes, high: bytes, words: tuple[bytes, ...], kind: str | None = None, reverse: bool | None = None,
           storing: bool = False) -> Range:
    """Read a range and its options; those that the command's name says (kind, reverse) are not options."""
    scores, offset, count = False, 0, -1
    rest = list(words)
    chosen = kind
    backwards = reverse
    while rest:
        name = rest.pop(0).upper()
        if name == b"WITHSCORES" and not storing:
            scores = True
        elif name == b"LIMIT" and len(rest) >= 2:
            offset, count = args.integer(rest.pop(0)), args.integer(rest.pop(0))
        elif name == b"REV" and backwards is None:
            backwards = True
        elif name in (b"BYLEX", b"BYSCORE") and chosen is None:
            chosen = name.decode()
        else:
            raise syntax()
    chosen = chosen or RANK
    if count != -1 and chosen == RANK:
        raise CommandError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if scores and chosen == LEX:
        raise CommandError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    if backwards and chosen != RANK:
        low, high = high, low
    return Range(chosen, _METHODS[chosen][0](low, high), bool(backwards), scores, offset, count)


def _answer(call: Call, key: bytes, wanted: Range) -> Any:
    zset = call.db.lookup_read(key, SortedSet)
    if zset is None:
        return []
    return zset.reply_range(*wanted.ranks(zset), wanted.reverse, wanted.scores, call.client.resp)


# ---- reading
@command("ZRANGE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="1.2.0",
         syntax="key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
         history=(("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."),))
def zrange(call: Call, key: bytes, start: bytes, stop: bytes, *words: bytes) -> Any:
    """Return the members in a range of ranks, of scores or of members.

    Ranks start..stop are both included and negative ones count from the end. With REV the order is from high to low,
    and the limits of a BYSCORE or BYLEX range come as max and min.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(start, stop, words))


@command("ZREVRANGE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="1.2.0",
         syntax="key start stop [WITHSCORES]", deprecated=("6.2.0", "`ZRANGE` with the `REV` argument"))
def zrevrange(call: Call, key: bytes, start: bytes, stop: bytes, *words: bytes) -> Any:
    """Return the members in a range of ranks that count from the highest score.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(start, stop, words, RANK, True))


@command("ZRANGEBYSCORE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="1.0.5",
         syntax="key min max [WITHSCORES] [LIMIT offset count]",
         history=(("2.0.0", "Added the `WITHSCORES` modifier."),),
         deprecated=("6.2.0", "`ZRANGE` with the `BYSCORE` argument"))
def zrangebyscore(call: Call, key: bytes, low: bytes, high: bytes, *words: bytes) -> Any:
    """Return the members whose scores are in a range.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(low, high, words, SCORE, False))


@command("ZREVRANGEBYSCORE", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="2.2.0",
         syntax="key max min [WITHSCORES] [LIMIT offset count]",
         history=(("2.1.6", "`min` and `max` can be exclusive."),),
         deprecated=("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"))
def zrevrangebyscore(call: Call, key: bytes, high: bytes, low: bytes, *words: bytes) -> Any:
    """Return the members whose scores are in a range, from the highest to the lowest.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(high, low, words, SCORE, True))


@command("ZRANGEBYLEX", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.9",
         syntax="key min max [LIMIT offset count]", deprecated=("6.2.0", "`ZRANGE` with the `BYLEX` argument"))
def zrangebylex(call: Call, key: bytes, low: bytes, high: bytes, *words: bytes) -> Any:
    """Return the members between two members, in a sorted set whose scores are all equal.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(low, high, words, LEX, False))


@command("ZREVRANGEBYLEX", arity=-4, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.9",
         syntax="key max min [LIMIT offset count]",
         deprecated=("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"))
def zrevrangebylex(call: Call, key: bytes, high: bytes, low: bytes, *words: bytes) -> Any:
    """Return the members between two members from the last to the first, in a sorted set whose scores are all equal.

    Complexity: O(log(N)+M) where N is the number of members and M how many are returned.
    """
    return _answer(call, key, _range(high, low, words, LEX, True))


@command("ZRANGESTORE", arity=-5, flags=WRITE | DENYOOM, since="6.2.0",
         keys=keys(spec(OW, UPDATE), spec(RO, ACCESS, begin=2)),
         syntax="dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]")
def zrangestore(call: Call, destination: bytes, source: bytes, low: bytes, high: bytes, *words: bytes) -> int:
    """Store what ZRANGE would return, with the scores, under another key; reply with how many members it is.

    Complexity: O(log(N)+M) where N is the number of members of the source and M how many are stored.
    """
    wanted = _range(low, high, words, storing=True)
    zset = call.db.lookup_read(source, SortedSet)
    pairs = [] if zset is None else zset.items(*wanted.ranks(zset))
    return store(call, destination, pairs, "zrangestore")


# ---- counting
@command("ZCOUNT", arity=4, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.0.0", syntax="key min max")
def zcount(call: Call, key: bytes, low: bytes, high: bytes) -> int:
    """Count the members whose scores are in a range.

    Complexity: O(log(N)) where N is the number of members.
    """
    return _count(call, key, SCORE, low, high)


@command("ZLEXCOUNT", arity=4, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.8.9", syntax="key min max")
def zlexcount(call: Call, key: bytes, low: bytes, high: bytes) -> int:
    """Count the members between two members, in a sorted set whose scores are all equal.

    Complexity: O(log(N)) where N is the number of members.
    """
    return _count(call, key, LEX, low, high)


def _count(call: Call, key: bytes, kind: str, low: bytes, high: bytes) -> int:
    read, ranks = _METHODS[kind]
    limits = read(low, high)
    zset = call.db.lookup_read(key, SortedSet)
    if zset is None:
        return 0
    first, end = ranks(zset, *limits)
    return end - first


# ---- removing
@command("ZREMRANGEBYRANK", arity=4, flags=WRITE, keys=one_key(RW, DELETE), since="2.0.0", syntax="key start stop")
def zremrangebyrank(call: Call, key: bytes, start: bytes, stop: bytes) -> int:
    """Remove the members in a range of ranks; reply with how many there were.

    Complexity: O(log(N)+M) where N is the number of members and M how many are removed.
    """
    return _remove(call, key, RANK, start, stop)


@command("ZREMRANGEBYSCORE", arity=4, flags=WRITE, keys=one_key(RW, DELETE), since="1.2.0", syntax="key min max")
def zremrangebyscore(call: Call, key: bytes, low: bytes, high: bytes) -> int:
    """Remove the members whose scores are in a range; reply with how many there were.

    Complexity: O(log(N)+M) where N is the number of members and M how many are removed.
    """
    return _remove(call, key, SCORE, low, high)


@command("ZREMRANGEBYLEX", arity=4, flags=WRITE, keys=one_key(RW, DELETE), since="2.8.9", syntax="key min max")
def zremrangebylex(call: Call, key: bytes, low: bytes, high: bytes) -> int:
    """Remove the members between two members, in a sorted set whose scores are all equal; reply with how many.

    Complexity: O(log(N)+M) where N is the number of members and M how many are removed.
    """
    return _remove(call, key, LEX, low, high)


def _remove(call: Call, key: bytes, kind: str, low: bytes, high: bytes) -> int:
    read, ranks = _METHODS[kind]
    limits = read(low, high)
    zset = call.db.lookup_write(key, SortedSet)
    if zset is None:
        return 0
    removed = zset.delete_range(*ranks(zset, *limits))
    if removed:
        gone = not len(zset)
        if gone:
            call.db.delete(key)
        call.changed(key, call.command.name, by=removed)
        if gone:
            call.notify("del", key)
    return removed
