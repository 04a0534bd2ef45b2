"""MONITOR: every command that runs, shown to the clients that asked to see them all.

A line has the time, the database and client it came from, and the words in quotes:

    1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"

A command is shown once it has run, so that it has had its chance to replace passwords in its own words by (redacted).
Administrative commands are not shown at all, and a script's own commands are marked `lua`.
"""

import time
from collections.abc import Iterable

from server.config.config import Config
from server.registry.command import ADMIN, Command
from server.registry.light import Any, Protocol
from server.registry.reply import Encoded

_ESCAPES = {10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b", 34: b'\\"', 92: b"\\\\"}
_QUOTED = [_ESCAPES.get(byte) or (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in range(256)]
_PLAIN = bytes(byte for byte in range(32, 127) if byte not in b'"\\')
SCRIPT, UNIX_SOCKET = 524288, 512  # client states that change how its origin is written
SILENT = 4096 | 16384  # those of a client that wants no replies: lines are none to it either


class Origin(Protocol):
    """A database."""

    index: int


class Caller(Protocol):
    """A client. held: what is kept back until the reply of its own command is written, or None."""

    id: int
    address: str
    held: list[Any] | None

    @property
    def db(self) -> Origin:
        """Where its commands work."""

    def has(self, bits: int) -> bool:
        """Whether one of these states is set."""

    def reply(self, value: object) -> None:
        """Send it something."""


class RunningCommand(Protocol):
    """A command under way."""

    @property
    def client(self) -> Caller:
        """Who called it."""

    @property
    def command(self) -> Command:
        """What was called."""

    @property
    def config(self) -> Config:
        """The directives."""

    @property
    def argv(self) -> list[bytes]:
        """All words, names included."""


def quoted(word: bytes) -> bytes:
    """The word in double quotes, with everything but printable ASCII escaped. Complexity: O(N)."""
    if not word.translate(None, _PLAIN):
        return b'"%s"' % word
    return b'"%s"' % b"".join([_QUOTED[byte] for byte in word])


def origin(call: RunningCommand) -> bytes:
    """Database and client of a call: `0 127.0.0.1:5000`, `0 unix:/path`, `0 lua`."""
    if call.client.has(SCRIPT):
        return b"%d lua" % call.client.db.index
    if call.client.has(UNIX_SOCKET):
        return b"%d unix:%s" % (call.client.db.index, call.config.unixsocket.encode())
    return b"%d %s" % (call.client.db.index, call.client.address.encode())


def line(call: RunningCommand, now: float) -> bytes:
    """What monitors are sent for this call, as a status reply."""
    words = b" ".join(map(quoted, call.argv))
    return b"+%.6f [%s] %s\r\n" % (now, origin(call), words)


def feed(monitors: Iterable[Caller], call: RunningCommand) -> None:
    """Show a call to all monitors. Complexity: O(size of the command + number of monitors)."""
    if call.command.has(ADMIN):
        return
    wire = Encoded(line(call, time.time()))
    for monitor in monitors:
        if monitor.held is None or monitor.has(SILENT):
            monitor.reply(wire)
        else:                          # its own command: the reply comes first
            monitor.held.append(wire)
