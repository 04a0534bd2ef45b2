"""The rule by which connections move, with a clock of the test's own; the moves themselves are tested in iothreads."""

import pytest

from server.dispatch.io_sharing import EASE_LOOKS, LOOK_MS, IOSharing, part_of

LOOK_NS = LOOK_MS * 1_000_000


class Lanes:
    """Connections that only count. `at_home` and `away` as of IOThreads."""

    def __init__(self, at_home: int, away: int = 0) -> None:
        self.at_home, self.away = at_home, away

    def move_away(self, count: int) -> None:
        count = min(count, self.at_home)
        self.at_home, self.away = self.at_home - count, self.away + count

    def take_home(self, count: int) -> None:
        count = min(count, self.away)
        self.at_home, self.away = self.at_home + count, self.away - count


class Clocked:
    """A sharing whose looks come every LOOK_MS."""

    def __init__(self, lanes: Lanes) -> None:
        self.sharing = IOSharing(lanes)
        self.busy = self.wall = 0
        self.look(0.7)

    def look(self, share: float, times: int = 1) -> None:
        for _ in range(times):
            self.busy += int(share * LOOK_NS)
            self.wall += LOOK_NS
            self.sharing.look(self.busy, self.wall)


def test_who_has_time_keeps_its_connections() -> None:
    lanes = Lanes(50)
    Clocked(lanes).look(0.8, 100)
    assert (lanes.at_home, lanes.away) == (50, 0)


def test_a_full_thread_sends_a_part_away_at_each_look() -> None:
    lanes = Lanes(80)
    clocked = Clocked(lanes)
    clocked.look(0.95)
    assert (lanes.at_home, lanes.away) == (60, 20)
    clocked.look(0.95, 50)
    assert (lanes.at_home, lanes.away) == (0, 80)


def test_they_come_back_after_a_time_of_ease() -> None:
    lanes = Lanes(0, 80)
    clocked = Clocked(lanes)
    clocked.look(0.3, EASE_LOOKS)
    assert lanes.away == 80
    clocked.look(0.3)
    assert lanes.away == 60
    clocked.look(0.7)
    clocked.look(0.3, EASE_LOOKS)
    assert lanes.away == 60            # a busy look in between starts the time anew
    clocked.look(0.3, 50)
    assert (lanes.at_home, lanes.away) == (80, 0)


@pytest.mark.parametrize(("connections", "part"), [(1, 4), (40, 10), (100_000, 500)])
def test_parts_are_neither_tiny_nor_a_stall(connections: int, part: int) -> None:
    assert part_of(connections) == part


def test_a_clock_that_stands_still_moves_nothing() -> None:
    lanes = Lanes(50)
    sharing = IOSharing(lanes)
    sharing.look(0, 0)
    sharing.look(LOOK_NS, 0)
    assert lanes.away == 0
