"""CRC16 and hash slots."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from server.structures.crc16 import crc16_of, hash_slot, multiplying


@pytest.fixture(params=[True, False], ids=["multiplied", "looked-up"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """The two ways to the same checksum; where the processor does not multiply, one of them twice."""
    before = multiplying(request.param)
    yield
    multiplying(before)


@pytest.mark.usefixtures("way")
def test_known_values() -> None:
    assert crc16_of(b"123456789") == 0x31C3
    assert crc16_of(b"") == 0
    assert hash_slot(b"foo") == 12182
    assert hash_slot(b"") == 0


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"{user1000}.following", b"user1000"),
        (b"foo{}{bar}", b"foo{}{bar}"),
        (b"foo{{bar}}zap", b"{bar"),
        (b"foo{bar}{zap}", b"bar"),
        (b"foo{bar", b"foo{bar"),
        (b"}foo{bar}", b"bar"),
        (b"{", b"{"),
        (b"{}", b"{}"),
    ],
)
def test_hash_tags(key: bytes, hashed: bytes) -> None:
    assert hash_slot(key) == crc16_of(hashed) % 16384


def by_bits(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


@pytest.mark.usefixtures("way")
def test_all_lengths_and_places_of_braces() -> None:
    """What is made of eight and sixteen bytes at a time is what bits say; a brace is found wherever it stands."""
    rng = Random(7)
    for length in range(90):
        for _ in range(20):
            key = bytes(rng.choice(b"{}|z") if rng.random() < 0.3 else rng.randrange(256) for _ in range(length))
            assert crc16_of(key) == by_bits(key)
            behind = key.partition(b"{")[2]
            tag, closed, _ = behind.partition(b"}")
            hashed = tag if tag and closed else key
            assert hash_slot(key) == by_bits(hashed) % 16384, key


@pytest.mark.peer
def test_the_same_slots_as_a_real_one(new_peer: Any) -> None:
    with new_peer(cluster_enabled=True).connect() as connection:
        for key in [b"foo", b"{a}b", b"x{}y", b"{{}}", b"\x00\xff" * 20, b"k" * 1000]:
            assert connection.ok("CLUSTER", "KEYSLOT", key) == hash_slot(key)
