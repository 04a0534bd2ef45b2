"""The connections of the metrics port: how many, in which phase, and until when. Pure: sockets are told, time is given.

    SHAKING    the TLS handshake is under way
    READING    the head of the request is awaited     REQUEST_SECONDS from the first moment, a handshake included
    ANSWERING  a thread asks the main thread          no deadline: the asking has its own
    WRITING    the reply is going out                 REPLY_SECONDS
    ENDING     all is sent; until the peer closes     ENDING_SECONDS: closing at once could destroy what is not read yet

A peer that sends or reads slowly costs a place and a few kilobytes, never a thread, and only until the deadline,
however steadily it drips. When all places are taken, the newcomer gets that of the one that has kept us waiting
longest: a scraper, which sends its request at once, is never kept out by any number of those that do not.
"""

import socket
import ssl
from collections.abc import Iterator

SHAKING, READING, ANSWERING, WRITING, ENDING = range(5)

CONNECTIONS_MAX = 128
REQUEST_SECONDS = 5.0
REPLY_SECONDS = 15.0
ENDING_SECONDS = 1.0
SECONDS = {WRITING: REPLY_SECONDS, ENDING: ENDING_SECONDS}
FOR_EVER = float("inf")


class Connection:
    """One peer. received: what came of the request; to_send: what is left of the reply."""

    __slots__ = ("deadline", "events", "looked_at", "phase", "received", "since", "socket", "to_send")

    def __init__(self, peer: socket.socket | ssl.SSLSocket, phase: int, now: float) -> None:
        self.socket = peer
        self.phase = phase
        self.since = now
        self.deadline = now + REQUEST_SECONDS
        self.received = bytearray()
        self.looked_at = 0  # of `received`, in vain
        self.to_send = memoryview(b"")
        self.events = 0  # what the selector watches for

    def enter(self, phase: int, now: float) -> None:
        """The next phase, with its deadline. A handshake and the request after it share one."""
        self.phase = phase
        if phase != READING:
            self.since = now
            self.deadline = now + SECONDS[phase] if phase in SECONDS else FOR_EVER


class Connections:
    """All of them, the oldest first."""

    def __init__(self, most: int = CONNECTIONS_MAX) -> None:
        self._most = most
        self._all: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._all

    def __iter__(self) -> Iterator[Connection]:
        return iter([*self._all])

    def add(self, connection: Connection) -> Connection | None:
        """Admit one; the connection that must be closed for it, which is the newcomer when all others are being
        answered. Complexity: O(connections) when the places are taken, else O(1)."""
        self._all[connection] = None
        if len(self._all) <= self._most:
            return None
        waiting = [each for each in self._all if each.phase != ANSWERING and each is not connection]
        return min(waiting, key=lambda each: each.since, default=connection)

    def remove(self, connection: Connection) -> None:
        """One that is closed."""
        self._all.pop(connection, None)

    def overdue(self, now: float) -> list[Connection]:
        """Those whose time is up."""
        return [each for each in self._all if each.deadline <= now]

    def patience(self, now: float) -> float | None:
        """Seconds until the next deadline, None when there is none."""
        soonest = min((each.deadline for each in self._all), default=FOR_EVER)
        return None if soonest == FOR_EVER else max(0.0, soonest - now)
