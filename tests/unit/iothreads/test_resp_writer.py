"""Numbers as Redis replies them."""

import math

from hypothesis import given, settings, strategies as st

from iothreads.selftest import digits_of, format

KNOWN = {
    0.1: b"0.1", 3.0: b"3", 1e20: b"1e+20", 1.5e-7: b"1.5e-7", 0.0: b"0", -2.5: b"-2.5", 1e8: b"100000000",
    4e18: b"4000000000000000000", 1e19: b"1e+19", 123456.789: b"123456.789",
    1.7976931348623157e308: b"1.7976931348623157e+308", 5e-324: b"5e-324", 0.000001: b"0.000001", 1.5e300: b"1.5e+300",
    12345678901234567890.0: b"12345678901234567000", math.inf: b"inf", -math.inf: b"-inf", 0.3: b"0.3",
    17179869184.5: b"17179869184.5", 1e-9: b"1e-9", 0.1 + 0.2: b"0.30000000000000004",
}  # fmt: skip


def test_known_forms():
    for value, text in KNOWN.items():
        assert format(value) == text
    assert format(math.nan) == b"nan"
    assert format(-0.0) == b"-0"


@settings(max_examples=500)
@given(st.floats(allow_nan=False))
def test_reads_back(value):
    assert float(format(value)) == value
    assert len(format(value)) <= 40


def test_integers_around_every_power():
    edges = {base**n + by for base in (2, 10) for n in range(65) for by in (-1, 0, 1)}
    for value in sorted(edge for edge in edges if 0 <= edge < 2**64):
        assert digits_of(value) == b"%d" % value


@settings(max_examples=500)
@given(st.integers(0, 2**64 - 1))
def test_integers(value):
    assert digits_of(value) == b"%d" % value
