"""The intset: its bytes, its widths, and the same bytes as a real Redis makes."""

from typing import Any

import pytest

from server.structures.intset import IntsetProbe


def of(*numbers: int) -> IntsetProbe:
    probe = IntsetProbe()
    for number in numbers:
        probe.add(number)
    return probe


def test_bytes() -> None:
    assert IntsetProbe().to_bytes() == b"\x02\0\0\0\0\0\0\0"
    assert of(5, -1, 5).to_bytes() == b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0"
    assert of(65536).to_bytes() == b"\x04\0\0\0\x01\0\0\0\0\0\x01\0"
    assert of(-(2**31) - 1).to_bytes() == b"\x08\0\0\0\x01\0\0\0\xff\xff\xff\x7f\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("number", "width"),
    [(32767, 2), (-32768, 2), (32768, 4), (-32769, 4), (2**31 - 1, 4), (-(2**31), 4), (2**31, 8), (-(2**31) - 1, 8),
     (2**63 - 1, 8), (-(2**63), 8)],
)  # fmt: skip
def test_it_widens_for_the_widest_and_never_narrows(number: int, width: int) -> None:
    probe = of(1, 3, 2, number)
    assert probe.width() == width
    assert list(probe) == sorted([1, 2, 3, number])
    probe.check()
    assert probe.remove(number)
    assert probe.width() == width
    assert list(probe) == [1, 2, 3]
    probe.check()


def test_what_is_too_wide_is_not_there() -> None:
    probe = of(1, 2)
    assert 2**40 not in probe
    assert not probe.remove(2**40)
    assert probe.width() == 2


def test_ends_and_random() -> None:
    probe = of(*range(-10, 10))
    assert (probe.min(), probe.max()) == (-10, 9)
    assert {probe.random() for _ in range(1000)} == set(range(-10, 10))
    with pytest.raises(IndexError):
        probe[20]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\0\0\0\0\0\0",
        b"\x02\0\0\0\0\0\0\0",  # empty
        b"\x03\0\0\0\x01\0\0\0\0\0\0",  # width
        b"\x02\0\0\0\x02\0\0\0\x01\0",  # cut
        b"\x02\0\0\0\x01\0\0\0\x01\0\0",  # too long
        b"\x08\0\0\0\x00\0\0\x20\x01\0\0\0\0\0\0\0",  # a count that overflows 32 bits of size
    ],
)
def test_damaged_ones_are_refused(data: bytes) -> None:
    assert not IntsetProbe.validate(data, deep=False)


def test_order_is_looked_at_by_deep_validation_only() -> None:
    data = b"\x02\0\0\0\x02\0\0\0\x05\0\x05\0"
    assert IntsetProbe.validate(data, deep=False)
    assert not IntsetProbe.validate(data)


@pytest.mark.peer
def test_the_same_bytes_as_a_real_set(peer: Any) -> None:
    with peer.connect() as connection:
        connection.ok("CONFIG", "SET", "rdbcompression", "no")
        ours = IntsetProbe()
        for number in [5, -7, 300, 32767, -32768, 32768, 12, -(2**31), 2**31, 99, 2**63 - 1, -(2**63)]:
            connection.ok("SADD", "s", number)
            ours.add(number)
            data = connection.ok("DUMP", "s")
            assert data[0] == 11
            assert data[3 if data[1] & 0xC0 == 0x40 else 2 : -10] == ours.to_bytes()
        connection.ok("CONFIG", "SET", "rdbcompression", "yes")
