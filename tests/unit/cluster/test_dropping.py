"""Keys of slots that left go in slices, and nobody is shown them meanwhile."""

from typing import Any

import pytest

from server.cluster import dropping, slots
from server.cluster.dropping import Dropping
from server.keyspace import by_slot
from server.keyspace.database import Database, Keyspace
from server.keyspace.effects import Effects
from server.registry import clock
from server.structures.crc16 import hash_slot

MANY = 3000
SLOT = hash_slot(b"one")


class World:
    """A database with many keys of one slot, a few of others, and what everybody heard."""

    def __init__(self) -> None:
        clock.refresh()
        self.db: Database = Keyspace(1, True).databases[0]
        for number in range(MANY):
            self.db.set(b"{one}%d" % number, b"v")
        for number in range(10):
            self.db.set(b"k%d" % number, b"v")
        self.hook: Any = None
        self.paused = False
        self.lazy = False
        self.changes: list[int] = []
        self.propagated: list[list[bytes]] = []
        self.lost: list[bytes] = []
        effects = Effects()
        effects.watched_changed = lambda db, key: self.lost.append(key)
        self.dropping = Dropping(self.db, effects, self, self.attend, lazy=lambda: self.lazy,
                                 paused=lambda: self.paused,
                                 changed=lambda: self.changes.append(self.dropping.pending))

    def also(self, db: Database, argv: list[bytes]) -> None:
        self.propagated.append(argv)

    def attend(self, hook: Any, yes: bool) -> None:
        self.hook = hook if yes else None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(dropping, "SLICE_US", 0)        # a slice ends with its first step
    return World()


def test_they_are_gone_at_once_and_go_in_slices(world: World) -> None:
    world.dropping.begin(slots.of([SLOT, 5]))
    assert world.dropping.pending == slots.of([SLOT]) == world.changes[-1]
    assert len(world.db) == 10 and by_slot.count_in_slot(world.db, SLOT) == 0
    sizes = [by_slot.hidden_count(world.db, SLOT)]
    while world.hook is not None:
        assert world.hook() == (world.hook is not None)
        sizes.append(by_slot.hidden_count(world.db, SLOT))
    assert len(sizes) > MANY // 300 and sizes == sorted(sizes, reverse=True) and sizes[-1] == 0
    assert world.dropping.pending == 0 == world.changes[-1] and not by_slot.is_hidden(world.db, SLOT)
    assert sorted(world.propagated) == sorted([b"DEL", b"{one}%d" % number] for number in range(MANY))
    assert world.dropping.dropped == MANY and len(world.db) == 10
    by_slot.check(world.db)


def test_lazily(world: World) -> None:
    world.lazy = True
    world.dropping.begin(slots.of([SLOT]))
    world.hook()
    assert {verb for verb, _ in world.propagated} == {b"UNLINK"}


def test_who_watches_one_has_lost_it_at_once(world: World) -> None:
    world.db.watched = {b"{one}1": set(), b"k1": set()}
    world.dropping.begin(slots.of([SLOT]))
    assert world.lost == [b"{one}1"] and not world.propagated


def test_another_slot_joins(world: World) -> None:
    world.dropping.begin(slots.of([SLOT]))
    world.hook()
    second = hash_slot(b"k1")
    world.dropping.begin(slots.of([SLOT, second]))
    assert world.dropping.pending == slots.of([SLOT, second])
    while world.hook is not None:
        world.hook()
    assert len(world.db) == 9 and world.dropping.pending == 0


def test_nothing_goes_while_writes_are_paused(world: World) -> None:
    world.dropping.begin(slots.of([SLOT]))
    world.paused = True
    assert not world.hook() and not world.propagated and world.hook is not None
    world.paused = False
    assert world.hook() and world.propagated


def test_slots_without_keys_are_no_work(world: World) -> None:
    """Hidden before their first key, which never came: they are hidden no more."""
    by_slot.hide(world.db, [5])
    world.dropping.begin(slots.of([5, 6]))
    assert world.hook is None and world.dropping.pending == 0 and not by_slot.is_hidden(world.db, 5)


def test_hidden_ones_go_as_well(world: World) -> None:
    by_slot.hide(world.db, [SLOT])
    world.dropping.begin(slots.of([SLOT]))
    while world.hook is not None:
        world.hook()
    assert world.dropping.dropped == MANY and not by_slot.is_hidden(world.db, SLOT)


def test_what_expired_goes_too(world: World) -> None:
    for number in range(MANY):
        world.db.set_expire(b"{one}%d" % number, 1)
    world.dropping.begin(slots.of([SLOT]))
    while world.hook is not None:
        world.hook()
    assert world.dropping.pending == 0 and len(world.db) == 10


def test_a_flush_ends_it(world: World) -> None:
    world.dropping.begin(slots.of([SLOT]))
    world.db.flush(False)
    world.db.set(b"{one}new", b"v")             # from a file: nobody else may write it yet
    while world.hook is not None:
        world.hook()
    assert world.db.get(b"{one}new") is None and not by_slot.is_hidden(world.db, SLOT)


def test_a_replica_has_nothing_to_drop(world: World) -> None:
    world.dropping.begin(slots.of([SLOT]))
    world.hook()
    left = by_slot.hidden_count(world.db, SLOT)
    world.dropping.forget()
    assert world.hook is None and world.changes[-1] == 0 and by_slot.count_in_slot(world.db, SLOT) == left
