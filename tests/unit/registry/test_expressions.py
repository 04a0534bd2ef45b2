"""What readers say is known when it is one of the plain forms, and is the same then."""

import pytest

from server.registry.expressions import expression
from server.registry.light import Any


class Part:
    """A part; its twin is one, too."""

    def __init__(self, speed: object, twin: "Part | None" = None) -> None:
        self.speed, self.twin = speed, twin


LIMIT = 3
KNOWN = {
    "p.speed": lambda part: part.speed,
    "len(p.speed)": lambda part: len(part.speed),
    "len(p)": len,
    "bool(p.twin.speed)": lambda other: bool(other.twin.speed),
    "p.twin is not None": lambda part: part.twin is not None,
    "p.twin is None": lambda part: part.twin is None,
    "p.speed > 0": lambda part: part.speed > 0,
    "p.speed != 'off'": lambda part: part.speed != "off",
    "p.speed == 'o\"ff'": lambda part: part.speed == 'o"ff',
    "p.speed or 'no'": lambda part: part.speed or "no",
    "'ok' if p.speed else 'err'": lambda part: "ok" if part.speed else "err",
    "'master' if p.twin is None else 'slave'": lambda part: "master" if part.twin is None else "slave",
}


@pytest.mark.parametrize("text", KNOWN)
def test_a_plain_form_is_known(text: str) -> None:
    assert expression(KNOWN[text], "p") == text


@pytest.mark.parametrize("text", KNOWN)
def test_what_is_known_says_the_same(text: str) -> None:
    for speed in (0, 1, -1, "", "off", 'o"ff', [], [1], None):
        part = Part(speed, Part(speed))
        assert outcome(lambda part=part: eval(text, {"p": part})) == outcome(lambda part=part: KNOWN[text](part))


def outcome(ask: Any) -> object:
    try:
        return ask()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("read", [
    lambda part: len(part.speed) + 1,
    lambda part: len(part.speed) or 5,
    lambda part: len(part.speed, 1),
    lambda part: len(part.twin.twin.speed),        # its code names that once
    lambda part: part.speed is not part.twin,
    lambda part: part.speed > LIMIT,
    lambda part: part.speed > 0.5,
    lambda part: part.speed or part.twin,
    lambda part: part.speed if part.twin else 0,
    lambda part: not part.speed,
    lambda part: sum(part.speed),
    lambda part, other=1: len(part.speed),
    lambda *parts: len(parts.speed),
    str,
])
def test_other_forms_are_not(read: Any) -> None:
    assert expression(read, "p") is None


def test_who_has_a_len_of_its_own_is_asked() -> None:
    made: dict[str, Any] = {}
    exec("len = max\nread = lambda part: len(part.speed)", made)
    assert expression(made["read"], "p") is None


def test_what_depends_on_something_else_is_asked() -> None:
    other = Part([1])
    assert expression(lambda _: len(other.speed), "p") is None
