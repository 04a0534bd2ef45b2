"""Ours against any peer, side by side on this machine.

    ./dev bench                                              everything, against the redis-server on PATH
    ./dev bench --parts load --tests get,set --pipeline 1,16 --reps 5
    ./dev bench --server-args '--io-threads 2' --peer 'valkey-server'
    ./dev bench --scale 0.02 --json ''                       a quick look that is not kept

Parts: load (processor time per request, rate, latencies under redis-benchmark), memory (bytes per item), start (time to
the first PONG, empty memory), idle (what idle clients cost). Needs redis-benchmark and a peer (Debian: redis-tools,
redis-server). Ratios are ours / peer: below 1 is better, but for requests/s.

The exit status is 1 when a figure is worse than at the last run of this machine by more than the tolerance.
"""

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perf import idle, load, memory, results, startup, tables
from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest

PARTS = ("load", "memory", "start", "idle")
OURS = shlex.join([sys.executable, str(results.ROOT / "remus_server.py")])


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="perf", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--server", default=OURS, help="the command of ours (default: of this clone)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--server-args", default="", help="more arguments of ours: '--io-threads 2'")
    add("--peer-args", default="", help="more arguments of the peer")
    add("--parts", type=words, default=list(PARTS), help=f"default: {','.join(PARTS)}")
    add("--tests", type=words, default=list(load.TESTS), help="load: of redis-benchmark's, default: all")
    add("--pipeline", type=lambda text: [int(word) for word in words(text)], default=[1, 16, 50], help="load: 1,16,50")
    add("--reps", type=int, default=3, help="load and start: pairs of runs, of which the median counts (3)")
    add("--clients", type=int, default=50, help="load: connections (50)")
    add("--keys", type=int, default=100_000, help="load: range of random keys (100,000)")
    add("--size", type=int, default=16, help="load: bytes of a value (16)")
    add("--kinds", type=words, default=list(memory.KINDS), help="memory: default: all")
    add("--idle-clients", type=int, default=5000, help="idle: connections (5,000)")
    add("--idle-seconds", type=float, default=5.0, help="idle: how long to look (5)")
    add("--scale", type=float, default=1.0, help="multiplies requests, items, idle clients and seconds")
    add("--json", default=str(results.ROOT / "perf" / "results.jsonl"), help="where runs are kept; '': nowhere")
    add("--tolerance", type=float, default=0.15, help="ratios to the peer may be worse by this share (0.15)")
    add("--memory-tolerance", type=float, default=0.03, help="bytes may be more by this share (0.03)")
    add("--markdown", action="store_true", help="print tables for the README, too")
    given = parser.parse_args(arguments)
    for chosen, known in ((given.parts, PARTS), (given.tests, load.TESTS), (given.kinds, memory.KINDS)):
        for word in chosen:
            if word not in known:
                parser.error(f"{word!r} is none of {', '.join(known)}")
    if given.reps < 1 or given.scale <= 0 or min(given.pipeline, default=0) < 1:
        parser.error("--reps and --pipeline are at least 1, --scale is above 0")
    return given


def starter(given: argparse.Namespace) -> Callable[[str], ServerUnderTest]:
    """A function that starts `ours` or `peer`."""
    commands = {"ours": (given.server, given.server_args), "peer": (given.peer, given.peer_args)}
    return lambda name: ServerUnderTest(name, *commands[name])


def measured(given: argparse.Namespace, start: Callable[[str], ServerUnderTest]) -> Iterator[list[Figure]]:
    """Every part that was asked for, in the order of PARTS."""
    if "load" in given.parts:
        how = load.Options(given.clients, given.keys, given.size, given.reps, given.scale)
        for pipeline in given.pipeline:
            with start("ours") as ours, start("peer") as peer:
                for test in given.tests:
                    yield load.measure(ours, peer, test, pipeline, how)
    if "memory" in given.parts:
        for kind in given.kinds:
            yield [memory.measure(start, kind, given.scale)]
    if "start" in given.parts:
        yield startup.measure(start, given.reps)
    if "idle" in given.parts:
        clients = max(10, int(given.idle_clients * min(1.0, given.scale)))
        yield idle.measure(start, clients, max(1.0, given.idle_seconds * min(1.0, given.scale)))


def settings(given: argparse.Namespace, peer_version: str) -> dict[str, Any]:
    """What must be equal for two runs to be compared; which tests and parts ran need not be."""
    names = ("server_args", "peer", "peer_args", "clients", "keys", "size", "scale")
    return {**{name: getattr(given, name) for name in names}, "peer_version": peer_version}


def show(figures: list[Figure], as_markdown: bool) -> None:
    """The tables, in text, and in markdown when wanted."""
    for rows in (tables.load_rows(figures), tables.other_rows(figures)):
        if rows:
            print("\n" + tables.text(rows))
    if as_markdown:
        for rows in (tables.ratio_rows(figures), tables.other_rows(figures)):
            if rows:
                print("\n" + tables.markdown(rows))


def progress(figures: list[Figure]) -> None:
    """One line on stderr for what was just measured: a whole run takes a while."""
    first = figures[0]
    line = f"{first.part} {first.name}: {first.what} {tables.number(first.ours)}, ratio {first.ratio:.2f}"
    print(line, file=sys.stderr, flush=True)


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
    except ServerFailed as error:
        show(figures, given.markdown)  # what there is; a run that broke off is not kept
        print(error, file=sys.stderr)
        return 2
    show(figures, given.markdown)
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
