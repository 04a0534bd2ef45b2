"""`remus-benchmark`: redis-benchmark's options where the meaning is the same, and more.

    remus-benchmark -p 7000 -t get,set -r 100000 -P 16
    remus-benchmark --mix get:9,set:1 -r 1000000 --keys zipf -d 16:8,1024:1 --duration 30 --warmup 5
    remus-benchmark -t get -r 100000 --rate 20000 --arrivals poisson --duration 30 --hdr out.hgrm
    remus-benchmark -r 100000 HSET user:__rand_int__ name __data__

Exit status: 0; 1 when the server could not be reached, went away, or answered with errors; 2 for wrong options; 130
after Ctrl-C.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from select import POLLIN, poll
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from perf.benchmark import files, report
from perf.benchmark.options import TLS_OPTIONS, Options
from perf.benchmark.result import Result
from perf.benchmark.session import BenchmarkFailed, Connected, Interrupted, Progress, open_connections, run, tls_of
from perf.benchmark.templates import DATA, KEY, NUMBER, TESTS, UnknownTest, select

DISTRIBUTION = "remus-server"
CHUNK = 1 << 16


class NotBuilt(argparse.Action):
    """An option that is understood and refused."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> NoReturn:
        parser.exit(1, f"{parser.prog}: {option_string}: cluster mode is not built\n")


class Version(argparse.Action):
    """`--version`: of the distribution, looked up only when it is asked for."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version(DISTRIBUTION)
        except PackageNotFoundError:
            number = "(not installed)"
        print(f"{parser.prog} {number}")
        parser.exit(0)


class Parser(argparse.ArgumentParser):
    """One that does not print all its options when one is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help lists the options)\n")


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="remus-benchmark",
        description="Load a server that speaks RESP, and tell how it bore it.",
        epilog=f"{NUMBER.decode()}, {KEY.decode()} and {DATA.decode()} in a command are replaced by a number of the "
        "key space, a key and a value, anew for each request.",
        add_help=False,
        allow_abbrev=False,
    )
    where(parser)
    secured(parser)
    how(parser)
    what(parser)
    output(parser)
    parser.add_argument("--cluster", action=NotBuilt, nargs=0, help=argparse.SUPPRESS)
    return parser


def where(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("where").add_argument
    add("-h", dest="host", metavar="HOST", help="server's host (127.0.0.1)")
    add("-p", dest="port", type=int, metavar="PORT", help="server's port (6379)")
    add("-s", dest="unix_socket", metavar="PATH", help="server's unix socket, instead")
    add(
        "-u",
        dest="uri",
        metavar="URI",
        help="redis://user:password@host:port/database, rediss://... (TLS), or unix:///path",
    )
    add("-a", "--pass", dest="password", metavar="PASSWORD", help="for AUTH")
    add("--user", metavar="NAME", help="for AUTH; needs -a")
    add("--dbnum", dest="database", type=int, metavar="N", help="SELECT this database")
    add("-3", dest="protocol", action="store_const", const=3, help="RESP3 (HELLO 3)")
    add("--enable-tracking", dest="tracking", action="store_true", default=None, help="CLIENT TRACKING on")


def secured(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("TLS").add_argument
    add("--tls", action="store_true", default=None, help="the connections are TLS")
    add("--sni", dest="server_name", metavar="NAME", help="tell this name of the server (SNI)")
    add("--cacert", dest="authorities", metavar="FILE", help="whose word counts for its certificate, PEM")
    add("--cacertdir", dest="authorities_folder", metavar="DIR", help="a folder of such files; (those of this machine)")
    add("--insecure", action="store_true", default=None, help="do not look at its certificate")
    add("--cert", dest="certificate", metavar="FILE", help="a certificate to show, PEM")
    add("--key", metavar="FILE", help="the key of that certificate")
    add("--tls-ciphers", dest="ciphers", metavar="LIST", help="up to TLS 1.2, in OpenSSL's words")
    add("--tls-ciphersuites", dest="ciphersuites", metavar="LIST", help="of TLS 1.3")


def how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("-c", dest="clients", type=int, metavar="N", help="connections (50)")
    add("-n", dest="requests", type=int, metavar="N", help="requests (100,000, or as many as --duration allows)")
    add("--duration", type=float, metavar="S", help="measure for so many seconds")
    add("--warmup", type=float, metavar="S", help="seconds of load before that, which do not count")
    add("-P", dest="pipeline", type=int, metavar="N", help="requests sent together (1)")
    add("--threads", type=int, metavar="N", help="threads of the load generator (1)")
    add("-k", dest="keep_alive", type=int, metavar="0|1", help="0: a new connection for each batch")
    add(
        "--rate", type=float, metavar="N",
        help="open loop: so many requests per second arrive, whether or not the server keeps up, in batches of -P; "
        "latency counts from when a request was due",
    )  # fmt: skip
    add("--arrivals", choices=("fixed", "poisson"), help="open loop: how they are spread (fixed)")
    add("--spin", action="store_true", default=None, help="open loop: keep a processor busy, to send nothing late")
    add("-e", dest="stop_at_error", action="store_true", default=None, help="end at the first error reply")
    add("-I", dest="idle", action="store_true", help="open -c connections and wait")
    add("-l", dest="loop", action="store_true", help="again and again")
    add("--poll", action="store_true", default=None, help="wait with poll(2) instead of epoll")
    add("--seed", type=int, metavar="N", help="of all that is drawn (1)")


def what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what").add_argument
    add("-t", dest="tests", metavar="NAMES", help="of these: " + ", ".join(["ping", "lrange", *TESTS]))
    add("--mix", metavar="NAME:WEIGHT,...", help="tests or defined commands mixed by weight: get:9,set:1")
    add("--define", action="append", default=[], metavar="NAME=COMMAND", help="a command template for --mix and -t")
    add("-r", dest="key_space", type=int, metavar="N", help="numbers are drawn from 0..N-1")
    add("--keys", dest="key_distribution", metavar="KIND", help="uniform, zipf[:THETA] or sequential")
    add("--key-prefix", metavar="TEXT", help=f"{KEY.decode()} is this and a number (key:)")
    add("--key-format", metavar="TEXT", help=f"the same with {NUMBER.decode()} anywhere in it")
    add(
        "-d", dest="value_size", metavar="SIZE",
        help="bytes of a value (3): 100, 10-1000, 16:8,4096:1 (size:weight) or lognormal:MEDIAN:SIGMA[:MOST]",
    )  # fmt: skip
    add("-x", dest="stdin", action="store_true", help="the command's last argument is read from stdin")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND ARGS", help="a command template, instead of tests")


def output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("output").add_argument
    add("-q", dest="quiet", action="store_true", help="one line per test")
    add("--csv", action="store_true", help="CSV with the columns of redis-benchmark")
    add("--json", metavar="FILE", help="append a line of JSON per test; -: print it instead of the report")
    add(
        "--hdr", metavar="FILE",
        help="write HdrHistogram's percentiles, or its log if FILE ends with .hlog; with several tests FILE-name each",
    )  # fmt: skip
    add("--precision", type=int, default=3, metavar="N", help="decimals of milliseconds (3)")
    add("--no-progress", dest="progress", action="store_false", help="no live line on the terminal")
    add("--help", action="help", help="this")
    add("-v", "--version", action=Version, nargs=0, help="its version")


# ---- from words to options


def from_uri(uri: str) -> dict[str, object]:
    """What a URI says, as Options' fields; ValueError."""
    parts = urlsplit(uri)
    found: dict[str, object] = {}
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError(f"{uri!r}: want redis://[user:password@]host[:port][/database] or unix:///path")
    if parts.password is not None or parts.username:
        # redis://word@host is a password alone, as redis-cli reads it.
        user, password = (parts.username, parts.password) if parts.password is not None else ("", parts.username)
        found |= {"user": unquote(user or ""), "password": unquote(password or "")}
    if parts.scheme == "unix":
        return found | {"unix_socket": unquote(parts.path)}
    found |= {"host": parts.hostname or "127.0.0.1", "port": parts.port or 6379}
    if parts.scheme == "rediss":
        found["tls"] = True
    if parts.path.strip("/"):
        found["database"] = int(parts.path.strip("/"))
    return found


def to_options(given: argparse.Namespace) -> Options:
    """The common part of all runs; ValueError."""
    names = ("host", "port", "unix_socket", "user", "password", "database", "protocol", "tracking", "clients",
             "requests", "duration", "warmup", "pipeline", "threads", "rate", "arrivals", "spin", "stop_at_error",
             "poll", "seed", "tls", *TLS_OPTIONS, "mix", "key_space", "key_distribution", "key_format",
             "value_size")  # fmt: skip
    fields: dict[str, object] = from_uri(given.uri) if given.uri else {}
    fields |= {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if given.keep_alive is not None:
        fields["keep_alive"] = given.keep_alive != 0
    if given.key_prefix is not None and given.key_format is None:
        fields["key_format"] = given.key_prefix + NUMBER.decode()
    defined = {}
    for text in given.define:
        name, _, template = text.partition("=")
        if not name or not template.strip():
            raise ValueError(f"--define {text!r}: want NAME=COMMAND")
        defined[name] = template
    command: list[str | bytes] = list(given.command)
    if given.stdin:
        if not command:
            raise ValueError("-x: want a command, whose last argument it reads")
        fields["title"] = " ".join(given.command)
        command.append(sys.stdin.buffer.read())
    made = Options(define=defined, command=command, **fields)  # type: ignore[arg-type]
    if given.requests is not None and given.requests < 1:
        raise ValueError("-n: want 1 or more")
    return made


def runs(given: argparse.Namespace, options: Options) -> list[tuple[str, Options]]:
    """(name for files, options) of each run; ValueError."""
    if options.mix:
        chosen = [("mix", options)]
    elif options.command:
        chosen = [("command", options)]
    else:
        names = given.tests.split(",") if given.tests else ["ping", *TESTS]
        own = [name for name in names if name in options.define]
        tests = select(name for name in names if name not in own)
        chosen = [(name, replace(options, test=name, command=())) for name in [*tests, *own]]
    for name, each in chosen:
        each.check()
        if given.hdr:
            files.check_writable(files.numbered(Path(given.hdr), name, len(chosen) > 1))
    if given.json and given.json != "-":
        files.check_writable(Path(given.json))
    return chosen


# ---- runs


class Screen:
    """Where reports go. The progress line is there on a terminal only, and wiped before a report is printed."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.live = given.progress and sys.stderr.isatty()
        self.width = 0
        if given.csv:
            print(report.csv_header(), flush=True)

    def watch(self, title: str) -> "report.ProgressLine | None":
        return report.ProgressLine(title) if self.live else None

    def progress(self, line: str) -> None:
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        if columns:
            line = line[: columns - 1]  # a line that wraps cannot be written over
        print("\r" + line.ljust(self.width), end="", file=sys.stderr, flush=True)
        self.width = len(line)

    def wipe(self) -> None:
        if self.width:
            print("\r" + " " * self.width + "\r", end="", file=sys.stderr, flush=True)
            self.width = 0

    def show(self, result: Result) -> None:
        self.wipe()
        precision = self.given.precision
        if self.given.json == "-":
            print(result.to_json(), flush=True)
        elif self.given.csv:
            print(report.csv_line(result, precision), flush=True)
        elif self.given.quiet:
            print(report.quiet_line(result, precision), flush=True)
        else:
            print(report.text(result, precision), flush=True)
        if result.errors and (self.given.csv or self.given.quiet or self.given.json == "-"):
            line = f"{result.title}: {result.errors:,} error replies; the first: {result.first_error}"
            print(line, file=sys.stderr, flush=True)


def keep(given: argparse.Namespace, name: str, several: bool, result: Result) -> None:
    """Write the files that were asked for."""
    if given.json and given.json != "-":
        files.append_json(Path(given.json), result)
    if given.hdr:
        files.write_histogram(files.numbered(Path(given.hdr), name, several), result)


def one_run(screen: Screen, options: Options) -> Result:
    title = options.commands()[0][0].title if not options.mix else f"mix {options.mix}"
    shown = screen.watch(title)
    if shown is None:
        return run(options)

    def progress(now: Progress) -> None:
        screen.progress(shown.line(now))

    return run(options, progress)


def idle(options: Options) -> int:
    """Open the connections and hold them until Ctrl-C, or until the server closes one."""
    try:
        opened = open_connections(options, tls_of(options), options.clients)
        print(f"{len(opened)} idle connections; Ctrl-C ends them", flush=True)
        waiter = poll()
        by_number = {connection.fileno(): connection for connection in opened}
        for number, connection in by_number.items():
            connection.settimeout(0)
            waiter.register(number, POLLIN)
        while all(lives(by_number[number]) for number, _ in waiter.poll()):
            pass
    except KeyboardInterrupt:
        return 130
    except (BenchmarkFailed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print("the server closed a connection", file=sys.stderr)
    return 1


def lives(connection: Connected) -> bool:
    """Take what has come: invalidations, a record of TLS, what the server says before it closes."""
    try:
        return bool(connection.recv(CHUNK))
    except BlockingIOError:
        return True


def rounds(again: bool) -> Iterator[int]:
    return itertools.count() if again else iter([0])


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit status."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        options = to_options(given)
        chosen = runs(given, options)
    except (ValueError, UnknownTest) as error:
        parser.error(str(error))
    try:
        return idle(options) if given.idle else all_runs(given, chosen)
    except BrokenPipeError:  # whoever read the report has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1


def all_runs(given: argparse.Namespace, chosen: Sequence[tuple[str, Options]]) -> int:
    """Each run and its report; with -l for ever. What a run that broke off had measured is reported, too."""
    screen = Screen(given)
    status = 0
    for _ in rounds(given.loop):
        for name, each in chosen:
            result: Result | None = None
            ended, message = 0, ""
            try:
                result = one_run(screen, each)
            except Interrupted as stopped:
                result, ended = stopped.result, 130
            except KeyboardInterrupt:
                ended = 130
            except BenchmarkFailed as failed:
                result, ended, message = failed.result, 1, str(failed)
                if each.stop_at_error or (result and not result.requests):
                    result = None
            screen.wipe()
            if result is not None:
                screen.show(result)
                keep(given, name, len(chosen) > 1, result)
                status = status or int(result.errors > 0)
            if message:
                print(message, file=sys.stderr)
            if ended:
                return ended
    return status
