"""Atomic slot migrations under faults: nothing that a client was told is lost, or there twice."""

import pytest

from tests.simulation.moving import play

SEEDS = 60
AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_nothing_is_lost_and_nothing_is_there_twice(first: int) -> None:
    worlds = [play(seed) for seed in range(first, first + AT_ONCE)]
    assert sum(world.moved for world in worlds) > 0
    assert sum(world.failed for world in worlds) > 0


FOUND = {
    26: "a source took slots itself while it handed others over: its epoch became that of their new owner",
    58: "the same",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    play(seed)
