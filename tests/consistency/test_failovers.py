"""Masters that sentinels replace, while clients append to lists: each way to lose one, once.

`./dev torture consistency --sentinels` plays more; with `--real`, the same of real sentinels over real servers.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.consistency.failovers import MASTERS, play

SEED = int(os.environ.get("REMUS_SEED", "1")) or secrets.randbits(24)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_wait_promised_outlives_its_master(tmp_path: Path) -> None:
    """Replicas are looked at more often than a master must be silent to be down: the one that has most is promoted."""
    figures = play(tmp_path, SEED, 3, of=MASTERS)
    assert figures.anomalies == [] and figures.promised_lost == 0, str(figures)
    assert figures.promised_window and figures.lost <= figures.window
    assert sum(figures.faults.values()) == len(figures.faults) == 3
