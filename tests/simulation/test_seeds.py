"""Seeds that broke a promise once."""

import pytest

from tests.simulation.world import play

FOUND = {
    191: "a node learned of a master and judged another by the majority of those that it had known before",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    play(seed)
