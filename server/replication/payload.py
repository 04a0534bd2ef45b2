"""The snapshot of a full sync as it comes from the master: `$length`, then so many bytes; or `$EOF:mark`, then bytes
until the mark comes again. Newlines before are the master's sign of life."""

import mmap
import os
from typing import Any

MARK = 40
LONGEST_LINE = 1024
SYNC_EVERY = 8 << 20        # bytes: what is written to disk at once when all is there would stop everybody


class PayloadError(Exception):
    """What came is no snapshot; str() says why."""


class Payload:
    """Takes bytes and writes the snapshot to a file. Sizes in bytes."""

    def __init__(self, file: int, *, on_disk: bool) -> None:
        self.file = file
        self.on_disk = on_disk
        self.total = -1                # of the snapshot; 0 when nobody knows, -1 before it begins
        self.received = 0
        self.done = False
        self._line = bytearray()
        self._mark = b""
        self._tail = b""
        self._synced = 0

    def take(self, data: bytes) -> int:
        """Some bytes from the link; how many of them were the snapshot's. Errors: PayloadError, OSError."""
        at = 0
        if self.total < 0:
            at = self._begin(data)
        if self.total < 0 or self.done:
            return at
        part = data[at:] if self._mark else data[at:at + self.total - self.received]
        self._write(part)
        self.received += len(part)
        if self._mark:
            self._tail = (self._tail + part)[-MARK:] if len(part) < MARK else part[-MARK:]
            if self._tail == self._mark:
                os.ftruncate(self.file, self.received - MARK)
                self.received -= MARK
                self.done = True
        elif self.received == self.total:
            self.done = True
        return at + len(part)

    def _begin(self, data: bytes) -> int:
        """The line before it. How many bytes that is."""
        at = 0
        while at < len(data):
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                if len(self._line) > LONGEST_LINE:
                    raise PayloadError("the line before it does not end")
                return len(data)
            self._line += data[at:end]
            at = end + 1
            line, self._line = bytes(self._line).rstrip(b"\r"), bytearray()
            if line:
                self._announced(line)
                return at
        return at

    def _announced(self, line: bytes) -> None:
        if line.startswith(b"-"):
            raise PayloadError(f"MASTER aborted replication with an error: {line[1:].decode('utf-8', 'replace')}")
        if line.startswith(b"$EOF:") and len(line) == 5 + MARK:
            self._mark = line[5:]
            self.total = 0
        elif line.startswith(b"$") and line[1:].isdigit():
            self.total = int(line[1:])
            self.done = self.total == 0
        else:
            raise PayloadError(
                "Bad protocol from MASTER, the first byte is not '$' (we received "
                f"'{line[:64].decode('utf-8', 'backslashreplace')}'), are you sure the host and port are right?")

    def _write(self, part: bytes) -> None:
        view = memoryview(part)
        while view:
            view = view[os.write(self.file, view):]
        if self.on_disk and self.received - self._synced >= SYNC_EVERY:
            os.fdatasync(self.file)
            self._synced = self.received

    def bytes(self) -> Any:
        """What has come, for reading."""
        return mmap.mmap(self.file, self.received, access=mmap.ACCESS_READ) if self.received else b""
