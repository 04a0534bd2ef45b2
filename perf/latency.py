"""Latency at half the peak rate, open loop: requests arrive at a fixed rate whatever the server does, so that one which
stalls pays for every request that came meanwhile.

First each server is asked for all it can give (closed loop); then all are offered the same rate, half of what the
slowest of them gave, in turn and several times: one run's p99 tells as much of the machine as of the server, so the
figures are medians, and the ratios medians of the pairs' ratios. remus-benchmark generates the load.
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from perf import load
from perf.benchmark.options import Options
from perf.benchmark.result import Result
from perf.benchmark.session import run
from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest
from perf.sweep import Case, Contest, Starter, cases

TESTS = ("get", "set")
PIPELINES = (1, 16)
PEAK_SECONDS = 0.5
SECONDS = 0.8
WARMUP_SECONDS = 0.15
ROUNDS = 3  # short runs of each server for each repetition asked for
PERCENTILES = (50.0, 99.0, 99.9)


def measure(
    start: Starter,
    threads: Sequence[int],
    how: load.Options,
    tell: Callable[[str], None],
    pipelines: Sequence[int] = PIPELINES,
) -> Iterator[list[Figure]]:
    """`threads`: io-threads of ours, each a server of its own beside one peer; 0 as its command line says.

    No peer has I/O threads of its own here: all are offered half of what the slowest one gives, and threads that spin
    give next to nothing where they have to share processors with the load.
    """
    with Contest(start, threads, tell, like_for_like=False) as contest:
        for server in contest.servers:
            go(server, Options(test="set", requests=how.keys, key_distribution="sequential", pipeline=50), how)
        for pipeline in pipelines:
            for test in TESTS:
                yield at_half_of_the_peak(contest, cases(test, pipeline, threads, contest.peers), how)


def at_half_of_the_peak(contest: Contest, tried: Sequence[Case], how: load.Options) -> list[Figure]:
    """The figures of one test at one depth."""
    test, pipeline = tried[0].test, tried[0].pipeline
    servers = list(enumerate(contest.servers))
    flat_out = [go(server, Options(test=test, pipeline=pipeline, duration=PEAK_SECONDS), how) for _, server in servers]
    peaks = [result.rate for result in flat_out]
    seen: list[list[Result]] = [[] for _ in servers]
    for number in range(how.reps * ROUNDS):
        for place, server in reversed(servers) if number % 2 else servers:
            offered = Options(test=test, pipeline=pipeline, duration=SECONDS, rate=min(peaks) / 2)
            seen[place].append(go(server, offered, how))
    found = []
    for case in tried:
        ours, peer = contest.sides(case)
        found += figures(case.name, seen[ours], seen[peer])
        a, b = peaks[ours], peaks[peer]
        found.append(Figure("latency", case.name, "peak requests/s", a, b, a / b))
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
