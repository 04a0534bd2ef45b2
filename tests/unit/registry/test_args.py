"""Numbers in arguments and files."""

import pytest

from server.registry.args import INT64_MAX, INT64_MIN, leading_integer


@pytest.mark.parametrize(("text", "value"), [
    (b"", 0), (b"x1", 0), (b"-", 0), (b"--5", 0), (b"+-5", 0), (b"\xb2", 0), (b"0", 0), (b"12", 12), (b"-12x", -12),
    (b" \t\n+7 8", 7), (b"0x10", 0), (b"1e3", 1), (b"000000000000000000000000000000012", 12), (b"9" * 5000, INT64_MAX),
    (b"-" + b"9" * 5000, INT64_MIN), (b"9223372036854775808", INT64_MAX), (b"-9223372036854775808", INT64_MIN),
])  # fmt: skip
def test_the_integer_that_a_text_begins_with(text: bytes, value: int) -> None:
    """As C's atoll."""
    assert leading_integer(text) == value
