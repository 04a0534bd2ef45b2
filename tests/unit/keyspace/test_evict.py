"""Eviction: which keys go under each policy, and when there is room."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from server.keyspace import by_slot
from server.keyspace.database import Keyspace
from server.keyspace.evict import Evictor
from server.registry import clock
from server.structures.crc16 import hash_slot

pytestmark = pytest.mark.usefixtures("exact_memory")
KEYS = 40
VALUE = b"x" * 10_000


class Eviction:
    """An evictor over a keyspace of its own, and what it evicted."""

    def __init__(self, policy: str, *, by_slot: bool = False, **directives: Any) -> None:
        clock.refresh()
        self.keyspace = Keyspace(2, by_slot)
        self.keyspace.lfu = policy.endswith("lfu")
        self.db = self.keyspace.databases[0]
        self.before = self.keyspace.memory_used()
        self.config = SimpleNamespace(maxmemory=1 << 40, maxmemory_policy=policy, maxmemory_samples=64,
                                      maxmemory_eviction_tenacity=100, lazyfree_lazy_eviction=False)
        vars(self.config).update(directives)
        self.others = 0
        self.gone: list[bytes] = []
        self.evictor = Evictor(self.keyspace, self.config, lambda db, key: self.gone.append(key), lambda: self.others)
        for number in range(KEYS):
            self.db.set(b"k%d" % number, VALUE)

    def make_room_by_deleting(self) -> None:
        """As a client does it, after which nothing asks for room."""
        for number in range(KEYS):
            self.db.delete(b"k%d" % number)
        self.evictor.look()

    def leave_room_for(self, values: int) -> bool:
        """Have maxmemory allow so many values."""
        self.config.maxmemory = self.before + values * 10_300
        return self.evictor.make_room()


def test_nothing_goes_while_there_is_room() -> None:
    e = Eviction("allkeys-random")
    assert e.evictor.make_room() and not e.gone and e.evictor.over() < 0
    e.config.maxmemory = 0                          # no limit
    assert e.evictor.make_room() and e.evictor.over() == 0


def test_noeviction_refuses() -> None:
    e = Eviction("noeviction")
    assert not e.leave_room_for(10)
    assert not e.gone and e.evictor.exceeded_since_us


@pytest.mark.parametrize("ends", [lambda e: e.leave_room_for(KEYS), lambda e: e.make_room_by_deleting()])
def test_how_long_there_was_no_room(ends: Callable[[Eviction], object]) -> None:
    e = Eviction("noeviction")
    e.leave_room_for(10)
    began = e.evictor.exceeded_since_us
    e.evictor.look()
    assert e.evictor.exceeded_since_us == began and not e.evictor.exceeded_us
    while clock.monotonic_now_us() == began:
        pass
    ends(e)
    assert not e.evictor.exceeded_since_us and e.evictor.exceeded_us > 0
    e.evictor.reset_statistics()
    assert not e.evictor.exceeded_us and not e.evictor.evicted_keys


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("policy", ["allkeys-random", "allkeys-lru", "allkeys-lfu"])
def test_as_many_go_as_it_takes(policy: str, lazy: bool) -> None:
    e = Eviction(policy, lazyfree_lazy_eviction=lazy)
    assert e.leave_room_for(10)
    assert len(e.db) + len(e.gone) == KEYS and 5 <= len(e.db) <= 10
    assert e.evictor.over() <= 0 and not e.evictor.exceeded_since_us


def test_what_clients_cost_counts() -> None:
    e = Eviction("allkeys-random")
    assert e.leave_room_for(KEYS + 2) and not e.gone
    e.others = 10 * 10_300
    assert e.evictor.make_room() and 5 <= len(e.gone) <= 12


def test_the_longest_untouched_go_first() -> None:
    e = Eviction("allkeys-lru")
    for number in range(0, KEYS, 2):
        e.db.set_access(b"k%d" % number, idle_seconds=1000 + number)
    assert e.leave_room_for(KEYS // 2 + 2)
    assert e.gone and all(int(key[1:]) % 2 == 0 for key in e.gone)
    assert e.gone[0] == b"k%d" % (KEYS - 2)


def test_the_least_used_go_first() -> None:
    e = Eviction("allkeys-lfu")
    for number in range(KEYS):
        e.db.set_access(b"k%d" % number, frequency=200 if number % 2 else 1)
    assert e.leave_room_for(KEYS // 2 + 2)
    assert e.gone and all(int(key[1:]) % 2 == 0 for key in e.gone)


def test_the_soonest_to_expire_go_first() -> None:
    e = Eviction("volatile-ttl")
    now = clock.unix_ms()
    for number in range(0, KEYS, 2):
        e.db.set_expire(b"k%d" % number, now + 1_000_000 - number * 1000)
    assert e.leave_room_for(KEYS - 5)
    assert e.gone[0] == b"k%d" % (KEYS - 2) and all(int(key[1:]) % 2 == 0 for key in e.gone)


@pytest.mark.parametrize("policy", ["volatile-random", "volatile-lru", "volatile-lfu", "volatile-ttl"])
def test_keys_that_stay_for_ever_stay(policy: str) -> None:
    e = Eviction(policy)
    for number in range(4):
        e.db.set_expire(b"k%d" % number, clock.unix_ms() + 100_000)
    assert not e.leave_room_for(10)                 # four are too few
    assert sorted(e.gone) == [b"k0", b"k1", b"k2", b"k3"]
    assert len(e.db) == KEYS - 4


def test_all_databases_are_looked_at() -> None:
    e = Eviction("allkeys-random")
    for number in range(KEYS):
        e.keyspace.databases[1].set(b"other%d" % number, VALUE)
    assert e.leave_room_for(10)
    assert {key[:1] for key in e.gone} == {b"k", b"o"}


def test_it_stops_when_its_time_is_over_and_the_next_goes_on() -> None:
    e = Eviction("allkeys-random", maxmemory_eviction_tenacity=0)
    assert e.leave_room_for(1)                      # no time at all: one key, and the command may run
    assert 1 <= len(e.gone) < KEYS - 1
    gone = len(e.gone)
    assert e.evictor.make_room() and len(e.gone) > gone


@pytest.mark.parametrize("policy", ["allkeys-random", "allkeys-lru", "volatile-ttl"])
def test_keys_of_hidden_slots_do_not_go(policy: str) -> None:
    """Although they are most of all; when nothing else is left there is nothing to evict."""
    e = Eviction(policy, by_slot=True)
    hidden = [b"{hidden}%d" % number for number in range(10 * KEYS)]
    for key in hidden:
        e.db.set(key, b"v")
    for number, key in enumerate([*hidden, *(b"k%d" % number for number in range(KEYS))]):
        e.db.set_expire(key, clock.unix_ms() + 10_000 + number)
    by_slot.hide(e.db, [hash_slot(b"hidden")])
    assert e.leave_room_for(KEYS // 2)
    assert e.gone and not any(key.startswith(b"{hidden}") for key in e.gone)
    assert not e.leave_room_for(-KEYS)
    assert len(e.db) == 0 and by_slot.hidden_count(e.db, hash_slot(b"hidden")) == len(hidden)
