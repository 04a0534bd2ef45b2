"""Ticks with a clock of the test's own."""

import time
from types import SimpleNamespace

import pytest

from server.dispatch.cron import AGAIN, SLICE_US, TURN_US, Cron
from server.observe.internal_errors import internal_errors


class Clock:
    """Milliseconds that the test counts."""

    def __init__(self) -> None:
        self.ms = 1000

    def __call__(self) -> int:
        return self.ms


def a_cron(clock: Clock, clients: int = 0) -> Cron:
    return Cron(SimpleNamespace(hz=10, dynamic_hz=True), lambda: clients, clock)


def whole_tick(cron: Cron) -> int:
    """Run a tick to its end; how many turns of the loop came between."""
    turns = 0
    while cron.tick() == 0:
        turns += 1
    return turns


def test_a_job_runs_when_its_interval_is_over() -> None:
    clock = Clock()
    cron = a_cron(clock)
    ran: list[str] = []
    cron.every(0, lambda: ran.append("tick"))
    cron.every(1000, lambda: ran.append("second"))
    for _ in range(11):
        whole_tick(cron)
        clock.ms += 100
    assert (ran.count("tick"), ran.count("second"), cron.ticks) == (11, 2, 11)


def test_long_jobs_let_a_turn_of_the_loop_come_between() -> None:
    cron = a_cron(Clock())
    ran: list[int] = []

    def long(number: int) -> None:
        end = time.monotonic_ns() + SLICE_US * 1000
        while time.monotonic_ns() <= end:
            pass
        ran.append(number)

    for number in range(4):
        cron.every(0, lambda number=number: long(number))
    assert cron.tick() == 0
    assert ran == [0]
    assert whole_tick(cron) == 2
    assert ran == [0, 1, 2, 3]


def test_a_job_may_go_on_in_the_same_tick() -> None:
    cron = a_cron(Clock())
    left = [3]

    def job() -> object:
        left[0] -= 1
        return AGAIN if left[0] else None

    cron.every(1000, job)
    assert whole_tick(cron) == 2
    assert left == [0]


@pytest.fixture
def time_us(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the cron takes for the time, microseconds."""
    now = [0]
    monkeypatch.setattr("server.dispatch.cron.time", SimpleNamespace(monotonic_ns=lambda: now[0] * 1000))
    return now


def test_something_is_done_once_in_steps() -> None:
    clock, left, done = Clock(), [3, 2, 1], []
    cron = a_cron(clock)

    def step() -> bool:
        done.append(left.pop())
        return bool(left)

    cron.once(step, after_ms=500)
    whole_tick(cron)
    assert not done
    clock.ms += 500
    assert whole_tick(cron) >= 2, "turns of the loop come between"
    assert done == [1, 2, 3]
    clock.ms += 10**12
    whole_tick(cron)
    assert done == [1, 2, 3]


def test_nobody_waits_so_a_tick_is_one_turn(time_us: list[int]) -> None:
    waiting = [False]
    cron = Cron(SimpleNamespace(hz=10, dynamic_hz=True), lambda: 0, Clock(), lambda: waiting[0])
    left = [5]

    def job() -> object:
        left[0] -= 1
        waiting[0] = left[0] == 2
        return AGAIN if left[0] else None

    cron.every(0, job)
    assert cron.tick() == 0             # somebody came in the middle of it
    assert left == [2]
    assert cron.tick() == 100
    assert left == [0]


def test_one_turn_has_an_end_although_nobody_waits(time_us: list[int]) -> None:
    """What comes just then would be seen, but who counts turns would take it for a stall."""
    cron = Cron(SimpleNamespace(hz=10, dynamic_hz=True), lambda: 0, Clock(), lambda: False)
    left = [40]

    def job() -> object:
        time_us[0] += TURN_US // 10
        left[0] -= 1
        return AGAIN if left[0] else None

    cron.every(1000, job)
    turns = []
    while cron.tick() == 0:
        turns.append(left[0])
    assert turns == [29, 18, 7] and left == [0]


def test_a_job_that_fails_is_not_run_again_at_once_and_holds_up_nobody() -> None:
    cron = a_cron(Clock())
    ran = []
    before = internal_errors.count
    cron.every(0, lambda: 1 // 0)
    cron.every(0, lambda: ran.append(1))
    while cron.tick() != 100:
        pass
    assert ran == [1]
    assert internal_errors.count == before + 1


def test_many_clients_make_it_tick_more_often() -> None:
    assert a_cron(Clock(), clients=50000).tick() == 1000 // 40


def test_a_pause_stops_the_jobs_and_not_the_ticks() -> None:
    cron = a_cron(Clock())
    cron.every(0, lambda: 1 // 0)
    cron.paused = True
    assert (cron.tick(), cron.ticks) == (100, 1)


def test_a_pause_stops_a_tick_in_the_middle() -> None:
    cron = a_cron(Clock())
    cron.every(0, lambda: AGAIN)
    cron.every(0, lambda: 1 // 0)
    assert cron.tick() == 0
    cron.paused = True
    assert cron.tick() == 100


def test_an_idle_server_turns_its_loop_once_a_tick(new_server) -> None:
    """Plus one turn for each of the few commands here. A tick is never early, so this is no matter of speed."""
    c = new_server(hz=50, dynamic_hz=False).connect()

    def seen() -> tuple[int, int]:
        fields = dict(line.split(":", 1) for line in c.ok("INFO", "everything").decode().splitlines() if ":" in line)
        return int(fields["server_time_usec"]), int(fields["eventloop_cycles"])

    began_us, cycles = seen()
    c.ok("BLPOP", "nothing", 0.4)
    ended_us, cycles_then = seen()
    assert cycles_then - cycles <= (ended_us - began_us) * 50 // 1_000_000 + 8
