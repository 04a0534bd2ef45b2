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
@pytest.mark.timeout(900)
def test_what_goes_with_a_master_is_the_end_of_its_history(tmp_path: Path) -> None:
    """Nothing is doubled, torn or out of order, and nothing is gone that the last master answered, or that all servers
    had before a master was lost. What WAIT promised is only counted otherwise: where a slow machine makes a living
    master seem down, it goes as in a failover by hand."""
    figures = play(tmp_path, SEED, 3, of=MASTERS)
    assert figures.anomalies == [], str(figures)
    assert figures.promised_window and figures.lost <= figures.window, str(figures)
    assert sum(figures.faults.values()) == len(figures.faults) == 3
