"""What sinks are told of commands, units and databases."""

from types import SimpleNamespace

import pytest

from server.dispatch.propagate import Propagation
from server.structures.block_stream import ALL, AOF, REPLICAS, Sink, Stream

DB0, DB3 = SimpleNamespace(index=0), SimpleNamespace(index=3)


def said(wire: bytes) -> list[str]:
    """RESP commands, each as a line."""
    found, parts = [], wire.split(b"\r\n")
    at = 0
    while at < len(parts) - 1:
        count = int(parts[at][1:])
        found.append(" ".join(part.decode() for part in parts[at + 2 : at + 1 + 2 * count : 2]))
        at += 1 + 2 * count
    return found


class Heard:
    """A propagation with sinks of these kinds."""

    def __init__(self, *kinds: int) -> None:
        self.propagation = Propagation(Stream())
        self.sinks = [Sink(kind) for kind in kinds]
        for sink in self.sinks:
            self.propagation.subscribe(sink)

    def turn(self) -> list[list[str]]:
        self.propagation.flush()
        self.propagation.stream.check()
        return [said(sink.read()) for sink in self.sinks]


def test_nobody_listens() -> None:
    heard = Heard()
    assert not heard.propagation.wanted
    heard.propagation.also(DB0, [b"SET", b"k", b"v"])
    assert heard.turn() == []


def test_a_database_is_said_when_it_changes() -> None:
    heard = Heard(ALL)
    for db, key in ((DB0, b"a"), (DB0, b"b"), (DB3, b"c"), (DB0, b"d")):
        heard.propagation.also(db, [b"SET", key, b""])
    assert heard.turn() == [["SELECT 0", "SET a ", "SET b ", "SELECT 3", "SET c ", "SELECT 0", "SET d "]]
    heard.propagation.also(DB0, [b"DEL", b"a"])
    assert heard.turn() == [["DEL a"]]


def test_a_unit_of_several_is_a_transaction() -> None:
    heard = Heard(ALL)
    heard.propagation.enter()
    heard.propagation.also(DB0, [b"DEL", b"a"])
    heard.propagation.enter()
    heard.propagation.also(DB3, [b"DEL", b"b"])
    heard.propagation.leave()
    assert heard.turn() == [[]]
    heard.propagation.leave()
    assert heard.turn() == [["MULTI", "SELECT 0", "DEL a", "SELECT 3", "DEL b", "EXEC"]]


def test_a_unit_of_one_is_not() -> None:
    heard = Heard(ALL)
    heard.propagation.enter()
    heard.propagation.also(DB0, [b"DEL", b"a"])
    heard.propagation.leave()
    assert heard.turn() == [["SELECT 0", "DEL a"]]


def test_who_comes_later_hears_of_the_database_first() -> None:
    heard = Heard(AOF)
    heard.propagation.also(DB3, [b"DEL", b"a"])
    late = Sink(REPLICAS)
    heard.propagation.subscribe(late)
    heard.propagation.also(DB3, [b"DEL", b"b"])
    assert heard.turn() == [["SELECT 3", "DEL a", "SELECT 3", "DEL b"]]
    assert said(late.read()) == ["SELECT 3", "DEL b"]
    heard.propagation.unsubscribe(late)
    heard.propagation.also(DB3, [b"DEL", b"c"])
    assert heard.turn() == [["DEL c"]]


def test_a_command_for_one_kind_alone() -> None:
    heard = Heard(AOF, REPLICAS)
    heard.propagation.also(DB0, [b"DEL", b"both"])
    heard.propagation.spread = AOF
    heard.propagation.also(DB3, [b"DEL", b"aof"])
    heard.propagation.spread = 0
    heard.propagation.also(DB3, [b"DEL", b"nobody"])
    heard.propagation.spread = ALL
    heard.propagation.also(DB3, [b"DEL", b"both"])
    assert heard.turn() == [
        ["SELECT 0", "DEL both", "SELECT 3", "DEL aof", "DEL both"], ["SELECT 0", "DEL both", "SELECT 3", "DEL both"]
    ]


@pytest.mark.parametrize("only", [AOF, REPLICAS])
def test_units_with_commands_for_one_kind(only: int) -> None:
    heard = Heard(AOF, REPLICAS)
    heard.propagation.enter()
    heard.propagation.spread = only
    heard.propagation.also(DB0, [b"DEL", b"one"])
    heard.propagation.spread = ALL
    heard.propagation.also(DB0, [b"DEL", b"all"])
    heard.propagation.leave()
    full, part = ["MULTI", "SELECT 0", "DEL one", "DEL all", "EXEC"], ["MULTI", "SELECT 0", "DEL all", "EXEC"]
    assert heard.turn() == ([full, part] if only == AOF else [part, full])


def test_a_unit_for_one_kind_is_nothing_to_the_other() -> None:
    heard = Heard(AOF, REPLICAS)
    heard.propagation.spread = AOF
    heard.propagation.enter()
    heard.propagation.also(DB0, [b"DEL", b"a"])
    heard.propagation.also(DB0, [b"DEL", b"b"])
    heard.propagation.leave()
    assert heard.turn() == [["MULTI", "SELECT 0", "DEL a", "DEL b", "EXEC"], []]


def test_listeners_are_told_of_turns() -> None:
    heard = Heard()
    told: list[object] = []
    sink = Sink(AOF)

    class Listener:
        def begin_turn(self) -> None:
            told.append("begin")

        def end_turn(self) -> None:
            told.append(said(sink.read()))

    heard.propagation.subscribe(sink, Listener())
    heard.propagation.flush()
    heard.propagation.also(DB0, [b"DEL", b"a"])
    heard.propagation.flush()
    assert told == ["begin", ["SELECT 0", "DEL a"]]
