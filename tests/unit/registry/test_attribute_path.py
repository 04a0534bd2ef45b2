"""Readers that do nothing but follow attributes are known as such, and no others."""

import operator

import pytest

from server.registry.attribute_path import attribute_path

LIMIT = 3


class Engine:
    """A part."""

    speed = 7

    def run(self) -> int:
        return self.speed


def named(engine: Engine) -> int:
    return engine.speed


def test_attributes_are_followed():
    assert attribute_path(lambda engine: engine.speed) == ("speed",)
    assert attribute_path(lambda engine: engine.child.cow_peak) == ("child", "cow_peak")
    assert attribute_path(named) == ("speed",)
    assert attribute_path(operator.attrgetter("child.cow_peak")) == ("child", "cow_peak")


@pytest.mark.parametrize("read", [
    lambda engine: engine.run(),
    lambda engine: engine.speed + 1,
    lambda engine: engine.speed or engine.wheels,
    lambda engine: engine.speed if engine.wheels else engine.doors,
    lambda engine: engine.speed if engine.wheels is not None else engine.doors,
    lambda engine: engine.speed if LIMIT else engine.doors,
    lambda engine: engine.child.speed if engine.child is not None else 0,
    lambda engine: engine.speed is None,
    lambda engine: f"{engine.speed}",
    lambda engine: [engine.speed],
    lambda engine: engine.parts[0],
    lambda engine: len(engine.parts),
    lambda engine: engine.twin.twin,       # its code names that once
    lambda engine: engine,
    lambda _: 5,
    len,
    operator.attrgetter("speed", "wheels"),
    str,
])
def test_what_does_more_is_called(read):
    assert attribute_path(read) is None


def test_what_depends_on_something_else_is_called():
    other = Engine()
    assert attribute_path(lambda _: other.speed) is None
    assert attribute_path(lambda engine, other=other: engine.speed) is None
