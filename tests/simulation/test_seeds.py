"""Seeds that broke a promise once, each with what was wrong. A seed says something only together with the world that it
was found in, so each has a test of the right value as well, in tests/unit/cluster.
"""

import pytest

from tests.simulation.world import play

FOUND = {
    23: "a slot that had arrived was not yet on disk when the power went: afterwards nobody claimed it",
    25: "the same",
    158: "the same",
    203: "the same",
    247: "the same, with replicas",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    play(seed)
