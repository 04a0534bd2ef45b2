"""Narrow bytes: what was packed reads back, and few kinds need few bits."""

import random
import string

import pytest
from hypothesis import given, settings, strategies as st

from server.structures.narrow import pack, unpack

COUNTED = 1024      # bytes of which all are counted; of more a sample is, which may be wrong about room that is scarce


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=3000), st.text("0123456789abcdef\x80\xff", max_size=3000).map(str.encode)))
def test_it_reads_back(data: bytes) -> None:
    packed = pack(data, len(data) * 2 + 100)
    assert packed is None or unpack(packed, len(data)) == data
    if packed:
        assert len(data) > COUNTED or pack(data, len(packed)) == packed
        assert pack(data, len(packed) - 1) is None


@pytest.mark.parametrize(("kinds", "bits"), [(2, 4), (10, 4), (15, 4), (16, 4.6), (31, 5), (40, 6), (63, 6), (70, 6.9)])
def test_few_kinds_need_few_bits(kinds: int, bits: float) -> None:
    chance = random.Random(kinds)
    for size in (8000, 8001, 8007):
        data = bytes(chance.randrange(kinds) * 3 + 1 for _ in range(size))
        packed = pack(data, size)
        assert packed is not None
        assert len(packed) <= size * bits / 8 + 80
        assert unpack(packed, size) == data


def test_many_kinds_are_given_up() -> None:
    assert pack(random.Random(1).randbytes(8000), 20000) is None
    assert pack(b"", 100) is None


def test_some_bytes_may_be_of_any_kind() -> None:
    chance = random.Random(2)
    data = bytes(chance.randrange(256) if chance.random() < 0.05 else 48 + chance.randrange(10) for _ in range(8192))
    packed = pack(data, 8192)
    assert packed is not None
    assert len(packed) < 8192 * 0.6
    assert unpack(packed, 8192) == data


@pytest.mark.parametrize("element", [500, 502, 1000, 1005, 2010])
def test_a_sample_of_elements_that_are_alike_sees_all_of_one(element: int) -> None:
    chance = random.Random(element)
    kinds = (string.digits + string.ascii_letters).encode()
    data = (bytes(chance.choices(kinds, k=element)) * 16)[:8040]
    packed = pack(data, len(data))
    assert packed is not None
    assert len(packed) < len(data) * 0.76 + 100
    assert unpack(packed, len(data)) == data
