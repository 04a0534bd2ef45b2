"""Clients that write down what they did: a load of them, what all have in common, and those of a trio, writers on the
master, readers on any node."""

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.consistency.history import BETWEEN, Append, History, Outcome, Read, Step, Transaction, Visit
from tests.consistency.trio import Node, Trio
from tests.support.pace import patience
from tests.support.resp import Connection, RespError, encode

LISTS = 4  # in use at a time
VALUES = 40  # handed out until another list takes a list's place
REGISTERS = 3
STEPS = 4  # of a transaction, at most
WAIT_SECONDS = 0.3  # of a quiet machine, as the next
REPLY_SECONDS = 1.0
PAUSE_SECONDS = 0.002  # of a client that was refused, and between two looks: others need the processor

GONE = (ConnectionError, TimeoutError, OSError)
Words = tuple[Any, ...]


class Load:
    """All clients of a run, and what they share: the history, values, the lists that are in use, and for how long they
    wait: for a replica, and for a reply. That does not grow while they are at work, for threads of one process are slow
    to one another on any machine; who waits too little for somebody who lives has not been answered, no more."""

    def __init__(self, seed: int, clients: Iterable[Callable[["Load", int, int], "Client"]], *,
                 lists: int = LISTS, values: int = VALUES) -> None:  # fmt: skip
        """clients: each makes one of the load, its number and a seed. lists: in use at a time, of each hash tag.
        values: handed out until another list takes a list's place."""
        self.history = History()
        self.broken: list[BaseException] = []
        self.wait_ms = round(patience(WAIT_SECONDS) * 1000)
        self.reply_seconds = patience(REPLY_SECONDS)
        self._lists_in_use = lists
        self._values_of_a_list = values
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

    def a_list(self, chosen: random.Random, tag: str = "") -> str:
        """One that is in use; tag: with this before its name."""
        return f"{tag}list{self._values // self._values_of_a_list + chosen.randrange(self._lists_in_use)}"

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


@dataclass
class Done:
    """What became of commands. replies: to them. error: the first, of those that failed. promised: a replica
    acknowledged them. start, end: as of a Visit. branch: in which it was, as far as that is known."""

    outcome: Outcome = Outcome.UNKNOWN
    replies: Sequence[Any] = ()
    error: RespError | None = None
    promised: bool = False
    start: float = field(default_factory=time.monotonic)
    end: float = 0.0
    branch: int = BETWEEN
    by_replica: bool = False


class Client(ABC):
    """It acts until it is told to leave. It has a connection to a port at most, and speaks by one of them at a time."""

    hello: Words = ("PING",)  # the first that it says by each

    def __init__(self, load: Load, number: int, seed: int, source: str = "") -> None:
        """source: the address that it comes from, any without."""
        self.load = load
        self.history = load.history
        self.name = f"{type(self).__name__.strip('_').lower()} {number}"
        self.chosen = random.Random(seed)
        self._source = source
        self._connections: dict[int, Connection] = {}
        self._port = 0

    @abstractmethod
    def act(self) -> None:
        """One thing that it does; called again and again."""

    def leave(self) -> None:
        """Close what is open."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    # ---- whom it speaks to
    @property
    def connected(self) -> bool:
        """Whether whom it spoke to last is still there."""
        return self._port in self._connections

    def reach(self, port: int) -> bool:
        """Speak to who is there from now on. Whether somebody is, who answered a hello once."""
        self._port = port
        if self.connected:
            return True
        try:
            self._connections[port] = Connection(port, timeout=self.load.reply_seconds, source=self._source,
                                                 patient=False)  # fmt: skip
        except GONE:
            return False
        return self.ask(self.hello) is not None

    def ask(self, *commands: Words) -> list[Any] | None:
        """Their replies; None when the connection broke, or nothing came."""
        connection = self._connections[self._port]
        try:
            connection.send_raw(b"".join(encode(*words) for words in commands))
            return [connection.read() for _ in commands]
        except GONE:
            self._connections.pop(self._port).close()
            return None

    # ---- what it has done there
    def single(self, words: Words) -> Done:
        """One command by itself."""
        done = Done()
        replies = self.ask(words)
        done.end = time.monotonic()
        if replies is not None and isinstance(replies[0], RespError):
            done.outcome, done.error = Outcome.FAILED, replies[0]
        elif replies is not None:
            done.outcome, done.replies = Outcome.OK, replies
        return done

    def transact(self, commands: Sequence[Words], *, waits: bool = False, asking: bool = False) -> Done:
        """Do them at once. waits: for a replica, too; asking: where their slot is being imported."""
        words = [("ASKING",)] * asking + [("MULTI",), *commands, ("EXEC",)]
        done = Done()
        replies = self.ask(*words, *[("WAIT", 1, self.load.wait_ms)] * waits)
        done.end = time.monotonic()
        if replies is None:
            return done
        executed = replies[len(words) - 1]
        if isinstance(executed, list):
            failed = [one for one in executed if isinstance(one, RespError)]
            assert not failed, failed
            done.outcome, done.replies = Outcome.OK, executed
            done.promised = waits and isinstance(replies[-1], int) and replies[-1] >= 1
        else:
            assert isinstance(executed, RespError), f"EXEC was answered {executed!r}"
            done.outcome, done.error = Outcome.FAILED, next(one for one in replies if isinstance(one, RespError))
        return done

    def some_steps(self, appends: float, tag: str = "") -> list[Step]:
        """At random, with that share of appends; tag: of the lists."""
        steps: list[Step] = []
        for _ in range(self.chosen.randint(1, STEPS)):
            key = self.load.a_list(self.chosen, tag)
            steps.append(Append(key, self.load.fresh()) if self.chosen.random() < appends else Read(key))
        return steps

    # ---- what it writes down
    def note_steps(self, steps: Sequence[Step], done: Done, where: str = "") -> None:
        """steps: those of the commands that came first."""
        if done.outcome is Outcome.OK:
            steps = [step if isinstance(step, Append) else Read(step.key, tuple(map(int, reply)))
                     for step, reply in zip(steps, done.replies)]  # fmt: skip
        self.history.add(Transaction([*steps], done.outcome, done.branch, done.promised, self.name + where))

    def note_visit(self, key: str, value: int | None, done: Done) -> None:
        """Of a register by the last command. value: that it wrote; None: it read."""
        found = value
        if value is None and done.outcome is Outcome.OK and done.replies[-1] is not None:
            found = int(done.replies[-1])
        self.history.add(Visit(key, value is not None, found, done.start, done.end, done.outcome, done.branch,
                               done.by_replica))  # fmt: skip

    def visit(self, key: str, do: Callable[[Words], Done | None]) -> None:
        """Read the register, or write it. do: None when nobody was reached."""
        value = self.load.fresh() if self.chosen.random() < 0.5 else None
        done = do(("GET", key) if value is None else ("SET", key, value))
        if done is not None:
            self.note_visit(key, value, done)


def commands_of(steps: Sequence[Step]) -> list[Words]:
    """What is asked for them."""
    return [("RPUSH", step.key, step.value) if isinstance(step, Append) else ("LRANGE", step.key, 0, -1)
            for step in steps]  # fmt: skip


class Stranger(Client):
    """One that has each server say, in each transaction, who it is: the branch is the history that its data are of."""

    def transact(self, commands: Sequence[Words], *, waits: bool = False, asking: bool = False) -> Done:
        done = super().transact([*commands, ("INFO", "replication")], waits=waits, asking=asking)
        if done.outcome is Outcome.OK:
            *done.replies, info = done.replies
            fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
            done.branch = self.history.branch(fields["master_replid"])
            done.by_replica = fields["role"] == "slave"
        return done


class _OfTrio(Client):
    """It knows who is the master, and when that changes."""

    def __init__(self, trio: Trio, load: Load, number: int, seed: int) -> None:
        super().__init__(load, number, seed)
        self.trio = trio
        self.node: Node | None = None
        self.branch = BETWEEN

    @abstractmethod
    def pick(self) -> Node | None:
        """Whom to talk to now. Called under the trio's lock."""

    def ready(self) -> bool:
        """A connection to the right node, made in this branch: whoever answers there is of it."""
        with self.trio.lock:
            node, branch = self.pick(), self.trio.branch
        if self.connected and (node, branch) == (self.node, self.branch):
            return True
        self.leave()
        self.node, self.branch = node, branch
        if node is None or not self.reach(node.for_clients.port):
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
            self.visit(f"register{self.chosen.randrange(REGISTERS)}", self.here)
        else:
            self.append()

    def here(self, words: Words) -> Done:
        done = self.single(words)
        done.branch = self.branch
        return done

    def append(self) -> None:
        steps = self.some_steps(appends=0.6)
        done = self.transact(commands_of(steps), waits=self.chosen.random() < 0.5)
        done.branch = self.branch
        self.note_steps(steps, done)
        if done.outcome is Outcome.FAILED:
            time.sleep(PAUSE_SECONDS)


class _Reader(_OfTrio):
    """Looks at several lists at once, and at a register, on one node after the other."""

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
        done = self.transact([*commands_of(steps), ("GET", key)])
        with self.trio.lock:
            certain = self.trio.branch == self.branch and node in self.trio.readable
        done.branch, done.by_replica = self.branch if certain else BETWEEN, True
        self.note_steps(steps, done, f" at {node.name if node else '?'}")
        time.sleep(PAUSE_SECONDS)
        if done.outcome is Outcome.OK:
            self.note_visit(key, None, done)
        else:
            self.left = 0
