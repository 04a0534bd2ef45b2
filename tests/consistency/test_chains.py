"""Chains of ours and a real redis-server, for a moment; `./dev torture chains` goes on. REMUS_SEED: 0 is a new one."""

import os
import secrets
from pathlib import Path

import pytest

from tests.consistency.chains import CHAINS, play

SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(24)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("kinds", CHAINS)
def test_all_hold_the_same(tmp_path: Path, kinds: str) -> None:
    chain = play(tmp_path, kinds, SEED, writes=5000, disturbances=12)
    assert chain.writes >= 4900 and chain.done.total() == 12 and chain.comparisons == 1
