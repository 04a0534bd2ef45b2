"""Sorted sets: distinct members, each with a score, kept in the order of score and then of the member's bytes.

Scores are doubles, infinities included, never NaN. A member's rank is its place in that order, 0 for the lowest. A
sorted set that loses its last member is gone. Here is what deals with single members; ranges are in sorted_set_range,
unions, intersections and differences in sorted_set_store.
"""

from collections.abc import Sequence

from server.clients import blocking
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import BLOCKING, DENYOOM, FAST, READONLY, WRITE, group
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError, syntax, wrong_arity
from server.registry.keys import ACCESS, DELETE, RO, RW, UPDATE, counted_keys, every_key, one_key
from server.registry.light import Any
from server.registry.option_words import OptionWords
from server.registry.reply import NULL_ARRAY, PIECE, Streamed, pieces
from server.structures import glob
from server.types.sorted_set import ADDED, NAN, NOTHING, UPDATED, ZADD_FLAGS, SortedSet, pairs_reply
from server.types.sorted_set_result import score as read_score

command = group("sorted_set")

NOT_A_NUMBER = "ERR resulting score is not a number (NaN)"


# ---- adding
@command("ZADD", arity=-4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, UPDATE), since="1.2.0",
         syntax="key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
         history=(("2.4.0", "Accepts multiple elements."),
                  ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
                  ("6.2.0", "Added the `GT` and `LT` options.")))
def zadd(call: Call, key: bytes, *words: bytes) -> int | float | None:
    """Add members with their scores, or give members that are there new scores; reply with how many were new.

    NX only adds, XX only changes; GT and LT change a score only upwards or downwards. CH makes the reply count changed
    scores too. With INCR the one score is an increment and the reply the new score, null when an option forbade it.

    Complexity: O(log(N)) for each member, N being the number of members of the sorted set.
    """
    flags, change, pairs = _zadd_arguments(call.command.option_words, words)
    return _add(call, key, pairs, flags, change)


@command("ZINCRBY", arity=4, flags=WRITE | DENYOOM | FAST, keys=one_key(RW, ACCESS, UPDATE), since="1.2.0",
         syntax="key increment member")
def zincrby(call: Call, key: bytes, increment: bytes, member: bytes) -> int | float | None:
    """Add to a member's score, counting an absent member as 0; reply with the new score.

    Complexity: O(log(N)) where N is the number of members.
    """
    return _add(call, key, [(read_score(increment), member)], ZADD_FLAGS["INCR"], False)


def _zadd_arguments(known: OptionWords, words: Sequence[bytes]) -> tuple[int, bool, list[tuple[float, bytes]]]:
    """(flags, whether CH was said, score and member pairs)."""
    options = set()
    at = 0
    while at < len(words) and (name := known.name_of(words[at])):
        options.add(name)
        at += 1
    count = len(words) - at
    if count % 2 or not count:
        raise syntax()
    if {"NX", "XX"} <= options:
        raise CommandError("ERR XX and NX options at the same time are not compatible")
    if len({"GT", "LT", "NX"} & options) > 1:
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if "INCR" in options and count > 2:
        raise CommandError("ERR INCR option supports a single increment-element pair")
    pairs = [(read_score(words[i]), words[i + 1]) for i in range(at, len(words), 2)]
    return sum(ZADD_FLAGS.get(name, 0) for name in options), "CH" in options, pairs


def _add(call: Call, key: bytes, pairs: list[tuple[float, bytes]], flags: int, change: bool) -> int | float | None:
    """The work of ZADD, ZINCRBY and ZADD INCR."""
    increment = flags & ZADD_FLAGS["INCR"]
    zset = call.db.lookup_write(key, SortedSet, create=not flags & ZADD_FLAGS["XX"])
    if zset is None:
        return None if increment else 0
    zset.expect(len(pairs), len(pairs[0][1]))
    added = updated = 0
    for score, member in pairs:
        outcome, score = zset.add(score, member, flags)
        if outcome == NAN:
            raise CommandError(NOT_A_NUMBER)
        added += outcome == ADDED
        updated += outcome == UPDATED
    if added or updated:
        call.changed(key, "zincr" if increment else "zadd", by=added + updated)
    if increment:
        return None if outcome == NOTHING else score
    return added + updated if change else added


# ---- removing
@command("ZREM", arity=-3, flags=WRITE | FAST, keys=one_key(RW, DELETE), since="1.2.0",
         syntax="key member [member ...]", history=(("2.4.0", "Accepts multiple elements."),))
def zrem(call: Call, key: bytes, *members: bytes) -> int:
    """Remove members; reply with how many there were.

    Complexity: O(M*log(N)) where N is the number of members and M how many are removed.
    """
    zset = call.db.lookup_write(key, SortedSet)
    if zset is None:
        return 0
    removed = 0
    for member in members:
        removed += zset.remove(member)
        if not len(zset):
            break
    if removed:
        gone = not len(zset)
        if gone:
            call.db.delete(key)
        call.changed(key, "zrem", by=removed)
        if gone:
            call.notify("del", key)
    return removed


@command("ZPOPMIN", arity=-2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="5.0.0", syntax="key [count]")
def zpopmin(call: Call, key: bytes, *count: bytes) -> Any:
    """Remove and return the member with the lowest score, or so many of them, with their scores.

    Complexity: O(log(N)*M) where N is the number of members and M how many are popped.
    """
    return _zpop(call, key, count, False)


@command("ZPOPMAX", arity=-2, flags=WRITE | FAST, keys=one_key(RW, ACCESS, DELETE), since="5.0.0", syntax="key [count]")
def zpopmax(call: Call, key: bytes, *count: bytes) -> Any:
    """Remove and return the member with the highest score, or so many of them, with their scores.

    Complexity: O(log(N)*M) where N is the number of members and M how many are popped.
    """
    return _zpop(call, key, count, True)


def _zpop(call: Call, key: bytes, words: tuple[bytes, ...], highest: bool) -> Any:
    if len(words) > 1:
        raise syntax()
    count = args.positive(words[0]) if words else 1
    zset = call.db.lookup_write(key, SortedSet)
    if zset is None or not count:
        return []
    popped = pop_from(call, key, zset, count, highest)
    return pairs_reply(popped, call.client.resp if words else 2)


def pop_from(call: Call, key: bytes, zset: SortedSet, count: int, highest: bool) -> list[tuple[bytes, float]]:
    """Pop up to `count` elements of a sorted set that is not empty and tell who must hear of it."""
    popped = zset.pop(min(count, len(zset)), highest)
    call.changed(key, "zpopmax" if highest else "zpopmin", by=len(popped))
    if not len(zset):
        call.db.delete(key)
        call.notify("del", key)
    return popped


# ---- popping from the first of several keys, and waiting for one
@dataclass(frozen=True)
class MultiPop:
    """What ZMPOP and BZMPOP were told."""

    keys: tuple[bytes, ...]
    highest: bool
    count: int


def multi_pop(words: Sequence[bytes]) -> MultiPop:
    """`numkeys key [key ...] MIN|MAX [COUNT count]`. Errors: numkeys, count, syntax."""
    numkeys = args.integer_in(words[0], 1, args.INT64_MAX, "ERR numkeys should be greater than 0")
    if numkeys + 1 >= len(words):
        raise syntax()
    where = words[numkeys + 1].upper()
    if where not in (b"MIN", b"MAX"):
        raise syntax()
    count = None
    rest = list(words[numkeys + 2:])
    while rest:
        if rest.pop(0).upper() != b"COUNT" or not rest or count is not None:
            raise syntax()
        count = args.integer_in(rest.pop(0), 1, args.INT64_MAX, "ERR count should be greater than 0")
    return MultiPop(tuple(words[1:numkeys + 1]), where == b"MAX", count or 1)


def pop_from_first(call: Call, wanted: MultiPop) -> Any:
    """Pop from the first key that is there: (key, elements) as ZMPOP replies it, or None."""
    for key in wanted.keys:
        zset = call.db.lookup_write(key, SortedSet)
        if zset is not None:
            popped = pop_from(call, key, zset, wanted.count, wanted.highest)
            call.propagate_as(b"ZPOPMAX" if wanted.highest else b"ZPOPMIN", key, b"%d" % len(popped))
            return [key, [list(pair) for pair in popped]]
    return None


@command("ZMPOP", arity=-4, flags=WRITE, keys=counted_keys(RW, ACCESS, DELETE), since="7.0.0",
         syntax="numkeys key [key ...] <MIN | MAX> [COUNT count]")
def zmpop(call: Call, *words: bytes) -> Any:
    """Pop members with the lowest or highest scores from the first of several sorted sets that is there.

    The reply is that key and an array of member and score pairs, or null. AOF and replicas see ZPOPMIN or ZPOPMAX.

    Complexity: O(K) + O(M*log(N)) where K is the number of keys, N the size of that set and M how many are popped.
    """
    return pop_from_first(call, multi_pop(words)) or NULL_ARRAY


@command("BZMPOP", arity=-5, flags=WRITE | BLOCKING, keys=counted_keys(RW, ACCESS, DELETE, at=2), since="7.0.0",
         syntax="timeout numkeys key [key ...] <MIN | MAX> [COUNT count]")
def bzmpop(call: Call, timeout: bytes, *words: bytes) -> Any:
    """Do as ZMPOP, or wait until one of the keys has a member; null when the timeout (seconds, 0 for ever) is over.

    Complexity: O(K) + O(M*log(N)) where K is the number of keys, N the size of that set and M how many are popped.
    """
    wanted = multi_pop(words)
    wait = blocking.seconds(timeout)
    return pop_from_first(call, wanted) or _wait(call, wanted.keys, wait)


@command("BZPOPMIN", arity=-3, flags=WRITE | FAST | BLOCKING, keys=every_key(RW, ACCESS, DELETE, last=-2),
         since="5.0.0", syntax="key [key ...] timeout",
         history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),))
def bzpopmin(call: Call, *words: bytes) -> Any:
    """Pop the member with the lowest score from the first of several sorted sets that is there, or wait for one.

    The reply is key, member and score; null when the timeout (seconds, 0 for ever) is over.

    Complexity: O(log(N)) where N is the number of members.
    """
    return _blocking_pop(call, words[:-1], words[-1], False)


@command("BZPOPMAX", arity=-3, flags=WRITE | FAST | BLOCKING, keys=every_key(RW, ACCESS, DELETE, last=-2),
         since="5.0.0", syntax="key [key ...] timeout",
         history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),))
def bzpopmax(call: Call, *words: bytes) -> Any:
    """Pop the member with the highest score from the first of several sorted sets that is there, or wait for one.

    The reply is key, member and score; null when the timeout (seconds, 0 for ever) is over.

    Complexity: O(log(N)) where N is the number of members.
    """
    return _blocking_pop(call, words[:-1], words[-1], True)


def _blocking_pop(call: Call, keys: tuple[bytes, ...], timeout: bytes, highest: bool) -> Any:
    wait = blocking.seconds(timeout)
    for key in keys:
        zset = call.db.lookup_write(key, SortedSet)
        if zset is not None:
            [(member, score)] = pop_from(call, key, zset, 1, highest)
            call.propagate_as(b"ZPOPMAX" if highest else b"ZPOPMIN", key)
            return [key, member, score]
    return _wait(call, keys, wait)


def _wait(call: Call, keys: tuple[bytes, ...], timeout_ms: int) -> Any:
    """Wait for a sorted set; where waiting is not allowed it is as if the time were over."""
    if not call.may_block:
        return NULL_ARRAY
    return call.server.blocking.wait(call, blocking.SORTED_SET, keys, timeout_ms)


# ---- asking
@command("ZCARD", arity=2, flags=READONLY | FAST, keys=one_key(RO), since="1.2.0", syntax="key")
def zcard(call: Call, key: bytes) -> int:
    """Return the number of members.

    Complexity: O(1)
    """
    zset = call.db.lookup_read(key, SortedSet)
    return 0 if zset is None else len(zset)


@command("ZSCORE", arity=3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="1.2.0", syntax="key member")
def zscore(call: Call, key: bytes, member: bytes) -> float | None:
    """Return the score of a member, null when it is none.

    Complexity: O(1)
    """
    zset = call.db.lookup_read(key, SortedSet)
    return None if zset is None else zset.score(member)


@command("ZMSCORE", arity=-3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="6.2.0",
         syntax="key member [member ...]")
def zmscore(call: Call, key: bytes, *members: bytes) -> list[float | None]:
    """Return the scores of several members, null for each that is none.

    Complexity: O(N) where N is the number of members asked for.
    """
    zset = call.db.lookup_read(key, SortedSet)
    return [None if zset is None else zset.score(member) for member in members]


@command("ZRANK", arity=-3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.0.0",
         syntax="key member [WITHSCORE]", history=(("7.2.0", "Added the optional `WITHSCORE` argument."),))
def zrank(call: Call, key: bytes, member: bytes, *words: bytes) -> Any:
    """Return how many members are before this one, counted from the lowest score; null when it is none.

    Complexity: O(log(N))
    """
    return _rank(call, key, member, words, False)


@command("ZREVRANK", arity=-3, flags=READONLY | FAST, keys=one_key(RO, ACCESS), since="2.0.0",
         syntax="key member [WITHSCORE]", history=(("7.2.0", "Added the optional `WITHSCORE` argument."),))
def zrevrank(call: Call, key: bytes, member: bytes, *words: bytes) -> Any:
    """Return how many members are after this one, counted from the highest score; null when it is none.

    Complexity: O(log(N))
    """
    return _rank(call, key, member, words, True)


def _rank(call: Call, key: bytes, member: bytes, words: tuple[bytes, ...], reverse: bool) -> Any:
    if len(words) > 1:
        raise wrong_arity(call.command.name)
    if words and words[0].upper() != b"WITHSCORE":
        raise syntax()
    zset = call.db.lookup_read(key, SortedSet)
    found = None if zset is None else zset.rank(member, reverse)
    if found is None:
        return NULL_ARRAY if words else None
    return list(found) if words else found[0]


# ---- chance
@command("ZRANDMEMBER", arity=-2, flags=READONLY, keys=one_key(RO, ACCESS), since="6.2.0",
         syntax="key [count [WITHSCORES]]", tips=("nondeterministic_output",))
def zrandmember(call: Call, key: bytes, *words: bytes) -> Any:
    """Return a member picked at random, or several: distinct ones for a positive count, with repetition for a negative.

    Complexity: O(N) where N is the number of members returned.
    """
    if not words:
        zset = call.db.lookup_read(key, SortedSet)
        return None if zset is None else zset.random()
    limit = args.INT64_MAX
    count = args.integer(words[0])
    if count < -limit:
        raise CommandError(f"ERR value is out of range, value must between {-limit} and {limit}")
    if len(words) > 2 or (len(words) == 2 and words[1].upper() != b"WITHSCORES"):
        raise syntax()
    scores = len(words) == 2
    if scores and not -(limit // 2) <= count <= limit // 2:
        raise CommandError("ERR value is out of range")
    zset = call.db.lookup_read(key, SortedSet)
    if zset is None or not count:
        return []
    if count < -PIECE and call.may_stream:
        resp = call.client.resp
        parts = ([zset.random_elements(part, scores, resp)] for part in pieces(-count))
        return Streamed(-count * 2 if scores and resp == 2 else -count, parts)
    return _sample(zset, count, scores, call.client.resp)


def _sample(zset: SortedSet, count: int, scores: bool, resp: int) -> Any:
    size = len(zset)
    if count < 0 or count == 1:
        return zset.reply_random(abs(count), scores, resp)
    if count >= size:
        return zset.reply_range(0, size, False, scores, resp)
    from random import sample

    return zset.reply_ranks(sample(range(size), count), scores, resp)



# ---- walking
@command("ZSCAN", arity=-3, flags=READONLY, keys=one_key(RO, ACCESS), since="2.8.0",
         syntax="key cursor [MATCH pattern] [COUNT count]", tips=("nondeterministic_output",))
def zscan(call: Call, key: bytes, cursor_text: bytes, *words: bytes) -> list[object]:
    """Walk over the members of a sorted set in steps: the cursor for the next call, and members with their scores.

    Start with cursor 0, and the walk is complete when 0 comes back. Members that were there all the time are returned,
    some perhaps twice. A small sorted set is answered all at once.

    Complexity: O(1) for a call, O(N) for the whole walk, N being the number of members.
    """
    cursor = args.cursor(cursor_text)
    zset = call.db.lookup_read(key, SortedSet)
    if zset is None:
        return [b"0", []]
    pattern, count = args.scan_options(words)
    cursor, found = zset.scan(cursor, count)
    if pattern is not None:
        found = [pair for pair in found if glob.match(pattern, pair[0])]
    return [b"%d" % cursor, [word for pair in found for word in pair]]
