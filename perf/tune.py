"""How many `io-threads` on this machine? Measures, answers, and says why.

    ./dev tune                                             a server of this clone, on a free port; about a minute
    ./dev tune --mix get:9,set:1 --size 512 --pipeline 1,8 --clients 20,200
    ./dev tune --host 10.0.0.5 --port 6379                 a server that runs there; its settings are put back
    ./dev tune --reps 4                                    on a machine that others use meanwhile
    ./dev tune --seconds 0.3 --threads 1,2 --page ''       a quick look

Every workload (pipeline x clients) is run with each number of threads, one right after the other; `io-threads` is
changed on the one running server, with `io-threads-always-active yes`: else the main thread would serve the sockets
itself for as long as it has time, and what a thread costs and allows would not show. Printed are a table and a
recommendation with its reasons; the page shows the same as pictures. A server at --host is written to: keys
`key:000000000000` and on, of --keys different numbers. Ctrl-C ends it: settings are put back, and what there is shown.

Columns: main, I/O and load: processor time per request of the main thread, of all I/O threads and of the load
generator; allows: the rate at which one of these, or all processors together, would be full if nobody else used them;
busy: the share of the time that each thread did not wait, the main thread first, as INFO iothreads says; limit: who
held the rate back (perf/tune_point.py).
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from perf import tables, tune_page
from perf.benchmark.files import check_writable
from perf.benchmark.options import Options
from perf.benchmark.result import Result
from perf.benchmark.session import BenchmarkFailed, run
from perf.results import OURS, commit, machine
from perf.server_under_test import ServerFailed, ServerUnderTest, exit_on_sigterm
from perf.server_watch import Connection, Look, Watched, busy_shares
from perf.tune_advice import Advice, advise, quiet_rate
from perf.tune_point import Point, limit

LOCAL = ("127.0.0.1", "localhost", "::1")
PROCESSORS = os.cpu_count() or 1
ALWAYS = "io-threads-always-active"


def numbers(text: str) -> list[int]:
    return sorted({int(word) for word in text.split(",") if word})


def default_threads(processors: int) -> list[int]:
    """Every number while they are few, then doubling; one more than there are processors shows that it is too many."""
    if processors <= 4:
        return list(range(1, processors + 2))
    doubled = [1 << n for n in range(processors.bit_length()) if 1 << n < processors]
    return [*doubled, processors]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--host", default="", help="a running server instead of one of our own (127.0.0.1 with --port)")
    add("--port", type=int, default=None, help="of --host (6379)")
    add("--password", default="", help="of --host")
    add("--server", default=OURS, help="the command that starts a server of our own")
    add("--server-args", default="", help="more arguments of it")
    add("--threads", type=numbers, default=default_threads(PROCESSORS), help="io-threads to try")
    add("--pipeline", type=numbers, default=[1, 16, 50], help="depths (1,16,50)")
    add("--clients", type=numbers, default=[10, 50, 200], help="connections (10,50,200)")
    add("--mix", default="get:9,set:1", help="commands and their weights (get:9,set:1)")
    add("--keys", type=int, default=100_000, help="different keys (100,000)")
    add("--size", type=int, default=64, help="bytes of a value (64)")
    add("--reps", type=int, default=1, help="runs of each, of which the one that cost least counts (1)")
    add("--load-threads", type=int, default=max(1, PROCESSORS // 3), help="of the load (a third of the processors)")
    add("--seconds", type=float, default=1.5, help="of each run (1.5)")
    add("--page", default="tune.html", help="where the page goes (tune.html); '': nowhere")
    given = parser.parse_args(arguments)
    sizes = [*given.threads, *given.pipeline, *given.clients, given.keys, given.size, given.load_threads, given.reps]
    if min(sizes) < 1 or given.seconds <= 0:
        parser.error("all numbers are at least 1, --seconds is above 0")
    if given.page:
        try:
            check_writable(Path(given.page))
        except ValueError as error:
            parser.error(str(error))
    given.host = given.host or ("127.0.0.1" if given.port is not None else "")
    given.port = 6379 if given.port is None else given.port
    return given


# ---- measuring
def drive(given: argparse.Namespace, asked: Options) -> Result:
    """One run of the load generator; ServerFailed when anything was answered with an error."""
    asked.host, asked.port, asked.password = given.host, given.port, given.password
    asked.key_space, asked.value_size, asked.threads = given.keys, given.size, given.load_threads
    asked.threads = min(asked.threads, asked.clients)
    result = run(asked)
    if result.errors:
        raise ServerFailed(f"{result.title}: {result.first_error}")
    return result


def sweep(given: argparse.Namespace, server: Watched) -> Iterator[Point]:
    """Each workload with each number of threads: neighbours in time meet the same moods of the machine."""
    drive(given, Options(test="set", requests=given.keys, key_distribution="sequential", pipeline=50))
    for pipeline in given.pipeline:
        for clients in given.clients:
            for threads in given.threads:
                server.connection.ask("CONFIG", "SET", "io-threads", threads)
                asked = Options(mix=given.mix, clients=clients, pipeline=pipeline, duration=given.seconds)
                yield cheapest([one_run(given, server, threads, asked) for _ in range(given.reps)])


def one_run(given: argparse.Namespace, server: Watched, threads: int, asked: Options) -> Point:
    before = server.look()
    return point(threads, asked, server, before, drive(given, asked))


def cheapest(points: Sequence[Point]) -> Point:
    """The run that others disturbed least: caches and processors shared with them make every request dearer."""
    if not all(point.main_cpu for point in points):
        return max(points, key=lambda point: point.rate)
    return min(points, key=lambda point: point.server_cpu + point.generator_cpu)


def point(threads: int, asked: Options, server: Watched, before: Look, seen: Result) -> Point:
    """What one run showed, from the generator's side and from beside the server."""
    after = server.look()
    main_us, others_us = server.main_and_others(before, after)
    answered = max(1, seen.answered)
    whole_us = (after.wall_us - before.wall_us) * PROCESSORS
    used_us = after.used - before.used
    accounted_us = main_us + others_us + seen.cpu_seconds * 1e6
    return Point(
        threads,
        asked.pipeline,
        asked.clients,
        rate=seen.rate,
        p50=seen.percentile(50) / 1e3,
        p99=seen.percentile(99) / 1e3,
        p999=seen.percentile(99.9) / 1e3,
        main_cpu=main_us / answered,
        lane_cpu=others_us / answered,
        generator_cpu=seen.cpu_seconds * 1e6 / answered,
        generator_threads=asked.threads,
        busy=busy_shares(before, after),
        used=min(1.0, (used_us + after.stolen - before.stolen) / whole_us),
        others=max(0.0, (used_us - accounted_us) / whole_us) if server.pid else 0.0,
    )


# ---- showing
def rows(points: Sequence[Point]) -> tables.Rows:
    """The table; the first row is the head."""
    head = ["pipeline", "clients", "io-threads", "requests/s", "p50 ms", "p99 ms", "p99.9 ms"]
    head += ["main µs", "I/O µs", "load µs", "allows /s", "busy", "limit"]
    return [head, *(row(point) for point in points)]


def row(point: Point) -> list[str]:
    figures = [point.rate, point.p50, point.p99, point.p999, point.main_cpu, point.lane_cpu, point.generator_cpu]
    figures.append(quiet_rate(point, PROCESSORS) if point.main_cpu else 0.0)
    busy = " ".join(f"{100 * share:.0f} %" for share in point.busy)
    places = (point.pipeline, point.clients, point.threads)
    return [*map(str, places), *(tables.number(figure) if figure else "-" for figure in figures), busy, limit(point)]


def tell(point: Point) -> None:
    """One line on stderr for what was just measured."""
    print(
        f"P={point.pipeline} clients={point.clients} io-threads={point.threads}: {point.rate:,.0f} requests/s, "
        f"p99 {point.p99:.2f} ms, limit: {limit(point)}",
        file=sys.stderr,
        flush=True,
    )


def answer(advice: Advice) -> str:
    """The recommendation, in words."""
    lines = [f"Take io-threads {advice.threads}."]
    if advice.alone is not None and advice.alone != advice.threads:
        lines = [f"Take io-threads {advice.threads} while the load comes from this machine, {advice.alone} when not."]
    lines += [f"- {reason}" for reason in advice.reasons]
    lines += [f"! {warning}" for warning in advice.warnings]
    return "\n".join(lines)


def title(given: argparse.Namespace) -> str:
    """What was measured, for the page."""
    where = f"{given.host}:{given.port}" if given.remote else f"commit {commit()}"
    return f"{where}, {machine()}; {given.mix}, {given.keys:,} keys, values of {given.size} bytes"


def put_back_at_end(stack: ExitStack, connection: Connection, directive: str) -> bool:
    """What the server has there now comes back when the stack ends; False when it has no such directive."""
    found = connection.ask("CONFIG", "GET", directive).splitlines()
    if found:
        stack.callback(connection.ask, "CONFIG", "SET", directive, found[-1])
    return bool(found)


def measure(given: argparse.Namespace, points: list[Point]) -> None:
    """Start a server or go to a running one, and add what the sweep finds; settings are put back, however it ends."""
    with ExitStack() as stack:
        if not given.remote:
            own = stack.enter_context(ServerUnderTest("server", given.server, given.server_args))
            given.host, given.port = "127.0.0.1", own.port
        connection = Connection(given.host, given.port, given.password)
        stack.callback(connection.close)
        put_back_at_end(stack, connection, "io-threads")
        if put_back_at_end(stack, connection, ALWAYS):
            connection.ask("CONFIG", "SET", ALWAYS, "yes")
        server = Watched(connection, given.host in LOCAL)
        for found in sweep(given, server):
            tell(found)
            points.append(found)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write the page; the exit status."""
    given = options(arguments)
    given.remote = bool(given.host)
    points: list[Point] = []
    try:
        measure(given, points)
    except ConnectionError as error:
        print(f"tune: {given.host}:{given.port}: {error.strerror or error}", file=sys.stderr)
        return 2
    except (OSError, ValueError, ServerFailed, BenchmarkFailed) as error:
        print(f"tune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if points:
            print("\n" + tables.text(rows(points)))
        print("tune: interrupted", file=sys.stderr)
        return 130
    advice = advise(points, PROCESSORS, given.host in LOCAL)
    print("\n" + tables.text(rows(points)) + "\n\n" + answer(advice))
    if given.page:
        Path(given.page).write_text(tune_page.page(title(given), points, rows(points), advice, PROCESSORS))
        print(f"\nthe same as pictures: {given.page}")
    return 0


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
