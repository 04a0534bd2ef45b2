"""Sets of slots."""

import random

import pytest

from server.cluster import slots
from server.cluster.slot_runs import RunsReply, runs_of, runs_text


def test_the_bytes_of_a_message() -> None:
    assert slots.to_bytes(slots.of([0, 9, 16383])) == b"\x01\x02" + bytes(2045) + b"\x80"
    assert slots.from_bytes(b"\x01\x02" + bytes(2045) + b"\x80") == slots.of([0, 9, 16383])
    assert slots.to_bytes(slots.ALL) == b"\xff" * 2048


def test_digits() -> None:
    chosen = slots.of([0, 7, 16383])
    digits = slots.digits(chosen)
    assert len(digits) == slots.COUNT
    assert [slot for slot, digit in enumerate(digits) if digit == slots.IN] == [0, 7, 16383]
    assert slots.from_digits(digits) == chosen
    assert slots.from_digits(slots.digits(0)) == 0 and slots.from_digits(slots.digits(slots.ALL)) == slots.ALL


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


def test_the_text_of_nodes_conf() -> None:
    chosen = slots.span(0, 2) | slots.span(63, 64) | slots.span(9999, 9999) | slots.span(16382, 16383)
    assert runs_text(slots.to_bytes(chosen)) == " 0-2 63-64 9999 16382-16383"
    assert runs_text(slots.to_bytes(0)) == "" and runs_text(slots.to_bytes(slots.ALL)) == " 0-16383"
    every_second = runs_text(slots.to_bytes(slots.of(range(0, slots.COUNT, 2))))
    assert every_second.split() == [str(slot) for slot in range(0, slots.COUNT, 2)]


@pytest.mark.parametrize("wrong", [b"", bytes(2047), bytes(2049)])
def test_a_set_has_2048_bytes(wrong: bytes) -> None:
    for take in (runs_of, runs_text, RunsReply):
        with pytest.raises(ValueError, match="2048 bytes"):
            take(wrong)


def test_each_gives_what_of_was_given() -> None:
    rng = random.Random(1)
    for _ in range(50):
        chosen = sorted(rng.sample(range(slots.COUNT), rng.randrange(300)))
        assert list(slots.each(slots.of(chosen))) == chosen
