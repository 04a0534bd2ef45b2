"""What replicas cost: processor time of a master and of its replica, ours beside a peer with replicas of its own kind.

    ./dev python -m perf.replication
    ./dev python -m perf.replication --replicas 4 --tests set,zadd --pipeline 16 --reps 5 --scale 0.2

A run is redis-benchmark against the master, and ends when the replicas have everything. Processor time is that of one
process for each request: the master's, and of the replicas' the mean. `wait` is SET and WAIT 1, half and half, at depth
1 with 50 clients (perf.benchmark sends it), whose rate tells how fast acknowledgements come. Runs of ours and the peer
alternate; a figure is the median, a ratio the median of the pairs' ratios (see perf.load).
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from statistics import mean, median
from typing import Any, NamedTuple

from perf import load, tables
from perf.benchmark.options import Options as Load
from perf.benchmark.session import BenchmarkFailed, run as run_load
from perf.compare import numbers, words
from perf.results import OURS, Figure
from perf.server_under_test import ServerFailed, ServerUnderTest

TESTS = ("set", "lpush", "zadd", "hset")
ARGUMENTS = "--repl-diskless-sync-delay 0"
PATIENCE = 60.0             # seconds until replicas have everything
WAITS = 200_000             # requests of the test `wait`, with --scale 1


class Group(NamedTuple):
    """A master and its replicas, all of one kind."""

    master: ServerUnderTest
    replicas: list[ServerUnderTest]


class Costs(NamedTuple):
    """One run: microseconds of processor time per request."""

    master: float
    replica: float


class Waits(NamedTuple):
    """The same, and requests a second."""

    rate: float
    master: float
    replica: float


@contextlib.contextmanager
def group(name: str, command: str, replicas: int) -> Iterator[Group]:
    """Start one of each, linked."""
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(ServerUnderTest(name, command, ARGUMENTS))
        below = [stack.enter_context(ServerUnderTest(f"{name}'s replica", command,
                                                     f"{ARGUMENTS} --replicaof 127.0.0.1 {master.port}"))
                 for _ in range(replicas)]  # fmt: skip
        for replica in below:
            until(partial(is_linked, replica), f"{replica.name} is linked")
        yield Group(master, below)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it. Errors: ServerFailed."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise ServerFailed(f"never: {what}")
        time.sleep(0.01)


def is_linked(replica: ServerUnderTest) -> bool:
    return replica.info("master_link_status") == "up"


def in_step(these: Group) -> None:
    """Wait until the replicas have everything."""
    for replica in these.replicas:
        until(partial(has_everything, replica, these.master), f"{replica.name} has everything")


def has_everything(replica: ServerUnderTest, master: ServerUnderTest) -> bool:
    return replica.info("slave_repl_offset") == master.info("master_repl_offset")


def run(these: Group, test: str, pipeline: int, options: load.Options) -> Costs:
    """One measured run."""
    requests = load.requests_of(test, pipeline, options.scale)
    load.fill(these.master, test, requests, options)
    in_step(these)
    before = [replica.cpu_us() for replica in these.replicas]
    master = load.benchmark(these.master, test, pipeline, requests, options).cpu
    in_step(these)
    spent = [replica.cpu_us() - was for replica, was in zip(these.replicas, before, strict=True)]
    return Costs(master, mean(spent) / requests)


def wait(these: Group, clients: int, requests: int) -> Waits:
    """One run of SET and WAIT 1, as many of each."""
    servers = (these.master, *these.replicas)
    before = [server.cpu_us() for server in servers]
    found = run_load(Load(port=these.master.port, mix={"set": 1, "wait": 1}, define={"wait": "WAIT 1 0"},
                          requests=requests, clients=clients))  # fmt: skip
    if found.errors:
        raise ServerFailed(f"{these.master.name}, WAIT: {found.first_error}")
    spent = [server.cpu_us() - was for server, was in zip(servers, before, strict=True)]
    return Waits(found.rate, spent[0] / requests, mean(spent[1:]) / requests)


# ---- both in turn
def measured(ours: Group, peer: Group, given: argparse.Namespace) -> Iterator[list[Figure]]:
    """One test after the other."""
    options = load.Options(given.clients, given.keys, given.size, given.reps, given.scale)
    of_costs = {"master": "master, cpu us/request", "replica": "replica, cpu us/request"}
    for pipeline in given.pipeline:
        for test in (test for test in given.tests if test in TESTS):
            pairs = in_turn(given.reps, partial(run, test=test, pipeline=pipeline, options=options), ours, peer)
            yield figures(f"{test} P={pipeline}", of_costs, pairs)
    if "wait" in given.tests:
        requests = max(given.clients, int(WAITS * given.scale))
        pairs = in_turn(given.reps, partial(wait, clients=given.clients, requests=requests), ours, peer)
        yield figures("SET and WAIT 1", {"rate": "requests/s", **of_costs}, pairs)


def in_turn(reps: int, measure: Callable[[Group], Any], ours: Group, peer: Group) -> list[tuple[Any, Any]]:
    """Pairs of results of ours and the peer; who is first alternates."""
    pairs = []
    for number in range(reps):
        found = [measure(each) for each in ((peer, ours) if number % 2 else (ours, peer))]
        pairs.append((found[1], found[0]) if number % 2 else (found[0], found[1]))
    return pairs


def figures(name: str, told: Mapping[str, str], pairs: list[tuple[Any, Any]]) -> list[Figure]:
    """Medians of the runs and of the pairs' ratios, one for each field of `told`, which says what it is."""
    found = []
    for field, what in told.items():
        both = [(getattr(a, field), getattr(b, field)) for a, b in pairs]
        ratio = median(a / b for a, b in both)
        found.append(Figure("replication", name, what, median(a for a, _ in both), median(b for _, b in both), ratio))
    return found


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="perf.replication", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--server", default=OURS, help="the command of ours (default: of this clone)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--replicas", type=int, default=1, help="of each kind (1)")
    add("--tests", type=words, default=[*TESTS, "wait"], help=f"default: {','.join(TESTS)},wait")
    add("--pipeline", type=numbers, default=[16, 50], help="16,50")
    add("--reps", type=int, default=3, help="pairs of runs, of which the median counts (3)")
    add("--clients", type=int, default=50, help="connections (50)")
    add("--keys", type=int, default=100_000, help="range of random keys (100,000)")
    add("--size", type=int, default=16, help="bytes of a value (16)")
    add("--scale", type=float, default=1.0, help="multiplies requests")
    given = parser.parse_args(arguments)
    for test in given.tests:
        if test not in (*TESTS, "wait"):
            parser.error(f"{test!r} is none of {', '.join(TESTS)}, wait")
    if given.reps < 1 or given.replicas < 1 or given.scale <= 0:
        parser.error("--reps and --replicas are at least 1, --scale is above 0")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    given = options(arguments)
    found: list[Figure] = []
    try:
        with group("ours", given.server, given.replicas) as ours, group("peer", given.peer, given.replicas) as peer:
            for some in measured(ours, peer, given):
                found += some
                for each in some:
                    print(f"{each.name}, {each.what}: {tables.number(each.ours)}, peer {tables.number(each.peer)}, "
                          f"ratio {each.ratio:.2f}", file=sys.stderr, flush=True)
    except (ServerFailed, BenchmarkFailed) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n" + tables.text(tables.other_rows(found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
