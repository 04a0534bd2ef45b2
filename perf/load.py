"""redis-benchmark against both servers in turn: processor time per request, requests per second, latencies.

The servers run side by side and are loaded alternately (ours, peer, ours, peer...), so that what else the machine does
falls on both; a figure is the median of the repetitions, a ratio the median of the pairs' ratios. Processor time per
request stays steady on a busy machine, the rate does not.

The tests are redis-benchmark's own, with two corrections: a test that reads or pops finds data (unmeasured, its partner
in FILLED_BY runs first), and LRANGE is given as a command, because `-t lrange_100` would count the pushes before it.
"""

import csv
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median

from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest, encode

TESTS = (
    "ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd",
    "zpopmin", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset",
)  # fmt: skip
FILLED_BY = {"get": "set", "lpop": "lpush", "rpop": "rpush", "spop": "sadd", "zpopmin": "zadd"}
REQUESTS = {1: 100_000, 16: 800_000, 50: 1_600_000}
DEARER = {"lrange_100": 5, "lrange_300": 10, "lrange_500": 20, "lrange_600": 20, "mset": 5}  # fewer of these
LIST = "mylist"
SECONDS = 600.0
SHORTEST = 0.1  # share of its requests that a test sends at least, however short the time


@dataclass(frozen=True)
class Options:
    """`size` is the value's in bytes, `keys` the range of random keys, `scale` multiplies the number of requests."""

    clients: int = 50
    keys: int = 100_000
    size: int = 16
    reps: int = 3
    scale: float = 1.0


@dataclass(frozen=True)
class Run:
    """One run of redis-benchmark: rate in requests/s, latencies in ms, processor time of the server in us/request."""

    rate: float
    p50: float
    p99: float
    cpu: float


def requests_of(test: str, pipeline: int, scale: float) -> int:
    """How many requests one run sends; at least 2,000, or nothing would be measured."""
    full = REQUESTS.get(pipeline, min(2_000_000, 400_000 + 25_000 * pipeline))
    return max(2000, int(full * scale) // DEARER.get(test, 1))


def arguments_of(test: str) -> list[str]:
    """The end of redis-benchmark's command line for a test."""
    if test.startswith("lrange_"):
        return ["LRANGE", LIST, "0", str(int(test.removeprefix("lrange_")) - 1)]
    return ["-t", test]


def parse_csv(text: str) -> tuple[float, float, float]:
    """Rate, p50 and p99 of the last row that `redis-benchmark --csv` printed; ServerFailed when there is none."""
    rows = [row for row in csv.reader(text.splitlines()) if len(row) >= 2]
    if len(rows) < 2 or rows[0][0] != "test":
        raise ServerFailed(f"redis-benchmark gave no figures: {text[-500:]!r}")
    last = dict(zip(rows[0], rows[-1]))
    return float(last["rps"]), float(last["p50_latency_ms"]), float(last["p99_latency_ms"])


def benchmark(server: ServerUnderTest, test: str, pipeline: int, requests: int, options: Options) -> Run:
    """One measured run."""
    command = [shutil.which("redis-benchmark") or "redis-benchmark", "-h", "127.0.0.1", "-p", str(server.port)]
    command += ["-c", str(options.clients), "-r", str(options.keys), "-d", str(options.size)]
    command += ["-P", str(pipeline), "-n", str(requests), "--csv", *arguments_of(test)]
    before = server.cpu_us()
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    spent = server.cpu_us() - before
    if done.returncode or "rror" in done.stdout + done.stderr:
        raise ServerFailed(f"{server.name}, {test}: {(done.stderr + done.stdout)[-500:]}")
    rate, p50, p99 = parse_csv(done.stdout)
    return Run(rate, p50, p99, spent / requests)


def fill(server: ServerUnderTest, test: str, pipeline: int, requests: int, options: Options) -> None:
    """An empty server but for what the test reads or pops."""
    server.send([encode("FLUSHALL")])
    if test.startswith("lrange_"):
        server.send([encode("RPUSH", LIST, *["x" * options.size] * 600)])
    elif test in FILLED_BY:
        enough = min(requests, 5 * options.keys) if test == "get" else requests  # who pops needs as many as it pops
        benchmark(server, FILLED_BY[test], max(pipeline, 16), enough, options)


def alternate(servers: Sequence[ServerUnderTest], test: str, pipeline: int, options: Options) -> list[Run]:
    """One measured run of each server, in turn."""
    requests = requests_of(test, pipeline, options.scale)
    found = []
    for server in servers:
        fill(server, test, pipeline, requests, options)
        found.append(benchmark(server, test, pipeline, requests, options))
    return found


def measure(ours: ServerUnderTest, peer: ServerUnderTest, test: str, pipeline: int, options: Options) -> list[Figure]:
    """One test on two running servers: `options.reps` pairs of runs, of which the medians count."""
    pairs = []
    for _ in range(options.reps):
        a, b = alternate((ours, peer), test, pipeline, options)
        pairs.append((a, b))
    return figures(f"{test} P={pipeline}", pairs)


def figures(name: str, pairs: Sequence[tuple[Run, Run]]) -> list[Figure]:
    """Medians of the runs, and of the ratios of each pair."""

    def one(what: str, attribute: str) -> Figure:
        a = [getattr(x, attribute) for x, _ in pairs]
        b = [getattr(y, attribute) for _, y in pairs]
        ratios = [x / y for x, y in zip(a, b) if y]
        return Figure("load", name, what, median(a), median(b), median(ratios) if ratios else 0.0)

    return [one("cpu us/request", "cpu"), one("requests/s", "rate"), one("p50 ms", "p50"), one("p99 ms", "p99")]


# ---- all tests, at every depth, with several io-threads
@dataclass(frozen=True)
class Case:
    """`threads` is io-threads of ours; 0: as its command line says. The peer is always as its command line says."""

    test: str
    pipeline: int
    threads: int = 0

    @property
    def name(self) -> str:
        return f"{self.test} P={self.pipeline}" + (f" io-threads={self.threads}" if self.threads > 1 else "")


@dataclass
class Sweep:
    """Every test at every depth. A repetition goes through all of them, so those of one case are minutes apart.

    A run of the peer is the partner of one run of ours with each number of I/O threads.
    """

    tests: Sequence[str]
    pipelines: Sequence[int]
    threads: Sequence[int]
    options: Options
    start: Callable[..., ServerUnderTest]  # start("ours", "--io-threads 2")
    tell: Callable[[str], None]
    minutes: float = 0.0  # 0: as many repetitions as the options say; else as many of these as fit, and a short one
    pairs: dict[Case, list[tuple[Run, Run]]] = field(default_factory=dict)
    ends: float = 0.0  # on the monotonic clock, when there is a limit

    def run(self) -> None:
        """All repetitions."""
        began = time.monotonic()
        self.ends = began + self.minutes * 60
        for number in range(self.options.reps):
            self.repetition(number)
            spent = time.monotonic() - began
            if self.minutes and spent * (number + 2) / (number + 1) > self.minutes * 60:
                break

    def repetition(self, number: int) -> None:
        """Each test once, on fresh servers for each depth."""
        cases, done, began = len(self.tests) * len(self.pipelines), 0, time.monotonic()
        full_seconds = 0.0  # what the cases done so far would have taken with all their requests
        for pipeline in self.pipelines:
            with ExitStack() as servers:
                loaded = [servers.enter_context(self.start("ours", thread_arguments(n))) for n in self.threads]
                loaded.append(servers.enter_context(self.start("peer")))
                for test in self.tests:
                    share = self.pace(full_seconds / done * (cases - done)) if done else 1.0
                    start = time.monotonic()
                    options = replace(self.options, scale=self.options.scale * share)
                    *ours, peer = alternate(loaded, test, pipeline, options)
                    full_seconds += (time.monotonic() - start) / share
                    done += 1
                    ratios = []
                    for threads, run in zip(self.threads, ours):
                        self.pairs.setdefault(Case(test, pipeline, threads), []).append((run, peer))
                        ratios.append(f"cpu {run.cpu / peer.cpu:.2f} rate {run.rate / peer.rate:.2f}")
                    left = (time.monotonic() - began) / done * (cases - done)
                    self.tell(
                        f"repetition {number + 1}, {done} of {cases}: {test} P={pipeline}: {' | '.join(ratios)}"
                        f" ({left:.0f} s left of it)"
                    )

    def pace(self, needed_seconds: float) -> float:
        """The share of its requests that a test may send for the others to have their turn before the time is over."""
        if not self.minutes or needed_seconds <= 0:
            return 1.0
        return min(1.0, max(SHORTEST, (self.ends - time.monotonic()) / needed_seconds))

    def figures(self) -> list[Figure]:
        """What was measured so far."""
        return [figure for case, pairs in self.pairs.items() for figure in figures(case.name, pairs)]


def thread_arguments(threads: int) -> str:
    return f"--io-threads {threads}" if threads else ""
