"""Sets of hash slots, each an integer with bit j set for slot j: whole sets are compared, joined and counted at once.

In a message a set is 2048 bytes, slot j in byte j / 8, the lowest bit first; so it is the integer, little end first.
"""

import re
from collections.abc import Iterable, Iterator

COUNT = 16384
BYTES = COUNT // 8
ALL = (1 << COUNT) - 1
_RUN = re.compile("1+")
_FEW_RUNS = 8


def from_bytes(bitmap: bytes | bytearray) -> int:
    """The set that 2048 bytes of a message stand for."""
    return int.from_bytes(bitmap, "little")


def to_bytes(slots: int) -> bytes:
    """The 2048 bytes of a message for a set."""
    return slots.to_bytes(BYTES, "little")


def span(first: int, last: int) -> int:
    """The set of the slots from `first` to `last`, both in it."""
    return (1 << (last + 1)) - (1 << first)


def of(numbers: Iterable[int]) -> int:
    """The set of these slots."""
    found = bytearray(BYTES)
    for number in numbers:
        found[number >> 3] |= 1 << (number & 7)
    return from_bytes(found)


def ranges(slots: int) -> Iterator[tuple[int, int]]:
    """The runs of neighbours in a set, as first and last slot, in order.

    Complexity: O(runs + slots): few runs are a few operations each on 2 KB; where there are more, its digits are read.
    """
    start = 0
    for _ in range(_FEW_RUNS):
        if not slots:
            return
        skipped = (slots & -slots).bit_length() - 1
        slots >>= skipped
        start += skipped
        length = (~slots & (slots + 1)).bit_length() - 1
        yield start, start + length - 1
        slots >>= length
        start += length
    for run in _RUN.finditer(bin(slots)[:1:-1]):
        yield start + run.start(), start + run.end() - 1


def each(slots: int) -> Iterator[int]:
    """The slots of a set, in order."""
    for first, last in ranges(slots):
        yield from range(first, last + 1)
