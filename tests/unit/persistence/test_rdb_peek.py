"""Whether an RDB file holds keys, from its first bytes."""

import pytest

from server.persistence.rdb_peek import holds_keys

FIELDS = (
    b"\xfa\x09redis-ver\x057.2.6" b"\xfa\x0aredis-bits\xc0\x40" b"\xfa\x05ctime\xc2\x01\x02\x03\x04"
    b"\xfa\x08aof-base\xc1\x00\x00" b"\xfa\x01x\x40\x46" + b"y" * 70
)  # fmt: skip
LIBRARY = b"\xf5\x80\x00\x00\x00\x03lib" b"\xf5\xc3\x03\x40\x50abc" b"\xf5\x81" + bytes(7) + b"\x02li"
START = b"REDIS0011" + FIELDS + LIBRARY
END = b"\xff" + bytes(8)
KEY = b"\x00\x01k\x01v"


def test_fields_and_libraries_are_no_keys() -> None:
    assert holds_keys(START + END) is False
    assert holds_keys(START + b"\xfe\x00\xfb\x00\x00" + END) is False, "a database that was told of, with nothing in it"


@pytest.mark.parametrize("before", [b"", b"\xfe\x00\xfb\x01\x00", b"\xfe\x40\x50", b"\xfe\x00\xfc" + bytes(8)])
def test_a_key_is_seen_as_soon_as_it_begins(before: bytes) -> None:
    assert holds_keys(START + before + KEY + END) is True
    opcode = START + before + KEY[:1]
    assert holds_keys(opcode) is True


def test_a_part_does_not_tell() -> None:
    whole = START + b"\xfe\x00\xfb\x01\x00"
    assert {holds_keys(whole[:length]) for length in range(len(whole) + 1)} == {None}


@pytest.mark.parametrize("data", [b"", b"RED", b"nothing at all", b"REDIS0011", b"REDIS0011\xfa\x81" + b"\xff" * 8])
def test_what_is_no_file(data: bytes) -> None:
    assert holds_keys(data) is None
