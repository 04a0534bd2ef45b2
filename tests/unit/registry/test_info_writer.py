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
