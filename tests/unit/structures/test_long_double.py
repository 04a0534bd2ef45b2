"""Sums of decimal text as INCRBYFLOAT shows them."""

import sys

import pytest

from server.structures import long_double

WIDE = sys.platform == "linux"  # long double has more bits than double here (x86: 64 of mantissa, arm64: 113)


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (b"3.0e3", b"200", b"3200"),
        (b"10.50", b"0.1", b"10.6"),
        (b"5.0e3", b"2.0e2", b"5200"),
        (b"1", b"-1.0", b"0"),
        (b"-0.0", b"0", b"0"),
        (b"-1.5", b"0", b"-1.5"),
        (b"0x1p3", b".5", b"8.5"),
        (b"1e21", b"0", b"1000000000000000000000"),
    ],
)
def test_add(first: bytes, second: bytes, total: bytes) -> None:
    assert long_double.add(first, second) == total


@pytest.mark.skipif(not WIDE, reason="long double is double here")
def test_decimals_come_back_as_typed() -> None:
    assert long_double.add(b"0.1", b"0.2") == b"0.3"
    assert long_double.add(b"1.23", b"0.0000000001") == b"1.2300000001"
    assert long_double.add(b"1e4000", b"0").startswith(b"9999") or len(long_double.add(b"1e4000", b"0")) == 4001


def test_no_sum() -> None:
    assert long_double.add(b"inf", b"1") is None
    assert long_double.add(b"inf", b"-inf") is None
    with pytest.raises(ValueError, match="not a number"):
        long_double.add(b"x", b"1")


@pytest.mark.parametrize("text", [b"", b" 1", b"1 ", b"\t1", b"1x", b"nan", b"1\x00", b"1_0", b"1e999999", b"1" * 5120])
def test_not_numbers(text: bytes) -> None:
    assert not long_double.is_number(text)


def test_infinity_is_a_number_but_not_finite() -> None:
    assert long_double.is_number(b"-inf")
    assert not long_double.is_finite(b"-inf")
    assert long_double.is_finite(b"1e10")
    assert long_double.is_number(b"0" * 5118 + b"1")


def test_a_failed_reading_does_not_stick() -> None:
    assert not long_double.is_number(b"1e999999")
    assert long_double.is_number(b"0")


def test_format_double() -> None:
    assert [long_double.format_double(value) for value in (3.0, -2.5, 1e20, -0.0)] == [
        b"3", b"-2.5", b"100000000000000000000", b"0",
    ]  # fmt: skip
