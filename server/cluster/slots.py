"""Sets of hash slots, each an integer with bit j set for slot j: whole sets are compared, joined and counted at once.

In a message a set is 2048 bytes, slot j in byte j / 8, the lowest bit first; so it is the integer, little end first.
"""

from collections.abc import Iterable, Iterator

from server.cluster.slot_runs import runs_of

COUNT = 16384
BYTES = COUNT // 8
ALL = (1 << COUNT) - 1
IN = ord("1")


def from_bytes(bitmap: bytes | bytearray) -> int:
    """The set that 2048 bytes of a message stand for."""
    return int.from_bytes(bitmap, "little")


def to_bytes(slots: int) -> bytes:
    """The 2048 bytes of a message for a set."""
    return slots.to_bytes(BYTES, "little")


def digits(slots: int) -> bytes:
    """A set as a digit for each slot: IN where it is in it."""
    return f"{slots:0{COUNT}b}"[::-1].encode()


def from_digits(each: bytes | bytearray) -> int:
    """The set of the slots whose digit is IN."""
    return int(each[::-1], 2)


def span(first: int, last: int) -> int:
    """The set of the slots from `first` to `last`, both in it."""
    return (1 << (last + 1)) - (1 << first)


def of(numbers: Iterable[int]) -> int:
    """The set of these slots."""
    found = bytearray(BYTES)
    for number in numbers:
        found[number >> 3] |= 1 << (number & 7)
    return from_bytes(found)


def ranges(slots: int) -> list[tuple[int, int]]:
    """The runs of neighbours in a set, as first and last slot, in order.

    Complexity: O(runs), and a look at 2 KB.
    """
    return runs_of(to_bytes(slots))


def each(slots: int) -> Iterator[int]:
    """The slots of a set, in order."""
    for first, last in ranges(slots):
        yield from range(first, last + 1)
