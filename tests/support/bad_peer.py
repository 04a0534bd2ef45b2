"""Peers that misbehave, for tests of who connects to others: a listening socket, and what is done to each who comes.

    with BadPeer(say(b"+OK\\r\\n"), hang) as peer:        # the first who comes is told OK, the second nothing at all
        ours("MIGRATE", peer.host, peer.port, ...)
        peer.heard[0]                                   # what the first one said so far

Each behaviour is a function of (socket, what was heard: a bytearray that grows); when it returns, the socket is closed.
The last one serves everybody who comes after it.
"""

import select
import socket
import struct
import threading
from collections.abc import Callable

Behaviour = Callable[[socket.socket, bytearray], None]


def listen_on(sock: socket.socket, heard: bytearray) -> bool:
    """Hear a little more; false when nothing more will come."""
    try:
        data = sock.recv(1 << 16)
    except OSError:
        return False
    heard += data
    return bool(data)


def hang(sock: socket.socket, heard: bytearray) -> None:
    """Hear all, say nothing."""
    while listen_on(sock, heard):
        pass


def deaf(sock: socket.socket, heard: bytearray) -> None:
    """Neither hear nor say anything, until the other end is gone."""
    poll = select.poll()
    poll.register(sock, getattr(select, "POLLRDHUP", select.POLLHUP))
    poll.poll()


def close(sock: socket.socket, heard: bytearray) -> None:
    """Close at once."""


def reset(sock: socket.socket, heard: bytearray) -> None:
    """Hear the beginning, then reset the connection."""
    listen_on(sock, heard)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(*replies: bytes, then: Behaviour = hang) -> Behaviour:
    """Answer the commands in turn, one reply each when it has come whole, then go on as `then`."""

    def behave(sock: socket.socket, heard: bytearray) -> None:
        told = 0
        while told < len(replies):
            while told < min(len(replies), commands(heard)):
                sock.sendall(replies[told])
                told += 1
            if told < len(replies) and not listen_on(sock, heard):
                return
        then(sock, heard)

    return behave


def commands(heard: bytes | bytearray) -> int:
    """How many whole commands these bytes begin with."""
    return len(words_of(heard))


def words_of(heard: bytes | bytearray) -> list[list[bytes]]:
    """The whole commands that these bytes begin with."""
    found: list[list[bytes]] = []
    at, heard = 0, bytes(heard)
    while heard[at : at + 1] == b"*" and (end := heard.find(b"\r\n", at)) > 0:
        count, place = int(heard[at + 1 : end]), end + 2
        words: list[bytes] = []
        while len(words) < count and (end := heard.find(b"\r\n", place)) > 0:
            size = int(heard[place + 1 : end])
            if len(heard) < end + 4 + size:
                break
            words.append(heard[end + 2 : end + 2 + size])
            place = end + 4 + size
        if len(words) < count:
            break
        found.append(words)
        at = place
    return found


class BadPeer:
    """Behaves to each who comes as the next behaviour says, in a thread of its own."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = behaviours
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listening.getsockname()
        self.heard: list[bytearray] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "BadPeer":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for sock in self._sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def commands(self, visitor: int) -> list[list[bytes]]:
        """What a visitor (0 is the first) has asked for so far."""
        return words_of(self.heard[visitor])

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            number = len(self.heard)
            self._sockets.append(sock)
            self.heard.append(bytearray())
            self._start(lambda number=number, sock=sock: self._serve(number, sock))  # type: ignore[misc]

    def _serve(self, number: int, sock: socket.socket) -> None:
        behave = self._behaviours[min(number, len(self._behaviours) - 1)]
        try:
            behave(sock, self.heard[number])
        except OSError:
            pass
        sock.close()
