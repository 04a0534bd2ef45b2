"""WAIT and WAITAOF: who is served by which acknowledgements."""

from types import SimpleNamespace
from typing import Any

import pytest

from server.clients.blocking import BlockedCounts
from server.clients.client import BLOCKED, Client
from server.keyspace.database import Keyspace
from server.replication.standing import Standing
from server.replication.state import State
from server.replication.waiting import Waiter, Waiting

DB = Keyspace(1).databases[0]


class FakeMaster:
    """Replicas by what they have applied, and what they have on disk."""

    def __init__(self) -> None:
        self.changed: list[Any] = []
        self.replicas: dict[Any, Standing] = {}

    def have(self, applied: list[int], synced: tuple[int, ...] = (), state: int = State.ONLINE) -> None:
        """Offsets of replicas, one after the other."""
        self.replicas.clear()
        for number, offset in enumerate(applied):
            standing = self.replicas[number] = Standing()
            standing.state, standing.acknowledged = state, offset
            standing.synced = synced[number] if number < len(synced) else 0

    def synced_by(self, offset: int) -> int:
        return sum(one.synced >= offset for one in self.replicas.values())


class FakeLoop:
    """Who goes on, and who has replies."""

    def __init__(self) -> None:
        self.resumed: list[Client] = []
        self.to_flush: list[Client] = []

    def resume(self, client: Client) -> None:
        client.clear(BLOCKED)
        self.resumed.append(client)


@pytest.fixture
def master() -> FakeMaster:
    return FakeMaster()


@pytest.fixture
def waiting(master: FakeMaster) -> Waiting:
    found = Waiting(master, lambda: 50)  # type: ignore[arg-type]
    found.asked = True                 # nobody is asked here
    found.blocking = SimpleNamespace(clients=SimpleNamespace(counts=BlockedCounts()),
                                     executor=SimpleNamespace(commands=0),
                                     latency=SimpleNamespace(add=lambda name, ms: None))
    return found


COMMAND: Any = SimpleNamespace(record=SimpleNamespace(calls=0))


class Waits:
    """A client that began to wait."""

    def __init__(self, waiting: Waiting, *words: Any) -> None:
        self.loop = FakeLoop()
        self.client = Client(1, DB, self.loop)
        waiting.add(Waiter(self.client, COMMAND, *words), 0)
        assert self.client.has(BLOCKED)

    @property
    def is_over(self) -> bool:
        """Whether it goes on, once, with a reply."""
        assert (self.loop.resumed == self.loop.to_flush == [self.client]) or not self.loop.resumed
        assert bool(self.loop.resumed) == (self.client.blocked is None) == (not self.client.has(BLOCKED))
        return bool(self.loop.resumed)


def over(*all: Waits) -> list[bool]:
    return [one.is_over for one in all]


def test_each_is_served_by_as_many_replicas_as_it_wants(master: FakeMaster, waiting: Waiting) -> None:
    everybody = [Waits(waiting, *words) for words in ((100, 1), (100, 2), (300, 1), (100, 4))]
    for applied, expected in (
        ([90, 200, 99], [True, False, False, False]),
        ([100, 200, 99], [True, True, False, False]),
        ([100, 300, 100], [True, True, True, False]),
        ([100] * 4, [True, True, True, True]),
    ):  # fmt: skip
        assert waiting.blocking.clients.counts.blocked == len(waiting)
        master.have(applied)
        waiting.look()
        assert over(*everybody) == expected and len(waiting) == expected.count(False)
    assert waiting.blocking.executor.commands == 4 and waiting.blocking.clients.counts.blocked == 0


def test_what_is_answered(master: FakeMaster, waiting: Waiting) -> None:
    master.have([100, 200, 300, 50], (60,))
    client = Client(1, DB, FakeLoop())
    for words, reply in (((100, 1), 3), ((101, 9), 2), ((301, 0), 0), ((50, 0, True, True), [1, 1]),
                         ((51, 0, True, True), [0, 1]), ((61, 0, False, True), [0, 0])):
        assert waiting.reply(Waiter(client, COMMAND, *words)) == reply
    master.have([100, 200, 300], state=State.LOADING)
    assert waiting.reply(Waiter(client, COMMAND, 1, 1)) == 0, "none of them is online"


def test_disks(master: FakeMaster, waiting: Waiting) -> None:
    """WAITAOF: the own one (which has 50), and those of replicas."""
    everybody = [Waits(waiting, *words) for words in ((50, 0, True, True), (50, 1, True, True), (51, 1, True, True))]
    master.have([100])
    waiting.look()
    assert over(*everybody) == [True, False, False]
    master.have([100], (60,))
    waiting.look()
    assert over(*everybody) == [True, True, False]


def test_many_replicas(master: FakeMaster, waiting: Waiting) -> None:
    everybody = [Waits(waiting, 100, wanted) for wanted in (1, 50, 51, 300)]
    master.have([100] * 50 + [99] * 250)
    waiting.look()
    assert over(*everybody) == [True, True, False, False]


def test_who_does_not_wait_any_more_is_forgotten(master: FakeMaster, waiting: Waiting) -> None:
    gone, late = Waits(waiting, 100, 1), Waits(waiting, 100, 1)
    waiting.forget(gone.client)
    late.client.blocked = None         # its time was over
    late.client.clear(BLOCKED)
    master.have([100])
    waiting.look()
    assert not gone.loop.resumed and not late.loop.resumed and len(waiting) == 0
