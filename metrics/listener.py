"""The HTTP server of the metrics port: one thread for all sockets, and one more for each answer that takes asking.

    listener = Listener(address, port, tls, judge)      # OSError, OverflowError: cannot listen there
    threading.Thread(target=listener.serve, daemon=True).start()
    listener.end()                                      # from any thread; what is being answered still is

`judge(request)` gives a Reply at once (a refusal, a page that does not exist), or a function that computes one and may
take its time, which is then called in a thread of its own: ANSWERS_MAX at a time, the others wait for their turn. The
rules of the connections are those of metrics.connections; what goes over the wire is metrics.request's.
"""

import selectors
import signal
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from metrics.connections import ANSWERING, ENDING, READING, SHAKING, WRITING, Connection, Connections
from metrics.request import HEAD_MAX, Refused, Reply, Request, head_end, parse, told

BACKLOG = 511
ACCEPTED_MAX = 64  # in a row, before the connections that there are have their turn
ANSWERS_MAX = 8
RECEIVED_MAX = 65536  # bytes at a time
OUT_OF_FILES_SECONDS = 0.1  # between attempts to accept when that fails
SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Found = TypeVar("Found")
Judge = Callable[[Request], Reply | Callable[[], Reply]]


def open_socket(address: str, port: int) -> socket.socket:
    """A listening socket."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def attempted(work: Callable[[], Found]) -> Found | Reply:
    """What it gives; a fault of ours is told to who asked, and does not end the port."""
    try:
        return work()
    except Exception as error:
        return told(500, f"The answer failed: {type(error).__name__}: {error}")


class Listener:
    """The listening socket and its connections."""

    def __init__(self, address: str, port: int, tls: ssl.SSLContext | None, judge: Judge) -> None:
        self._socket = open_socket(address, port)
        self._tls = tls
        self._judge = judge
        self._connections = Connections()
        self._selector = selectors.DefaultSelector()
        self._waiting: deque[tuple[Connection, Request, Callable[[], Reply]]] = deque()
        self._done: deque[tuple[Connection, bytes]] = deque()  # the answering threads put it there
        self._answering = 0
        self._bell, self._ring = socket.socketpair()
        self._bell.setblocking(False)
        self._ring.setblocking(False)
        self._ending = False
        self._selector.register(self._socket, READ)
        self._selector.register(self._bell, READ)

    # ---- from other threads
    def secure(self, tls: ssl.SSLContext) -> None:
        """A renewed certificate, for who comes from now on."""
        self._tls = tls

    def end(self) -> None:
        """Stop listening, at once; replies under way are still sent."""
        self._ending = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # also for a forked child, which has the descriptor, too
        except OSError:
            pass
        self._wake()

    def _wake(self) -> None:
        try:
            self._ring.send(b"!")
        except OSError:  # full: it is awake; closed: it is over
            pass

    # ---- the thread
    def serve(self) -> None:
        """Until `end`. Signals are left to the main thread."""
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - SYNCHRONOUS)
        while not self._ending or len(self._connections):
            now = time.monotonic()
            for connection in self._connections.overdue(now):
                self._close(connection)
            for key, _ in self._selector.select(self._connections.patience(now)):
                if key.data is not None:
                    if key.data in self._connections:  # a newcomer may have got its place in this very turn
                        self._turn(key.data)
                elif key.fileobj is self._bell:
                    self._hear()
                elif not self._ending:
                    self._accept()
            if self._ending and self._socket.fileno() >= 0:
                self._stop_listening()
        for each in (self._selector, self._bell, self._ring):
            each.close()

    def _stop_listening(self) -> None:
        self._selector.unregister(self._socket)
        self._socket.close()
        for connection in self._connections:
            if connection.phase in (SHAKING, READING):
                self._close(connection)

    def _accept(self) -> None:
        """Everybody who waits to be let in, so that nobody's connection is tried again a second later."""
        for _ in range(ACCEPTED_MAX):
            try:
                accepted, _ = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:
                time.sleep(0 if self._ending else OUT_OF_FILES_SECONDS)
                return
            self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                accepted = self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):  # gone already
            accepted.close()
            return
        connection = Connection(accepted, READING if self._tls is None else SHAKING, time.monotonic())
        self._watch(connection, READ)
        if (leaving := self._connections.add(connection)) is not None:
            self._close(leaving)

    def _turn(self, connection: Connection) -> None:
        """The socket of a connection is ready: go on as far as it lets us."""
        try:
            if connection.phase == SHAKING and isinstance(connection.socket, ssl.SSLSocket):
                connection.socket.do_handshake()
                connection.enter(READING, time.monotonic())
                self._watch(connection, READ)
            if connection.phase == READING:
                self._read(connection)
            elif connection.phase == WRITING:
                self._write(connection)
            elif connection.phase == ENDING and not connection.socket.recv(RECEIVED_MAX):
                self._close(connection)
        except ssl.SSLWantReadError:
            self._watch(connection, READ)
        except ssl.SSLWantWriteError:
            self._watch(connection, WRITE)
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # it went away, or speaks something else
            self._close(connection)

    def _read(self, connection: Connection) -> None:
        received = connection.socket.recv(HEAD_MAX + 1)
        if not received:
            self._close(connection)
            return
        connection.received += received
        try:
            if not (end := head_end(connection.received, connection.looked_at)):
                connection.looked_at = len(connection.received)
                return
            request = parse(connection.received[:end])
        except Refused as refused:
            self._reply(connection, refused.reply.encode())
            return
        answer = attempted(lambda: self._judge(request))
        if isinstance(answer, Reply):
            self._reply(connection, answer.encode(request))
            return
        connection.received = bytearray()
        connection.enter(ANSWERING, time.monotonic())
        self._watch(connection, 0)
        self._waiting.append((connection, request, answer))
        self._begin_answers()

    def _reply(self, connection: Connection, encoded: bytes) -> None:
        connection.enter(WRITING, time.monotonic())
        connection.received = bytearray()
        connection.to_send = memoryview(encoded)
        self._watch(connection, WRITE)

    def _write(self, connection: Connection) -> None:
        sent = connection.socket.send(connection.to_send)
        connection.to_send = connection.to_send[sent:]
        if connection.to_send:
            self._watch(connection, WRITE)
            return
        connection.to_send = memoryview(b"")
        connection.enter(ENDING, time.monotonic())
        connection.socket.shutdown(socket.SHUT_WR)
        self._watch(connection, READ)

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.events:
            return
        if not connection.events:
            self._selector.register(connection.socket, events, connection)
        elif not events:
            self._selector.unregister(connection.socket)
        else:
            self._selector.modify(connection.socket, events, connection)
        connection.events = events

    def _close(self, connection: Connection) -> None:
        self._watch(connection, 0)
        self._connections.remove(connection)
        try:
            connection.socket.shutdown(socket.SHUT_RDWR)  # a forked child may have the descriptor, too
        except OSError:
            pass
        connection.socket.close()

    # ---- answers that take asking
    def _begin_answers(self) -> None:
        while self._waiting and self._answering < ANSWERS_MAX:
            self._answering += 1
            arguments = self._waiting.popleft()
            threading.Thread(target=self._answer, args=arguments, name="metrics-answer", daemon=True).start()

    def _answer(self, connection: Connection, request: Request, answer: Callable[[], Reply]) -> None:
        """The thread of one answer."""
        self._done.append((connection, attempted(answer).encode(request)))
        self._wake()

    def _hear(self) -> None:
        """The bell: answers are ready, or the end has come."""
        try:
            self._bell.recv(RECEIVED_MAX)
        except BlockingIOError:
            pass
        while self._done:
            connection, encoded = self._done.popleft()
            self._answering -= 1
            self._reply(connection, encoded)
        self._begin_answers()
