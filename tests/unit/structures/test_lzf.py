"""LZF: what it writes reads back, here and in a real Redis; damaged data is refused."""

import random
from typing import Any

import pytest

from server.structures.lzf import compress, decompress, estimate


def samples() -> list[bytes]:
    chance = random.Random(7)
    return [
        b"a",
        b"ab" * 2,
        b"a" * 33,
        b"a" * 264,
        b"a" * 265,
        b"a" * 300,
        b"abc" * 5000,
        bytes(range(256)) * 40,
        b"x" + bytes(chance.randrange(256) for _ in range(8191)) + b"xyz" * 10,
        *(bytes(chance.randrange(kinds) for _ in range(chance.randrange(1, 3000))) for kinds in (2, 5, 60, 256) * 20),
        b"".join(b"element:%06d," % n for n in range(5000)),
    ]


@pytest.mark.parametrize("data", samples(), ids=len)
def test_it_reads_back_and_keeps_within_its_room(data: bytes) -> None:
    packed = compress(data, len(data) + len(data) // 16 + 64)
    assert packed is not None
    assert decompress(packed, len(data)) == data
    assert decompress(packed, len(data) - 1) is None
    assert compress(data, len(packed) + 5) == packed
    assert compress(data, len(packed) - 1) is None


def test_it_gains() -> None:
    assert len(compress(b"a" * 10000, 10000) or b"") < 150
    words = b"".join(b"element:%06d," % n for n in range(500))
    assert len(compress(words, len(words)) or b"") < len(words) * 0.6


@pytest.mark.parametrize(
    "data",
    [b"", b"\x05abc", b"\x20\x00", b"\x00a\x20\x01", b"\x00a\x20", b"\x00a\xe0", b"\x00a\xe0\x01", b"\xff\xff\xff"],
)
def test_damaged_data_is_refused(data: bytes) -> None:
    assert decompress(data, 1000) is None


def test_any_bytes_do_no_harm() -> None:
    chance = random.Random(11)
    for _ in range(5000):
        data = bytes(chance.randrange(256) for _ in range(chance.randrange(60)))
        out = decompress(data, 100)
        assert out is None or len(out) <= 100


def text_of(chance: random.Random) -> bytes:
    """Bytes with something to find in them: words of a small alphabet, runs, and pieces said again."""
    out = b""
    for _ in range(chance.randrange(1, 40)):
        kind = chance.randrange(4)
        if kind == 0:
            out += bytes(chance.choices(range(chance.choice((2, 4, 26, 256))), k=chance.randrange(1, 40)))
        elif kind == 1:
            out += bytes([chance.randrange(256)]) * chance.randrange(1, 300)
        elif out:
            start = chance.randrange(len(out))
            out += out[start : start + chance.randrange(1, 50)]
    return out


@pytest.mark.peer
def test_a_real_one_packs_to_the_same_bytes(both: Any) -> None:
    chance = random.Random(13)
    values = [*samples(), *(text_of(chance) for _ in range(300))]
    values += [value[:length] for value in values[:20] for length in range(20, 32)]
    # Each under its own key: a real one does not clear its table, and finds again what lay at the same address.
    for n, value in enumerate(values):
        both("SET", f"k{n}", b"'" + value)
        ours, theirs = both.ours.ok("DUMP", f"k{n}"), both.theirs.ok("DUMP", f"k{n}")
        assert ours[:-10] == theirs[:-10]  # the last ten: version and checksum


@pytest.mark.peer
def test_a_real_one_reads_ours_and_we_read_theirs(peer: Any) -> None:
    from server.structures.crc64 import crc64_of

    text = b"some text, some more text, and some text again; " * 30
    with peer.connect() as connection:
        connection.ok("SET", "k", text)
        data = connection.ok("DUMP", "k")
        assert data[:2] == b"\x00\xc3"
        packed_length = (data[2] & 0x3F) << 8 | data[3] if data[2] & 0x40 else data[2]
        start = 4 if data[2] & 0x40 else 3
        theirs = data[start + 2 : start + 2 + packed_length]
        assert decompress(theirs, len(text)) == text
        ours = compress(text, len(text))
        assert ours is not None
        lengths = (0x4000 | len(ours)).to_bytes(2, "big") + (0x4000 | len(text)).to_bytes(2, "big")
        payload = b"\x00\xc3" + lengths + ours + data[-10:-8]
        connection.ok("RESTORE", "r", 0, payload + crc64_of(payload).to_bytes(8, "little"))
        assert connection.ok("GET", "r") == text


def test_an_estimate_is_near() -> None:
    chance = random.Random(1)
    jobs = b"".join(b'{"id":%d,"name":"job-%d"}' % (i, i * 7) for i in range(40))
    for text in (chance.randbytes(1000), b"0" * 1000, jobs, bytes(chance.choices(b"abcdefgh", k=1000)), b"", b"abc"):
        packed = compress(text, 2 * len(text) + 100)
        assert abs(estimate(text) - len(packed or b"")) <= len(text) // 10 + 10
