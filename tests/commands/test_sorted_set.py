"""Sorted set commands, held to a real server where 7.0 and 7.2 agree, and to 7.2's encodings and events."""

import itertools
from typing import Any

import pytest

from tests.support.resp import NullArray, RespError

SMALL, LARGE = 5, 400  # members: a listpack, a table with its index


def fill(send: Any, count: int, key: str = "z") -> None:
    """Scores that repeat, some of them not whole."""
    words = itertools.chain.from_iterable((i % 97 + (i % 3) * 0.25, f"member {i}") for i in range(count))
    send("ZADD", key, *words)


@pytest.fixture(params=[SMALL, LARGE], ids=["listpack", "skiplist"])
def filled(both, request):
    fill(both, request.param)
    both("ZADD", "z", "-inf", "lowest", "inf", "highest", 0, "12345", "-0.5", "")
    both("OBJECT", "ENCODING", "z")
    return both


# ---- against a real server
SCORES = (
    "0",
    "-0",
    "1",
    "+1",
    "007",
    "1.5",
    "-1e3",
    "1e400",
    "-1e400",
    "1e-400",
    "inf",
    "+inf",
    "-inf",
    "Infinity",
    "nan",
    "0x10",
    "0x1p-3",
    " 1",
    "1 ",
    "",
    "1x",
    "1_0",
    "x",
    "1,5",
    "(1",
)
SHORTEST = (
    "123456789012345678",
    "1e17",
    "9007199254740993",
    "4611686018427387904",
    "5e-324",
    "3.0000000000000004",
    "1e21",
    "4611686018427387905",
    "0.1",
    "1e-7",
    "123.456e10",
)  # 7.2 says them so


@pytest.mark.parametrize("members", [1, 200], ids=["listpack", "skiplist"])
def test_scores(both, peer, members):
    scores = SCORES + (SHORTEST if peer.version >= (7, 2) else ())
    both("ZADD", "z", *itertools.chain.from_iterable((7, f"m{i}") for i in range(members)))
    for text in scores:
        both("ZADD", "z", text, "member")
        both("ZSCORE", "z", "member")
        both("ZADD", "other", text, "member")
        both("ZINCRBY", "z", text, "counted")
        both("ZRANGEBYSCORE", "z", text, "inf", "WITHSCORES", "LIMIT", 0, 3)
        both("ZCOUNT", "z", "(" + text, text)
        both("ZREMRANGEBYSCORE", "other", text, text)
    both.resp3()
    for text in scores:
        both("ZADD", "z", text, "member")
        both("ZSCORE", "z", "member")
    both("ZSCAN", "small", 0)


@pytest.mark.parametrize("key", ["z", "none", "string"])
def test_zadd_options(filled, key):
    filled("SET", "string", "x")
    options = ("NX", "XX", "GT", "LT", "CH", "INCR")
    for count in range(4):
        for chosen in itertools.combinations(options, count):
            for score in (1, 50, "1.5"):
                filled("ZADD", key, *chosen, score, "member 1")
                filled("ZADD", key, *chosen, score, "new")
                filled("ZADD", key, *chosen, score, "member 2", 3, "newer")
                filled("ZREM", key, "new", "newer")
    filled("ZADD", key, "ch", "1", "a", "xx", "b")
    filled("ZADD", key, "1", "a", "2")
    filled("ZADD", key, "NX", "CH")
    filled.same_keyspace()


def test_infinities(both):
    both("ZADD", "z", "inf", "a", "-inf", "b")
    both("ZINCRBY", "z", "-inf", "a")
    both("ZADD", "z", "INCR", "inf", "b")
    both("ZINCRBY", "none", "inf", "b")
    both("ZUNIONSTORE", "sum", 2, "z", "z", "WEIGHTS", 1, -1)
    both("ZUNIONSTORE", "nothing", 1, "z", "WEIGHTS", 0)
    both.same_keyspace()


def test_one_member(filled):
    for member in ("member 1", "12345", "", "highest", "none", "member 3"):
        filled("ZSCORE", "z", member)
        filled("ZRANK", "z", member)
        filled("ZREVRANK", "z", member)
        filled("ZMSCORE", "z", member, "member 2")
    filled("ZCARD", "z")
    filled("ZREM", "z", "member 1", "none", "member 1", "")
    filled("ZREM", "none", "member 1")
    filled("ZMSCORE", "none", "member 1")
    filled.resp3()
    filled("ZMSCORE", "z", "member 2", "none", "highest")
    filled("ZSCORE", "z", "lowest")


RANKS = ((0, -1), (0, 0), (1, 3), (-3, -1), (3, 1), (-1000, 1000), (400, 500), (-1, 0), (4, 4), (10**18, -(10**18)))
SCORE_LIMITS = (
    ("-inf", "+inf"),
    ("(-inf", "(+inf"),
    (1, 1),
    ("(1", 1),
    (1, "(1.25"),
    (0.25, 3),
    (5, 2),
    ("(2", "(2"),
    (96, 300),
    ("", ""),
    ("x", 1),
    (1, "(x"),
    ("nan", 1),
    ("(", ")"),
    ("(1", "+inf"),
)


@pytest.mark.parametrize("protocol", [2, 3])
def test_ranges(filled, protocol):
    if protocol == 3:
        filled.resp3()
    for start, stop in RANKS:
        for more in ((), ("WITHSCORES",), ("REV",), ("REV", "WITHSCORES")):
            filled("ZRANGE", "z", start, stop, *more)
        filled("ZREVRANGE", "z", start, stop)
        filled("ZREVRANGE", "z", start, stop, "withscores")
    for low, high in SCORE_LIMITS:
        filled("ZCOUNT", "z", low, high)
        for more in (
            (),
            ("WITHSCORES",),
            ("LIMIT", 0, 2),
            ("LIMIT", 1, -1),
            ("LIMIT", -1, 5),
            ("LIMIT", 3, 0),
            ("LIMIT", 1, 2, "WITHSCORES"),
            ("LIMIT", 1000, 1),
        ):
            filled("ZRANGEBYSCORE", "z", low, high, *more)
            filled("ZREVRANGEBYSCORE", "z", high, low, *more)
            filled("ZRANGE", "z", low, high, "BYSCORE", *more)
            filled("ZRANGE", "z", high, low, "byscore", "rev", *more)


LEX = ("-", "+", "[a", "(a", "[member 2", "(member 2", "[", "(", "[zzz", "(12345", "[12345")


@pytest.mark.parametrize("count", [SMALL, LARGE])
def test_lex_ranges(both, count):
    both("ZADD", "z", *itertools.chain.from_iterable((0, f"member {i}") for i in range(count)), 0, "a", 0, "", 0, 12345)
    for low, high in itertools.product(LEX, LEX):
        both("ZRANGEBYLEX", "z", low, high)
        both("ZREVRANGEBYLEX", "z", low, high, "LIMIT", 1, 2)
        both("ZRANGE", "z", low, high, "BYLEX", "LIMIT", 0, 1)
        both("ZLEXCOUNT", "z", low, high)
    for bad in ("a", "", "-a", "++", "1"):
        both("ZRANGEBYLEX", "z", bad, "+")
        both("ZLEXCOUNT", "z", "-", bad)
        both("ZREMRANGEBYLEX", "z", bad, bad)
    for low, high in (("[a", "(member 3"), ("+", "-"), ("(member", "[member 1"), ("-", "+")):
        both("ZREMRANGEBYLEX", "z", low, high)
        both.same_keyspace()


def test_range_errors(both):
    fill(both, SMALL)
    both("SET", "string", "x")
    for words in (
        ("BYLEX", "WITHSCORES"),
        ("LIMIT", 0, 1),
        ("LIMIT", 0, -1),
        ("LIMIT", 0),
        ("BYSCORE", "BYLEX"),
        ("LIMIT", "x", 1),
        ("BYSCORE", "LIMIT", 0, "x"),
        ("REV", "REV"),
        ("WITHSCORE",),
        ("BYSCORE", "WITHSCORES", "WITHSCORES"),
    ):
        for key in ("z", "none", "string"):
            both("ZRANGE", key, 0, 1, *words)
            both("ZRANGEBYSCORE", key, 0, 1, *words)
            both("ZREVRANGE", key, 0, 1, *words)
            both("ZRANGESTORE", "to", key, 0, 1, *words)
    for name in ("ZRANGE", "ZREVRANGE", "ZREMRANGEBYRANK"):
        both(name, "z", "x", 1)
        both(name, "string", 0, 1)
        both(name, "z", 0, "1.5")


def test_rangestore(filled):
    filled("SET", "to", "overwritten", "EX", 100)
    for low, high, *more in (
        (0, -1),
        (1, 2, "REV"),
        ("(1", 5, "BYSCORE"),
        (5, 1, "BYSCORE", "REV", "LIMIT", 1, 2),
        (7, 6),
    ):
        filled("ZRANGESTORE", "to", "z", low, high, *more)
        filled("ZRANGE", "to", 0, -1, "WITHSCORES")
        filled("OBJECT", "ENCODING", "to")
        filled("TTL", "to")
    filled("ZRANGESTORE", "z", "z", 1, 2)
    filled("ZRANGESTORE", "z", "none", 1, 2)
    filled.same_keyspace()


def test_removing_ranges(filled):
    for start, stop in ((0, 0), (-2, -1), (5, 3), (1, 2)):
        filled("ZREMRANGEBYRANK", "z", start, stop)
    for low, high in (("(1", 2), (1, 1), ("-inf", "(0"), (3, 50)):
        filled("ZREMRANGEBYSCORE", "z", low, high)
        filled("ZRANGE", "z", 0, -1, "WITHSCORES")
    filled("ZREMRANGEBYSCORE", "z", "-inf", "inf")
    filled("EXISTS", "z")


@pytest.mark.parametrize("protocol", [2, 3])
def test_popping(filled, protocol):
    filled("SET", "string", "x")
    if protocol == 3:
        filled.resp3()
    for name in ("ZPOPMIN", "ZPOPMAX"):
        filled(name, "z")
        filled(name, "z", 2)
        filled(name, "z", 0)
        filled(name, "z", -1)
        filled(name, "z", "x")
        filled(name, "z", 1, 2)
        filled(name, "none")
        filled(name, "none", 5)
        filled(name, "string")
        filled(name, "string", 0)
    filled("ZMPOP", 2, "none", "z", "MIN")
    filled("ZMPOP", 2, "none", "string", "MAX")
    filled("ZMPOP", 1, "none", "MAX")
    filled("BZPOPMIN", "none", "z", 0.1)
    filled("BZMPOP", 0.1, 1, "z", "MAX", "COUNT", 2)
    filled("ZMPOP", 1, "z", "MAX", "COUNT", 1000)
    filled("EXISTS", "z")


@pytest.mark.parametrize(
    "words",
    [
        (0, "z", "MIN"),
        ("x", "z", "MIN"),
        (-1, "z", "MIN"),
        (2, "z", "MIN"),
        (1, "z", "MID"),
        (1, "z", "MIN", "COUNT"),
        (9, "z", "MIN"),
        (1, "z", "MIN", "COUNT", 0),
        (1, "z", "MIN", "COUNT", "x"),
        (1, "z", "MIN", "COUNT", 1, "COUNT", 2),
        (1, "z", "MIN", "X", 1),
    ],
)
def test_zmpop_errors(both, words):
    fill(both, SMALL)
    both("ZMPOP", *words)
    both("BZMPOP", 1, *words)
    both("BZMPOP", "x", *words)
    both("BZMPOP", -1, 1, "z", "MIN")
    both("BZPOPMAX", "z", "x")
    both("BZPOPMAX", "z", -1)


def test_unions_intersections_differences(both):
    fill(both, SMALL, "a")
    fill(both, LARGE, "b")
    both("ZADD", "c", 1, "member 1", 2.5, "member 3", "inf", "member 4", -7, "own")
    both("SADD", "numbers", 1, 2, 3)
    both("SADD", "set", "member 1", "member 4", "only here")
    both("SET", "string", "x")
    for keys in (
        ("a",),
        ("a", "b"),
        ("b", "a"),
        ("a", "b", "c"),
        ("c", "a"),
        ("a", "a"),
        ("c", "none"),
        ("none", "c"),
        ("set", "c"),
        ("c", "set", "a"),
        ("numbers", "set"),
        ("a", "string"),
        ("b", "c", "set"),
    ):
        n = len(keys)
        for more in (
            (),
            ("WEIGHTS", *range(2, 2 + n)),
            ("AGGREGATE", "MIN"),
            ("AGGREGATE", "max", "WEIGHTS", *("0.5",) * n),
            ("WEIGHTS", *("-inf",) * n),
            ("WEIGHTS", 1),
            ("AGGREGATE", "X"),
            ("WEIGHTS", *("x",) * n),
            ("LIMIT", 1),
        ):
            for name in ("ZUNION", "ZINTER"):
                both(name, n, *keys, *more)
                both(name, n, *keys, *more, "WITHSCORES")
                both(name + "STORE", "to", n, *keys, *more)
                both("ZRANGE", "to", 0, -1, "WITHSCORES")
                both("OBJECT", "ENCODING", "to")
        for more in ((), ("WITHSCORES",), ("WEIGHTS", *range(n))):
            both("ZDIFF", n, *keys, *more)
            both("ZDIFFSTORE", "to", n, *keys, *more)
            both("ZRANGE", "to", 0, -1, "WITHSCORES")
        for more in ((), ("LIMIT", 0), ("LIMIT", 2), ("LIMIT", -1), ("LIMIT", "x"), ("WITHSCORES",)):
            both("ZINTERCARD", n, *keys, *more)
    for name in ("ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD"):
        both(name, 0, "a")
        both(name, 2, "a")
        both(name, "x", "a")
    both("ZUNIONSTORE", "to", 0, "a")
    both.resp3()
    both("ZUNION", 2, "a", "c", "WITHSCORES")


@pytest.mark.parametrize("times", [1, 13], ids=["few keys", "many keys"])
def test_union_larger_than_any_input(both, times):
    """What is looked up grows with the result: not with the inputs, which may be one key named any number of times."""
    for i in range(6):
        own = itertools.chain.from_iterable((j, f"{i}:{j}") for j in range(50))
        both("ZADD", f"z{i}", *own, 1000 + i, "all", 1, "7")
    names = [f"z{i}" for i in range(6)] * times
    found = both("ZUNION", len(names), *names, "WITHSCORES")
    scores = dict(zip(found[::2], map(float, found[1::2]), strict=True))
    assert len(scores) == 302
    assert scores[b"all"] == sum(range(1000, 1006)) * times and scores[b"7"] == 6 * times
    assert all(scores[b"%d:%d" % (i, j)] == j * times for i in range(6) for j in range(50))
    assert both("ZUNIONSTORE", "to", len(names), *names, "AGGREGATE", "MAX") == 302
    assert both("ZRANGE", "to", -1, -1, "WITHSCORES") == [b"all", b"1005"]


def test_wrong_type(both):
    both("SET", "k", "x")
    for words in (
        ("ZADD", "k", 1, "a"),
        ("ZINCRBY", "k", 1, "a"),
        ("ZREM", "k", "a"),
        ("ZCARD", "k"),
        ("ZSCORE", "k", "a"),
        ("ZMSCORE", "k", "a"),
        ("ZRANK", "k", "a"),
        ("ZCOUNT", "k", 0, 1),
        ("ZLEXCOUNT", "k", "-", "+"),
        ("ZSCAN", "k", 0),
        ("ZREMRANGEBYSCORE", "k", 0, 1),
        ("ZRANDMEMBER", "k"),
        ("ZRANDMEMBER", "k", 2),
        ("ZRANGESTORE", "to", "k", 0, 1),
        ("BZPOPMIN", "k", 1),
        ("BZMPOP", 1, 1, "k", "MIN"),
    ):
        both(*words)
    both("ZADD", "z", 1, "a")
    both("GET", "z")


def test_random_member_arguments(filled):
    for words in (
        (0,),
        (10000,),
        ("x",),
        (2**63,),
        (-(2**63),),
        (1, "X"),
        (1, "WITHSCORES", 1),
        (2**62 + 9, "WITHSCORES"),
    ):
        filled("ZRANDMEMBER", "z", *words, unordered=True)
        filled("ZRANDMEMBER", "none", *words)
    filled("ZRANDMEMBER", "z", 10000, "WITHSCORES", unordered=True)


# ---- chance and walks
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_random_members_are_members(raw, size):
    fill(raw, size)
    everyone = dict(zip(*[iter(raw("ZRANGE", "z", 0, -1, "WITHSCORES"))] * 2, strict=True))
    assert raw("ZRANDMEMBER", "z") in everyone
    for count in (1, size // 2, size - 1):
        drawn = raw("ZRANDMEMBER", "z", count)
        assert len(drawn) == len(set(drawn)) == count and set(drawn) <= set(everyone)
    drawn = raw("ZRANDMEMBER", "z", -3 * size, "WITHSCORES")
    assert len(drawn) == 6 * size
    assert all(everyone[member] == score for member, score in zip(drawn[::2], drawn[1::2], strict=True))


def test_every_member_is_as_likely(raw):
    fill(raw, 200)
    drawn = raw("ZRANDMEMBER", "z", -20000)
    counts = {member: drawn.count(member) for member in set(drawn)}
    assert len(counts) == 200
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 320  # chi squared, 199 degrees of freedom


def walk(raw: Any, *options: Any) -> dict[bytes, bytes]:
    found, cursor = {}, b"0"
    while True:
        cursor, some = raw("ZSCAN", "z", cursor, *options)
        found.update(zip(some[::2], some[1::2], strict=True))
        if cursor == b"0":
            return found


def test_scan_finds_what_was_there_all_the_time(raw):
    fill(raw, 2000)
    found, cursor, turn = set(), b"0", 0
    while True:
        cursor, some = raw("ZSCAN", "z", cursor, "COUNT", 7)
        found |= set(some[::2])
        raw("ZADD", "z", turn, f"new {turn}", turn, f"newer {turn}")
        raw("ZREM", "z", f"member {turn}")
        turn += 1
        if cursor == b"0":
            break
    assert {b"member %d" % i for i in range(turn, 2000)} <= found


def test_scan_options(raw):
    fill(raw, SMALL)
    assert walk(raw, "COUNT", 1, "MATCH", "member [12]") == {b"member 1": b"1.25", b"member 2": b"2.5"}
    fill(raw, LARGE)
    assert len(walk(raw)) == LARGE
    assert walk(raw, "MATCH", "member 11?").keys() == {b"member 11%d" % i for i in range(10)}
    raw("ZADD", "z", "0.1", "tenth", "inf", "endless")
    assert walk(raw)[b"tenth"] == b"0.10000000000000001" and walk(raw)[b"endless"] == b"inf"
    assert raw("ZSCAN", "none", 0) == [b"0", []]
    assert raw("ZSCAN", "z", "x") == RespError("ERR invalid cursor")
    assert raw("ZSCAN", "z", 0, "COUNT", 0) == RespError("ERR syntax error")


# ---- what 7.2 adds
def test_rank_with_score(raw, raw3):
    raw("ZADD", "z", 1, "a", 2.5, "b")
    assert raw("ZRANK", "z", "b", "WITHSCORE") == [1, b"2.5"]
    assert raw3("ZREVRANK", "z", "b", "withscore") == [0, 2.5]
    assert raw("ZRANK", "z", "c", "WITHSCORE") is NullArray
    assert raw("ZRANK", "none", "c", "WITHSCORE") is NullArray
    assert raw("ZRANK", "z", "b", "WITHSCORES") == RespError("ERR syntax error")
    assert raw("ZRANK", "z", "b", "WITHSCORE", 1) == RespError("ERR wrong number of arguments for 'zrank' command")


# ---- encodings
def encoding(raw: Any, key: str = "z") -> bytes:
    return raw("OBJECT", "ENCODING", key)


def test_limits_of_the_listpack(raw, configure):
    configure("zset-max-listpack-entries", 4)
    configure("zset-max-listpack-value", 10)
    raw("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d")
    assert encoding(raw) == b"listpack"
    raw("ZADD", "z", 5, "a")
    assert encoding(raw) == b"listpack"
    raw("ZADD", "z", 5, "e")
    assert encoding(raw) == b"skiplist"
    raw("ZREM", "z", "e", "d", "c")
    assert encoding(raw) == b"skiplist"
    raw("ZADD", "long", 1, "ten bytes!")
    assert encoding(raw, "long") == b"listpack"
    raw("ZADD", "long", 1, "eleven byte")
    assert encoding(raw, "long") == b"skiplist"
    raw("ZADD", "many", "NX", 1, "a", 1, "a", 1, "a", 1, "a", 1, "a")  # chosen by what is asked for
    assert encoding(raw, "many") == b"skiplist"
    raw("ZUNIONSTORE", "to", 1, "many")  # chosen by what came out
    assert encoding(raw, "to") == b"listpack"
    raw("ZRANGESTORE", "to", "long", 0, -1)
    assert encoding(raw, "to") == b"skiplist"
    configure("zset-max-listpack-entries", 0)
    raw("ZADD", "none", 1, "a")
    assert encoding(raw, "none") == b"skiplist"


def test_copies_are_apart(raw):
    for count in (SMALL, LARGE):
        raw("DEL", "z", "copy")
        fill(raw, count)
        assert raw("COPY", "z", "copy") == 1
        before = raw("ZRANGE", "z", 0, -1, "WITHSCORES")
        raw("ZREMRANGEBYRANK", "z", 0, 2)
        raw("RENAME", "copy", "renamed")
        assert raw("ZRANGE", "renamed", 0, -1, "WITHSCORES") == before


def test_a_large_one_goes_by_steps(raw):
    fill(raw, 20000)
    assert raw("UNLINK", "z") == 1
    fill(raw, 20000)
    raw("SET", "z", "x")
    fill(raw, 300, "y")
    assert raw("FLUSHALL", "ASYNC") == "OK"


# ---- who hears of it
def test_events_and_transactions(raw, another, configure):
    configure("notify-keyspace-events", "KEA")
    listener = another()
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    events = []
    for words in (
        ("ZADD", "z", 1, "a", 2, "b"),
        ("ZADD", "z", 1, "a"),
        ("ZINCRBY", "z", 1, "a"),
        ("ZPOPMIN", "z"),
        ("ZRANGESTORE", "to", "z", 0, -1),
        ("ZREM", "z", "b"),
        ("ZUNIONSTORE", "to", 1, "none"),
        ("SET", "end", 1),
    ):
        raw(*words)
    while not events or events[-1] != b"set":
        events.append(listener.read()[2].split(b":")[-1])
    assert events == [b"zadd", b"zincr", b"zpopmin", b"zrangestore", b"zrem", b"del", b"del", b"set"]


def test_long_replies_inside_a_transaction(raw):
    fill(raw, 300)
    expected = raw("ZRANGE", "z", 0, -1)
    raw("MULTI")
    raw("ZRANGE", "z", 0, -1)
    raw("ZRANDMEMBER", "z", -100)
    raw("DEL", "z")
    raw("ZRANGE", "z", 0, -1)
    found, drawn, deleted, rest = raw("EXEC")
    assert found == expected and len(drawn) == 100 and deleted == 1 and rest == []


def test_waiting(raw, another):
    first, second = another(), another()
    first.send("BZPOPMIN", "z", "y", 5)
    second.send("BZMPOP", 5, 1, "y", "MAX", "COUNT", 2)
    while b"blocked_clients:2\r" not in raw("INFO", "clients"):
        pass
    raw("ZADD", "y", 1, "a", 2, "b", 3, "c")
    assert first.read() == [b"y", b"a", b"1"]
    assert second.read() == [b"y", [[b"c", b"3"], [b"b", b"2"]]]
    assert raw("EXISTS", "y") == 0
    assert raw("BZPOPMAX", "z", "0.01") is NullArray


def test_what_replicas_are_told(raw, another):
    waiting = another()
    raw("DEBUG", "PROPAGATED", "START")
    raw("ZADD", "z", 1, "a", 2, "b", 3, "c", 4, "d", 5, "e")
    raw("ZADD", "z", 1, "a")
    raw("ZMPOP", 2, "none", "z", "MIN", "COUNT", 2)
    raw("ZMPOP", 1, "none", "MIN")
    raw("BZPOPMAX", "none", "z", 0)
    waiting.send("BZMPOP", 0, 1, "y", "MAX", "COUNT", 5)
    while b"blocked_clients:1\r" not in raw("INFO", "clients"):
        pass
    raw("ZADD", "y", 1, "a")
    assert waiting.read() == [b"y", [[b"a", b"1"]]]
    raw("ZPOPMIN", "none")
    raw("GEOADD", "map", "CH", 0, 0, "centre")
    words = [line for line in raw("DEBUG", "PROPAGATED", "GET").split(b"\r\n") if line and line[:1] not in b"*$"]
    assert (
        words
        == (
            b"SELECT 0 ZADD z 1 a 2 b 3 c 4 d 5 e ZPOPMIN z 2 ZPOPMAX z ZADD y 1 a ZPOPMAX y 1 "
            b"zadd map CH 3377699720527872 centre"
        ).split()
    )
    raw("DEBUG", "PROPAGATED", "STOP")
