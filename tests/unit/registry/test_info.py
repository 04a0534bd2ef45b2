"""INFO: sections and fields in Redis's order, whoever declares them first; each room tells of its own parts."""

import importlib
from collections.abc import Iterator

import pytest

from server.config.config import Config
from server.registry import info
from server.registry.info import Declared, InfoField, Section, sections
from server.registry.info_writer import write_sections
from server.registry.parts import Parts
from tests.architecture.test_imports import room_of
from tests.support.resp import Connection


def titles(raw: Connection, *sections: str) -> list[str]:
    return [line[2:] for line in raw.ok("INFO", *sections).decode().splitlines() if line.startswith("# ")]


def fields(c: Connection, section: str) -> list[str]:
    return [line.split(":")[0] for line in c.ok("INFO", section).decode().splitlines() if ":" in line]


def declared() -> Iterator[tuple[Section, Declared]]:
    """All that a server declares."""
    importlib.import_module("server.server")
    for section in sections().values():
        for each in section.declared:
            yield section, each


def test_sections_come_in_the_order_of_redis(raw):
    plain = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Errorstats",
             "Cluster", "Keyspace"]
    assert titles(raw) == plain
    everything = titles(raw, "everything")
    assert [title for title in everything if title in plain] == plain
    assert everything.index("Commandstats") == everything.index("Errorstats") - 1
    assert everything.index("Latencystats") == everything.index("Errorstats") + 1


def test_sections_may_be_chosen(raw):
    assert titles(raw, "keyspace", "server") == ["Server", "Keyspace"]
    assert titles(raw, "nonsense") == []


@pytest.mark.parametrize("section", ["server", "clients", "memory", "persistence", "stats", "replication", "cpu"])
def test_fields_come_in_the_order_of_redis(raw, peer, section):
    with peer.connect() as c:
        ours, theirs = fields(raw, section), fields(c, section)
    assert len(theirs) > 5
    assert [name for name in ours if name in theirs] == [name for name in theirs if name in ours]


def test_what_the_order_names_is_declared():
    names = {(section.name, each.what.name) for section, each in declared() if isinstance(each.what, InfoField)}
    assert {(section.name, name) for section in sections().values() for name in section.order} <= names


def test_a_room_tells_of_its_own_parts():
    """Its functions read a type of its own; the configuration is everybody's."""
    found = 0
    for section, each in declared():
        read = each.what.read if isinstance(each.what, InfoField) else each.what
        if read.__module__.split(".")[0] in ("server", "scripting") and each.part is not Config:
            found += read.__module__ != "server.registry.info"         # that one's is a constant
            assert room_of(read.__module__) in (room_of(each.part.__module__), "server.registry"), (section.name, each)
    assert found > 100


class Engine:
    """A part."""

    speed = 7


def test_a_field_finds_its_place():
    section = Section("garage", "Garage", order=("first", "second", "third"))
    engine = section.of(Engine)
    for name in ("third", "later", "first", "last", "second"):
        engine.field(name, lambda engine: engine.speed)
    assert section.names() == ["first", "second", "third", "later", "last"]


def test_a_name_stands_once_in_a_section():
    engine = Section("garage", "Garage").of(Engine)
    engine.field("speed", 1)
    with pytest.raises(ValueError, match="speed is in INFO garage already"):
        engine.field("speed", 2)


def test_a_part_is_asked_for_once_in_a_reading():
    asked: list[Engine] = []

    def engine() -> Engine:
        asked.append(Engine())
        return asked[-1]

    section, parts = Section("garage", "Garage"), Parts()
    parts.add(Engine, engine)
    section.of(Engine).field("speed", lambda engine: engine.speed)
    section.of(Engine).family(lambda engine: [("a", "b")])
    section.of(Engine).field("hidden", 1, shown=lambda engine: engine.speed > 7)
    shown = b"# Garage\r\nspeed:7\r\na:b\r\n"
    assert write_sections([section.page()], parts.where, parts.kept) == shown
    assert len(asked) == 1
    assert write_sections([section.page(), section.page()], parts.where, parts.kept) == shown + b"\r\n" + shown
    assert len(asked) == 2


def test_a_value_is_printed_as_str_prints_it_but_for_yes_and_no():
    section, parts = Section("garage", "Garage"), Parts()
    parts.add(Engine, Engine)
    engine = section.of(Engine)
    values = [-1, 2**63 - 1, -(2**63), 2**64, True, 1.5, None, "\xe9", "\udcff", ""]
    for number, value in enumerate(values):
        engine.field(f"asked{number}", lambda _, value=value: value)
        engine.field(f"kept{number}", str(value))
    lines = write_sections([section.page()], parts.where, parts.kept).split(b"\r\n")
    for number, value in enumerate(values):
        printed = str(value).encode("utf-8", "surrogateescape")
        assert b"asked%d:%s" % (number, b"1" if value is True else printed) in lines
        assert b"kept%d:%s" % (number, printed) in lines


def test_what_is_declared_later_is_printed_too():
    section, parts = Section("garage", "Garage"), Parts()
    parts.add(Engine, Engine)
    section.of(Engine).field("wheels", 4)
    assert write_sections([section.page()], parts.where, parts.kept) == b"# Garage\r\nwheels:4\r\n"
    section.of(Engine).field("doors", lambda engine: engine.speed - 2)
    section.of(Engine).field("seats", 5)
    shown = b"# Garage\r\nwheels:4\r\ndoors:5\r\nseats:5\r\n"
    assert write_sections([section.page()], parts.where, parts.kept) == shown


def test_all_pages_may_be_made_before_somebody_asks(monkeypatch):
    monkeypatch.setattr(info, "_unmade", None)
    for section in sections().values():
        monkeypatch.setattr(section, "_page", None)
    calls = 1
    while info.make_ahead():
        calls += 1
    assert calls == len(sections()) + 1, "a section at a call"
    assert all(section._page is not None for section in sections().values())


def test_a_long_text_grows():
    section, parts = Section("garage", "Garage"), Parts()
    parts.add(Engine, Engine)
    section.of(Engine).family(lambda _: ((f"part{number}", "x" * 1000) for number in range(100)))
    text = write_sections([section.page()], parts.where, parts.kept)
    assert text == b"# Garage\r\n" + b"".join(b"part%d:%s\r\n" % (number, b"x" * 1000) for number in range(100))


def test_what_is_read_together_is_read_each_by_its_own_rule():
    """Attributes, calls, and who is shown only sometimes; a question that several have in common is asked once."""
    asked = []

    def is_fast(engine):
        asked.append(engine)
        return engine.speed > 7

    section, parts = Section("garage", "Garage"), Parts()
    parts.add(Engine, Engine)
    engine = section.of(Engine)
    engine.field("path", lambda engine: engine.speed)
    engine.field("first", lambda engine: engine.speed, shown=is_fast)
    engine.field("call", lambda engine: engine.speed + 1)
    engine.field("second", lambda engine: -engine.speed, shown=is_fast)
    engine.field("other", lambda engine: engine.speed, shown=lambda engine: engine.speed == 7)
    assert write_sections([section.page()], parts.where, parts.kept) == b"# Garage\r\npath:7\r\ncall:8\r\nother:7\r\n"
    assert len(asked) == 1
