"""Clients that write down what they did: a load of them, and those of a trio, writers on the master, readers on any
node."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tests.consistency.history import BETWEEN, Append, History, Outcome, Read, Step, Transaction, Visit
from tests.consistency.trio import Node, Trio
from tests.support.resp import Connection, RespError, encode

LISTS = 4  # in use at a time
APPENDS = 40  # until another one takes a list's place
REGISTERS = 3
STEPS = 4  # of a transaction, at most
WAIT_MS = 300
REPLY_SECONDS = 1.0
PAUSE_SECONDS = 0.002  # of a client that was refused, and between two looks: others need the processor

GONE = (ConnectionError, TimeoutError, OSError)


class Load:
    """All clients of a run, and the values that they hand out."""

    def __init__(self, seed: int, clients: Iterable[Callable[["Load", int, int], "Client"]]) -> None:
        """clients: each makes one of the load, its number and a seed."""
        self.history = History()
        self.broken: list[BaseException] = []
        self._values = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._clients = [make(self, number, seed * 100 + number) for number, make in enumerate(clients)]
        self._threads = [threading.Thread(target=self._run, args=(client,), daemon=True) for client in self._clients]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self.broken:
            raise self.broken[0]

    def fresh(self) -> int:
        """A value that nobody has had."""
        with self._lock:
            self._values += 1
            return self._values

    @property
    def written(self) -> int:
        """How many values were handed out."""
        return self._values

    def a_list(self, chosen: random.Random) -> str:
        """One that is in use."""
        return f"list{self._values // APPENDS + chosen.randrange(LISTS)}"

    def _run(self, client: "Client") -> None:
        try:
            while not self._over.is_set():
                client.act()
        except BaseException as error:  # of the test, not of a server
            self.broken.append(error)
        finally:
            client.leave()


def load_on(trio: Trio, seed: int, *, writers: int = 4, readers: int = 2) -> Load:
    """Clients of a trio."""
    return Load(seed, [partial(_Writer, trio)] * writers + [partial(_Reader, trio)] * readers)


class Client:
    """One, with one connection at most."""

    def __init__(self, load: Load, number: int, seed: int) -> None:
        self.load = load
        self.history = load.history
        self.name = f"{type(self).__name__.strip('_').lower()} {number}"
        self.number = number
        self.chosen = random.Random(seed)
        self.connection: Connection | None = None

    def act(self) -> None:
        """One thing that it does; called again and again."""
        raise NotImplementedError

    def leave(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def ask(self, *commands: tuple[Any, ...]) -> list[Any] | None:
        """Their replies; None when the connection broke, or nothing came."""
        assert self.connection is not None
        try:
            self.connection.send_raw(b"".join(encode(*words) for words in commands))
            return [self.connection.read() for _ in commands]
        except GONE:
            self.leave()
            return None

    def transact(self, steps: list[Step], *more: tuple[Any, ...],
                 within: tuple[Any, ...] = ()) -> tuple[Outcome, list[Step], list[Any]]:  # fmt: skip
        """Do steps at once. What became of them, the steps with what was found, and the replies to `more`; before these
        the one to `within`, a command that is part of the transaction."""
        body = [("RPUSH", step.key, step.value) if isinstance(step, Append) else ("LRANGE", step.key, 0, -1)
                for step in steps]  # fmt: skip
        body += [within] * bool(within)
        replies = self.ask(("MULTI",), *body, ("EXEC",), *more)
        if replies is None:
            return Outcome.UNKNOWN, steps, []
        done, rest = replies[len(body) + 1], replies[len(body) + 2 :]
        if not isinstance(done, list):
            assert isinstance(done, RespError), f"EXEC was answered {done!r}"
            return Outcome.FAILED, steps, rest
        failed = [one for one in done if isinstance(one, RespError)]
        assert not failed, failed
        found = [self.seen(step, reply) for step, reply in zip(steps, done)]
        return Outcome.OK, found, done[len(steps) :] + rest

    @staticmethod
    def seen(step: Step, reply: Any) -> Step:
        return step if isinstance(step, Append) else Read(step.key, tuple(map(int, reply)))

    def some_steps(self, appends: float) -> list[Step]:
        """At random, with that share of appends."""
        steps: list[Step] = []
        for _ in range(self.chosen.randint(1, STEPS)):
            key = self.load.a_list(self.chosen)
            steps.append(Append(key, self.load.fresh()) if self.chosen.random() < appends else Read(key))
        return steps


class _OfTrio(Client):
    """It knows who is the master, and when that changes."""

    def __init__(self, trio: Trio, load: Load, number: int, seed: int) -> None:
        super().__init__(load, number, seed)
        self.trio = trio
        self.node: Node | None = None
        self.branch = BETWEEN

    def pick(self) -> Node | None:
        """Whom to talk to now. Called under the trio's lock."""
        raise NotImplementedError

    def ready(self) -> bool:
        """A connection to the right node, made in this branch: whoever answers there is of it."""
        with self.trio.lock:
            node, branch = self.pick(), self.trio.branch
        if self.connection is not None and (node, branch) == (self.node, self.branch):
            return True
        self.leave()
        self.node, self.branch = node, branch
        if node is None:
            time.sleep(PAUSE_SECONDS)
            return False
        try:
            self.connection = Connection(node.for_clients.port, timeout=REPLY_SECONDS)
            self.connection("PING")
        except GONE:
            self.leave()
            time.sleep(PAUSE_SECONDS)
            return False
        with self.trio.lock:
            same = self.trio.branch == branch
        if not same:
            self.leave()
        return same


class _Writer(_OfTrio):
    """Transactions and registers on the master; every second writer waits for a replica each time."""

    def pick(self) -> Node | None:
        return self.trio.master

    def act(self) -> None:
        if not self.ready():
            return
        if self.chosen.random() < 0.3:
            self.visit()
        else:
            self.append()

    def append(self) -> None:
        steps = self.some_steps(appends=0.6)
        waits = self.chosen.random() < 0.5
        outcome, steps, rest = self.transact(steps, *[("WAIT", 1, WAIT_MS)] * waits)
        promised = bool(waits and outcome is Outcome.OK and isinstance(rest[0], int) and rest[0] >= 1)
        self.history.add(Transaction(steps, outcome, self.branch, promised, self.name))
        if outcome is Outcome.FAILED:
            time.sleep(PAUSE_SECONDS)

    def visit(self) -> None:
        key = f"register{self.chosen.randrange(REGISTERS)}"
        value = self.load.fresh() if self.chosen.random() < 0.5 else None
        words = ("GET", key) if value is None else ("SET", key, value)
        start = time.monotonic()
        replies = self.ask(words)
        end = time.monotonic()
        outcome = Outcome.UNKNOWN if replies is None else Outcome.OK
        found = value
        if replies is not None and isinstance(replies[0], RespError):
            outcome = Outcome.FAILED
        elif replies is not None and value is None and replies[0] is not None:
            found = int(replies[0])
        self.history.add(Visit(key, value is not None, found, start, end, outcome, self.branch))


class _Reader(_OfTrio):
    """Looks at several lists at once, and at registers, on one node after the other."""

    left = 0  # looks until it goes elsewhere
    at = 0

    def pick(self) -> Node | None:
        nodes = self.trio.readable
        return nodes[self.at % len(nodes)] if nodes else None

    def act(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.left, self.at = 20, self.chosen.randrange(len(self.trio.nodes))
        if not self.ready():
            self.left = 0
            return
        node = self.node
        steps = self.some_steps(appends=0)
        key = f"register{self.chosen.randrange(REGISTERS)}"
        start = time.monotonic()
        outcome, steps, rest = self.transact(steps, ("GET", key))
        end = time.monotonic()
        with self.trio.lock:
            certain = self.trio.branch == self.branch and node in self.trio.readable
        branch = self.branch if certain else BETWEEN
        self.history.add(Transaction(steps, outcome, branch, False, f"{self.name} at {node.name if node else '?'}"))
        time.sleep(PAUSE_SECONDS)
        if outcome is not Outcome.OK:
            self.left = 0
        elif not isinstance(rest[0], RespError):
            found = None if rest[0] is None else int(rest[0])
            self.history.add(Visit(key, False, found, start, end, Outcome.OK, branch, replica=True))
