"""Figures, and the file that keeps them: one run a line (JSON), by commit and machine.

    {"time": "2025-01-31T12:00:00", "commit": "1a2b3c4", "machine": "...", "settings": {...}, "figures": [{...}, ...]}

A run is compared with the last one of the same machine and settings that has the figure. Judged is what is steady:
processor time per request and start-up by their ratio to the peer, which was measured in the same minute and pays for a
busy machine alike; memory by its own bytes, which do not depend on the machine's mood. Rates and latencies are kept and
not judged.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
IS_CLONE = (ROOT / "remus_server.py").exists()      # installed, it stands beside the folder of the rooms
OURS = shlex.join([sys.executable, str((ROOT if IS_CLONE else ROOT.parent) / "remus_server.py")])     # starts a server
KEPT = str(ROOT / "perf" / "results.jsonl") if IS_CLONE else ""     # where runs are kept; "": nowhere
JUDGED_BY_RATIO = {"cpu us/request", "cpu s", "ms"}
JUDGED_BY_VALUE = {"bytes/item"}


@dataclass(frozen=True)
class Figure:
    """One thing measured at both servers. `ratio` is ours / peer, the median over pairs where there were several."""

    part: str  # load, memory, start, idle
    name: str  # "get P=16", "string with TTL"
    what: str  # the unit: "cpu us/request"
    ours: float
    peer: float
    ratio: float

    @property
    def key(self) -> tuple[str, str, str]:
        return self.part, self.name, self.what


@dataclass(frozen=True)
class Tolerance:
    """By how much a figure may be worse than the last one: 0.15 is 15 %."""

    ratio: float = 0.15
    memory: float = 0.03


def machine() -> str:
    """Processor model and count, and the architecture. No host name: a container has a new one each time."""
    model = platform.processor() or "unknown processor"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model} x {os.cpu_count()} ({platform.machine()})"


def commit(root: Path = ROOT) -> str:
    """The short hash, with a + when tracked files differ from it; the version where it is installed."""
    if not IS_CLONE:
        return f"v{VERSION}"
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return out.stdout.strip()


def record(figures: Iterable[Figure], settings: dict[str, Any]) -> dict[str, Any]:
    """One run, as it is kept. `settings` are those that make figures comparable."""
    return {
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "commit": commit(),
        "machine": machine(),
        "settings": settings,
        "figures": [rounded(asdict(figure)) for figure in figures],
    }


def rounded(fields: dict[str, Any]) -> dict[str, Any]:
    """Four significant digits: more would claim what was not measured."""
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in fields.items()}


def append(path: Path, run: dict[str, Any]) -> None:
    """Add a run to the file, one write for the line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps(run) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All runs, oldest first; none when there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def last_figures(
    runs: Iterable[dict[str, Any]], of_machine: str, settings: dict[str, Any]
) -> dict[tuple[str, str, str], tuple[Figure, str]]:
    """The newest of each figure among the runs of that machine and those settings, and the commit it is from."""
    found = {}
    for run in runs:
        if run["machine"] == of_machine and run["settings"] == settings:
            for fields in run["figures"]:
                figure = Figure(**fields)
                found[figure.key] = figure, run["commit"]
    return found


def regressions(
    figures: Iterable[Figure],
    last: dict[tuple[str, str, str], tuple[Figure, str]],
    tolerance: Tolerance,
) -> list[str]:
    """A line for each figure that is worse than the last by more than the tolerance."""
    found = []
    for figure in figures:
        if figure.key not in last:
            continue
        before, at = last[figure.key]
        if figure.what in JUDGED_BY_RATIO:
            now, then, allowed, unit = figure.ratio, before.ratio, tolerance.ratio, "x peer"
        elif figure.what in JUDGED_BY_VALUE:
            now, then, allowed, unit = figure.ours, before.ours, tolerance.memory, figure.what
        else:
            continue
        if then > 0 and now > then * (1 + allowed):
            found.append(
                f"{figure.part} {figure.name}, {figure.what}: {now:.3g} {unit}, was {then:.3g} at {at} "
                f"({100 * (now / then - 1):+.0f} %, allowed {100 * allowed:.0f} %)"
            )
    return found
