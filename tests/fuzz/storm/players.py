"""Clients of the storm. Each is held to the protocol: one well-formed reply for each request, in order."""

import random
import socket
from typing import Any

from tests.fuzz.storm.findings import Finding, History
from tests.fuzz.storm.grammar import Grammar
from tests.fuzz.storm.requests import Request, pipeline
from tests.support.pace import Deadline
from tests.support.resp import Connection, Push, RespError, encode
from tests.support.server import Process

BLOCKED_SECONDS = 0.05  # without a reply: whoever waits is unblocked
HUNG_SECONDS = 20.0
GONE = (ConnectionError, BrokenPipeError)


class Player:
    """A client that sends requests and reads as many replies. killed: somebody ends it, or may."""

    def __init__(self, name: str, server: Process, control: Connection, history: History) -> None:
        self.name = name
        self.server = server
        self.control = control
        self.history = history
        self.killed = False
        self.connection: Connection | None = None
        self.id = 0
        self._sent: list[Request] = []
        self._token = b""

    def connect(self, protocol: int) -> None:
        self.leave()
        self.connection = Connection(self.server.port, protocol=protocol)
        answer = self.connection("CLIENT", "ID")
        if isinstance(answer, RespError):
            raise ConnectionError(answer.text)  # more than maxclients
        self.id = answer
        self.killed = False

    def send(self, chance: random.Random, grammar: Grammar) -> None:
        """A pipeline that ends with a token by which one sees that nothing was left out."""
        self._token = b"%016x" % chance.getrandbits(64)
        self._sent = [*pipeline(chance, grammar), [b"ECHO", self._token]]
        for words in self._sent:
            self.history.add(self.name, words)
        assert self.connection is not None
        self.connection.send_raw(b"".join(encode(*words) for words in self._sent))

    def read(self) -> None:
        replies = [self._reply(words) for words in self._sent]
        if replies[-1] != self._token:
            raise Finding("out of step", f"{self.name} expects its token, got {replies[-3:]!r}")
        check_transactions(self._sent, replies)

    def _reply(self, request: Request) -> Any:
        """The next reply that is no push; a client that waits for a key is not left waiting."""
        assert self.connection is not None
        deadline = Deadline(HUNG_SECONDS)
        while True:
            try:
                reply = self.connection.read(BLOCKED_SECONDS)
            except TimeoutError:
                self.control("CLIENT", "UNBLOCK", self.id)
                if deadline.passed():
                    raise Finding("no reply", f"{self.name} to {request!r:.300}") from None
            except ValueError as error:
                raise Finding("malformed reply", f"{self.name} to {request!r:.300}: {error}") from error
            else:
                if not isinstance(reply, Push):
                    return reply

    def vanish(self, chance: random.Random, grammar: Grammar) -> None:
        """Leave in the middle of a request, without reading, now and then with a reset."""
        assert self.connection is not None
        words = pipeline(chance, grammar)
        data = b"".join(encode(*request) for request in words)
        for request in words:
            self.history.add(f"{self.name} (vanishes)", request)
        if chance.random() < 0.5:
            self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.send_raw(data[: -chance.randrange(1, 40)])
        self.leave()

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Listener(Player):
    """A client that hears: subscriptions in RESP2 or RESP3, or MONITOR."""

    def connect(self, protocol: int) -> None:
        super().connect(protocol)
        assert self.connection is not None
        if self.name.startswith("monitor"):
            self.connection.ok("MONITOR")

    def send(self, chance: random.Random, grammar: Grammar) -> None:
        assert self.connection is not None
        self._token = b"%016x" % chance.getrandbits(64)
        requests: list[Request] = []
        if not self.name.startswith("monitor"):
            names = (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE")
            channels = (b"c1", b"c2", b"news", b"__keyspace@0__:*", b"*", b"__keyevent@*")
            for _ in range(chance.randrange(4)):
                requests.append([chance.choice(names), *chance.choices(channels, k=chance.randrange(1, 4))])
        requests.append([b"PING", self._token])
        for words in requests:
            self.history.add(self.name, words)
        self.connection.send_raw(b"".join(encode(*words) for words in requests))

    def read(self) -> None:
        """Everything up to the token; a subscriber of RESP2 gets it in an array."""
        while self._reply([b"PING"]) not in (self._token, [b"pong", self._token]):
            pass


def check_transactions(requests: list[Request], replies: list[Any]) -> None:
    """EXEC answers as many replies as commands were queued."""
    queued = 0
    for words, reply in zip(requests, replies, strict=True):
        if reply == "QUEUED":
            queued += 1
        elif words == [b"EXEC"] and isinstance(reply, list) and len(reply) != queued:
            raise Finding("EXEC", f"{queued} commands were queued, {len(reply)} answered: {reply!r:.500}")
        elif words in ([b"MULTI"], [b"EXEC"], [b"DISCARD"]) and not isinstance(reply, RespError):
            queued = 0
