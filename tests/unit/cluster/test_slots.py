"""Sets of slots."""

import random

from server.cluster import slots


def test_the_bytes_of_a_message() -> None:
    assert slots.to_bytes(slots.of([0, 9, 16383])) == b"\x01\x02" + bytes(2045) + b"\x80"
    assert slots.from_bytes(b"\x01\x02" + bytes(2045) + b"\x80") == slots.of([0, 9, 16383])
    assert slots.to_bytes(slots.ALL) == b"\xff" * 2048


def test_ranges() -> None:
    assert list(slots.ranges(0)) == []
    assert list(slots.ranges(slots.ALL)) == [(0, 16383)]
    assert list(slots.ranges(slots.span(3, 3) | slots.span(5, 99) | slots.span(16383, 16383))) == [
        (3, 3), (5, 99), (16383, 16383)]


def test_ranges_of_many_runs() -> None:
    rng = random.Random(2)
    for share in (0.01, 0.2, 0.9):
        runs: list[list[int]] = []
        for slot in range(slots.COUNT):
            if rng.random() < share:
                if runs and runs[-1][1] == slot - 1:
                    runs[-1][1] = slot
                else:
                    runs.append([slot, slot])
        found = slots.of(slot for first, last in runs for slot in range(first, last + 1))
        assert list(slots.ranges(found)) == [tuple(run) for run in runs]


def test_each_gives_what_of_was_given() -> None:
    rng = random.Random(1)
    for _ in range(50):
        chosen = sorted(rng.sample(range(slots.COUNT), rng.randrange(300)))
        assert list(slots.each(slots.of(chosen))) == chosen
