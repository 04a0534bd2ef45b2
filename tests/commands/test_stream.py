"""Streams: adding, trimming, deleting, ranges, XREAD and waiting. Held to a real server where that is possible."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.differential import Pair
from tests.support.resp import Connection, NullArray, RespError
from tests.support.server import wait_until

MOST = 2**64 - 1


def blocked(raw: Connection, count: int) -> None:
    """Wait until so many clients wait."""
    wait_until(lambda: b"blocked_clients:%d\r\n" % count in raw("INFO", "clients"), f"{count} blocked clients")


# ---- XADD
def test_ids_that_the_server_makes(raw: Connection) -> None:
    ids = [raw("XADD", "s", "*", "f", i).split(b"-") for i in range(20)]
    numbers = [(int(ms), int(seq)) for ms, seq in ids]
    assert numbers == sorted(set(numbers))
    assert raw("XADD", "s", f"{numbers[-1][0] + 10**9}-5", "f", "v").endswith(b"-5")
    assert raw("XADD", "s", "*", "f", "v").endswith(b"-6")          # the clock is behind: go on from the last
    assert raw("XLEN", "s") == 22


def test_ids_that_the_client_says(both: Pair) -> None:
    for id in ("0", "0-0", "0-1", "0-1", "0-*", "5", "5-*", "5-0", "4-9", "7-3", "7-*", "007-9", "-", "+", "$", "*-1",
               "1-*-2",
               "x", "8-", "18446744073709551616", "18446744073709551615-*", "18446744073709551615-18446744073709551615",
               "*", "18446744073709551615-*"):
        both("XADD", "s", id, "f", "v")
    both("XRANGE", "s", "-", "+")
    both("XADD", "new", "0-*", "f", "v")
    both("XINFO", "STREAM", "s")


@pytest.mark.parametrize("words", [
    ("XADD", "s", "*"), ("XADD", "s", "*", "f"), ("XADD", "s", "*", "f", "v", "g"), ("XADD", "s", "1-1", "f", "v", "g"),
    ("XADD", "s", "MAXLEN", "5", "f", "v"), ("XADD", "s", "MAXLEN", "~", "5", "1-1"),
    ("XADD", "s", "MAXLEN", "x", "*", "f", "v"),
    ("XADD", "s", "MAXLEN", "-1", "*", "f", "v"), ("XADD", "s", "MAXLEN", "1", "MINID", "1", "*", "f", "v"),
    ("XADD", "s", "LIMIT", "5", "*", "f", "v"), ("XADD", "s", "MAXLEN", "5", "LIMIT", "5", "*", "f", "v"),
    ("XADD", "s", "MAXLEN", "=", "5", "LIMIT", "5", "*", "f", "v"),
    ("XADD", "s", "MAXLEN", "~", "5", "LIMIT", "-5", "*", "f", "v"),
    ("XADD", "s", "MAXLEN", "~", "5", "LIMIT", "x", "*", "f", "v"), ("XADD", "s", "LIMIT", "0", "1-1", "f", "v"),
    ("XADD", "s", "MINID", "x", "*", "f", "v"), ("XADD", "s", "MINID", "+", "*", "f", "v"),
    ("XADD", "s", "NOMKSTREAM", "5-5", "f", "v"), ("XADD", "absent", "NOMKSTREAM", "*", "f", "v"),
    ("XADD", "s", "nomkstream", "maxlen", "~", "2", "limit", "3", "9-9", "a", "b"),
    ("XADD", "string", "1-1", "f", "v"), ("XADD", "string", "NOMKSTREAM", "1-1", "f", "v"),
    ("XADD", "string", "0-0", "f", "v"),
    ("XTRIM", "s"), ("XTRIM", "s", "MAXLEN"), ("XTRIM", "s", "MAXLEN", "~"), ("XTRIM", "s", "MAXLEN", "~", "x"),
    ("XTRIM", "s", "LIMIT", "5"), ("XTRIM", "s", "LIMIT", "5", "LIMIT", "5"),
    ("XTRIM", "s", "NOMKSTREAM", "MAXLEN", "1"),
    ("XTRIM", "s", "MAXLEN", "1", "2"), ("XTRIM", "string", "MAXLEN", "1"), ("XTRIM", "absent", "MAXLEN", "1"),
    ("XTRIM", "s", "MAXLEN", "5", "LIMIT", "0"),
    ("XDEL", "s", "x"), ("XDEL", "absent", "x"), ("XDEL", "string", "1"), ("XDEL", "s", "1-1", "-"), ("XLEN", "string"),
    ("XRANGE", "s", "-"), ("XRANGE", "s", "-", "+", "COUNT"), ("XRANGE", "s", "-", "+", "COUNT", "x"),
    ("XRANGE", "s", "-", "+", "LIMIT", "1"), ("XRANGE", "s", "-", "+", "COUNT", "1", "COUNT", "-5"),
    ("XRANGE", "s", "(-", "+"),
    ("XRANGE", "absent", "-", "+", "COUNT", "0"), ("XRANGE", "string", "-", "+"), ("XRANGE", "s", "(", "+"),
    ("XRANGE", "s", f"({MOST}-{MOST}", "+"), ("XRANGE", "s", "-", "(0-0"), ("XREVRANGE", "s", "(0", f"({MOST}"),
    ("XRANGE", "s", "x", "+"), ("XRANGE", "s", "1-", "+"), ("XREVRANGE", "s", "-", "+"),
    ("XREVRANGE", "absent", "+", "-"),
    ("XSETID", "absent", "1-1"), ("XSETID", "string", "1-1"), ("XSETID", "s", "x"),
    ("XSETID", "s", "1-1", "ENTRIESADDED"),
    ("XSETID", "s", "1-1", "ENTRIESADDED", "-1"), ("XSETID", "s", "1-1", "MAXDELETEDID", "2-2"),
    ("XSETID", "s", "1-1", "X", "2"),
    ("XREAD", "STREAMS"), ("XREAD", "COUNT", "x", "STREAMS", "s", "0"),
    ("XREAD", "BLOCK", "x", "STREAMS", "s", "0"), ("XREAD", "BLOCK", "-1", "STREAMS", "s", "0"),
    ("XREAD", "s", "0", "x"),
    ("XREAD", "GROUP", "g", "c", "STREAMS", "s", "0"), ("XREAD", "NOACK", "STREAMS", "s", "0"),
    ("XREAD", "STREAMS", "s", ">"),
    ("XREAD", "STREAMS", "string", "0"), ("XREAD", "STREAMS", "s", "x"), ("XREAD", "COUNT", "5", "BLOCK", "5"),
    ("XREAD", "COUNT", "-1", "STREAMS", "s", "0"), ("XREAD", "STREAMS", "absent", "$"),
    ("XREAD", "BLOCK", "5", "STREAMS"),
])
def test_refused_as_by_the_real_one(both: Pair, words: tuple[str, ...]) -> None:
    both("SET", "string", "x")
    both("XADD", "s", "0-1", "f", "v")
    both(*words)
    both.same_keyspace()


def test_a_stream_stays_when_it_is_empty(both: Pair) -> None:
    both("XADD", "s", "5-5", "f", "v")
    both("XDEL", "s", "5-5")
    both("EXISTS", "s")
    both("XADD", "s", "5-4", "f", "v")
    both("XADD", "s", "5-*", "f", "v")
    both("XADD", "empty", "MAXLEN", "0", "1-1", "f", "v")
    both("XINFO", "STREAM", "empty")
    both("TYPE", "empty")
    both("OBJECT", "ENCODING", "empty")


def test_not_exhausted_but_full(both: Pair) -> None:
    both("XADD", "s", f"{MOST}-{MOST - 1}", "f", "v")
    both("XADD", "s", "*", "f", "v")
    both("XADD", "s", "*", "f", "v")
    both("XREAD", "STREAMS", "s", f"{MOST}-{MOST - 2}")


# ---- trimming and deleting
@pytest.mark.parametrize("seed", range(6))
def test_the_same_is_left_after_the_same_commands(both: Pair, seed: int) -> None:
    chance = random.Random(seed)
    for name, value in (("stream-node-max-entries", chance.choice([0, 5, 100])),
    ("stream-node-max-bytes", chance.choice([0, 200, 4096]))):
        both("CONFIG", "SET", name, value)
    try:
        _play(both, chance)
    finally:
        both("CONFIG", "SET", "stream-node-max-entries", 100, "stream-node-max-bytes", 4096)


def _play(both: Pair, chance: random.Random) -> None:
    ids: list[str] = ["0-1"]
    last = 0
    for _ in range(60):
        for _ in range(chance.randrange(30)):
            last += chance.choice([0, 1, 1, 1, 200])
            fields = [word for i in range(chance.randrange(1, 4)) for word in (f"f{i}", chance.choice(["v", "12",
                                                                                                       "x" * 70, ""]))]
            options: list[Any] = []
            if chance.random() < 0.1:
                options = ["MAXLEN", chance.choice(["~", "="]), chance.randrange(100)]
            id = both("XADD", "s", *options, f"{last}-*", *fields)
            if isinstance(id, bytes):
                ids.append(id.decode())
        pick = [chance.choice(ids) for _ in range(4)]
        both(*chance.choice([
            ("XDEL", "s", *pick), ("XTRIM", "s", "MAXLEN", chance.randrange(200)), ("XTRIM", "s", "MINID", pick[0]),
            ("XTRIM", "s", "MAXLEN", "~", chance.randrange(100)), ("XTRIM", "s", "MINID", "~", pick[1]),
            ("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", chance.choice([0, 3, 50])), ("XRANGE", "s", pick[0], pick[1]),
            ("XREVRANGE", "s", f"({pick[0]}", "-", "COUNT", 7), ("XRANGE", "s", f"({pick[2]}", f"({pick[3]}"),
            ("XREAD", "COUNT", 3, "STREAMS", "s", pick[0]), ("XDEL", "s", *ids[-50:]),
        ]))
        both("XINFO", "STREAM", "s", "FULL", "COUNT", 3)
    both.resp3()
    both("XINFO", "STREAM", "s")
    both("XREAD", "STREAMS", "s", "0")
    both.resp2()
    both("XRANGE", "s", "-", "+")
    both("XREVRANGE", "s", "+", "-")


def test_xsetid(both: Pair) -> None:
    for i in range(1, 6):
        both("XADD", "s", f"{i}-0", "f", "v")
    both("XDEL", "s", "3-0")
    for words in (("3-5",), ("5-0",), ("9-0",), ("9-0", "ENTRIESADDED", 3),
    ("9-0", "ENTRIESADDED", 50, "MAXDELETEDID", "4-0"),
                  ("9-0", "maxdeletedid", "0-0"), ("8-0", "ENTRIESADDED", 50, "MAXDELETEDID", "8-1")):
        both("XSETID", "s", *words)
        both("XINFO", "STREAM", "s")


def test_approximate_trimming_takes_a_bite_at_a_time(raw: Connection, configure: Callable[[str, Any], None]) -> None:
    configure("stream-node-max-entries", 10)
    raw.pipeline([("XADD", "s", f"{i}-1", "f", "v") for i in range(1, 2001)])
    assert raw("XTRIM", "s", "MAXLEN", "~", 0) == 1000              # a hundred nodes
    assert raw("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 0) == 1000


def test_plain_forms_and_others_agree(both: Pair) -> None:
    """What a fast path takes, and forms beside it that it leaves to the definition."""
    for i in range(1, 251):
        both("XADD", "s", f"{i}-{i}", "f", i)
    for start, end in (("-", "+"), ("5", "7"), ("5-5", "7-6"), ("5-6", "7-"), ("007", "9"), ("(5", "9"), ("9", "5"),
    ("x", "9"),
                       ("", "+"), ("5", f"{MOST}"), (f"{MOST}", "+"), ("+", "-"), ("5-x", "9"), ("-5", "9"),
                       ("5", "9-9-9")):
        for count in (1, 3, 100, 200, 201, 0, -1, "x"):
            both("XRANGE", "s", start, end, "COUNT", count)
            both("XREVRANGE", "s", end, start, "count", count)
    both("XRANGE", "absent", "-", "+", "COUNT", 1)
    both("XADD", "s", "MAXLEN", "~", 100, "*")
    both("XADD", "s", "MAXLEN", "~", 100, "*", "f")
    both("XADD", "s", "maxlen", "-1", "*", "f", "v")
    both("XGROUP", "CREATE", "s", "g", "0")
    both("XREADGROUP", "GROUP", "g", "c", "COUNT", 9, "STREAMS", "s", ">")
    for ids in (("1",), ("1-1",), ("1-1", "2-2", "2-2"), ("3-3", "x"), ("3-03", "4-"),
    ("3-03",), ("5-5", "6-6", "9-9") * 30):
        both("XACK", "s", "g", *ids)
        both("XACK", "s", "none", *ids)
        both("XACK", "absent", "g", *ids)
    both("XPENDING", "s", "g")


# ---- big streams, whose nodes are squeezed
def test_a_stream_of_many_nodes(raw: Connection) -> None:
    entries = [[b"%d-0" % i, [b"name", b"user%d" % (i % 7), b"number", b"%d" % i]] for i in range(1, 3001)]
    raw.pipeline([("XADD", "s", id, *pairs) for id, pairs in entries])
    assert raw("XRANGE", "s", "-", "+") == entries
    assert raw("XREVRANGE", "s", "+", "-") == entries[::-1]
    assert raw("XRANGE", "s", "1500", "1502") == entries[1499:1502]
    assert raw("XDEL", "s", "1500", "1501") == 2
    raw("COPY", "s", "t")
    del entries[1499:1501]
    assert raw("XTRIM", "s", "MAXLEN", 2000) == 998
    assert raw("XRANGE", "s", "-", "+") == entries[998:]
    assert raw("XRANGE", "t", "-", "+") == entries
    assert raw("UNLINK", "s", "t") == 2


# ---- XREAD
def test_xread_of_several(both: Pair) -> None:
    for key in ("a", "b", "c"):
        for i in range(1, 4):
            both("XADD", key, f"{i}-0", "key", key)
    for protocol in (both.resp2, both.resp3):
        protocol()
        both("XREAD", "COUNT", 2, "STREAMS", "a", "b", "absent", "c", "1", "3-0", "0", "$")
        both("XREAD", "STREAMS", "a", "a", "2", "1")
        both("XREAD", "STREAMS", "a", "b", "9", "9")
        both("XREAD", "BLOCK", 1, "STREAMS", "a", "$")
    both.resp2()


def test_waiting_for_entries(raw: Connection, another: Callable[..., Connection]) -> None:
    waiting = [another(), another(), another(protocol=3)]
    raw("XADD", "s", "1-0", "f", "v")
    waiting[0].send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    waiting[1].send("XREAD", "BLOCK", 5000, "COUNT", 1, "STREAMS", "t", "s", "0", "1-0")
    waiting[2].send("XREAD", "BLOCK", 0, "STREAMS", "s", "1")
    blocked(raw, 3)
    raw("XADD", "s", "2-0", "f", "w")
    new = [[b"2-0", [b"f", b"w"]]]
    assert waiting[0].read() == waiting[1].read() == [[b"s", new]]
    assert waiting[2].read() == {b"s": new}


def test_who_waits_for_a_high_id_is_left_alone(raw: Connection, another: Callable[..., Connection]) -> None:
    waiting = another()
    waiting.send("XREAD", "BLOCK", 0, "STREAMS", "s", "5-0")
    blocked(raw, 1)
    raw("XADD", "s", "4-0", "f", "v")
    raw("LPUSH", "list", "x")
    assert waiting.nothing_comes()
    raw("XADD", "s", "5-1", "f", "v")
    assert waiting.read() == [[b"s", [[b"5-1", [b"f", b"v"]]]]]


def test_time_is_over(raw: Connection) -> None:
    assert raw("XREAD", "BLOCK", 1, "STREAMS", "s", "$") is NullArray
    raw("MULTI")
    raw("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    assert raw("EXEC") == [NullArray]


def test_a_transaction_wakes_once(raw: Connection, another: Callable[..., Connection]) -> None:
    waiting = another()
    waiting.send("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    blocked(raw, 1)
    raw("MULTI")
    raw("XADD", "s", "1-0", "f", "v")
    raw("XADD", "s", "2-0", "f", "w")
    raw("EXEC")
    assert waiting.read() == [[b"s", [[b"1-0", [b"f", b"v"]], [b"2-0", [b"f", b"w"]]]]]


def test_events(raw: Connection, another: Callable[..., Connection], configure: Callable[[str, Any], None]) -> None:
    configure("notify-keyspace-events", "Kt")
    listener = another()
    listener("PSUBSCRIBE", "*")
    raw("XADD", "s", "1-0", "f", "v")
    raw("XADD", "s", "MAXLEN", 1, "2-0", "f", "v")
    raw("XTRIM", "s", "MAXLEN", 0)
    raw("XADD", "s", "3-0", "f", "v")
    raw("XDEL", "s", "3-0")
    raw("XDEL", "s", "3-0")
    raw("XSETID", "s", "9-0")
    raw("XGROUP", "CREATE", "s", "g", "0")
    raw("XGROUP", "CREATECONSUMER", "s", "g", "c")
    raw("XGROUP", "SETID", "s", "g", "0")
    raw("XGROUP", "DELCONSUMER", "s", "g", "c")
    raw("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", ">")
    raw("XGROUP", "DESTROY", "s", "g")
    heard = [listener.read()[3] for _ in range(13)]
    assert b" ".join(heard).decode() == (
        "xadd xadd xtrim xtrim xadd xdel xsetid xgroup-create xgroup-createconsumer xgroup-setid xgroup-delconsumer "
        "xgroup-createconsumer xgroup-destroy")
    assert listener.nothing_comes()


def test_as_many_ids_as_streams(raw: Connection) -> None:
    assert raw("XREAD", "STREAMS", "s", "t", "0") == RespError(
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.")
    assert raw("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "t", "0") == RespError(
        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.")


def test_help_and_unknown_subcommands(raw: Connection) -> None:
    assert raw("XINFO", "HELP")[0].startswith("XINFO <subcommand>")
    assert raw("XGROUP", "HELP")[0].startswith("XGROUP <subcommand>")
    raw("XADD", "s", "1-0", "f", "v")
    wrong = RespError("ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")
    for options in (("x",), ("FULL", "COUNT"), ("FULL", "X", "1")):
        assert raw("XINFO", "STREAM", "s", *options) == wrong
