"""An echo server over IOThreads (iothreads.selftest), and a client that counts bytes."""

import ast
import socket
from collections.abc import Callable, Iterator

import pytest

from iothreads.handoff import POLLERS
from iothreads.listen import Listener
from iothreads.selftest import Echo

FORMS = [(threads, poller) for threads in (1, 3) for poller in sorted(POLLERS) if poller]


class Peer:
    """A client socket."""

    def __init__(self, address, family=socket.AF_INET):
        self.sock = socket.socket(family)
        self.sock.settimeout(10)
        self.sock.connect(address)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self.sock.recv(min(size, 1 << 20))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def rest(self) -> bytes:
        """Everything until the server closes; a reset counts as a close."""
        parts = []
        try:
            while part := self.sock.recv(1 << 20):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def line(self) -> bytes:
        data = b""
        while not data.endswith(b"\r\n"):
            part = self.sock.recv(1)
            if not part:
                return data
            data += part
        return data[:-2]

    def bulk(self) -> bytes:
        size = int(self.line()[1:])
        return self.read(size + 2)[:-2]

    def ask(self, *words) -> bytes:
        self.send(encode(*words))
        return self.line()

    def stats(self) -> dict:
        self.send(b"STATS\r\n")
        return ast.literal_eval(self.bulk().decode())

    def close(self) -> None:
        self.sock.close()


def encode(*words) -> bytes:
    words = [w.encode() if isinstance(w, str) else w for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Server:
    """One echo server and the clients that the test opened."""

    def __init__(self, threads: int, poller: str, **limits):
        sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
        sock.setblocking(False)
        self.address = sock.getsockname()
        self.listener = Listener(sock, "tcp")
        self.echo = Echo([self.listener], threads, poller, **limits)
        self.echo.start()
        self.peers: list[Peer] = []

    def peer(self) -> Peer:
        peer = Peer(self.address)
        self.peers.append(peer)
        return peer

    def stop(self) -> None:
        for peer in self.peers:
            peer.close()
        self.echo.stop()
        self.listener.close()
        assert self.echo.references == 0


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def start(threads: int = 1, poller: str = "", **limits) -> Server:
        servers.append(Server(threads, poller, **limits))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(params=FORMS, ids=lambda form: f"{form[0]}-{form[1]}")
def server(request, serve) -> Server:
    """In each form: inline and threaded, with each poller of this build."""
    return serve(*request.param)
