"""Saving and loading: SAVE, an RDB file and an append only file of commands, in processor time and on the clock.

The data and the way to measure are those of `perf.persistence`, which does the same with millions of keys and looks at
forks and fsync as well.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from perf import persistence
from perf.results import Figure


def measure(given: argparse.Namespace, keys: int) -> list[Figure]:
    """`given` names the servers and the repetitions, as the command line of perf.compare does."""
    taken = ("server", "peer", "server_args", "peer_args", "reps")
    arguments = [f"--{name.replace('_', '-')}={getattr(given, name)}" for name in taken]
    folder = Path(tempfile.mkdtemp(prefix="perf-disk-"))
    try:
        persistence.write_aof(folder, keys)
        bench = persistence.Bench(persistence.options([*arguments, f"--keys={keys}"]), folder)
        bench.load_aof()
        bench.save()
        bench.load_rdb()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [Figure("disk", f.name, f.what, f.ours, f.peer, f.ratio) for f in bench.figures]
