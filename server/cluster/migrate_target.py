"""Where MIGRATE sends keys: links to other servers, each kept for a while with the database that it selected last.

A transfer is AUTH and SELECT if need be and a RESTORE for each key, written without waiting for answers; then as many
replies. While it goes on nobody else is served (as in Redis): a key must never be seen in two places, or in none.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from iothreads.connect import LinkProtocol
from iothreads.link import Link, Links
from iothreads.tls import TlsContext
from server.registry.errors import CommandError
from server.registry.light import Any, NamedTuple, Protocol

KEPT_MAX = 64
KEPT_SECONDS = 10
WINDOW = 1 << 20        # bytes written ahead of the socket; more would only lie in memory
PIECE = 1 << 16         # bytes that are handed to the link at once


class Connector(Protocol):
    """What makes connections (server.dispatch.connector)."""

    def connect(self, host: str, port: int, protocol: LinkProtocol, *, tls: TlsContext | None) -> Any:
        """Begin. Returns an Attempt: its `link` if there is one yet, and `abort()`."""

    def wait(self, attempt: Any, timeout_ms: int) -> bool:
        """Whether it was over in time."""


class Restores(Protocol):
    """What writes keys as RESTORE commands (server.persistence.restore_writer)."""

    @property
    def waiting(self) -> int:
        """Bytes that were written and not taken."""

    def put(self, key: bytes) -> bool:
        """Write a key; false: it is not there."""

    def take(self) -> bytes:
        """What was written since the last time."""


class Broken(NamedTuple):
    """A transfer broke off. It is a value: as an exception it would be kept by the frames that keep it."""

    doing: str
    retry: bool                         # with another connection it may not

    @property
    def error(self) -> str:
        """The error reply."""
        return f"IOERR error or timeout {self.doing}"


class Outcome(NamedTuple):
    """What came of a transfer."""

    restored: list[bytes]               # keys that are there now
    refused: CommandError | None        # what the target said first that is an error
    broken: Broken | None


class Target(LinkProtocol):
    """A server and the link to it: hears its replies and keeps them."""

    def __init__(self, links: Links) -> None:
        self.db = -1                    # selected there; -1: not known
        self.used_at = time.monotonic()
        self.link: Link | None = None
        self.lost = False
        self._links = links
        self._replies: list[str | CommandError] = []

    # ---- what the link says
    def connection_made(self, link: Link) -> None:
        """It is open."""
        self.link = link

    def reply_received(self, link: Link, value: object) -> None:
        """AUTH, SELECT and RESTORE answer a status or an error. Who says anything else is no Redis, and has no key."""
        if isinstance(value, str | CommandError):
            self._replies.append(value)
        else:
            link.close(reason="this is no reply of RESTORE")

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """Gone, maybe between two transfers."""
        self.lost = True

    # ---- a transfer
    def open(self, connector: Connector, host: str, port: int, timeout_ms: int,
             tls: TlsContext | None) -> Broken | None:
        """Connect."""
        attempt = connector.connect(host, port, self, tls=tls)
        if not connector.wait(attempt, timeout_ms) or attempt.link is None:
            attempt.abort()
            return Broken("connecting to the client", retry=False)
        if self.lost:
            return Broken("writing to target instance", retry=True)      # refused, which Redis finds out by writing
        return None

    def transfer(self, head: list[list[bytes]], wanted: Iterable[bytes], restores: Restores,
                 timeout_ms: int) -> Outcome:
        """Send commands: `head`, and for each key that is there its RESTORE. timeout_ms: the longest silence."""
        self.used_at = time.monotonic()
        self._replies.clear()
        keys: list[bytes] = []
        broken = self._write(head, wanted, restores, keys, timeout_ms)
        while broken is None and len(self._replies) < len(head) + len(keys):
            broken = self._go_on(timeout_ms)
        if broken is not None and len(self._replies) > len(head):
            broken = broken._replace(retry=False)
        return outcome(self._replies, len(head), keys, broken)

    def _write(self, head: list[list[bytes]], wanted: Iterable[bytes], restores: Restores, keys: list[bytes],
               timeout_ms: int) -> Broken | None:
        """keys: gets those that were written."""
        link = self.link
        assert link is not None
        for words in head:
            link.command(*words)
        for key in wanted:
            if not restores.put(key):
                continue
            keys.append(key)
            if restores.waiting >= PIECE:
                link.write(restores.take())
                while link.unsent > WINDOW:
                    broken = self._go_on(timeout_ms)
                    if broken is not None:
                        return broken
        link.write(restores.take())
        return None

    def _go_on(self, timeout_ms: int) -> Broken | None:
        """Until something happens."""
        assert self.link is not None
        heard = self._links.wait(self.link, timeout_ms)
        if heard and not self.lost:
            return None
        doing = "writing" if self.link.unsent else "reading"
        return Broken(f"{doing} to target instance", retry=self.lost)

    def close(self) -> None:
        """Let go of the link."""
        if self.link is not None:
            self.link.close()
        self.lost = True


def outcome(replies: Sequence[str | CommandError], head: int, keys: Sequence[bytes], broken: Broken | None) -> Outcome:
    """What the replies to `head` commands and then to one for each key mean: a key is there if nothing was refused
    before it that concerns all, nor itself."""
    refused = next((reply for reply in replies if isinstance(reply, CommandError)), None)
    lost_head = any(isinstance(reply, CommandError) for reply in replies[:head])
    answered = [] if lost_head else zip(keys, replies[head:], strict=False)
    return Outcome([key for key, reply in answered if not isinstance(reply, CommandError)], refused, broken)


class Targets:
    """All targets that are kept, by host and port as they were given. connector: makes connections."""

    def __init__(self, connector: Connector, links: Links) -> None:
        self._connector = connector
        self._links = links
        self.tls: Callable[[], TlsContext | None] = lambda: None       # how the links are enciphered
        self._kept: dict[tuple[bytes, bytes], Target] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, host: bytes, port: bytes, timeout_ms: int) -> Target | Broken:
        """The one that is kept, or a new one."""
        target = self._kept.get((host, port))
        if target is not None and not target.lost:
            return target
        self.drop(host, port)
        if len(self._kept) >= KEPT_MAX:
            import random

            self.drop(*random.choice(list(self._kept)))
        target = Target(self._links)
        broken = target.open(self._connector, host.decode("utf-8", "surrogateescape"), port_number(port), timeout_ms,
                             self.tls())
        if broken is not None:
            return broken
        self._kept[host, port] = target
        return target

    def drop(self, host: bytes, port: bytes) -> None:
        """Keep it no longer."""
        target = self._kept.pop((host, port), None)
        if target is not None:
            target.close()

    def drop_idle(self) -> None:
        """Those that were not used for ten seconds, or are gone. A job of the cron."""
        now = time.monotonic()
        for (host, port), target in list(self._kept.items()):
            if target.lost or now - target.used_at > KEPT_SECONDS:
                self.drop(host, port)


def port_number(text: bytes) -> int:
    """A port as a number; 0, to which nobody can connect, for what is none."""
    return int(text) if text.isdigit() and len(text) <= 5 else 0
