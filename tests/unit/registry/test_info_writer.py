"""Numbers in INFO: as printf and as str() print them."""

from hypothesis import example, given, strategies as st

from server.registry.info_writer import FOR_PEOPLE, Line, Page, human, write_sections


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


class Growing:
    """Reads otherwise with each look."""

    looks = 0

    def __str__(self) -> str:
        self.looks += 1
        return str(self.looks)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ALIKE = st.sampled_from([0, 0.0, -0.0, False, "", "0", 10**6, 1.5])


@given(st.lists(st.one_of(st.integers(), st.booleans(), TEXTS, st.floats(allow_nan=True), ALIKE), max_size=8))
def test_a_line_reads_as_its_value_does_whatever_it_was_before(values: list[object]) -> None:
    now: list[object] = [None]
    page = Page([Line(b"x:")], (int,), lambda subject: (subject,))
    for value in (one for one in values for _ in range(2)):
        now[0] = value
        text = write_sections([page], {int: lambda: now[0]}, {})
        shown = int(value) if isinstance(value, bool) else value
        assert text == f"x:{shown}\r\n".encode("utf-8", "surrogateescape")


def test_what_may_read_otherwise_next_time_is_not_kept() -> None:
    page, value = Page([Line(b"x:")], (int,), lambda subject: (subject,)), Growing()
    assert [write_sections([page], {int: lambda: value}, {}) for _ in range(2)] == [b"x:1\r\n", b"x:2\r\n"]
