"""The second connection of a full sync over two: it brings the snapshot, the first one the stream beside it.

    first    PSYNC -> +DUALCHANNELSYNC                REPLCONF set-rdb-client-id, PSYNC -> +CONTINUE, the stream
    second           AUTH, REPLCONF, SYNC -> $ENDOFF  ^                                 -> $EOF:mark, the snapshot

`$ENDOFF:offset history database client-id` says what the snapshot stands for, and by which id the first connection
tells that it belongs to this one; the stream names its database itself. The protocol is that of Valkey 8
(dual-channel-replication-enabled).
"""

from collections.abc import Callable

from iothreads.connect import LinkProtocol
from iothreads.link import RAW, Link
from server.registry.dataclass import dataclass
from server.registry.errors import CommandError
from server.registry.light import Any
from server.replication.handshake import authentication
from server.replication.payload import LONGEST_LINE
from server.replication.seams import Attempt, FollowingParts


@dataclass(frozen=True)
class Announced:
    """What the snapshot stands for. client_id: of the second connection, at the master."""

    history: str
    offset: int
    client_id: int


class Unclear(Exception):
    """The line that announces a snapshot was none; str() says why."""


def announced(line: bytes) -> Announced:
    """Read the line. Errors: Unclear."""
    text = line.decode("utf-8", "backslashreplace")
    if text.startswith("-"):
        raise Unclear(f"the master refuses it: {text}")
    words = text.removeprefix("$ENDOFF:").split(" ")
    if text == words[0] or len(words) != 4 or len(words[1]) != 40 \
            or not all(word.isdecimal() for word in (words[0], words[2].removeprefix("-"), words[3])):
        raise Unclear(f"what announces the snapshot cannot be understood: {text[:64]!r}")
    return Announced(words[1], int(words[0]), int(words[3]))


class SecondConnection(LinkProtocol):
    """One of them. on_announced(announced); on_data(link, bytes) says how many it took; on_lost(reason) is told of an
    end that is not ours."""

    def __init__(self, parts: FollowingParts, host: str, port: int, on_announced: Callable[[Announced], None],
                 on_data: Callable[[Link, bytes], int], on_lost: Callable[[str], None]) -> None:
        self._parts = parts
        self._on_announced = on_announced
        self._on_data = on_data
        self._on_lost = on_lost
        self._line = b""
        self._announced = False
        self._replies = 0                  # to be heard still
        self._over = False
        self.link: Link | None = None
        self.refused = False               # the master does not speak so
        config = parts.config
        self._attempt: Attempt | None = parts.connector.connect(host, port, self, source=config.bind_source_addr or "",
                                                timeout_ms=config.repl_timeout * 1000, tls=parts.tls())

    def close(self) -> None:
        """It is not wanted any more."""
        self._over = True
        if self.link is not None:
            self.link.close()
        elif self._attempt is not None:
            self._attempt.abort()
        self.link = None

    def connection_made(self, link: Link) -> None:
        """Open: say who we are, and what for."""
        self._attempt = None               # it knows us
        if self._over:
            link.close()
            return
        self.link = link
        config = self._parts.config
        commands = authentication(config.masteruser or "", config.masterauth or b"")
        words = [b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1", b"rdb-channel", b"1", b"listening-port",
                 b"%d" % (config.replica_announce_port or self._parts.port)]
        if config.replica_announce_ip:
            words += [b"ip-address", config.replica_announce_ip.encode()]
        commands.append(words)
        self._replies = len(commands)
        for command in commands:
            link.command(*command)

    def reply_received(self, link: Link, value: Any) -> None:
        """An answer to that."""
        if self._over:
            return
        self._replies -= 1
        if isinstance(value, CommandError):
            self.refused = True
            link.close(reason=value.text.decode("utf-8", "replace"))
        elif self._replies == 0:
            link.command(b"SYNC")
            link.read_as(RAW)

    def data_received(self, link: Link, data: bytes) -> int:
        """Newlines say that the master lives; then the line, and behind it the snapshot."""
        if self._over:
            return len(data)
        if self._announced:
            return self._on_data(link, data)
        self._line += data
        line, end, behind = self._line.lstrip(b"\r\n").partition(b"\n")
        if not end:
            if len(line) > LONGEST_LINE:
                self.refused = True
                link.close(reason="the line before the snapshot does not end")
            return len(data)
        self._announced = True
        self._line = b""
        try:
            self._on_announced(announced(line.rstrip(b"\r")))
        except Unclear as error:
            self.refused = True
            link.close(reason=str(error))
            return len(data)
        before = len(data) - len(behind)
        return len(data) if self._over else before + self._on_data(link, behind)

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """It is gone, or never came."""
        self.link = self._attempt = None
        if not self._over:
            self._over = True
            self._on_lost(reason)
