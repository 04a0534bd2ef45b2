"""Consumer groups: reading, acknowledging, claiming, XPENDING, XINFO, waiting, and what replicas are told."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.differential import Pair
from tests.support.resp import Connection, NullArray, RespError
from tests.support.server import wait_until

TIMES = {b"seen-time", b"active-time", b"idle", b"inactive"}     # also what 7.0 and 7.2 understand by them differs


def blocked(raw: Connection, count: int) -> None:
    """Wait until so many clients wait."""
    wait_until(lambda: b"blocked_clients:%d\r\n" % count in raw("INFO", "clients"), f"{count} blocked clients")


def fill(send: Callable[..., Any], count: int, key: str = "s") -> None:
    for i in range(1, count + 1):
        send("XADD", key, f"{i}-0", "n", i)


def timeless(reply: Any) -> Any:
    """XINFO or XPENDING without what depends on the moment."""
    if isinstance(reply, list):
        out = []
        skip = False
        for item in reply:
            if not skip and isinstance(item, bytes) and item in TIMES:
                skip = True
            elif skip:
                skip = False
            elif isinstance(item, int) and item > 10**12:
                out.append("time")
            else:
                out.append(timeless(item))
        return out
    return reply


def without_idle(reply: Any) -> Any:
    return [[id, owner, count] for id, owner, _, count in reply] if isinstance(reply, list) else reply


class Both:
    """Both servers, compared without times."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def __call__(self, *words: Any, form: Callable[[Any], Any] = timeless) -> Any:
        self.pair.history.append(words)
        ours, theirs = form(self.pair.ours.command(*words)), form(self.pair.theirs.command(*words))
        led_here = "\n  ".join(map(repr, self.pair.history[-30:]))
        assert ours == theirs, f"{words}\n ours:   {ours!r}\n theirs: {theirs!r}\nafter:\n  {led_here}"
        return ours


@pytest.fixture
def timed(both: Pair) -> Both:
    return Both(both)


@pytest.mark.parametrize("words", [
    ("XGROUP", "CREATE", "absent", "g", "$"), ("XGROUP", "CREATE", "absent", "g", "$", "MKSTREAM"),
    ("XGROUP", "CREATE", "absent", "g", "x", "MKSTREAM"), ("XGROUP", "CREATE", "s", "g", "0"),
    ("XGROUP", "CREATE", "s", "h", "x"),
    ("XGROUP", "CREATE", "s", "h", "-"), ("XGROUP", "CREATE", "s", "h", "2", "ENTRIESREAD", "2"),
    ("XGROUP", "CREATE", "s", "h", "2", "ENTRIESREAD", "-2"), ("XGROUP", "CREATE", "s", "h", "2", "ENTRIESREAD"),
    ("XGROUP", "CREATE", "s", "h", "2", "ENTRIESREAD", "x"), ("XGROUP", "CREATE", "string", "g", "0", "MKSTREAM"),
    ("XGROUP", "CREATE", "s", "h", "0", "X"),
    ("XGROUP", "CREATE", "s", "h", "0", "MKSTREAM", "MKSTREAM", "MKSTREAM", "MKSTREAM"),
    ("XGROUP", "SETID", "s", "g", "-"), ("XGROUP", "SETID", "s", "g", "x"), ("XGROUP", "SETID", "s", "none", "0"),
    ("XGROUP", "SETID", "absent", "g", "0"), ("XGROUP", "SETID", "s", "g", "$", "ENTRIESREAD", "5"),
    ("XGROUP", "SETID", "s", "g", "0", "MKSTREAM"), ("XGROUP", "DESTROY", "s", "none"),
    ("XGROUP", "DESTROY", "absent", "g"),
    ("XGROUP", "DESTROY", "s", "g"), ("XGROUP", "CREATECONSUMER", "s", "none", "c"),
    ("XGROUP", "CREATECONSUMER", "s", "g", "c"),
    ("XGROUP", "CREATECONSUMER", "s", "g", "new"), ("XGROUP", "DELCONSUMER", "s", "g", "c"),
    ("XGROUP", "NONSENSE", "s", "g"),
    ("XGROUP", "DELCONSUMER", "s", "g", "none"), ("XGROUP", "DELCONSUMER", "string", "g", "c"), ("XGROUP",),
    ("XACK", "s", "g", "1", "2-0", "9"), ("XACK", "s", "g", "1", "x"), ("XACK", "s", "none", "x"),
    ("XACK", "absent", "g", "x"),
    ("XACK", "string", "g", "1"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s"),
    ("XREADGROUP", "GROUP", "g", "STREAMS", "s", ">", "x"),
    ("XREADGROUP", "COUNT", "1", "NOACK", "STREAMS", "s", "t", ">", ">"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "$"),
    ("XREADGROUP", "GROUP", "none", "c", "STREAMS", "s", ">"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "absent", ">"),
    ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "x"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "string", ">"),
    ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "1", "STREAMS", "s", ">"),
    ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "s", "0"),
    ("XPENDING", "s", "none"), ("XPENDING", "absent", "g"), ("XPENDING", "string", "g"), ("XPENDING", "s", "g", "-"),
    ("XPENDING", "s", "g", "-", "+"), ("XPENDING", "s", "g", "-", "+", "x"), ("XPENDING", "s", "g", "x", "+", "1"),
    ("XPENDING", "s", "g", "IDLE", "x", "-", "+", "1"), ("XPENDING", "s", "g", "IDLE", "1", "-", "+"),
    ("XPENDING", "s", "g"),
    ("XPENDING", "s", "g", "(-", "+", "1"), ("XPENDING", "s", "g", "-", "+", "1", "none"),
    ("XPENDING", "s", "g", "-", "+", "-1"),
    ("XPENDING", "s", "g", "IDLE", "0", "-", "+", "1", "c", "x"), ("XPENDING", "s", "none", "-", "+", "1", "c"),
    ("XCLAIM", "s", "none", "c", "0", "1"), ("XCLAIM", "absent", "g", "c", "0", "1"),
    ("XCLAIM", "string", "g", "c", "0", "1"),
    ("XCLAIM", "s", "g", "c", "x", "1"), ("XCLAIM", "s", "g", "c", "0", "1", "x"), ("XCLAIM", "s", "g", "c", "0", "x"),
    ("XCLAIM", "s", "g", "c", "0", "1", "IDLE"), ("XCLAIM", "s", "g", "c", "0", "1", "IDLE", "x"),
    ("XCLAIM", "s", "g", "c", "0", "1", "TIME", "x"), ("XCLAIM", "s", "g", "c", "0", "1", "RETRYCOUNT", "x"),
    ("XCLAIM", "s", "g", "c", "0", "1", "LASTID", "x"), ("XCLAIM", "s", "g", "c", "0", "1", "FORCE", "2"),
    ("XAUTOCLAIM", "s", "none", "c", "0", "0"), ("XAUTOCLAIM", "absent", "g", "c", "0", "0"),
    ("XAUTOCLAIM", "s", "g", "c", "x", "0"),
    ("XAUTOCLAIM", "s", "g", "c", "0", "x"), ("XAUTOCLAIM", "s", "g", "c", "0", "0", "COUNT", "0"),
    ("XAUTOCLAIM", "s", "g", "c", "0", "0", "COUNT"), ("XAUTOCLAIM", "string", "g", "c", "0", "0"),
    ("XINFO", "STREAM", "absent"), ("XINFO", "GROUPS", "absent"), ("XINFO", "CONSUMERS", "absent", "g"),
    ("XINFO", "STREAM", "string"),
    ("XINFO", "CONSUMERS", "s", "none"), ("XINFO", "STREAM", "s", "FULL", "COUNT", "x"),
    ("XINFO", "STREAM", "s", "FULL", "COUNT", "-1"),
    ("XINFO", "NONSENSE", "s"), ("XINFO",),
])
def test_answered_as_by_the_real_one(timed: Both, words: tuple[str, ...]) -> None:
    timed("SET", "string", "x")
    fill(timed, 3)
    timed("XGROUP", "CREATE", "s", "g", "0")
    timed("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
    timed(*words)
    timed("XINFO", "STREAM", "s", "FULL")


@pytest.mark.parametrize("seed", range(4))
def test_the_same_is_pending_after_the_same_commands(timed: Both, seed: int) -> None:
    chance = random.Random(seed)
    last = 0
    timed("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    timed("XGROUP", "CREATE", "s", "h", "0")
    for group in "gh":                              # 7.0 creates who claims only with the first claim
        for consumer in ("a", "b", "ab"):
            timed("XGROUP", "CREATECONSUMER", "s", group, consumer)
    for _ in range(80):
        for _ in range(chance.randrange(4)):
            last += 1
            timed("XADD", "s", f"{last}-1", "n", last)
        ids = [f"{chance.randrange(1, last + 2)}-1" for _ in range(3)]
        group, consumer = chance.choice("ggh"), chance.choice(["a", "b", "ab"])
        command: tuple[Any, ...] = chance.choice([
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", chance.randrange(4), "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", chance.randrange(4), "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", group, consumer, "NOACK", "COUNT", 2, "STREAMS", "s", ">"),
            ("XREADGROUP", "GROUP", group, consumer, "COUNT", chance.randrange(3), "STREAMS", "s", ids[0]),
            ("XACK", "s", group, *ids), ("XDEL", "s", ids[0]), ("XTRIM", "s", "MAXLEN", 40),
            ("XCLAIM", "s", group, consumer, 0, *ids), ("XCLAIM", "s", group, consumer, 0, *ids, "FORCE"),
            ("XCLAIM", "s", group, consumer, 0, *ids, "FORCE", "JUSTID", "RETRYCOUNT", 7, "LASTID", ids[0]),
            ("XCLAIM", "s", group, consumer, 10**8, *ids, "FORCE", "IDLE", 10**6),
            ("XCLAIM", "s", group, consumer, 10**5, *ids),
            ("XCLAIM", "s", group, consumer, 0, ids[0], "TIME", 5),
            ("XAUTOCLAIM", "s", group, consumer, 0, ids[0], "COUNT", 3),
            ("XAUTOCLAIM", "s", group, consumer, 10**5, "-", "JUSTID"),
            ("XGROUP", "SETID", "s", group, ids[0]), ("XGROUP", "SETID", "s", group, "$", "ENTRIESREAD", last),
            ("XGROUP", "DELCONSUMER", "s", group, consumer), ("XPENDING", "s", group),
        ])
        timed(*command)
        timed("XGROUP", "CREATECONSUMER", "s", group, consumer)
        timed("XPENDING", "s", group, ids[0], "+", 5, form=without_idle)
        timed("XPENDING", "s", group, "IDLE", 10**5, "-", ids[1], 5, consumer, form=without_idle)
        timed("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
        timed("XINFO", "GROUPS", "s")
    timed("XINFO", "CONSUMERS", "s", "g")


def test_maps_for_resp3(raw3: Connection) -> None:
    fill(raw3, 2)
    raw3("XGROUP", "CREATE", "s", "g", "0")
    assert raw3("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">") == {b"s": [[b"1-0", [b"n", b"1"]]]}
    raw3("XDEL", "s", "1-0")
    assert raw3("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0") == {b"s": [[b"1-0", None]]}
    assert raw3("XINFO", "GROUPS", "s") == [{b"name": b"g", b"consumers": 1, b"pending": 1,
                                             b"last-delivered-id": b"1-0",
                                             b"entries-read": 1, b"lag": 1}]
    consumer, = raw3("XINFO", "CONSUMERS", "s", "g")
    assert list(consumer) == [b"name", b"pending", b"idle", b"inactive"]
    full = raw3("XINFO", "STREAM", "s", "FULL")
    assert list(full[b"groups"][0][b"consumers"][0]) == [b"name", b"seen-time", b"active-time", b"pel-count",
                                                         b"pending"]


def test_seen_is_not_active(raw3: Connection) -> None:
    raw3("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    raw3("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    consumer, = raw3("XINFO", "CONSUMERS", "s", "g")
    assert consumer[b"inactive"] == -1 and consumer[b"idle"] >= 0
    fill(raw3, 1)
    raw3("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    consumer, = raw3("XINFO", "CONSUMERS", "s", "g")
    assert consumer[b"inactive"] >= 0


def test_a_copy_has_groups_of_its_own(raw: Connection) -> None:
    fill(raw, 300)
    raw("XGROUP", "CREATE", "s", "g", "0")
    raw("XREADGROUP", "GROUP", "g", "c", "COUNT", 200, "STREAMS", "s", ">")
    raw("COPY", "s", "t")
    assert raw("XINFO", "STREAM", "t", "FULL", "COUNT", 0) == raw("XINFO", "STREAM", "s", "FULL", "COUNT", 0)
    raw("XACK", "s", "g", "1")
    raw("XGROUP", "DELCONSUMER", "s", "g", "c")
    assert raw("XPENDING", "t", "g")[0] == 200
    assert raw("DEL", "s", "t") == 2


# ---- waiting
def test_one_entry_for_one_of_those_who_wait(raw: Connection, another: Callable[..., Connection]) -> None:
    raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    first, second = another(), another()
    for number, client in enumerate((first, second), start=1):
        client.send("XREADGROUP", "GROUP", "g", f"c{number}", "BLOCK", 0, "STREAMS", "s", ">")
        blocked(raw, number)
    raw("XADD", "s", "1-0", "f", "v")
    assert first.read() == [[b"s", [[b"1-0", [b"f", b"v"]]]]]
    assert second.nothing_comes()
    raw("XADD", "s", "2-0", "f", "v")
    assert second.read() == [[b"s", [[b"2-0", [b"f", b"v"]]]]]
    assert [row[:2] for row in raw("XPENDING", "s", "g", "-", "+", 9)] == [[b"1-0", b"c1"], [b"2-0", b"c2"]]


@pytest.mark.parametrize("words, code", [
    (("DEL", "s"), "NOGROUP"), (("XGROUP", "DESTROY", "s", "g"), "NOGROUP"), (("SET", "s", "x"), "WRONGTYPE"),
    (("RENAME", "s", "t"), "NOGROUP"), (("FLUSHALL",), "NOGROUP"), (("PEXPIREAT", "s", "1"), "NOGROUP"),
])
def test_the_group_goes_while_somebody_waits(raw: Connection, another: Callable[..., Connection], words: tuple[str,
                                                                                                               ...],
                                             code: str) -> None:
    raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waiting = another()
    waiting.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
    blocked(raw, 1)
    raw(*words)
    reply = waiting.read()
    assert isinstance(reply, RespError) and reply.code == code


def test_history_never_waits(raw: Connection) -> None:
    raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    assert raw("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", "0") == [[b"s", []]]


def test_a_delivery_count_beyond_63_bits_wraps(raw, raw3):
    raw.ok("XADD", "s", "5-5", "f", "v")
    raw.ok("XGROUP", "CREATE", "s", "g", "0")
    raw.ok("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    raw.ok("XCLAIM", "s", "g", "c", 0, "5-5", "RETRYCOUNT", 2**63 - 1)
    for expected in (-(2**63), -(2**63) + 1):
        raw.ok("XCLAIM", "s", "g", "c", 0, "5-5")
        assert raw("XPENDING", "s", "g", "-", "+", 10)[0][3] == expected
        full = raw3("XINFO", "STREAM", "s", "FULL")
        assert full[b"groups"][0][b"pending"][0][3] == expected
    raw.ok("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0")
    raw.ok("XCLAIM", "s", "g", "c", 0, "5-5", "RETRYCOUNT", 3)
    assert raw("XPENDING", "s", "g", "-", "+", 10)[0][3] == 3


@pytest.mark.parametrize("words", [
    ("XCLAIM", "a\0b", "g\0h", "c", 0, "0-1"), ("XPENDING", "a\0", "g"),
    ("XREADGROUP", "GROUP", "g\0h", "c", "STREAMS", "a\0b", ">"), ("NO\0SUCH", "a\0b", "c"),
])  # fmt: skip
def test_errors_name_words_up_to_a_nul(both, words):
    both(*words)
    both("EVAL", "return redis.pcall(unpack(ARGV))", 0, *words, code_only=True)


def test_who_reads_where_nothing_is_new_hears_null_at_once(both: Pair, raw: Connection) -> None:
    """Natively: what programs do that look again and again."""
    both("XADD", "s", "1-1", "f", "v")
    both("XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", 0)
    both("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    before = int(re.search(rb"fast_path_commands:(\d+)", raw("INFO", "debug"))[1])
    for protocol, none in ((2, NullArray), (3, None)):
        both.ours.command("HELLO", protocol)
        both.theirs.command("HELLO", protocol)
        assert both("XREADGROUP", "GROUP", "g", "c", "COUNT", 10, "STREAMS", "s", ">") == none
        assert both("XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", "s", ">") == none
        assert both("XREAD", "STREAMS", "s", "$") == none
        assert both("XREAD", "COUNT", 10, "STREAMS", "none", "$") == none
        assert both("XREAD", "STREAMS", "s", "1-1") == none
    assert int(re.search(rb"fast_path_commands:(\d+)", raw("INFO", "debug"))[1]) >= before + 10
    both("SET", "text", "x")
    both("XREAD", "STREAMS", "text", "$")
    both("XADD", "s", "2-1", "f", "v")
    both("XREAD", "STREAMS", "s", "$")
    both("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    both("XINFO", "GROUPS", "s")
