"""What the safety net under reference counting counts as a mistake."""

import gc
import sys
from types import ModuleType
from typing import cast

import pytest

from server.dispatch.collector import LOOKS_PER_SECOND, Collector
from server.observe.log import Log


class Told:
    """What is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *values: object) -> None:
        self.lines.append(text % values)


def make_a_cycle() -> None:
    one: list[object] = []
    one.append(one)


def look(collector: Collector) -> None:
    """Until it has looked."""
    before = collector.collections
    for _ in range(2 * LOOKS_PER_SECOND):
        if collector.collections == before:
            collector.tick()
    assert collector.collections == before + 1


def test_a_cycle_is_told_unless_a_module_came(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Told()
    gc.collect()
    gc.disable()
    try:
        collector = Collector(cast(Log, log), lambda: 0)
        monkeypatch.setitem(sys.modules, "came_late", ModuleType("came_late"))
        make_a_cycle()
        look(collector)
        assert (collector.cycles_found, log.lines) == (0, [])
        make_a_cycle()
        look(collector)
        assert collector.cycles_found == 1
        assert log.lines == [
            "The collector found 1 objects in cycles, which nothing else had freed: a mistake of the server."
        ]
    finally:
        gc.enable()
