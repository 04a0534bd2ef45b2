"""What a full sync costs: ours beside a peer, by disk, straight to sockets, aside (swapdb), and by a second connection.

    ./dev python -m perf.full_sync
    ./dev python -m perf.full_sync --keys 2000000 --rate 20000 --peer /opt/redis/src/redis-server

A master holds strings, lists, hashes, sets and sorted sets of ten elements, as many of each. Somebody writes at a
steady rate; then a replica of its own kind comes. Told are the seconds until its link is up and it has as much as its
master had then; the longest turn of the master's loop after the fork, and that of as long a time before, which is what
the machine does to it (INFO eventloop_duration_max; 0 from a server that does not tell); the fork; the most bytes of
the stream that the master held (mem_total_replication_buffers); and how much the master grew.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from perf import tables
from perf.compare import words
from perf.replication import until
from perf.results import OURS, Figure
from perf.server_under_test import ServerFailed, ServerUnderTest, encode

ARGUMENTS = "--repl-diskless-sync-delay 0 --enable-debug-command yes"
HOW = {
    "disk": "--repl-diskless-sync no",
    "diskless": "--repl-diskless-sync yes",
    "swapdb": "--repl-diskless-sync yes --repl-diskless-load swapdb",
    "second": "--repl-diskless-sync yes --repl-diskless-load swapdb --dual-channel-replication-enabled yes",
}
ONLY_OURS = ("second",)
TYPES = ("SET", "RPUSH", "HSET", "SADD", "ZADD")
ELEMENTS = 10
MIX = "set:1,lpush:1,hset:1,zadd:1"
SECONDS = 600                          # of load, at most
LOOK = 0.02                            # seconds between two looks
BEFORE = 3.0                           # seconds of load before the replica comes


class Sync(NamedTuple):
    """One full sync."""

    seconds: float
    longest_turn_ms: float
    turn_before_ms: float
    fork_ms: float
    held_mb: float
    grown_mb: float


def keys_of(number: int) -> Iterator[bytes]:
    """The commands that make so many keys."""
    for n in range(number):
        kind = TYPES[n % len(TYPES)]
        elements = [f"element{e}:{n}" for e in range(ELEMENTS)]
        if kind == "SET":
            del elements[1:]
        elif kind in ("HSET", "ZADD"):
            elements = [word for e, element in enumerate(elements) for word in (str(e), element)]
        yield encode(kind, f"{kind}:{n}", *elements)


@contextlib.contextmanager
def load(port: int, rate: int, keys: int) -> Iterator[None]:
    """Somebody writes."""
    command = [sys.executable, "-m", "perf.benchmark", "-p", str(port), "--mix", MIX, "--rate", str(rate), "-r",
               str(keys), "-d", "50", "-P", "4", "-c", "20", "--duration", str(SECONDS), "--no-progress"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def longest_turn(master: ServerUnderTest) -> float:
    """Milliseconds, since the statistics were reset."""
    return float(master.info("eventloop_duration_max", "debug") or 0) / 1e3


def sync(master: ServerUnderTest, replica: ServerUnderTest) -> Sync:
    """Let the replica come."""
    master.send([encode("CONFIG", "RESETSTAT")])
    time.sleep(BEFORE)
    turn_before = longest_turn(master)
    before = int(master.info("used_memory"))
    forks = int(master.info("total_forks") or 0)
    held = grown = 0
    fork_ms, reset = 0.0, False
    began = time.monotonic()
    replica.send([encode("REPLICAOF", "127.0.0.1", master.port)])
    while replica.info("master_link_status") != "up":
        if time.monotonic() - began > SECONDS:
            raise ServerFailed(f"{replica.name}: no link")
        if not reset and int(master.info("total_forks") or 0) > forks:
            fork_ms = float(master.info("latest_fork_usec") or 0) / 1e3
            master.send([encode("CONFIG", "RESETSTAT")])
            reset = True
        held = max(held, int(master.info("mem_total_replication_buffers") or 0))
        grown = max(grown, int(master.info("used_memory")) - before)
        time.sleep(LOOK)
    wanted = int(master.info("master_repl_offset"))
    until(lambda: int(replica.info("slave_repl_offset")) >= wanted, f"{replica.name} has everything")
    seconds = time.monotonic() - began
    return Sync(seconds, longest_turn(master), turn_before, fork_ms, held / 1e6, grown / 1e6)


def run(name: str, command: str, how: str, given: argparse.Namespace) -> Sync:
    """One sync of a master and a replica that are started for it."""
    with ServerUnderTest(name, command, f"{ARGUMENTS} {HOW[how]}") as master:
        master.send(keys_of(given.keys))
        with ServerUnderTest(f"{name}'s replica", command, f"{ARGUMENTS} {HOW[how]}") as replica, \
                load(master.port, given.rate, given.keys):
            time.sleep(1)              # until it has begun
            return sync(master, replica)


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="perf.full_sync", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--server", default=OURS, help="the command of ours (default: of this clone)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--how", type=words, default=list(HOW), help=f"default: {','.join(HOW)}")
    add("--keys", type=int, default=500_000, help="mixed keys (500,000)")
    add("--rate", type=int, default=20_000, help="writes per second meanwhile (20,000)")
    given = parser.parse_args(arguments)
    if unknown := [how for how in given.how if how not in HOW]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(HOW)}")
    if given.keys < 1 or given.rate < 1:
        parser.error("--keys and --rate are at least 1")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status."""
    given = options(arguments)
    found: list[Figure] = []
    try:
        peers = {how: run("peer", given.peer, how, given) for how in given.how if how not in ONLY_OURS}
        for how in given.how:
            ours = run("ours", given.server, how, given)
            peer = peers.get(how) or peers.get("swapdb") or ours     # the second connection: beside the nearest
            for what, one, other in zip(Sync._fields, ours, peer, strict=True):
                figure = Figure("full sync", how, what, one, other, one / other if other else 0.0)
                found.append(figure)
                print(f"{how}, {what}: {one:.2f}, peer {other:.2f}", file=sys.stderr, flush=True)
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 2
    print("\n" + tables.text(tables.other_rows(found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
