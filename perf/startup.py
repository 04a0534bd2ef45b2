"""Time from execve to the first PONG, in milliseconds, and the resident memory of a server that holds nothing."""

from collections.abc import Callable
from statistics import median

from perf.results import Figure
from perf.server_under_test import ServerUnderTest


def measure(start: Callable[[str], ServerUnderTest], reps: int) -> list[Figure]:
    """One unmeasured start of each (it may have to compile or to read from disk), then `reps` of each in turn."""
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    empty: dict[str, float] = {}
    for rep in range(reps + 1):
        for name, measured in times.items():
            with start(name) as server:
                if rep:
                    measured.append(server.startup_ms)
                empty[name] = server.rss_bytes() / 2**20
    ratio = median(a / b for a, b in zip(times["ours"], times["peer"]))
    return [
        Figure("start", "start-up", "ms", median(times["ours"]), median(times["peer"]), ratio),
        Figure("start", "empty server", "MiB resident", empty["ours"], empty["peer"], empty["ours"] / empty["peer"]),
    ]
