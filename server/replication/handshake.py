"""What a replica says to its master until the stream begins, as a table of states: no sockets, no clock.

    PING -> [AUTH] -> REPLCONF listening-port -> [REPLCONF ip-address] -> REPLCONF capa -> PSYNC -> outcome

`begin()` and `receive(reply)` return what is to be done next: commands to send, or how it ended.
"""

from collections.abc import Callable

from server.registry.dataclass import dataclass, field
from server.registry.errors import CommandError
from server.registry.light import Any

NONE_KNOWN = "?"


@dataclass(frozen=True)
class Send:
    """Commands to send, in this order; each brings one reply. phase: what this is, as ROLE and the log call it."""

    commands: list[list[bytes]]


@dataclass(frozen=True)
class Failed:
    """The master will not do now: try again later. text: for the log."""

    text: str


@dataclass(frozen=True)
class FullSync:
    """A snapshot comes, of that history at that offset; history "": the master knows none (SYNC)."""

    history: str
    offset: int


@dataclass(frozen=True)
class Continue:
    """The stream goes on where we were; history "": under the same id."""

    history: str


@dataclass(frozen=True)
class SecondConnection:
    """A snapshot comes, by another connection that we are to open; this one will carry the stream."""


Action = Send | Failed | FullSync | Continue | SecondConnection
_NOT_NOW = ("NOMASTERLINK", "LOADING")
_PING_ERRORS = ("NOAUTH", "NOPERM", "ERR operation not permitted")


def authentication(user: str, password: bytes) -> list[list[bytes]]:
    """The command that says who we are; none without a password."""
    return [[b"AUTH", *([user.encode()] if user else []), password]] if password else []


def acknowledgement(offset: int, synced: int) -> bytes:
    """How much of the stream is applied, and how much of it is on disk (-1: nothing is kept there), in the protocol."""
    applied = b"%d" % offset
    if synced < 0:
        return b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%b\r\n" % (len(applied), applied)
    on_disk = b"%d" % synced
    return (b"*5\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%b\r\n$4\r\nFACK\r\n$%d\r\n%b\r\n"
            % (len(applied), applied, len(on_disk), on_disk))


def _text(reply: Any) -> str:
    if isinstance(reply, CommandError):
        return reply.text.decode("utf-8", "replace")
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


@dataclass
class Handshake:
    """One attempt. port: where we listen; announced_ip: "" for where we come from; history, offset: what we know, "?"
    for nothing; failover: the master hands over to us; dual_channel: a snapshot may come by a second connection.
    note(level, text) is for what the log should know."""

    port: int
    announced_ip: str
    user: str
    password: bytes
    history: str
    offset: int
    failover: bool = False
    dual_channel: bool = False
    note: Callable[[str, str], None] = lambda level, text: None
    _expected: list[Callable[[Any], Action | None]] = field(default_factory=list)

    def begin(self) -> Action:
        """The link is open."""
        self._expected = [self._pong]
        return Send([[b"PING"]])

    def receive(self, reply: Any) -> Action | None:
        """The next reply; None: nothing to do, another one comes."""
        return self._expected.pop(0)(reply) if self._expected else None

    def end(self) -> None:
        """The attempt is over: nothing more is expected."""
        self._expected.clear()

    def _pong(self, reply: Any) -> Action:
        text = _text(reply)
        if isinstance(reply, CommandError) and not text.startswith(_PING_ERRORS):
            return Failed(f"Error reply to PING from master: '{text}'")
        self.note("notice", "Master replied to PING, replication can continue...")
        commands = authentication(self.user, self.password)
        if commands:
            self._expected.append(self._authenticated)
        commands.append([b"REPLCONF", b"listening-port", b"%d" % self.port])
        self._expected.append(self._uncritical("listening-port"))
        if self.announced_ip:
            commands.append([b"REPLCONF", b"ip-address", self.announced_ip.encode()])
            self._expected.append(self._uncritical("ip-address"))
        more = [b"capa", b"dual-channel"] if self.dual_channel else []
        commands.append([b"REPLCONF", b"capa", b"eof", b"capa", b"psync2", *more])
        self._expected.append(self._ready)
        return Send(commands)

    def join(self, client_id: int, history: str, offset: int) -> Action:
        """The second connection, which the master knows by that id, announced a snapshot: the stream behind it is to
        come by this one."""
        self.history, self.offset = history, offset
        self._expected = [self._joined]
        return Send([[b"REPLCONF", b"set-rdb-client-id", b"%d" % client_id]])

    def _joined(self, reply: Any) -> Action:
        if isinstance(reply, CommandError):
            return Failed(f"The two connections of a sync could not be joined: {_text(reply)}")
        return self._ask()

    def _authenticated(self, reply: Any) -> Action | None:
        return Failed(f"Unable to AUTH to MASTER: {_text(reply)}") if isinstance(reply, CommandError) else None

    def _uncritical(self, option: str) -> Callable[[Any], None]:
        def look(reply: Any) -> None:
            if isinstance(reply, CommandError):
                self.note("notice", f"(Non critical) Master does not understand REPLCONF {option}: {_text(reply)}")
        return look

    def _ready(self, reply: Any) -> Action:
        self._uncritical("capa")(reply)
        return self._ask()

    def _ask(self) -> Action:
        self._expected = [self._answer]
        words = [b"PSYNC", self.history.encode(), b"%d" % (self.offset + 1 if self.history != NONE_KNOWN else -1)]
        return Send([[*words, b"FAILOVER"] if self.failover else words])

    def _answer(self, reply: Any) -> Action:
        text = _text(reply)
        words = text.split()
        if isinstance(reply, CommandError):
            if text.startswith(_NOT_NOW):
                return Failed(f"Master is currently unable to PSYNC but should be in the future: -{text}")
            if self.failover:
                return Failed(f"Unexpected reply to PSYNC FAILOVER: -{text}")
            if not text.startswith("ERR"):
                self.note("warning", f"Unexpected reply to PSYNC from master: {text}")
            else:
                self.note("notice", f"Master does not support PSYNC or is in error state (reply: -{text})")
            return FullSync("", -1)
        if words[:1] == ["FULLRESYNC"]:
            if len(words) == 3 and len(words[1]) == 40 and words[2].isdigit():
                return FullSync(words[1], int(words[2]))
            self.note("warning", "Master replied with wrong +FULLRESYNC syntax.")
            return Failed("The answer to PSYNC cannot be understood")
        if words == ["DUALCHANNELSYNC"] and self.dual_channel:
            return SecondConnection()
        if words[:1] == ["CONTINUE"]:
            return Continue(words[1] if len(words) > 1 and len(words[1]) == 40 else "")
        return Failed(f"Unexpected reply to PSYNC from master: {text}")
