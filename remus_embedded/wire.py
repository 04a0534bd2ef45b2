"""The few commands that we send a server ourselves: RESP2 over one connection, without a client library."""

from __future__ import annotations

import socket
from typing import Any

Address = tuple[str, int] | str  # of a TCP port, or the path of a Unix socket


class RemusError(Exception):
    """A server's error reply."""


class Wire:
    """One connection, opened when it is needed and again when it was lost; for one thread at a time.

    timeout: seconds until a reply must come.
    """

    def __init__(self, address: Address, password: str = "", timeout: float = 30.0) -> None:
        self._address = address
        self._password = password
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._unread = b""

    def __call__(self, *words: object) -> Any:
        """Send a command: its reply. Bulk strings are `str`, lists lists, nothing None.

        Errors: RemusError for an error reply, OSError when the server is not there.
        """
        reply = self.all_of(words)[0]
        if isinstance(reply, RemusError):
            raise reply
        return reply

    def all_of(self, *commands: tuple[object, ...]) -> list[Any]:
        """Send commands at once: their replies, error replies as values."""
        connection = self._open()
        try:
            connection.sendall(b"".join(map(_encoded, commands)))
            return [self._reply(connection) for _ in commands]
        except BaseException:  # a test's time may be over amid a reply, and the rest of it is not the next one
            self.close()
            raise

    def _open(self) -> socket.socket:
        if self._socket is not None and not _is_readable(self._socket):    # what is readable unasked is its end
            return self._socket
        self.close()
        family = socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout)
            connection.connect(self._address)
            if self._password:
                connection.sendall(_encoded(("AUTH", self._password)))
                refusal = self._reply(connection)
                if isinstance(refusal, RemusError):
                    raise refusal
        except BaseException:
            connection.close()
            raise
        self._socket = connection
        return connection

    def close(self) -> None:
        """Harmless the second time; the next command opens it again."""
        self._unread = b""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _line(self, connection: socket.socket) -> bytes:
        while b"\r\n" not in self._unread:
            self._receive(connection)
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    def _receive(self, connection: socket.socket) -> None:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        self._unread += received

    def _reply(self, connection: socket.socket) -> Any:
        line = self._line(connection)
        kind, text = line[:1], line[1:].decode()
        if kind == b"-":
            return RemusError(text)
        if kind == b"+":
            return text
        count = int(text)
        if kind == b":":
            return count
        if count < 0:
            return None
        if kind == b"*":
            return [self._reply(connection) for _ in range(count)]
        while len(self._unread) < count + 2:
            self._receive(connection)
        value, self._unread = self._unread[:count], self._unread[count + 2 :]
        return value.decode("utf-8", "surrogateescape")


def _is_readable(connection: socket.socket) -> bool:
    import select

    watch = select.poll()
    watch.register(connection, select.POLLIN)
    return bool(watch.poll(0))


def _encoded(words: tuple[object, ...]) -> bytes:
    parts = [str(word).encode("utf-8", "surrogateescape") for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
