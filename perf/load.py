"""redis-benchmark against both servers in turn: processor time per request, requests per second, latencies.

The servers run side by side and are loaded alternately (ours, peer, peer, ours...), so that what else the machine does
falls on both; a figure is the median of the repetitions, a ratio the median of the pairs' ratios. Processor time per
request stays steady on a busy machine, the rate does not. Which tests are run when: perf/sweep.py.

The tests are redis-benchmark's own, with two corrections: a test that reads or pops finds data (unmeasured, its partner
in FILLED_BY runs first: every key that is read exists, every pop has something to pop), and LRANGE is given as a
command, because `-t lrange_100` would count the pushes before it.
"""

import csv
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from perf.benchmark.options import Options as Load
from perf.benchmark.session import run as run_load
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
FILL_DEPTH = 50


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


def fill(server: ServerUnderTest, test: str, requests: int, options: Options) -> None:
    """An empty server but for what the test reads or pops: each key once, an element for each pop."""
    server.send([encode("FLUSHALL")])
    if test.startswith("lrange_"):
        server.send([encode("RPUSH", LIST, *["x" * options.size] * 600)])
    elif test in FILLED_BY:
        count = options.keys if test == "get" else requests
        filled = run_load(
            Load(
                port=server.port, test=FILLED_BY[test], requests=count, key_space=2 * count if test != "get" else count,
                key_distribution="sequential", value_size=options.size, clients=options.clients, pipeline=FILL_DEPTH,
            )
        )  # fmt: skip
        if filled.errors:
            raise ServerFailed(f"{server.name}, {filled.title}: {filled.first_error}")


def alternate(
    servers: Sequence[ServerUnderTest], test: str, pipeline: int, options: Options, turned: bool = False
) -> list[Run]:
    """One measured run of each server, the last one first when `turned`; the results stand in the servers' order."""
    requests = requests_of(test, pipeline, options.scale)
    found = []
    for server in reversed(servers) if turned else servers:
        fill(server, test, requests, options)
        found.append(benchmark(server, test, pipeline, requests, options))
    return found[::-1] if turned else found


def measure(ours: ServerUnderTest, peer: ServerUnderTest, test: str, pipeline: int, options: Options) -> list[Figure]:
    """One test on two running servers: `options.reps` pairs of runs, of which the medians count."""
    pairs = []
    for number in range(options.reps):
        a, b = alternate((ours, peer), test, pipeline, options, turned=number % 2 == 1)
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
