"""The snapshot of a full sync as it comes from the master: `$length`, then so many bytes; or `$EOF:mark`, then bytes
until the mark comes again. Newlines before are the master's sign of life."""

MARK = 40
LONGEST_LINE = 1024
LONGEST = (1 << 63) - 1            # bytes of a snapshot, whatever its length is said to be


class PayloadError(Exception):
    """What came is no snapshot; str() says why."""


class Payload:
    """Tells a snapshot from what stands around it. Sizes in bytes."""

    def __init__(self) -> None:
        self.total = -1                # of the snapshot; 0 when nobody knows, -1 before it begins
        self.received = 0
        self.done = False
        self._line = bytearray()
        self._mark = b""
        self._tail = b""

    @property
    def marked(self) -> bool:
        """Whether a mark stands at the end, for nobody knew how long it would be."""
        return bool(self._mark)

    def take(self, data: bytes) -> tuple[int, bytes]:
        """Bytes from the link: how many of them were read, and which of those are the snapshot's. A mark that ends it
        is among these: once it is `done`, the first `received` bytes are the snapshot. Errors: PayloadError."""
        at = 0
        if self.total < 0:
            at = self._begin(data)
        if self.total < 0 or self.done:
            return at, b""
        part = data[at:] if self._mark else data[at:at + self.total - self.received]
        self.received += len(part)
        if self._mark:
            self._tail = (self._tail + part)[-MARK:] if len(part) < MARK else part[-MARK:]
            if self._tail == self._mark:
                self.received -= MARK
                self.done = True
        elif self.received == self.total:
            self.done = True
        return at + len(part), part

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
            self.total = min(int(line[1:]), LONGEST)
            self.done = self.total == 0
        else:
            raise PayloadError(
                "Bad protocol from MASTER, the first byte is not '$' (we received "
                f"'{line[:64].decode('utf-8', 'backslashreplace')}'), are you sure the host and port are right?")
