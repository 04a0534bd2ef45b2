"""A raw RESP2/RESP3 client that hides nothing: bytes out, one reply in, as a Python value.

    from tests.support.resp import Connection
    with Connection(port) as c:
        c("SET", "k", 1)                    # Status("OK")
        c("GET", "k")                       # b"1"
        c("HELLO", 3)                       # a dict
        c("INCR", "k", "x")                 # RespError("ERR wrong number ..."): returned, not raised
        c.send_raw(b"PI"), c.send_raw(b"NG\\r\\n"), c.read()
        c.pipeline([("SET", "a", 1), ("GET", "a")])        # [Status("OK"), b"1"]

How a reply looks here:

    +OK          Status("OK")  a str            -ERR x       RespError("ERR x")  an exception, with .code
    :1           1                              $3 abc       b"abc"
    $-1 *-1      None (NullArray for *-1)       _            None
    *2 ...       [..]                           %2 ...       {..} (Pairs, if a key cannot be one in a dict)
    ~2 ...       RespSet([..])  a list          >2 ...       Push([..])  a list
    ,1.5         1.5                            #t           True
    (123...      BigNumber(123)  an int         =7 txt:abc   Verbatim(b"abc"), .format == "txt"
    !5 ERR x     RespError, .blob               |1 .. value  the value, and the attributes in c.attributes

`Status("OK") == b"OK"` is False: types are part of what a test sees. A RespError equals another one with the same text.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.pace import patience


class Status(str):
    """`+text`"""

    def __repr__(self) -> str:
        return f"Status({str(self)!r})"


class RespError(Exception):
    """`-text` (or `!n`, then `.blob` is true). Equal when the text is."""

    def __init__(self, text: str, blob: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.blob = blob

    @property
    def code(self) -> str:
        """The first word: ERR, WRONGTYPE, MOVED ..."""
        return self.text.split(" ", 1)[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RespError) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text


class Push(list[Any]):
    """`>n`"""


class RespSet(list[Any]):
    """`~n`, in the order in which it came"""


class Pairs(list[Any]):
    """`%n` with a key that no dict can have: a list of (key, value)"""


class BigNumber(int):
    """`(digits`"""


class Verbatim(bytes):
    """`=n` : the text, its three-letter `.format` apart"""

    format: str = "txt"


class _NullArray:
    """`*-1` : equal to None, but tells itself apart from `$-1` by identity: `reply is NullArray`"""

    def __eq__(self, other: object) -> bool:
        return other is None or other is self

    def __hash__(self) -> int:
        return hash(None)

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NullArray"


NullArray = _NullArray()


class ConnectionClosed(ConnectionError):
    """The server closed the connection; `.unread` are bytes of an unfinished reply."""

    def __init__(self, unread: bytes = b"") -> None:
        super().__init__(f"closed by the server, unread: {unread[:100]!r}")
        self.unread = unread


def as_bytes(argument: Any) -> bytes:
    """bytes as they are; str as UTF-8; numbers as Python prints them."""
    return bytes(argument) if isinstance(argument, bytes | bytearray | memoryview) else str(argument).encode()


def encode(*arguments: Any) -> bytes:
    """One command as a multibulk request."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in map(as_bytes, arguments):
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Connection:
    """One connection. `timeout` applies to each wait for bytes and raises TimeoutError: seconds of a quiet machine;
    or of any, of who is not patient. source: the address to come from, any without."""

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        path: str | None = None,
        timeout: float = 10.0,
        protocol: int = 2,
        sock: socket.socket | None = None,
        source: str = "",
        patient: bool = True,
    ) -> None:
        self._patient = patient
        if sock is not None:
            self.socket = sock
        elif path is not None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection(
                (host, port), patience(timeout) if patient else timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        self.attributes: dict[Any, Any] | None = None  # of the last reply that had some
        self.pushes: list[Push] = []  # pushes that came while `command` waited for a reply
        self._buffer = bytearray()
        self._at = 0
        if protocol != 2:
            self.command("HELLO", protocol)

    # ---- out

    def send(self, *arguments: Any) -> None:
        """Send one command; read its reply with `read`."""
        self.send_raw(encode(*arguments))

    def send_raw(self, data: bytes) -> None:
        left = memoryview(data)
        start = time.monotonic()
        while left:
            try:
                left = left[self.socket.send(left) :]
            except TimeoutError:
                if self._waited_enough(start):
                    raise

    def _waited_enough(self, start: float) -> bool:
        """False after a timeout that may mean no more than that the machine is slow."""
        return not self._patient or time.monotonic() - start >= patience(self.socket.gettimeout() or 0)

    # ---- in

    def read(self, timeout: float | None = None) -> Any:
        """One reply (or push). An unfinished one stays buffered when the time is over."""
        if timeout is None:
            return self._read_from_start()
        before = self.socket.gettimeout()
        self.socket.settimeout(timeout)
        try:
            return self._read_from_start()
        finally:
            self.socket.settimeout(before)

    def read_many(self, count: int) -> list[Any]:
        return [self.read() for _ in range(count)]

    def nothing_comes(self, seconds: float = 0.05) -> bool:
        """True when no byte arrives for that long and none is waiting. Prefer a PING as a fence where possible."""
        if self._at < len(self._buffer):
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(patience(seconds))
        try:
            data = self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)
        self._buffer += data
        return False

    def read_raw(self, count: int) -> bytes:
        """Exactly that many bytes, unparsed."""
        while len(self._buffer) - self._at < count:
            self._fill()
        return self._take(count)

    def read_raw_through(self, end: bytes) -> bytes:
        """All bytes up to and with the first `end`, unparsed."""
        while (at := self._buffer.find(end, self._at)) < 0:
            self._fill()
        return self._take(at + len(end) - self._at)

    def read_until_closed(self) -> bytes:
        """All bytes up to the end of the connection."""
        try:
            while True:
                self._fill()
        except (ConnectionClosed, ConnectionResetError):
            return self._take(len(self._buffer) - self._at)

    def is_closed(self) -> bool:
        """Waits (up to the timeout) for the server to close; True when it did."""
        try:
            self.read_until_closed()
        except TimeoutError:
            return False
        return True

    # ---- both

    def command(self, *arguments: Any) -> Any:
        """Send one command and read its reply. Pushes on the way go to `.pushes`; errors are returned."""
        self.send(*arguments)
        return self._reply()

    __call__ = command

    def ok(self, *arguments: Any) -> Any:
        """`command`, but an error reply is raised."""
        reply = self.command(*arguments)
        if isinstance(reply, RespError):
            raise reply
        return reply

    def pipeline(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        """Send all commands at once, then read as many replies."""
        commands = list(commands)
        self.send_raw(b"".join(encode(*c) for c in commands))
        return [self._reply() for _ in commands]

    def inline(self, line: str | bytes) -> Any:
        """Send a line as typed into telnet and read the reply."""
        self.send_raw(as_bytes(line) + b"\r\n")
        return self._reply()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the parser

    def _reply(self) -> Any:
        while isinstance(reply := self.read(), Push):
            self.pushes.append(reply)
        return reply

    def _fill(self) -> None:
        start = time.monotonic()
        data = None
        while data is None:
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                if self._waited_enough(start):
                    raise
        if not data:
            raise ConnectionClosed(bytes(self._buffer[self._at :]))
        self._buffer += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[self._at : self._at + count])
        self._at += count
        if self._at == len(self._buffer):
            self._buffer.clear()
            self._at = 0
        return taken

    def _line(self) -> bytes:
        searched = self._at
        while (end := self._buffer.find(b"\r\n", searched)) < 0:
            searched = max(self._at, len(self._buffer) - 1)
            self._fill()
        line = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return line

    def _bulk(self, length: int) -> bytes:
        while len(self._buffer) - self._at < length + 2:
            self._fill()
        body = bytes(self._buffer[self._at : self._at + length])
        assert self._buffer[self._at + length : self._at + length + 2] == b"\r\n", "a bulk that does not end in CRLF"
        self._at += length + 2
        return body

    def _read_from_start(self) -> Any:
        start = self._at
        try:
            value = self._value()
        except TimeoutError:
            self._at = start  # what came stays: the next read starts over
            raise
        if self._at > 1 << 16 or self._at == len(self._buffer):
            del self._buffer[: self._at]
            self._at = 0
        return value

    def _value(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                return Status(rest.decode("utf-8", "surrogateescape"))
            case b"-":
                return RespError(rest.decode("utf-8", "surrogateescape"))
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._bulk(int(rest))
            case b"*":
                return NullArray if rest == b"-1" else [self._value() for _ in range(int(rest))]
            case b"_":
                return None
            case b"#":
                return {b"t": True, b"f": False}[rest]
            case b",":
                return float(rest)
            case b"(":
                return BigNumber(rest)
            case b"=":
                body = self._bulk(int(rest))
                verbatim = Verbatim(body[4:])
                verbatim.format = body[:3].decode()
                return verbatim
            case b"!":
                return RespError(self._bulk(int(rest)).decode("utf-8", "surrogateescape"), blob=True)
            case b"~":
                return RespSet(self._value() for _ in range(int(rest)))
            case b">":
                return Push(self._value() for _ in range(int(rest)))
            case b"%":
                return self._map(int(rest))
            case b"|":
                self.attributes = self._map(int(rest))
                return self._value()
        raise AssertionError(f"not a reply, of {self.socket.getpeername()}: {line!r}")

    def _map(self, count: int) -> Any:
        pairs = [(self._value(), self._value()) for _ in range(count)]
        try:
            mapping = dict(pairs)
        except TypeError:
            return Pairs(pairs)
        return mapping if len(mapping) == count else Pairs(pairs)
