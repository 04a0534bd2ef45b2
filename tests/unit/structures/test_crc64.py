"""CRC64: the check value, any cut, and the seal of a real payload."""

from typing import Any

import pytest

from server.structures.crc64 import crc64_of

TEXT = b"This is a test of the emergency broadcast system. " * 5


def test_known_value() -> None:
    assert crc64_of(b"123456789") == 0xE9C6D914C4B8D9CA
    assert crc64_of(b"") == 0


def test_it_goes_on_wherever_it_was_cut() -> None:
    whole = crc64_of(TEXT)
    for cut in range(len(TEXT) + 1):
        assert crc64_of(TEXT[cut:], crc64_of(TEXT[:cut])) == whole


@pytest.mark.peer
def test_it_seals_a_real_payload(peer: Any) -> None:
    with peer.connect() as connection:
        connection.ok("SET", "k", TEXT)
        data = connection.ok("DUMP", "k")
        assert crc64_of(data[:-8]) == int.from_bytes(data[-8:], "little")
