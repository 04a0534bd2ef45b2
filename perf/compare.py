"""Ours against any peer, side by side on this machine.

    ./dev bench                                              everything, against the redis-server on PATH
    ./dev bench --parts load --tests get,set --pipeline 1,16 --reps 5
    ./dev bench --io-threads 1,2 --peer 'valkey-server'      ours with 1 and 2, the peer as it is and with 2
    ./dev bench --scale 0.02 --json ''                       a quick look that is not kept
    ./dev bench --readme                          the table of docs/comparison.md, made anew in about 11 minutes
    ./dev bench micro                                        parts of the server by themselves: see perf/micro

Parts: load (processor time per request, rate, latencies under redis-benchmark), latency (p99 and p99.9 at half the
peak rate, open loop, under remus-benchmark), memory (bytes per item), start (time to the first PONG, empty memory),
disk (SAVE, and loading an RDB file and an append only file), idle (what idle clients cost). Needs redis-benchmark and a
peer (Debian: redis-tools, redis-server). Ratios are ours / peer: below 1 is better, but for requests/s.

The exit status is 1 when a figure is worse than at the last run of this machine by more than the tolerance.
"""

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perf import goals, idle, latency, load, memory, readme, results, startup, sweep, tables
from perf.benchmark.session import BenchmarkFailed
from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest

PARTS = ("load", "latency", "memory", "start", "disk", "idle")
README_PARTS = ("start", "memory", "latency", "load")
README_MINUTES = 10.0  # and nearly one more, for what was begun by then


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def numbers(text: str) -> list[int]:
    return [int(word) for word in words(text)]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="perf", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--server", default=results.OURS, help="the command of ours (this one's)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--server-args", default="", help="more arguments of ours: '--io-threads 2'")
    add("--peer-args", default="", help="more arguments of the peer")
    add("--parts", type=words, default=None, help=f"default: {','.join(PARTS)}")
    add("--tests", type=words, default=list(load.TESTS), help="load: of redis-benchmark's, default: all")
    add("--pipeline", type=numbers, default=[1, 16, 50], help="load: 1,16,50")
    add("--io-threads", type=numbers, default=[0], help="load, latency: of ours, side by side (as --server-args say)")
    add("--reps", type=int, default=3, help="load, latency, start, disk: runs, of which the median counts (3)")
    add("--minutes", type=float, default=0.0, help="load sends fewer requests, to end by then (no limit)")
    add("--clients", type=int, default=50, help="load: connections (50)")
    add("--keys", type=int, default=100_000, help="load: range of random keys (100,000)")
    add("--size", type=int, default=16, help="load: bytes of a value (16)")
    add("--kinds", type=words, default=list(memory.KINDS), help="memory: default: all")
    add("--disk-keys", type=int, default=500_000, help="disk: keys (500,000)")
    add("--idle-clients", type=int, default=5000, help="idle: connections (5,000)")
    add("--idle-seconds", type=float, default=5.0, help="idle: how long to look (5)")
    add("--scale", type=float, default=1.0, help="multiplies requests, items, idle clients and seconds")
    add("--json", default=results.KEPT, help="where runs are kept; '': nowhere")
    add("--tolerance", type=float, default=0.15, help="ratios to the peer may be worse by this share (0.15)")
    add("--memory-tolerance", type=float, default=0.03, help="bytes may be more by this share (0.03)")
    add("--markdown", action="store_true", help="print tables in markdown, too")
    add("--readme", action="store_true",
        help="the parts, threads and time for the table of docs/comparison.md, and write it")
    given = parser.parse_args(arguments)
    if given.readme:
        given.parts = given.parts or list(README_PARTS)
        given.minutes = given.minutes or README_MINUTES
        given.io_threads = [1, 2] if given.io_threads == [0] else given.io_threads
    given.parts = given.parts or list(PARTS)
    for chosen, known in ((given.parts, PARTS), (given.tests, load.TESTS), (given.kinds, memory.KINDS)):
        for word in chosen:
            if word not in known:
                parser.error(f"{word!r} is none of {', '.join(known)}")
    if given.reps < 1 or given.scale <= 0 or min(given.pipeline, default=0) < 1:
        parser.error("--reps and --pipeline are at least 1, --scale is above 0")
    return given


def starter(given: argparse.Namespace) -> Callable[..., ServerUnderTest]:
    """A function that starts `ours` or `peer`, with further arguments for this one."""
    commands = {"ours": (given.server, given.server_args), "peer": (given.peer, given.peer_args)}

    def start(name: str, more: str = "") -> ServerUnderTest:
        command, arguments = commands[name]
        return ServerUnderTest(name, command, f"{arguments} {more}")

    return start


def measured(given: argparse.Namespace, start: Callable[..., ServerUnderTest]) -> Iterator[list[Figure]]:
    """Every part that was asked for; load comes last, because it may fill the time that is left."""
    ends = time.monotonic() + 60 * given.minutes
    if "start" in given.parts:
        yield startup.measure(start, given.reps)
    if "memory" in given.parts:
        for kind in given.kinds:
            yield [memory.measure(start, kind, given.scale)]
    if "disk" in given.parts:
        from perf import disk

        yield disk.measure(given, max(1000, int(given.disk_keys * given.scale)))
    if "idle" in given.parts:
        clients = max(10, int(given.idle_clients * min(1.0, given.scale)))
        yield idle.measure(start, clients, max(1.0, given.idle_seconds * min(1.0, given.scale)))
    if "latency" in given.parts:
        yield from latency.measure(start, given.io_threads, load_options(given), say)
    if "load" in given.parts:
        left = max(0.01, (ends - time.monotonic()) / 60) if given.minutes else 0.0
        swept = sweep.Sweep(given.tests, given.pipeline, given.io_threads, load_options(given), start, say, left)
        swept.run()
        yield swept.figures()


def load_options(given: argparse.Namespace) -> load.Options:
    return load.Options(given.clients, given.keys, given.size, given.reps, given.scale)


def settings(given: argparse.Namespace, peer_version: str) -> dict[str, Any]:
    """What must be equal for two runs to be compared; which tests and parts ran need not be."""
    names = ("server_args", "peer", "peer_args", "clients", "keys", "size", "scale")
    return {**{name: getattr(given, name) for name in names}, "peer_version": peer_version}


def show(figures: list[Figure], as_markdown: bool) -> None:
    """The tables, in text, and in markdown when wanted."""
    for rows in (tables.load_rows(figures), tables.latency_rows(figures), tables.other_rows(figures)):
        if rows:
            print("\n" + tables.text(rows))
    if as_markdown:
        for rows in (tables.ratio_rows(figures), tables.latency_rows(figures), tables.other_rows(figures)):
            if rows:
                print("\n" + tables.markdown(rows))


def say(line: str) -> None:
    """Progress, on stderr: a whole run takes a while."""
    print(line, file=sys.stderr, flush=True)


def progress(figures: list[Figure]) -> None:
    """A line for each thing that was just measured."""
    for figure in figures:
        if figure.part != "load":  # a sweep tells of itself
            numbers = f"{tables.number(figure.ours)}, peer {tables.number(figure.peer)}, ratio {figure.ratio:.2f}"
            say(f"{figure.part} {figure.name}, {figure.what}: {numbers}")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, keep, judge; the exit status."""
    given = options(arguments)
    needed = [shlex.split(given.peer)[0], *["redis-benchmark"] * ("load" in given.parts)]
    for program in needed:
        if shutil.which(program) is None:
            print(f"{program} is missing (Debian: apt-get install -y redis-server redis-tools)", file=sys.stderr)
            return 2
    figures: list[Figure] = []
    start = starter(given)
    try:
        with start("peer") as peer:
            comparable = settings(given, peer.info("redis_version"))
        for found in measured(given, start):
            progress(found)
            figures += found
    except (ServerFailed, BenchmarkFailed) as error:
        show(figures, given.markdown)  # what there is; a run that broke off is not kept
        print(error, file=sys.stderr)
        return 2
    show(figures, given.markdown)
    for line in goals.missed(figures):
        print(line)
    if given.readme:
        readme.write(results.ROOT / readme.PAGE, readme.section(figures, comparable))
    if not given.json:
        return 0
    return keep_and_judge(figures, comparable, given)


def keep_and_judge(figures: list[Figure], comparable: dict[str, Any], given: argparse.Namespace) -> int:
    """Append the run to the file; 1 when something regressed since the last one."""
    path = Path(given.json)
    last = results.last_figures(results.read(path), results.machine(), comparable)
    results.append(path, results.record(figures, comparable))
    worse = results.regressions(figures, last, results.Tolerance(given.tolerance, given.memory_tolerance))
    compared = sum(figure.key in last for figure in figures)
    print(f"\n{compared} of {len(figures)} figures were measured here before; {len(worse)} regressed")
    for line in worse:
        print("  " + line)
    return 1 if worse else 0
