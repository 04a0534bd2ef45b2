import hashlib

import pytest
from hypothesis import given, strategies as st

from server.structures.sha256 import hex_digest, is_one_of


def expected(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


@pytest.mark.parametrize("length", [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 1000, 100_000])
def test_of_any_length(length: int) -> None:
    assert hex_digest(b"\xe1" * length) == expected(b"\xe1" * length)


@given(st.binary(max_size=300))
def test_as_the_standard_library(data: bytes) -> None:
    assert hex_digest(data) == expected(data)


@given(st.lists(st.binary(max_size=3), max_size=5), st.binary(max_size=3))
def test_whether_one_of_them_has_it(others: list[bytes], data: bytes) -> None:
    assert is_one_of(data, [expected(other) for other in others]) == (data in others)


def test_what_is_no_digest_has_none() -> None:
    assert not is_one_of(b"a", [b"", expected(b"a")[:-1], expected(b"a") + b"0"])
