"""./dev torture consistency: see the package."""

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.consistency import failovers, six_run
from tests.consistency.run import MIN_REPLICAS, Figures, play
from tests.support.guard import guarded

FAULTS = 20  # of a history
SHOWN = 20  # anomalies of a history


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev torture consistency", description="Histories beside a nemesis.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (10)")
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"of each history ({FAULTS})")
    parser.add_argument("--seed", type=int, default=None, help="of the first history; a random one without")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--cluster", action="store_true", help="a cluster of six, instead of a master and replicas")
    instead.add_argument("--sentinels", choices=failovers.KINDS, help="instead: failovers on three machines")
    parser.add_argument("--real", action="store_true", help="with --sentinels: real ones over real servers")
    parser.add_argument("--min-replicas", action="store_true", help=f"with {MIN_REPLICAS}")
    chosen = parser.parse_args(arguments)
    if chosen.real and not chosen.sentinels:
        parser.error("--real: only with --sentinels")
    return chosen


def one_history(folder: Path, seed: int, chosen: argparse.Namespace) -> Figures:
    """As the options say."""
    settings = MIN_REPLICAS if chosen.min_replicas else {}
    if chosen.sentinels:
        return failovers.play(folder, seed, chosen.faults, of=chosen.sentinels, real=chosen.real, **settings)
    return (six_run.play if chosen.cluster else play)(folder, seed, chosen.faults, **settings)


def main(arguments: list[str]) -> int:
    """1 when there was an anomaly."""
    chosen = options(arguments)
    seed = secrets.randbits(24) if chosen.seed is None else chosen.seed
    total = Figures()
    with tempfile.TemporaryDirectory(prefix="consistency-") as name, guarded(Path(name)):
        end = time.monotonic() + chosen.minutes * 60
        while not total.histories or time.monotonic() < end:
            figures = one_history(Path(name) / str(seed), seed, chosen)
            print(f"seed {seed}: {figures}", flush=True)
            for anomaly in figures.anomalies[:SHOWN]:
                print(f"  {anomaly}", flush=True)
            total.add(figures)
            seed += 1
    print(f"in all: {total}")
    return 1 if total.anomalies else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
