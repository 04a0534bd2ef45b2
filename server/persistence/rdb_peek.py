"""What the beginning of an RDB file tells, without loading it."""

import mmap

RdbData = bytes | memoryview | mmap.mmap           # of a file, whole or from its beginning on
HEADER = 9                             # bytes: REDIS and four digits
AUX, FUNCTION, RESIZE_DB, SELECT_DB, END = 0xFA, 0xF5, 0xFB, 0xFE, 0xFF
_INTEGERS = {0xC0: 1, 0xC1: 2, 0xC2: 4}           # an integer in place of a string: bytes behind the first
_COMPRESSED = 0xC3


def holds_keys(data: RdbData) -> bool | None:
    """Whether the file holds any key; None when this much of it does not tell, or is none. data: its first bytes or
    all, anything that can be sliced. Complexity: O(N), N being what stands before the first key: fields, libraries."""
    if bytes(data[:5]) != b"REDIS":
        return None
    at = HEADER
    try:
        while True:
            opcode = data[at]
            at += 1
            if opcode == END:
                return False
            if opcode == AUX:
                at = _after_string(data, _after_string(data, at))
            elif opcode == FUNCTION:
                at = _after_string(data, at)
            elif opcode == SELECT_DB:
                at = _length(data, at)[1]
            elif opcode == RESIZE_DB:
                at = _length(data, _length(data, at)[1])[1]
            else:
                return True
    except IndexError:
        return None


def _length(data: RdbData, at: int) -> tuple[int, int]:
    """(a length, where it ends). Errors: IndexError."""
    first = data[at]
    kind, more = first >> 6, {0x80: 4, 0x81: 8}.get(first)
    if kind == 0:
        return first, at + 1
    if kind == 1:
        return (first & 63) << 8 | data[at + 1], at + 2
    if more is None or at + more >= len(data):
        raise IndexError
    return int.from_bytes(data[at + 1:at + 1 + more], "big"), at + 1 + more


def _after_string(data: RdbData, at: int) -> int:
    """Where a string ends. Errors: IndexError."""
    first = data[at]
    if first in _INTEGERS:
        return at + 1 + _INTEGERS[first]
    if first == _COMPRESSED:
        length, at = _length(data, at + 1)
        return _length(data, at)[1] + length
    length, at = _length(data, at)
    return at + length
