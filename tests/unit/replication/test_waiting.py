"""WAIT and WAITAOF: who is served by which acknowledgements."""

from types import SimpleNamespace
from typing import Any

import pytest

from server.replication.waiting import Waiter, Waiting


class FakeMaster:
    """Replicas by what they have applied, and what they have on disk."""

    def __init__(self) -> None:
        self.changed: list[Any] = []
        self.applied: list[int] = []
        self.synced: list[int] = []

    def acknowledged_by(self, offset: int) -> int:
        return sum(has >= offset for has in self.applied)

    def synced_by(self, offset: int) -> int:
        return sum(has >= offset for has in self.synced)

    def acknowledged(self) -> list[int]:
        return sorted(self.applied, reverse=True)


class FakeClient:
    """Blocked until it is answered."""

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self.blocked: Any = SimpleNamespace(finish=self.finish)

    def finish(self, reply: Any) -> None:
        self.replies.append(reply)
        self.blocked = None


@pytest.fixture
def master() -> FakeMaster:
    return FakeMaster()


@pytest.fixture
def waiting(master: FakeMaster) -> Waiting:
    found = Waiting(master, lambda: 50)  # type: ignore[arg-type]
    found._asked = True                # nobody is asked here
    return found


def add(waiting: Waiting, *words: Any) -> FakeClient:
    client = FakeClient()
    waiting.add(Waiter(client, *words))  # type: ignore[arg-type]
    return client


def test_each_is_served_by_as_many_replicas_as_it_wants(master: FakeMaster, waiting: Waiting) -> None:
    one, two, late, four = (add(waiting, *words) for words in ((100, 1), (100, 2), (300, 1), (100, 4)))
    master.applied = [90, 200, 99]
    waiting.look()
    assert (one.replies, two.replies, late.replies, four.replies) == ([1], [], [], [])
    master.applied = [100, 200, 99]
    waiting.look()
    assert (one.replies, two.replies, late.replies, four.replies) == ([1], [2], [], [])
    master.applied = [100, 300, 100]
    waiting.look()
    assert (late.replies, four.replies) == ([1], [])
    master.applied = [100] * 4
    waiting.look()
    assert four.replies == [4]


def test_disks(master: FakeMaster, waiting: Waiting) -> None:
    """WAITAOF: the own one (which has 50), and those of replicas."""
    own, other, beyond = (add(waiting, *words, True) for words in ((50, 0, 1), (50, 1, 1), (51, 1, 1)))
    master.applied = [100]
    waiting.look()
    assert (own.replies, other.replies, beyond.replies) == ([[1, 0]], [], [])
    master.synced = [60]
    waiting.look()
    assert (other.replies, beyond.replies) == ([[1, 1]], [])


def test_who_does_not_wait_any_more_is_forgotten(master: FakeMaster, waiting: Waiting) -> None:
    client = add(waiting, 100, 1)
    client.blocked = None              # its time was over
    master.applied = [100]
    waiting.look()
    assert not client.replies and not waiting._waiters
