"""What deleting most of the data leaves: ours beside a peer, with and without active defragmentation.

    ./dev bench fragmentation
    ./dev bench fragmentation --keys 2000000 --peer /opt/redis/src/redis-server

Keys of mixed types and sizes (strings of 10 bytes to 4 KB, lists, hashes, sets and sorted sets of 1 to 300 elements)
are put in, and nine of ten of each kind deleted, anywhere. Told is what is resident beyond an empty server and what the
allocator says, at each step; then, without and with activedefrag, how long it took (until the ratio gets no better),
the processor time of that, and the longest turn of the loop in that time (INFO eventloop_duration_max), while somebody
asks for keys at a steady rate. Without defragmentation the same is told of as many seconds: that is what the machine
does to the loop. MEMORY PURGE comes last in both.

A peer that cannot defragment (Debian's Redis, whose allocator is not its own) says so in the table.
"""

import argparse
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from perf import tables
from perf.results import OURS
from perf.server_under_test import ServerFailed, ServerUnderTest, encode

ARGUMENTS = "--enable-debug-command yes --hz 10"
SETTINGS = ("active-defrag-ignore-bytes", "1mb", "active-defrag-threshold-lower", "5")
LIMIT_SECONDS = 600.0
LOOK_SECONDS = 0.1
QUIET_SECONDS = 5.0                    # without gain: it has come to rest
GAIN = 0.01                            # of allocator_frag_ratio
RATE = 2000                            # GETs a second meanwhile
MB = 1e6


class Rest(NamedTuple):
    """What is left after it was waited for."""

    resident: float                    # bytes beyond the empty server
    ratio: float                       # allocator_frag_ratio
    seconds: float
    cpu_seconds: float                 # of the server
    turn_ms: float                     # the longest turn of the loop
    purged: float                      # resident after MEMORY PURGE


class Course(NamedTuple):
    """One server from empty to its rest."""

    filled: float                      # bytes resident beyond the empty server
    deleted: float
    used: float                        # used_memory then
    ratio: float                       # allocator_frag_ratio then
    rest: Rest | None                  # None: it cannot do that


def commands(keys: int) -> Iterator[bytes]:
    """What makes so many keys. The same at every call."""
    chance = random.Random(1)
    for n in range(keys):
        kind, size = n % 10, int(10 * 400 ** chance.random())
        elements = [f"element:{chance.randrange(10**9)}" for _ in range(max(1, size // 13))]
        if kind < 6:
            yield encode("SET", f"key:{n}", "v" * size)
        elif kind == 6:
            yield encode("RPUSH", f"key:{n}", *elements)
        elif kind == 7:
            yield encode("SADD", f"key:{n}", *elements)
        else:
            pairs = [word for element in elements for word in (str(chance.randrange(1000)), element)]
            yield encode("ZADD" if kind == 8 else "HSET", f"key:{n}", *pairs)


def deletions(keys: int) -> Iterator[bytes]:
    """Nine of ten."""
    chance = random.Random(2)
    for n in range(keys):
        if chance.random() < 0.9:
            yield encode("UNLINK", f"key:{n}")


def figure(server: ServerUnderTest, name: str, section: str = "everything") -> float:
    return float(server.info(name, section) or 0)


def waited(server: ServerUnderTest, seconds: float) -> float:
    """Let it go on for so long, or (0) until nothing more is gained; how long that took."""
    began = gained = time.monotonic()
    best = figure(server, "allocator_frag_ratio")
    while True:
        time.sleep(LOOK_SECONDS)
        now, ratio = time.monotonic(), figure(server, "allocator_frag_ratio")
        if ratio < best - GAIN:
            best, gained = ratio, now
        if now - began > (seconds or LIMIT_SECONDS):
            return now - began
        if not seconds and now - gained > QUIET_SECONDS:
            return gained - began


def rested(server: ServerUnderTest, empty: float, keys: int, seconds: float) -> Rest:
    """While somebody asks for keys."""
    ask = [sys.executable, "-m", "perf.benchmark", "-p", str(server.port), "-t", "get", "--rate", str(RATE),
           "-r", str(keys), "-c", "10", "--duration", str(LIMIT_SECONDS), "--no-progress"]  # fmt: skip
    with subprocess.Popen(ask, stdout=subprocess.DEVNULL) as asking:
        try:
            server.send([encode("CONFIG", "RESETSTAT")])
            before = server.cpu_us()
            took = waited(server, seconds)
            spent, turn = server.cpu_us() - before, figure(server, "eventloop_duration_max", "debug")
        finally:
            asking.kill()
    resident, ratio = server.rss_bytes() - empty, figure(server, "allocator_frag_ratio")
    server.send([encode("MEMORY", "PURGE")])
    return Rest(resident, ratio, took, spent / 1e6, turn / 1e3, server.rss_bytes() - empty)


def course(name: str, command: str, given: argparse.Namespace, seconds: float) -> Course:
    """seconds: how long to wait without defragmentation; 0: with it."""
    with ServerUnderTest(name, command, ARGUMENTS) as server:
        server.send([encode("PING")])
        empty = server.rss_bytes()
        server.send(commands(given.keys))
        filled = server.rss_bytes() - empty
        server.send(deletions(given.keys))
        while figure(server, "lazyfree_pending_objects"):
            time.sleep(LOOK_SECONDS)
        deleted, used = server.rss_bytes() - empty, figure(server, "used_memory")
        ratio = figure(server, "allocator_frag_ratio")
        rest = None
        if seconds or can_defragment(server, given.share):
            rest = rested(server, empty, given.keys, seconds)
        return Course(filled, deleted, used, ratio, rest)


def can_defragment(server: ServerUnderTest, share: int) -> bool:
    """Turn it on; False when the server says that it cannot."""
    try:
        server.send([encode("CONFIG", "SET", *SETTINGS, "active-defrag-cycle-max", share, "activedefrag", "yes")])
    except ServerFailed:
        return False
    return True


def rows(found: dict[tuple[str, bool], Course]) -> Iterator[list[str]]:
    """A line for each server without and with defragmentation, under a head."""
    yield ["server", "activedefrag", "filled MB", "deleted MB", "used MB", "frag ratio", "then MB", "frag ratio",
           "seconds", "cpu s", "longest turn ms", "purged MB"]
    for (name, moving), one in found.items():
        head = [name, "yes" if moving else "no", *(tables.number(value / MB) for value in one[:3]), f"{one.ratio:.2f}"]
        if one.rest is None:
            yield [*head, "it cannot", *[""] * 5]
            continue
        rest = one.rest
        yield [*head, tables.number(rest.resident / MB), f"{rest.ratio:.2f}", tables.number(rest.seconds),
               tables.number(rest.cpu_seconds), tables.number(rest.turn_ms), tables.number(rest.purged / MB)]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="perf.fragmentation", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--server", default=OURS, help="the command of ours (this one's)")
    add("--peer", default="redis-server", help="the command of the peer; '': none")
    add("--keys", type=int, default=500_000, help="how many are put in (500,000)")
    add("--share", type=int, default=25, help="active-defrag-cycle-max, percent (25)")
    add("--markdown", action="store_true", help="print the table in markdown")
    given = parser.parse_args(arguments)
    if given.keys < 10 or not 1 <= given.share <= 99:
        parser.error("--keys is at least 10, --share 1 to 99")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    given = options(arguments)
    servers = {"ours": given.server} | ({"peer": given.peer} if given.peer else {})
    found: dict[tuple[str, bool], Course] = {}
    for name, command in servers.items():
        if shutil.which(shlex.split(command)[0]) is None:
            print(f"{command} is missing", file=sys.stderr)
            return 2
        try:
            moving = course(name, command, given, 0)
            seconds = moving.rest.seconds if moving.rest is not None else QUIET_SECONDS
            found[name, False] = course(name, command, given, max(seconds, QUIET_SECONDS))
            found[name, True] = moving
        except ServerFailed as error:
            print(error, file=sys.stderr)
            return 2
    table = list(rows(found))
    print(tables.markdown(table) if given.markdown else tables.text(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
