"""When active defragmentation runs and how much time it gets, by a made-up account of the allocator."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from server.keyspace import defrag
from server.keyspace.database import Keyspace
from server.keyspace.defrag import ActiveDefrag
from server.observe.log import NOTHING, Log

MB = 1 << 20
DEFAULTS = {"activedefrag": True, "active_defrag_ignore_bytes": 100 * MB, "active_defrag_threshold_lower": 10,
            "active_defrag_threshold_upper": 100, "active_defrag_cycle_min": 1, "active_defrag_cycle_max": 25,
            "active_defrag_max_scan_fields": 1000}


class Accounted(Keyspace):
    """A keyspace whose allocator says what it is told to."""

    wasted_mb = 0

    def allocator(self) -> dict[str, int]:
        return {"allocated": 1000 * MB, "active": (1000 + self.wasted_mb) * MB}


class World:
    """The parts of a server that active defragmentation needs, and a clock that goes as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config: Any = SimpleNamespace(**DEFAULTS)
        self.now_us = 1_000_000_000
        self.slice_us = 400                # that a slice is said to take
        self.slices = 0
        self.held = self.child = False
        self.latency: list[tuple[str, int]] = []
        self.through = False               # the scan ends with this slice
        self.moves = 1                     # blocks that a slice moves
        self.moved = 0
        monkeypatch.setattr(defrag.defrag_plan, "moved", lambda: (self.moved, 0))
        monkeypatch.setattr(defrag.clock, "monotonic_now_us", lambda: self.now_us)
        self.keyspace = Accounted(1)
        self.defrag = ActiveDefrag(self.config, self.keyspace, Log(level=NOTHING), lambda: 10, lambda: self.child,
                                   lambda: self.held, lambda *event: self.latency.append(event))
        monkeypatch.setattr(self.defrag, "_work", self.work)

    def work(self, until_us: int) -> bool:
        self.slices += 1
        self.moved += self.moves
        self.now_us += min(self.slice_us, until_us - self.now_us)
        return self.through

    def tick(self, wasted_mb: int | None = None) -> int:
        """A tick of the cron, a second after the last: how many slices it took."""
        if wasted_mb is not None:
            self.keyspace.wasted_mb = wasted_mb
        self.now_us += 1_000_000
        before = self.slices
        while self.defrag.tick():
            pass
        return self.slices - before


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield World(monkeypatch)


@pytest.mark.parametrize(("wasted_mb", "share"), [(0, 0), (99, 0), (100, 1), (550, 13), (1000, 25), (5000, 25)])
def test_the_share_grows_with_what_is_wasted(world: World, wasted_mb: int, share: int) -> None:
    world.tick(wasted_mb)
    assert world.defrag.running == share


def test_bytes_and_percent_must_both_be_reached(world: World) -> None:
    world.config.active_defrag_ignore_bytes = 600 * MB
    world.tick(550)
    assert world.defrag.running == 0
    world.config.active_defrag_ignore_bytes, world.config.active_defrag_threshold_lower = 1, 60
    world.tick(550)
    assert world.defrag.running == 0
    world.config.active_defrag_threshold_lower = 55
    world.tick(550)
    assert world.defrag.running == 1


def test_thresholds_that_say_nothing_are_lived_with(world: World) -> None:
    world.config.active_defrag_threshold_lower = world.config.active_defrag_threshold_upper = 20
    world.tick(200)
    assert world.defrag.running == 25
    world.config.active_defrag_cycle_min = 50          # above the greatest
    world.config.activedefrag = False
    world.tick()
    world.config.activedefrag = True
    world.tick(200)
    assert world.defrag.running == 50


def test_a_tick_takes_its_share_in_slices(world: World) -> None:
    assert world.tick(1000) == 63, "25 % of 100 ms, 0.4 ms at a time"
    assert world.now_us == 1_000_000_000 + 1_000_000 + 25_000
    assert world.tick(1000) == 63
    assert {event for event, _ in world.latency} == {"active-defrag-cycle"}


def test_no_slice_is_longer_than_it_may_be(world: World) -> None:
    world.slice_us = 1 << 40
    assert world.tick(1000) == 25_000 // defrag.SLICE_US


def test_the_share_rises_in_a_scan_and_does_not_fall(world: World) -> None:
    world.tick(550)
    assert world.defrag.running == 13
    world.tick(1000)
    assert world.defrag.running == 25
    world.tick(200)
    assert world.defrag.running == 25
    world.through = True
    world.tick(50)
    assert world.defrag.running == 0


def test_the_next_scan_begins_at_once_if_there_is_reason(world: World) -> None:
    world.through = True
    world.tick(550)
    assert world.defrag.running == 13
    assert world.tick(0) == 1
    assert world.defrag.running == 0
    assert world.tick(0) == 0


def test_what_cannot_be_helped_is_not_tried_again_before_more_is_wasted(world: World) -> None:
    world.through, world.moves = True, 0
    assert world.tick(550) == 1
    assert [world.tick(550), world.tick(560), world.tick(570)] == [0, 0, 0]
    assert world.tick(600) == 1
    assert [world.tick(300), world.tick(310)] == [0, 0]
    assert world.tick(600) == 1, "it was less in between: this is new"
    assert world.tick(610) == 0
    world.config.active_defrag_ignore_bytes -= 1
    assert world.tick(610) == 1, "somebody asks for more"
    world.config.activedefrag = False
    world.tick()
    world.config.activedefrag = True
    assert world.tick(610) == 1, "it was turned on again"
    world.moves = 1
    assert world.tick(700) > 1


def test_nothing_is_done_while_blocks_are_held(world: World) -> None:
    world.held = True
    assert world.tick(1000) == world.defrag.running == 0
    world.held = False
    assert world.tick(1000) == 63
    world.held = True
    assert world.tick(1000) == 0
    assert world.defrag.running == 25, "as INFO of Redis says: it is interrupted, not over"


def test_nothing_is_done_while_a_child_shares_the_pages(world: World) -> None:
    world.tick(1000)
    world.child = True
    assert world.tick(1000) == 0
    world.defrag.while_loading()
    assert world.tick(1000) == 0
    world.child = False
    assert world.tick(1000) == 63


def test_while_a_file_of_commands_is_loaded_a_share_is_spent_now_and_then(world: World) -> None:
    world.held, world.keyspace.wasted_mb = True, 1000
    world.defrag.while_loading()
    assert world.slices == 63
    for _ in range(10):
        world.defrag.while_loading()
    assert world.slices == 63
    world.now_us += 100_000
    world.defrag.while_loading()
    assert world.slices == 126
    world.config.activedefrag = False
    world.now_us += 100_000
    world.defrag.while_loading()
    assert world.slices == 126


def test_time_is_counted_while_it_runs(world: World) -> None:
    assert world.defrag.total_ms == world.defrag.current_ms == 0
    world.tick(1000)
    world.now_us += 500_000
    assert world.defrag.total_ms == world.defrag.current_ms == 525
    world.config.activedefrag = False
    world.tick()
    assert (world.defrag.total_ms, world.defrag.current_ms, world.defrag.running) == (1525, 0, 0)
    world.defrag.reset_statistics()
    assert world.defrag.total_ms == 0
