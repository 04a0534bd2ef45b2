"""FUNCTION DUMP's payload: libraries as an RDB file holds them, then the RDB version and a checksum.

    245 | string        for each library; the string is its text, compressed when that is shorter
    version (2 bytes)   little-endian
    CRC-64 (8 bytes)    of everything before it; 0 = not made
"""

from collections.abc import Iterable, Iterator

from server.registry.errors import CommandError
from server.structures import crc64, lzf

FUNCTION2, FUNCTION_PRE_GA = 245, 246
RDB_VERSION = 11
BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong"
FAILED = "ERR failed loading the given functions payload"
_FOOTER = 10


def dumped(texts: Iterable[bytes], *, compress: bool = True, version: int = RDB_VERSION) -> bytes:
    """The payload of these libraries."""
    body = b"".join(bytes([FUNCTION2]) + _string(text, compress) for text in texts)
    body += version.to_bytes(2, "little")
    return body + crc64.crc64_of(body).to_bytes(8, "little")


def _length(size: int) -> bytes:
    if size < 1 << 6:
        return bytes([size])
    if size < 1 << 14:
        return (0x4000 | size).to_bytes(2, "big")
    if size < 1 << 32:
        return b"\x80" + size.to_bytes(4, "big")
    return b"\x81" + size.to_bytes(8, "big")


def _string(text: bytes, compress: bool) -> bytes:
    if compress and len(text) > 20:
        packed = lzf.compress(text, len(text) - 4)
        if packed is not None:
            return b"\xc3" + _length(len(packed)) + _length(len(text)) + packed
    return _length(len(text)) + text


def texts_of(payload: bytes) -> Iterator[bytes]:
    """The libraries in a payload. Errors: a wrong version or checksum, and what is not a library."""
    if len(payload) < _FOOTER:
        raise CommandError(BAD_PAYLOAD)
    version = int.from_bytes(payload[-10:-8], "little")
    checksum = int.from_bytes(payload[-8:], "little")
    if version > RDB_VERSION or (checksum and checksum != crc64.crc64_of(payload[:-8])):
        raise CommandError(BAD_PAYLOAD)
    reader = _Reader(payload[:-_FOOTER])
    while reader.at < len(reader.data):
        opcode = reader.data[reader.at]
        reader.at += 1
        if opcode == FUNCTION_PRE_GA:
            raise CommandError("ERR Pre-GA function format not supported")
        if opcode != FUNCTION2:
            raise CommandError("ERR given type is not a function")
        yield reader.string()


class _Reader:
    """Strings of an RDB file, read one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self.data) - self.at:
            raise CommandError(FAILED)
        self.at += count
        return self.data[self.at - count : self.at]

    def length(self) -> tuple[int, bool]:
        """(length, False), or (number of an encoding, True)."""
        first = self.take(1)[0]
        kind = first >> 6
        if kind == 0:
            return first, False
        if kind == 1:
            return (first & 63) << 8 | self.take(1)[0], False
        if kind == 3:
            return first & 63, True
        if first not in (0x80, 0x81):
            raise CommandError(FAILED)
        return int.from_bytes(self.take(4 if first == 0x80 else 8), "big"), False

    def string(self) -> bytes:
        """The next string, unpacked."""
        size, encoded = self.length()
        if not encoded:
            return self.take(size)
        if size < 3:
            return b"%d" % int.from_bytes(self.take(1 << size), "little", signed=True)
        if size != 3:
            raise CommandError(FAILED)
        packed, _ = self.length()
        whole, _ = self.length()
        text = lzf.decompress(self.take(packed), whole) if whole <= packed * 300 + 300 else None
        if text is None:
            raise CommandError(FAILED)
        return text
