"""A short history beside a nemesis: every kind of fault twice. `./dev torture consistency` plays more.

REMUS_CONSISTENCY_FAULTS says how many, REMUS_SEED in which order: 0 is a new one.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.consistency.run import play

FAULTS = int(os.environ.get("REMUS_CONSISTENCY_FAULTS", "20"))
SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(24)


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * FAULTS)
def test_no_answer_is_taken_back(tmp_path: Path) -> None:
    """What WAIT promised stays whatever happens; what was only answered goes with its master at most."""
    figures = play(tmp_path, SEED, FAULTS)
    assert figures.anomalies == [], str(figures)
    assert figures.promised and figures.replica_reads, str(figures)
    assert figures.lost <= figures.window
    assert sum(figures.faults.values()) >= FAULTS
