"""The active expire cycle on a keyspace without a server: what it deletes, when it stops, what it counts."""

from types import SimpleNamespace
from typing import Any

import pytest

from server.keyspace import expire
from server.keyspace.database import Keyspace
from server.registry import clock


class World:
    """What the cycle needs of a server, and a record of what others heard."""

    def __init__(self, databases: int = 16, effort: int = 1) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.config = SimpleNamespace(active_expire_effort=effort, lazyfree_lazy_expire=False)
        self.keyspace = Keyspace(databases)
        self.cron = SimpleNamespace(hz=10, every=lambda interval, job: None)
        self.attends = False
        self.loop = SimpleNamespace(attend=self.attend)
        self.latency = SimpleNamespace(add=lambda name, milliseconds: None)
        effects = SimpleNamespace(changed=lambda db, key, event: self.heard.append((db.index, key, event)))
        propagation = SimpleNamespace(also=lambda db, argv: self.heard.append((db.index, *argv)))
        self.keyspace.on_expired = expire.on_expired(effects, propagation, self.config)
        self.expiry = expire.ActiveExpire(self)
        clock.refresh()

    def attend(self, hook: Any, yes: bool) -> None:
        assert hook == self.expiry.fast
        self.attends = yes

    def fill(self, count: int, left_ms: int | None, db: int = 0, prefix: bytes = b"k") -> None:
        for i in range(count):
            key = b"%s%d" % (prefix, i)
            self.keyspace.databases[db].set(key, b"v")
            if left_ms is not None:
                self.keyspace.databases[db].set_expire(key, clock.unix_ms() + left_ms)


def test_slow_cycle_deletes_what_expired_and_tells() -> None:
    world = World()
    world.fill(5, -1000)
    world.fill(5, None, prefix=b"stays")
    world.expiry.slow()
    assert len(world.keyspace.databases[0]) == 5
    assert world.keyspace.expired_keys == 5
    assert (0, b"k3", "expired") in world.heard
    assert (0, b"DEL", b"k3") in world.heard


def test_lazy_expire_is_told_as_unlink() -> None:
    world = World()
    world.config.lazyfree_lazy_expire = True
    world.fill(1, -1)
    world.expiry.slow()
    assert world.heard == [(0, b"k0", "expired"), (0, b"UNLINK", b"k0")]


def test_every_database_gets_its_turn() -> None:
    world = World(databases=40)
    for db in range(40):
        world.fill(3, -1000, db)
    for _ in range(3):  # 16 databases a call
        world.expiry.slow()
    assert world.keyspace.keys_total() == 0


def test_goes_on_while_much_is_stale() -> None:
    world = World()
    world.fill(3000, -1000)
    world.expiry.slow()
    assert len(world.keyspace.databases[0]) < 500 or world.expiry.time_cap_reached


def test_stops_where_little_is_stale() -> None:
    world = World()
    world.fill(4000, 1_000_000, prefix=b"live")
    world.fill(20, -1000)
    world.expiry.slow()
    assert world.keyspace.expired_keys < 20
    assert len(world.keyspace.databases[0]) >= 4000


def test_time_cap_and_the_fast_cycle_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.expiry.slow()
    assert not world.attends  # no reason to run
    world.fill(2000, -1000)
    now = iter(range(0, 1 << 40, 20_000))  # every look at the clock is 20 ms later
    monkeypatch.setattr(expire.clock, "monotonic_now_us", lambda: next(now))
    world.expiry.slow()
    assert world.expiry.time_cap_reached == 1
    assert world.attends
    deleted = world.keyspace.expired_keys
    assert 0 < deleted < 2000
    world.expiry.fast()
    assert world.keyspace.expired_keys > deleted
    assert world.expiry.time_cap_reached == 2
    assert world.expiry.cpu_milliseconds >= 40


def test_fast_cycle_does_not_repeat_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.expiry._out_of_time = True
    monkeypatch.setattr(expire.clock, "monotonic_now_us", lambda: 5_000_000)
    world.expiry.fast()
    world.expiry._out_of_time = True
    world.fill(1, -1000)
    world.expiry.fast()
    assert len(world.keyspace.databases[0]) == 1


def test_stale_share_is_a_running_average() -> None:
    world = World()
    world.fill(20, -1000)
    world.expiry.slow()
    assert world.expiry.stale_percent == pytest.approx(5.0)
    world.expiry.slow()
    assert world.expiry.stale_percent == pytest.approx(4.75)
    world.expiry.reset_statistics()
    assert world.expiry.stale_percent == 0


def test_average_ttl() -> None:
    world = World()
    db = world.keyspace.databases[0]
    world.fill(10, 1_000_000)
    for _ in range(3):
        world.expiry.slow()
    assert 900_000 < db.average_ttl <= 1_000_000
    db.flush(False)
    world.expiry.slow()
    assert db.average_ttl == 0


@pytest.mark.parametrize("reason", ["disabled", "replica"])
def test_nothing_happens_when_it_must_not(reason: str) -> None:
    world = World()
    world.fill(5, -1000)
    world.expiry.enabled = reason != "disabled"
    world.keyspace.keep_expired_for("replica", reason == "replica")
    world.expiry.slow()
    assert len(world.keyspace.databases[0]) == 5


def test_more_effort_tolerates_less() -> None:
    lazy, eager = World(), World(effort=10)
    for world in (lazy, eager):
        world.fill(2000, 1_000_000, prefix=b"live")
        world.fill(100, -1000)
        for _ in range(5):
            world.expiry.slow()
    assert eager.keyspace.expired_keys > lazy.keyspace.expired_keys
