"""Numbers in INFO: as printf and as str() print them."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, strategies as st

from server.registry.info_writer import FOR_PEOPLE, HIDDEN, Line, Page, human, write_sections


def written(value: object, digits: int, unit: str = "") -> str:
    page = Page([Line(b"x:", digits=digits, unit=unit)], (int,), lambda subject: (subject,))
    return write_sections([page], {int: lambda: value}, {}).decode()


@given(st.floats(min_value=0), st.integers(0, 9))
@example(0.125, 2)
@example(1.005, 2)
@example(0.999999, 2)
@example(9999999.995, 2)
@example(2.5, 0)
@example(float("inf"), 2)
def test_a_decimal_is_rounded_as_printf_does(value: float, digits: int) -> None:
    assert written(value, digits) == f"x:{value:.{digits}f}\r\n"


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_so_is_what_lies_near_a_half(steps: int, digits: int) -> None:
    for value in ((steps + 0.5) / 10**digits, (steps + 0.4999999) / 10**digits, (steps + 0.5000001) / 10**digits):
        assert written(value, digits) == f"x:{value:.{digits}f}\r\n"


def test_what_stands_behind_a_number() -> None:
    assert written(12.5, 1, unit="%") == "x:12.5%\r\n"


def test_sizes_for_people() -> None:
    sizes = {0: "0B", 1023: "1023B", 1024: "1.00K", 1536: "1.50K", 3435973837: "3.20G", 1 << 60: "1024.00P"}
    for size, text in sizes.items():
        assert human(size) == text
        assert written(size, FOR_PEOPLE) == f"x:{text}\r\n"


# Few values, so that one is often the object that it was; what is made anew each time (a size beyond the small numbers,
# a generator) says the same and is another object.
KINDS = st.sampled_from(["same", "other", "true", "fresh", "hidden", "lines", "made lines", "half"])
KEPT = {"same": 7, "other": "seven", "true": True, "hidden": HIDDEN, "lines": (("a", 1), ("b", "x" * 300))}


def value_of(kind: str, line: Line) -> object:
    if line is FAMILY:
        return KEPT["lines"] if kind == "lines" else ((name, kind) for name in ("a", kind))
    if kind in ("lines", "made lines"):
        return 1
    return {**KEPT, "fresh": int("1234567"), "half": float("0.5")}[kind]


FAMILY = Line(None)
LINES = [Line(b"# T\r\n", constant=True), Line(b"a:"), FAMILY, Line(b"b:", unit="%"),
         Line(b"c\r\nd\r\n", constant=True), Line(b"e:"), FAMILY]


@given(st.lists(st.lists(KINDS, min_size=5, max_size=5), min_size=1, max_size=8))
def test_what_stays_the_same_is_written_as_if_it_were_new(times: list[list[str]]) -> None:
    asked = [line for line in LINES if line not in (LINES[0], LINES[4])]
    kinds: list[str] = []

    def read(_: object) -> tuple[object, ...]:
        return tuple([value_of(kind, line) for kind, line in zip(kinds, asked)])

    kept = Page(LINES, (int,), read)
    for now in times:
        kinds[:] = now
        fresh = write_sections([Page(LINES, (int,), read)], {int: int}, {})
        assert write_sections([kept, kept], {int: int}, {}) == fresh + b"\r\n" + fresh


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_a_page_may_be_written_while_it_is_written(size: int) -> None:
    """As when a reader fails so badly that a crash report tells of INFO."""
    nested: list[bytes] = []
    again = [False]

    class Value:
        """Its text is of another length while the page is written within itself."""

        def __str__(self) -> str:
            if again[0] and not nested:
                nested.append(b"")
                text[0] = "y" * size
                nested[0] = write_sections([page], {int: int}, {})
            return text[0]

    text = ["x" * 100]
    value = Value()
    lines = [Line(b"a:"), Line(b"b:"), Line(b"c:"), Line(b"d\r\n", constant=True), Line(b"e:")]
    page = Page(lines, (int,), lambda _: (text[0], value, 3, text[0]))
    write_sections([page], {int: int}, {})
    again[0] = True
    long, short = b"x" * 100, b"y" * size
    assert write_sections([page], {int: int}, {}) == b"a:%s\r\nb:%s\r\nc:3\r\nd\r\ne:%s\r\n" % (long, short, long)
    assert nested == [b"a:%s\r\nb:%s\r\nc:3\r\nd\r\ne:%s\r\n" % ((short,) * 3)]
    assert write_sections([page], {int: int}, {}) == nested[0]


def test_a_reader_that_fails_leaves_nothing_behind() -> None:
    fails = [False, True, False]

    def lines() -> Iterator[tuple[str, int]]:
        yield "a", 1
        if fails[0]:
            raise ValueError("no")

    page = Page([Line(b"x:"), Line(None), Line(b"y:")], (int,), lambda _: (1, lines(), 2))
    for fail in list(fails):
        fails[0] = fail
        if fail:
            with pytest.raises(ValueError):
                write_sections([page], {int: int}, {})
        else:
            assert write_sections([page], {int: int}, {}) == b"x:1\r\na:1\r\ny:2\r\n"
