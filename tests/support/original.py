"""A server that many tests share is put back to how it was started, so that no test finds what another left.

    original = Original(server)     # asks once how it is
    original.restore()              # after each test: data, scripts, functions, users, configuration, DEBUG switches

Data, scripts, switches and statistics are reset in any case; CONFIG GET * and ACL LIST are asked, all in one pipeline,
and its answer is compared as bytes. Only when they differ it is looked at more closely: what differs is put back; a
server that a script keeps busy is freed of it. `restore` says False where that does not help, because the server wants
a password or the script cannot be killed: then the server must be.
"""

from collections.abc import Sequence
from typing import Any

from tests.support.pace import wait_until
from tests.support.resp import Connection, RespError, encode
from tests.support.server import Process

RESETS: list[Sequence[str]] = [
    ("DEBUG", "FAULT", "CLEAR"),
    ("CLIENT", "UNPAUSE"),
    ("FLUSHALL",),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("SLOWLOG", "RESET"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", "1"),
    ("DEBUG", "PAUSE-CRON", "0"),
    ("DEBUG", "FAST-PATHS", "yes"),
    ("DEBUG", "DICT-RESIZING", "1"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"),
    ("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "RESET"),
    ("DEBUG", "REPLYBUFFER", "RESIZING", "1"),
    ("DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"),
    ("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0"),
    ("DEBUG", "AOF-FLUSH-SLEEP", "0"),
    ("DEBUG", "DISK-FULL", "0"),
    ("DEBUG", "PROPAGATED", "STOP"),
    ("CLIENT", "REPLY", "SKIP"),
    ("DEBUG", "CLOCK", "RESET"),
    ("CLIENT", "REPLY", "SKIP"),  # the next one answers a number that may be any
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "REPLY", "SKIP"),
    ("CLIENT", "KILL", "TYPE", "pubsub"),
    ("CLIENT", "REPLY", "SKIP"),
    ("LATENCY", "RESET"),
    ("CLIENT", "REPLY", "SKIP"),
    ("HOTKEYS", "STOP"),
    ("CLIENT", "REPLY", "SKIP"),
    ("HOTKEYS", "RESET"),
]  # commands that a server does not have answer the same error each time
QUESTIONS: list[Sequence[str]] = [("CONFIG", "GET", "*"), ("ACL", "LIST")]
STATISTICS = ("CONFIG", "RESETSTAT")  # after all that may count
LAST = ("ECHO", "the last reply of a restoration")


class Original:
    """How a server was when this was made."""

    def __init__(self, server: Process) -> None:
        self._server = server
        with self._connect() as c:
            _, users = self._state(c)
            _set_users(c, users)  # what is set again reads a little otherwise than what has never been
            self._configuration, self._users = self._state(c)
        self._answer = self._ask()

    def restore(self) -> bool:
        """Put the server back; False when it cannot be. Raises TimeoutError where it hangs, ConnectionError of one that
        is gone."""
        if self._ask() == self._answer:
            return True
        with self._admitted() as c:
            if getattr(c("PING"), "code", "") == "BUSY":
                for kill in (("SCRIPT", "KILL"), ("FUNCTION", "KILL")):
                    if getattr(c(*kill), "code", "") == "UNKILLABLE":
                        return False
                wait_until(lambda: getattr(c("PING"), "code", "") != "BUSY", "the end of a killed script")
            try:
                self._put_back(c)
            except RespError:
                return False
        return self._ask() == self._answer

    def _connect(self) -> Connection:
        return Connection(self._server.port, self._server.host, timeout=10)

    def _admitted(self) -> Connection:
        """One that is let in: who has just left may be counted a moment longer, and there may be room for one alone."""
        for _ in range(100):
            c = self._connect()
            try:
                if "max number of clients" not in getattr(c("PING"), "text", ""):
                    return c
            except (ConnectionResetError, BrokenPipeError):
                pass
            c.close()
        raise ConnectionRefusedError("it lets nobody in")

    def _ask(self) -> bytes:
        """The bytes that all resets and questions are answered with; none when it serves nobody or not this client."""
        with self._connect() as c:
            if c("PING") != "PONG":
                return b""
            c.send_raw(_REQUEST)
            return c.read_raw_through(_END)

    @staticmethod
    def _state(c: Connection) -> tuple[dict[bytes, bytes], list[bytes]]:
        words, users = c.ok("CONFIG", "GET", "*"), c("ACL", "LIST")
        return dict(zip(words[::2], words[1::2], strict=True)), [] if isinstance(users, RespError) else users

    def _put_back(self, c: Connection) -> None:
        configuration, users = self._state(c)
        changed: list[Any] = []
        for name, value in self._configuration.items():
            if configuration.get(name) != value:
                changed += [name, value]
        if changed:
            c.ok("CONFIG", "SET", *changed)
        if users != self._users:
            for line in users:
                c("ACL", "DELUSER", line.split()[1])  # the default user cannot be
            _set_users(c, self._users)


def _set_users(c: Connection, lines: list[bytes]) -> None:
    """As ACL LIST tells of them."""
    for line in lines:
        _, name, *rules = line.split()
        c.ok("ACL", "SETUSER", name, "reset", *rules)


_REQUEST = b"".join(encode(*words) for words in [*RESETS, *QUESTIONS, STATISTICS, LAST])
_END = b"%s\r\n" % LAST[1].encode()
