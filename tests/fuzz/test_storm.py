"""A short storm (tests/fuzz/storm): alone, and beside a real redis-server.

REMUS_STORM_MINUTES says how long at most, REMUS_SEED which: 0 is a new one; `./dev torture storm` plays more. Without
REMUS_STORM_MINUTES a number of episodes is the end, so that a fast machine and a slow one are asked the same.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.fuzz.storm.__main__ import main
from tests.support.peer import require_peer

MINUTES = float(os.environ.get("REMUS_STORM_MINUTES", "1.5"))
EPISODES = [] if "REMUS_STORM_MINUTES" in os.environ else ["--episodes", "30"]
SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(32)


def storm(folder: Path, minutes: float, *options: str) -> int:
    return main(["--minutes", str(minutes), "--seed", str(SEED), "--findings", str(folder), *EPISODES, *options])


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES + 240)
def test_nothing_goes_wrong(tmp_path: Path) -> None:
    assert storm(tmp_path, MINUTES) == 0


@pytest.mark.slow
@pytest.mark.timeout(20 * MINUTES + 240)
def test_a_real_server_answers_the_same(tmp_path: Path) -> None:
    require_peer()
    assert storm(tmp_path, MINUTES / 3, "--partner") == 0
