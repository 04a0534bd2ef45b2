"""Latency at half the peak rate, open loop: requests arrive at a fixed rate whatever the server does, so that one which
stalls pays for every request that came meanwhile.

First each server is asked for all it can give (closed loop); then all are offered the same rate, half of what the
slowest of them gave, in turn. remus-benchmark generates the load.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from statistics import median

from perf import load
from perf.benchmark.options import Options
from perf.benchmark.result import Result
from perf.benchmark.session import run
from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest

TESTS = ("get", "set")
PIPELINES = (1, 16)
PEAK_SECONDS = 1.0
SECONDS = 2.0
WARMUP_SECONDS = 0.3
PERCENTILES = (50.0, 99.0, 99.9)


def measure(
    start: Callable[..., ServerUnderTest],
    threads: Sequence[int],
    how: load.Options,
    pipelines: Sequence[int] = PIPELINES,
) -> Iterator[list[Figure]]:
    """`threads`: io-threads of ours, each a server of its own beside one peer; 0 as its command line says."""
    with ExitStack() as servers:
        loaded = [servers.enter_context(start("ours", load.thread_arguments(n))) for n in threads]
        loaded.append(servers.enter_context(start("peer")))
        for server in loaded:
            go(server, Options(test="set", requests=how.keys, key_distribution="sequential", pipeline=50), how)
        for pipeline in pipelines:
            for test in TESTS:
                cases = [load.Case(test, pipeline, n) for n in threads]
                yield at_half_of_the_peak(loaded, cases, how)


def at_half_of_the_peak(
    servers: Sequence[ServerUnderTest], cases: Sequence[load.Case], how: load.Options
) -> list[Figure]:
    """The figures of one test; the last server is the peer."""
    test, pipeline = cases[0].test, cases[0].pipeline
    peaks = [go(server, Options(test=test, pipeline=pipeline, duration=PEAK_SECONDS), how).rate for server in servers]
    seen: list[list[Result]] = [[] for _ in servers]
    for _ in range(how.reps):
        for server, results in zip(servers, seen):
            offered = Options(test=test, pipeline=pipeline, duration=SECONDS, rate=min(peaks) / 2)
            results.append(go(server, offered, how))
    *ours, peer = seen
    found = []
    for case, results, peak in zip(cases, ours, peaks):
        found += figures(case.name, results, peer)
        found.append(Figure("latency", case.name, "peak requests/s", peak, peaks[-1], peak / peaks[-1]))
    return found


def figures(name: str, ours: Sequence[Result], peer: Sequence[Result]) -> list[Figure]:
    """Medians of each percentile in ms; the ratio is that of the pairs."""
    found = []
    for percent in PERCENTILES:
        a = [result.percentile(percent) / 1e3 for result in ours]
        b = [result.percentile(percent) / 1e3 for result in peer]
        ratio = median(x / y for x, y in zip(a, b) if y)
        found.append(Figure("latency", name, f"p{percent:g} ms", median(a), median(b), ratio))
    return found


def go(server: ServerUnderTest, options: Options, how: load.Options) -> Result:
    """One run; ServerFailed when anything was answered with an error."""
    options.port, options.clients = server.port, how.clients
    options.key_space, options.value_size = how.keys, how.size
    if options.duration:
        options.duration *= min(1.0, how.scale)
        options.warmup = WARMUP_SECONDS * min(1.0, how.scale)
    result = run(options)
    if result.errors:
        raise ServerFailed(f"{server.name}, {result.title}: {result.first_error}")
    return result
