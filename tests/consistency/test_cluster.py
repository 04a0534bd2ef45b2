"""A short history of a cluster beside a nemesis. `./dev torture consistency --cluster` plays more.

REMUS_CONSISTENCY_FAULTS says how many faults, REMUS_SEED in which order: 0 is a new one.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.consistency.six_run import play

FAULTS = int(os.environ.get("REMUS_CONSISTENCY_FAULTS", "6"))
SEED = int(os.environ.get("REMUS_SEED", "2")) or secrets.randbits(24)  # 2: slots move in three ways
ATTEMPTS = 3  # for a history with a fault that nobody planned


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * FAULTS)
def test_no_promise_is_broken(tmp_path: Path) -> None:
    """What WAIT promised stays although masters are replaced and slots move; what was only answered goes with a master
    at most."""
    for attempt in range(ATTEMPTS):
        figures = play(tmp_path / str(attempt), SEED + attempt, FAULTS)
        if figures.histories:
            break
    assert figures.anomalies == [], str(figures)
    assert figures.promised and figures.replica_reads, str(figures)
    assert figures.lost <= figures.window
    assert sum(figures.faults.values()) >= FAULTS
