"""What each command form costs a server in processor time, beside a peer.

    ./dev bench sweep                                     all forms against the redis-server on PATH: 20 minutes or more
    ./dev bench sweep --only 'ZADD*|[geo]'                some, by name or by group
    ./dev bench sweep --only '[string]' --pairs 9         more pairs: a steadier figure
    ./dev bench sweep --page                              a whole run, and the page and the picture of docs/forms.md
    ./dev bench sweep --list                              the forms, without running them

Processor time is user and system time of all threads and children. Ratios are ours / peer: below 1 is better. A form
that became dearer by more than the tolerance since the last run of this machine is told, and the exit status is 1;
figures whose pairs lie far apart (~, !) are told, kept and not judged.
"""

import argparse
import resource
import shlex
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from perf import results
from perf.compare import numbers, say
from perf.forms import page, verdict
from perf.forms.contest import Contest, Measured
from perf.forms.sides import CannotMeasure, Server
from perf.forms.table import Cell, Form, cells, read
from perf.server_under_test import ServerFailed, exit_on_sigterm

KEPT = results.ROOT / "perf" / "forms.jsonl"
SOCKETS = 40_000  # two servers' idle connections, and both ends of the others


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--server", default=results.OURS, help="the command of ours (this one's)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--server-args", default="", help="more arguments of ours")
    add("--peer-args", default="", help="more arguments of the peer")
    add("--only", default="*", metavar="GLOB[|GLOB]", help="forms whose name fits, or [group]")
    add("--pipeline", type=numbers, default=[], help="depths of all forms; else 16, and 1 for those marked so")
    add("--protocol", type=int, choices=(2, 3), default=0, help="of all forms; else 2, and 3 for those marked so")
    add("--pairs", type=int, default=5, help="slices of each side, in turn (5)")
    add("--slice-ms", type=float, default=60.0, help="processor time of the cheaper side in one slice (60)")
    add("--tolerance", type=float, default=0.10, help="a ratio may be higher than the last by this share (0.10)")
    add("--json", default=str(KEPT) if results.IS_CLONE else "", help="where runs are kept; '': nowhere")
    add("--page", action="store_true", help="write docs/forms.md and its picture")
    add("--list", action="store_true", help="only name the forms")
    given = parser.parse_args(arguments)
    if given.pairs < 2 or given.slice_ms <= 0 or min(given.pipeline, default=1) < 1:
        parser.error("--pairs is at least 2, --pipeline at least 1, --slice-ms above 0")
    if given.page and not results.IS_CLONE:
        parser.error("--page wants a clone")
    return given


def chosen(form: Form, only: str) -> bool:
    return any(fnmatchcase(form.name, wanted) or wanted == f"[{form.group}]" for wanted in only.split("|"))


def run(wanted: list[Cell], contest: Contest) -> list[Measured]:
    """A line for each as it is measured."""
    done = []
    print(verdict.HEAD)
    for cell in wanted:
        try:
            done.append(contest.measure(cell))
            print(verdict.line(done[-1]), flush=True)
        except CannotMeasure as error:
            print(f"   n/a  {cell.name}: {error}", flush=True)
    return done


def keep_and_judge(given: argparse.Namespace, done: list[Measured], comparable: dict[str, Any]) -> int:
    """Append the run to the file; 1 when a steady figure became worse."""
    path = Path(given.json)
    last = results.last_figures(results.read(path), results.machine(), comparable)
    results.append(path, results.record([measured.figure for measured in done], comparable))
    steady = [measured.figure for measured in done if measured.spread <= verdict.DOUBTFUL]
    worse = results.regressions(steady, last, results.Tolerance(ratio=given.tolerance))
    before = sum(figure.key in last for figure in steady)
    print(f"{before} steady figures were measured here before; {len(worse)} regressed")
    for text in worse:
        print("  " + text)
    return 1 if worse else 0


def allow_sockets() -> None:
    """As many as the machine lets this process have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = SOCKETS if most == resource.RLIM_INFINITY else min(SOCKETS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, keep, judge; the exit status."""
    given = options(arguments)
    table = read()
    wanted = list(cells([form for form in table.forms if chosen(form, given.only)], given.pipeline, given.protocol))
    if given.list:
        for cell in wanted:
            print(f"[{cell.form.group}] {cell.name}: {' ;; '.join(cell.form.commands)[:90]}")
        return 0
    if not wanted:
        print("no form fits", file=sys.stderr)
        return 2
    if shutil.which(shlex.split(given.peer)[0]) is None:
        print(f"{given.peer} is missing (Debian: apt-get install -y redis-server)", file=sys.stderr)
        return 2
    allow_sockets()
    commands = {"ours": (given.server, given.server_args), "peer": (given.peer, given.peer_args)}

    def start(name: str, more: str, idle: int) -> Server:
        command, arguments = commands[name]
        return Server(name, command, f"{arguments} {more}", idle)

    try:
        with start("peer", "", 0) as peer:
            version = peer.info("redis_version")
        comparable = {
            "server_args": given.server_args, "peer": given.peer, "peer_args": given.peer_args, "peer_version": version
        }  # fmt: skip
        with Contest(start, table, given.pairs, given.slice_ms * 1000) as contest:
            done = run(wanted, contest)
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 2
    if not done:
        return 2
    print("\n" + verdict.counts(measured.figure.ratio for measured in done))
    if given.page:
        page.write([measured.figure for measured in done], {cell.name: cell.form.group for cell in wanted}, comparable)
        say(f"written: {page.PAGE}, {page.PICTURE}")
    return keep_and_judge(given, done, comparable) if given.json else 0


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
