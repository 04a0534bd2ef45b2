"""Clients of a cluster that write down what they did: they follow redirects, and ask with each transaction in which
history it was done."""

import random
import threading
import time
from collections.abc import Sequence
from typing import Any

from tests.consistency.clients import (
    GONE,
    PAUSE_SECONDS,
    REPLY_SECONDS,
    STEPS,
    WAIT_MS,
    Client,
    Load,
    commands_of,
    seen,
)
from tests.consistency.history import BETWEEN, Append, Outcome, Read, Step, Transaction, Visit
from tests.consistency.six import Member, Six
from tests.support.resp import Connection, RespError, encode

TAGS = "abcdefghi"  # each is a slot; every master has some
LISTS = 2  # of each tag, in use at a time
VALUES = 300  # handed out until another list takes a list's place
LOOKS = 20  # of a reader, until it goes elsewhere
READONLY = "READONLY"
REFUSALS = ("ASK", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED")


class SixLoad(Load):
    """branches: the histories that answered, by their id, in the order in which they were met. may_lose: those whose
    master was replaced without being asked. moving: a slot is on its way, of which replicas know nothing: one of the
    master that gives it answers for keys that are gone as if they had never been, as in Redis."""

    def __init__(self) -> None:
        super().__init__()
        self.branches: dict[str, int] = {}
        self.may_lose: set[str] = set()
        self.moving = False
        self._naming = threading.Lock()

    def branch(self, name: str) -> int:
        with self._naming:
            return self.branches.setdefault(name, len(self.branches))

    def a_list(self, tag: str, chosen: random.Random) -> str:
        """One that is in use."""
        return f"{{{tag}}}list{self.written // VALUES + chosen.randrange(LISTS)}"


def clients_of(load: SixLoad, six: Six, seed: int, *, writers: int = 4, readers: int = 2) -> list[Client]:
    roles = [_Writer] * writers + [_Reader] * readers
    return [role(load, f"{role.__name__[1:].lower()} {n}", seed * 100 + n, six) for n, role in enumerate(roles)]


class Done:
    """What became of a transaction. branch: of the history it was done in, BETWEEN when that is not known."""

    def __init__(self, outcome: Outcome, replies: Sequence[Any] = (), rest: Sequence[Any] = ()) -> None:
        self.outcome = outcome
        self.replies = replies
        self.rest = rest
        self.branch = BETWEEN
        self.by_replica = False


class _ClusterClient(Client):
    first: tuple[str, ...] = ()  # what it says on each connection

    def __init__(self, load: SixLoad, name: str, seed: int, six: Six) -> None:
        super().__init__(load, name, seed)
        self.load: SixLoad = load
        self.six = six
        self.connections: dict[Member, Connection] = {}
        self.owners: dict[str, Member] = {}  # of tags, as far as it was told

    def leave(self) -> None:
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()

    def transact(self, tag: str, body: Sequence[tuple[Any, ...]], *more: tuple[Any, ...]) -> Done | None:
        """Do it at once where the tag is served. None: nobody was reached. `more` comes behind it."""
        words = [("MULTI",), *body, ("INFO", "replication"), ("EXEC",), *more]
        member = self.owners.get(tag) or self.chosen.choice(self.six.nodes)
        replies = self._ask(member, words)
        if isinstance(replies, list) and (heir := self._asks(replies)):  # for these keys, and once
            replies = self._ask(heir, [("ASKING",), *words])
            replies = replies[1:] if isinstance(replies, list) else replies
        if replies is None or replies is Outcome.UNKNOWN:
            self.owners.pop(tag, None)
            return None if replies is None else Done(Outcome.UNKNOWN)
        at = len(body) + 2
        if isinstance(replies[at], list):
            return self._done(replies[at], replies[at + 1 :])
        self._refused(tag, _error(replies))
        return Done(Outcome.FAILED)

    def _ask(self, member: Member, words: Sequence[tuple[Any, ...]]) -> Any:
        """Replies; None when it was not reached, UNKNOWN when they did not come."""
        connection = self._connection(member)
        if connection is None:
            time.sleep(PAUSE_SECONDS)
            return None
        try:
            connection.send_raw(b"".join(encode(*one) for one in words))
            return [connection.read() for _ in words]
        except GONE:
            self.connections.pop(member).close()
            return Outcome.UNKNOWN

    def _asks(self, replies: Sequence[Any]) -> Member | None:
        """Who is to be asked instead, this time."""
        error = _error(replies)
        return self._named(error) if error is not None and error.code == "ASK" else None

    def _named(self, error: RespError) -> Member:
        return self.six.by_port[int(error.text.rpartition(":")[2])]

    def _done(self, replies: list[Any], rest: list[Any]) -> Done:
        *found, info = replies
        fields = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        done = Done(Outcome.OK, found, rest)
        done.branch = self.load.branch(fields["master_replid"])
        done.by_replica = fields["role"] == "slave"
        return done

    def _connection(self, member: Member) -> Connection | None:
        connection = self.connections.get(member)
        if connection is None:
            try:
                connection = Connection(member.for_clients.port, timeout=REPLY_SECONDS)
                connection(*(self.first or ("PING",)))
            except GONE:
                return None
            self.connections[member] = connection
        return connection

    def _refused(self, tag: str, error: RespError | None) -> None:
        """Where the next one will be asked, or after a while, anybody."""
        assert error is not None
        if error.code == "MOVED":
            self.owners[tag] = self._named(error)
            return
        assert error.code in REFUSALS, error
        if error.code != "TRYAGAIN":
            self.owners.pop(tag, None)
        time.sleep(PAUSE_SECONDS)


def _error(replies: Sequence[Any]) -> RespError | None:
    return next((reply for reply in replies if isinstance(reply, RespError)), None)


class _Writer(_ClusterClient):
    """Transactions and registers on masters; half of the time it waits for the replica."""

    def act(self) -> None:
        tag = self.chosen.choice(TAGS)
        if self.chosen.random() < 0.3:
            self._visit(tag)
        else:
            self._append(tag)

    def _append(self, tag: str) -> None:
        steps: list[Step] = []
        for _ in range(self.chosen.randint(1, STEPS)):
            key = self.load.a_list(tag, self.chosen)
            steps.append(Append(key, self.load.fresh()) if self.chosen.random() < 0.6 else Read(key))
        waits = self.chosen.random() < 0.5
        done = self.transact(tag, commands_of(steps), *[("WAIT", 1, WAIT_MS)] * waits)
        if done is None:
            return
        ok = done.outcome is Outcome.OK
        promised = waits and ok and isinstance(done.rest[0], int) and done.rest[0] >= 1
        self.history.add(Transaction(seen(steps, done.replies) if ok else steps, done.outcome, done.branch, promised,
                                     self.name))  # fmt: skip

    def _visit(self, tag: str) -> None:
        key = f"{{{tag}}}register"
        value = self.load.fresh() if self.chosen.random() < 0.5 else None
        start = time.monotonic()
        done = self.transact(tag, [("GET", key) if value is None else ("SET", key, value)])
        end = time.monotonic()
        if done is None:
            return
        found = value
        if value is None and done.outcome is Outcome.OK and done.replies[0] is not None:
            found = int(done.replies[0])
        self.history.add(Visit(key, value is not None, found, start, end, done.outcome, done.branch))


class _Reader(_ClusterClient):
    """Looks at several lists of a tag at once, and at its register, on one node after the other, replicas too."""

    first = (READONLY,)
    left = 0

    def act(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.left, self.at = LOOKS, self.chosen.choice(self.six.nodes)
        tag = self.chosen.choice(TAGS)
        steps: list[Step] = [Read(self.load.a_list(tag, self.chosen)) for _ in range(self.chosen.randint(1, STEPS))]
        self.owners = {tag: self.at}
        key = f"{{{tag}}}register"
        moving, start = self.load.moving, time.monotonic()
        done = self.transact(tag, [*commands_of(steps), ("GET", key)])
        end = time.monotonic()
        if done is not None and done.by_replica and (moving or self.load.moving):
            done.branch = BETWEEN
        time.sleep(PAUSE_SECONDS)
        if done is None or done.outcome is Outcome.UNKNOWN:
            self.left = 0
        elif done.outcome is Outcome.OK:
            *lists, register = done.replies
            self.history.add(Transaction(seen(steps, lists), Outcome.OK, done.branch, False,
                                         f"{self.name} at {self.at.port}"))  # fmt: skip
            self.history.add(Visit(key, False, None if register is None else int(register), start, end, Outcome.OK,
                                   done.branch, replica=done.by_replica))  # fmt: skip
