"""CRC16 and hash slots."""

from typing import Any

import pytest

from server.structures.crc16 import crc16_of, hash_slot


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


@pytest.mark.peer
def test_the_same_slots_as_a_real_one(new_peer: Any) -> None:
    with new_peer(cluster_enabled=True).connect() as connection:
        for key in [b"foo", b"{a}b", b"x{}y", b"{{}}", b"\x00\xff" * 20, b"k" * 1000]:
            assert connection.ok("CLUSTER", "KEYSLOT", key) == hash_slot(key)
