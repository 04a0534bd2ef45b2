"""Streams: what AOF and replicas are told. Nothing in it may depend on a clock, on chance, or on how nodes are cut."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.resp import Connection


def commands(wire: bytes) -> list[list[str]]:
    """The commands of a stream of arrays of bulk strings, without SELECT."""
    found = []
    while wire:
        line, wire = wire.split(b"\r\n", 1)
        words = []
        for _ in range(int(line[1:])):
            size, wire = wire.split(b"\r\n", 1)
            words.append(wire[:int(size[1:])].decode())
            wire = wire[int(size[1:]) + 2:]
        if words[0] != "SELECT":
            found.append(words)
    return found


class Told:
    """What was propagated since the last look."""

    def __init__(self, raw: Connection) -> None:
        self.raw = raw
        self.seen = 0

    def __call__(self) -> list[list[str]]:
        every = commands(self.raw("DEBUG", "PROPAGATED", "GET"))
        new, self.seen = every[self.seen:], len(every)
        return new


@pytest.fixture
def told(raw: Connection) -> Iterator[Told]:
    raw.ok("DEBUG", "PROPAGATED", "START")
    yield Told(raw)
    raw.ok("DEBUG", "PROPAGATED", "STOP")


def test_ids_that_were_chosen(raw: Connection, told: Told) -> None:
    ids = [raw("XADD", "s", "*", "f", i).decode() for i in range(3)]
    ids.append(raw("XADD", "s", "NOMKSTREAM", "*", "f", 3).decode())
    assert told() == [["XADD", "s", id, "f", str(i)] for i, id in enumerate(ids[:3])] + [
        ["XADD", "s", "NOMKSTREAM", ids[3], "f", "3"]]
    raw("XADD", "t", "5-*", "f", "v")
    raw("XADD", "t", "5", "f", "v")
    raw("XADD", "t", "6", "f", "v")
    raw("XADD", "none", "NOMKSTREAM", "*", "f", "v")
    assert told() == [["XADD", "t", "5-0", "f", "v"], ["XADD", "t", "6", "f", "v"]]


def test_how_far_trimming_went(raw: Connection, told: Told, configure: Callable[[str, Any], None]) -> None:
    configure("stream-node-max-entries", 10)
    raw.pipeline([("XADD", "s", f"{i}-0", "f", "v") for i in range(1, 101)])
    told()
    raw("XADD", "s", "MAXLEN", "~", 55, "101-0", "f", "v")
    raw("XADD", "s", "MAXLEN", "~", 0, "LIMIT", 10, "102-0", "f", "v")
    raw("XADD", "s", "MINID", "~", 65, "103-0", "f", "v")
    raw("XTRIM", "s", "MAXLEN", "~", 30)
    raw("XTRIM", "s", "MAXLEN", "~", 30)
    raw("XTRIM", "s", "MINID", "~", 85, "LIMIT", 20)
    raw("XTRIM", "s", "MAXLEN", "=", 5)
    raw("XTRIM", "s", "MAXLEN", 4)
    assert told() == [
        ["XADD", "s", "MAXLEN", "=", "61", "101-0", "f", "v"], ["XADD", "s", "MAXLEN", "=", "52", "LIMIT", "10",
                                                                "102-0", "f", "v"],
        ["XADD", "s", "MINID", "=", "61-0", "103-0", "f", "v"], ["XTRIM", "s", "MAXLEN", "=", "33"],
        ["XTRIM", "s", "MINID", "=", "81-0", "LIMIT", "20"], ["XTRIM", "s", "MAXLEN", "=", "5"], ["XTRIM", "s",
                                                                                                  "MAXLEN", "4"]]


def test_trimming_while_the_server_chooses_ids(raw: Connection, told: Told,
                                               configure: Callable[[str, Any], None]) -> None:
    configure("stream-node-max-entries", 10)
    ids = [raw("XADD", "s", "MAXLEN", *words, "*", "f", "v").decode()
           for words in [(3,)] * 4 + [("=", 3)] + [("~", 4)] * 20]
    left = [4, 5, 6, 7, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 4, 5]       # as a real server's
    assert raw("XLEN", "s") == left[-1]
    options = [["3"]] * 4 + [["=", "3"]] + [["=", str(length)] for length in left]
    assert told() == [["XADD", "s", "MAXLEN", *words, id, "f", "v"] for words, id in zip(options, ids, strict=True)]


def test_reading_in_a_group(raw: Connection, told: Told) -> None:
    raw.pipeline([("XADD", "s", f"{i}-0", "f", "v") for i in range(1, 6)])
    raw("XGROUP", "CREATE", "s", "g", "0", "ENTRIESREAD", 0)
    told()
    raw("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", ">")
    claim, = told()
    assert claim[6] == "TIME" and int(claim[7]) > 10**12
    del claim[7]
    assert claim == ["XCLAIM", "s", "g", "c", "0", "1-0", "TIME", "RETRYCOUNT", "1", "FORCE", "JUSTID", "LASTID", "1-0"]
    raw("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
    assert [words[0] for words in told()] == ["MULTI", "XCLAIM", "XCLAIM", "EXEC"]
    raw("XREADGROUP", "GROUP", "g", "d", "NOACK", "COUNT", 1, "STREAMS", "s", ">")
    assert told() == [["MULTI"], ["XGROUP", "CREATECONSUMER", "s", "g", "d"],
                      ["XGROUP", "SETID", "s", "g", "4-0", "ENTRIESREAD", "4"], ["EXEC"]]
    raw("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", "0")
    raw("XACK", "s", "g", "9-9")
    raw("XACK", "s", "g", "1-0", "9-9")
    assert told() == [["XACK", "s", "g", "1-0", "9-9"]]


def test_claiming(raw: Connection, told: Told) -> None:
    raw.pipeline([("XADD", "s", f"{i}-0", "f", "v") for i in range(1, 6)])
    raw("XGROUP", "CREATE", "s", "g", "0")
    raw("XREADGROUP", "GROUP", "g", "c", "COUNT", 3, "STREAMS", "s", ">")
    told()
    raw("XCLAIM", "s", "g", "d", 0, "1-0", "TIME", 1000, "RETRYCOUNT", 7)
    assert told() == [["XCLAIM", "s", "g", "d", "0", "1-0", "TIME", "1000", "RETRYCOUNT", "7", "FORCE", "JUSTID",
                       "LASTID", "3-0"]]
    raw("XCLAIM", "s", "g", "d", 0, "5-0", "LASTID", "4-0")
    assert told() == [["XGROUP", "SETID", "s", "g", "4-0", "ENTRIESREAD", "3"]]
    raw("XCLAIM", "s", "g", "d", 10**6, "2-0")
    assert told() == []
    raw("XDEL", "s", "2-0")
    assert raw("XAUTOCLAIM", "s", "g", "d", 0, "-", "COUNT", 2, "JUSTID") == [b"3-0", [b"1-0"], [b"2-0"]]
    claims = told()
    assert [words[0] for words in claims] == ["XDEL", "MULTI", "XCLAIM", "XCLAIM", "EXEC"]
    assert [words[3:6] for words in claims[2:4]] == [["d", "0", "1-0"], ["c", "0", "2-0"]]


def test_who_was_waiting(raw: Connection, told: Told, another: Callable[..., Connection]) -> None:
    raw("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waiting = another()
    waiting.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
    while b"blocked_clients:1\r\n" not in raw("INFO", "clients"):
        pass
    id = raw("XADD", "s", "*", "f", "v").decode()
    waiting.read()
    create, add, claim = told()
    assert create == ["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"] and add == ["XADD", "s", id, "f", "v"]
    assert claim[:6] == ["XCLAIM", "s", "g", "c", "0", id]
