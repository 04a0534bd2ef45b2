"""Bit strings against text of zeros and ones."""

import random

import pytest

from server.structures import bits


def digits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def some(size: int) -> bytes:
    """Long runs of zeros and of ones beside anything."""
    return b"".join(random.choice((b"\0", b"\xff", random.randbytes(1))) * random.randrange(1, 20) for _ in range(size))


@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_counting_and_finding(size: int) -> None:
    for _ in range(100):
        data = some(size)
        text = digits(data)
        first, last = sorted(random.choices(range(len(text)), k=2))
        assert bits.count(data, first, last) == text[first:last + 1].count("1")
        for bit in (0, 1):
            found = text[first:last + 1].find(str(bit))
            assert bits.find(data, bit, first, last) == (found + first if found >= 0 else -1)


def test_empty_ranges() -> None:
    assert bits.count(b"", 0, -1) == 0
    assert bits.count(b"\xff", 5, 4) == 0
    assert bits.find(b"\xff", 1, 5, 4) == -1


@pytest.mark.parametrize("name", ["and", "or", "xor"])
def test_combining(name: str) -> None:
    operation = {"and": int.__and__, "or": int.__or__, "xor": int.__xor__}[name]
    for _ in range(50):
        sources = [some(random.randrange(4)) for _ in range(random.randrange(1, 5))]
        size = max(map(len, sources))
        total = int.from_bytes(sources[0].ljust(size, b"\0"), "big")
        for source in sources[1:]:
            total = operation(total, int.from_bytes(source.ljust(size, b"\0"), "big"))
        assert bits.combine(name, sources) == total.to_bytes(size, "big")


def test_inverting() -> None:
    data = some(5)
    assert bits.combine("not", [data]) == bytes(255 - byte for byte in data)
    assert bits.combine("not", [b""]) == b""
