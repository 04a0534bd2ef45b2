"""The two servers, and what a form has of each: connections that ask, some that listen, some that wait to be woken."""

import socket
import time
from array import array
from collections.abc import Iterable, Sequence

from perf.forms.player import Broke, play
from perf.forms.requests import Batch, Payload, Template, Words
from perf.forms.table import Form, repeat
from perf.server_under_test import ServerUnderTest, encode

WAITERS = 20
SETTLE_SECONDS = 0.001  # for a server to go to sleep: then its account of processor time is complete
PING = encode("PING")


class CannotMeasure(Exception):
    """A form is not to be measured here, and why."""


class Server(ServerUnderTest):
    """One of the two, as it was started for a profile; `idle` connections stand beside."""

    def __init__(self, name: str, command: str, arguments: str, idle: int = 0) -> None:
        self.unix = ""
        self.beside: list[socket.socket] = []
        super().__init__(name, command, arguments)
        if "--unixsocket" in arguments.split():
            self.unix = str(self.folder / "socket")
        try:
            self.beside += [self.connect() for _ in range(idle)]
        except OSError as error:
            self.stop()
            raise CannotMeasure(f"{name}: {idle} connections: {error}") from error

    def stop(self) -> None:
        for connection in self.beside:
            connection.close()
        super().stop()

    def connect(self) -> socket.socket:
        """A blocking connection, without time-out: the player's patience counts."""
        if self.unix:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.unix)
        else:
            connection = super().connect()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(None)
        return connection

    def ask(self, *words: str) -> bytes:
        """The reply to one command, a line or a bulk string."""
        with self.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(encode(*words))
            line: bytes = replies.readline()
            return replies.read(int(line[1:])) if line.startswith(b"$") else line.strip()

    def play(
        self, on: Iterable[socket.socket], data: bytes, offsets: Sequence[int], pipelines: int, commands: int,
        listeners: Iterable[socket.socket] = (),
    ) -> tuple[int, int, str]:  # fmt: skip
        """Bytes received, errors, the first one's text. CannotMeasure when a connection breaks."""
        try:
            received, errors, text = play(
                [s.fileno() for s in on], [s.fileno() for s in listeners], data, array("Q", offsets),
                pipelines, commands,
            )  # fmt: skip
        except Broke as error:
            raise CannotMeasure(f"{self.name}: {error}") from error
        return received, errors, text.decode(errors="replace")

    def prepare(self, batches: Iterable[Batch]) -> None:
        """An empty keyspace, then all of a set-up."""
        self.ask("FLUSHALL", "SYNC")
        with self.connect() as own:
            for batch in batches:
                _, errors, text = self.play([own], batch.data, batch.offsets, len(batch.offsets) - 1, batch.commands)
                if errors:
                    raise CannotMeasure(f"{self.name}: set-up {batch.line[:70]}: {text}")


class Side:
    """One server with the connections of one form; use it in a `with`."""

    def __init__(self, server: Server, form: Form, protocol: int, words: Words) -> None:
        self.server, self.form, self.words = server, form, words
        self.asking: list[socket.socket] = []
        self.listening: list[socket.socket] = []
        self.waiting: list[socket.socket] = []
        try:
            self.connect(protocol)
        except OSError as error:
            self.close()
            raise CannotMeasure(f"{server.name}: {error}") from error
        except BaseException:
            self.close()
            raise

    def connect(self, protocol: int) -> None:
        greeting = [self.request(command) for command in (("HELLO 3",) if protocol == 3 else ()) + self.form.on]
        for _ in range(self.form.connections):
            self.asking.append(self.server.connect())
            for request in greeting:
                _, errors, text = self.server.play(self.asking[-1:], request, (0, len(request)), 1, 1)
                if errors:
                    raise CannotMeasure(f"{self.server.name}: {request!r}: {text}")
        count, command = self.form.sinks
        for _ in range(count):
            self.listening.append(self.server.connect())
            self.listening[-1].sendall(self.request(repeat(command, self.form.base)))
            self.listening[-1].recv(1 << 16)
        self.waiting = [self.server.connect() for _ in range(WAITERS if self.form.waiter else 0)]

    def request(self, command: str, connection: int = 0) -> bytes:
        return Template(command, self.form.base, self.words).fill(connection=connection)

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for connection in self.asking + self.listening + self.waiting:
            connection.close()

    def commands(self, payload: Payload) -> int:
        """What is counted of a pipeline."""
        return len(self.waiting) if self.form.waiter else payload.commands

    def slice(self, payload: Payload, pipelines: int, generation: int) -> tuple[float, float, int, str]:
        """Processor time in microseconds and bytes of replies per command, errors, the first one's text."""
        data = payload.bytes_of(generation)
        time.sleep(SETTLE_SECONDS)
        before = self.server.cpu_us()
        if "connect" in self.form.flags:
            received, errors, text = self.reconnect(data[: payload.offsets[1]], payload, pipelines)
        elif self.form.waiter:
            received, errors, text = self.wake(payload, pipelines)
        else:
            received, errors, text = self.server.play(
                self.asking, data, payload.offsets, pipelines, payload.commands, self.listening
            )
        time.sleep(SETTLE_SECONDS)
        commands = pipelines * self.commands(payload)
        return (self.server.cpu_us() - before) / commands, received / commands, errors, text

    def reconnect(self, pipeline: bytes, payload: Payload, pipelines: int) -> tuple[int, int, str]:
        """Each time over a new connection."""
        received, errors, text = 0, 0, ""
        for _ in range(pipelines):
            with self.server.connect() as connection:
                more, failed, text = self.server.play(
                    [connection], pipeline, (0, len(pipeline)), 1, payload.commands
                )
                received, errors = received + more, errors + failed
        return received, errors, text

    def wake(self, payload: Payload, pipelines: int) -> tuple[int, int, str]:
        """Rounds in which all begin to wait, and one pipeline wakes them."""
        received = 0
        asks = [self.request(self.form.waiter, number) for number in range(WAITERS)]
        pushes = b"".join(payload.templates[0].fill(connection=number) for number in range(WAITERS))
        for _ in range(pipelines):
            for connection, ask in zip(self.waiting, asks, strict=True):
                connection.sendall(ask)
            for _ in range(2):  # after the second answer all of them wait
                self.server.play(self.asking[:1], PING, (0, len(PING)), 1, 1)
            self.server.play(self.asking[:1], pushes, (0, len(pushes)), 1, WAITERS)
            for connection in self.waiting:
                connection.settimeout(5)
                received += len(connection.recv(1 << 16))
        return received, 0, ""
