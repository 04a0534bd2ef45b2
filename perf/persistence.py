"""Saving, loading and rewriting millions of keys, ours beside a peer: `./dev python -m perf.persistence`.

    ./dev python -m perf.persistence --keys 5000000
    ./dev python -m perf.persistence --keys 200000 --parts load-aof,save,load-rdb --peer /path/to/redis-server

Parts
    load-aof   an append only file of commands, as a server writes it without an RDB preamble
    save       SAVE of what was loaded
    load-rdb   the peer's snapshot, loaded by both
    rewrite    BGREWRITEAOF to a base of commands: the child
    cow        BGSAVE while a tenth of the keys is written anew: memory copied, as the child's kernel sees it
    everysec   SET at depth 16 under appendfsync everysec: processor time per request
    always     SET at depth 1, 50 clients, under appendfsync always: requests per second

The data are a mix of every type, some keys with a time to live; the append only file is made here, so both load the
same bytes. Each figure comes as processor time of the process and as wall time; the first is steady on a busy machine.
Files are in a folder of --dir (default: the system's); nothing is kept.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from perf import load, server_under_test, tables
from perf.results import OURS, Figure
from perf.server_under_test import ServerUnderTest, chunks, encode, status_bytes

PARTS = ("load-aof", "save", "load-rdb", "rewrite", "cow", "everysec", "always")
FAR = 4102444800000         # Unix ms: no key expires meanwhile
AOF_NAME = "appendonly.aof"
AOF_FOLDER = "appendonlydir"
AOF_BASE = f"{AOF_NAME}.1.base.aof"
COMMON = "--rdbcompression yes --rdbchecksum yes --enable-debug-command yes --enable-protected-configs yes"


# ---- the data
def commands_for(n: int) -> Iterator[bytes]:
    """What makes key number n: 62 of 100 are strings, the others small values of every type."""
    kind, key = n % 100, b"key:%012d" % n
    if kind < 40:
        yield encode("SET", key, b"value:%010d" % n)
    elif kind < 52:
        yield encode("SET", key, b"%d" % (n * 7919 % 100_000_007))
    elif kind < 55:
        yield encode("SET", key, (b"%x " % (n * 7919)) * 60)
    elif kind < 62:
        yield encode("SET", key, b"session:%d" % n)
        yield encode("PEXPIREAT", key, b"%d" % (FAR + n))
    elif kind < 76:
        words = [word for i in range(5) for word in (b"field%d" % i, b"v%d" % (n + i))]
        yield encode("HMSET", key, *words)
    elif kind < 83:
        yield encode("RPUSH", key, *[b"element:%d" % (n + i) for i in range(10)])
    elif kind < 87:
        yield encode("SADD", key, *[b"%d" % (n + 3 * i) for i in range(10)])
    elif kind < 91:
        yield encode("SADD", key, *[b"member:%d" % (n + i) for i in range(8)])
    elif kind < 99:
        words = [word for i in range(6) for word in (b"%d.5" % (n * 31 % 997 + i), b"member:%d" % (n + i))]
        yield encode("ZADD", key, *words)
    else:
        for i in range(4):
            yield encode("XADD", key, b"%d-1" % (n + i + 1), "sensor", b"%d" % (n % 100), "value", b"%d.5" % i)


def large_values(keys: int) -> Iterator[bytes]:
    """One large value of each type, together a tenth as many elements as there are keys."""
    count = max(1000, keys // 50)
    for start in range(0, count, 64):
        run = range(start, start + 64)
        yield encode("HMSET", "large:hash", *[w for i in run for w in (b"field:%d" % i, b"value:%d" % i)])
        yield encode("SADD", "large:set", *[b"member:%d" % i for i in run])
        yield encode("RPUSH", "large:list", *[b"element:%d" % i for i in run])
        scored = [(b"%d" % (i * 7919 % 1_000_003), b"member:%d" % i) for i in run]
        yield encode("ZADD", "large:zset", *[word for pair in scored for word in pair])
        for i in run:
            yield encode("XADD", "large:stream", b"%d-1" % (i + 1), "sensor", b"%d" % (i % 100))


def rewrite_of(n: int) -> bytes:
    """A write to key n that leaves it about as large as it was."""
    kind, key = n % 100, b"key:%012d" % n
    if kind < 62:
        return encode("SET", key, b"other:%010d" % n)
    if kind < 76:
        return encode("HSET", key, "field2", b"w%d" % n)
    if kind < 83:
        return encode("LSET", key, 3, b"element:%d" % n)
    if kind < 87:
        return encode("SADD", key, n)
    if kind < 91:
        return encode("SADD", key, b"member:%d" % n)
    if kind < 99:
        return encode("ZADD", key, 5, b"member:%d" % n)
    return encode("XADD", key, "MAXLEN", 4, "*", "sensor", 1, "value", 2)


def write_aof(folder: Path, keys: int) -> None:
    """The append only file: a base of commands and its manifest."""
    inside = folder / AOF_FOLDER
    inside.mkdir()
    with open(inside / AOF_BASE, "wb") as file:
        file.write(encode("SELECT", 0))
        for chunk in chunks(command for n in range(keys) for command in commands_for(n)):
            file.write(chunk)
        for chunk in chunks(large_values(keys)):
            file.write(chunk)
    (inside / f"{AOF_NAME}.manifest").write_text(f"file {AOF_BASE} seq 1 type b\n")


# ---- the measured
class Bench:
    """Both servers over one folder of files; figures are collected in `figures`."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given = given
        self.folder = folder
        self.commands = {"ours": (given.server, f"{COMMON} --rdb-version 10 {given.server_args}"),
                         "peer": (given.peer, f"{COMMON} {given.peer_args}")}
        self.figures: list[Figure] = []

    def start(self, name: str, arguments: str) -> ServerUnderTest:
        command, always = self.commands[name]
        return ServerUnderTest(name, command, f"{always} {arguments}")

    def add(self, name: str, what: str, found: dict[str, float]) -> None:
        ours, peer = found["ours"], found["peer"]
        figure = Figure("persistence", name, what, ours, peer, ours / peer if peer else 0.0)
        self.figures.append(figure)
        print(f"{name}, {what}: {ours:.4g}, peer {peer:.4g}, ratio {figure.ratio:.2f}", file=sys.stderr, flush=True)

    def both(self, name: str, measure: Callable[[str], dict[str, float]]) -> None:
        """Measure both in turn, --reps times; the medians count."""
        runs: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
        for _ in range(self.given.reps):
            for which, found in runs.items():
                found.append(measure(which))
        for what in runs["ours"][0]:
            self.add(name, what, {which: median(run[what] for run in found) for which, found in runs.items()})

    def empty_cpu(self, name: str) -> float:
        """Processor seconds of a start with nothing to load."""
        with self.start(name, "") as server:
            return server.cpu_us() / 1e6

    def loading(self, name: str, arguments: str) -> dict[str, float]:
        with self.start(name, arguments) as server:
            spent = server.cpu_us() / 1e6
            log = server.log_file.read_text(errors="replace")
            if not self.given.keys <= keys_of(server):
                raise SystemExit(f"{name} did not load all:\n{log[-2000:]}")
            rss = server.rss_bytes() / 1e6
        lines = [line for line in log.splitlines() if "DB loaded from" in line]
        wall = float(lines[-1].partition(" seconds")[0].split()[-1])
        return {"cpu s": spent - self.empty_cpu(name), "wall s": wall, "RSS MB": rss}

    # ---- parts
    def load_aof(self) -> None:
        self.both("load AOF of commands", lambda name: self.loading(name, self.aof_arguments(name)))

    def aof_arguments(self, name: str) -> str:
        """A folder of its own: a server makes new files beside those it loads."""
        own = self.folder / f"aof-{name}"
        shutil.rmtree(own, ignore_errors=True)
        (own / AOF_FOLDER).mkdir(parents=True)
        for path in (self.folder / AOF_FOLDER).iterdir():
            (own / AOF_FOLDER / path.name).hardlink_to(path)
        return f"--dir {own} --appendonly yes --auto-aof-rewrite-percentage 0"

    def save(self) -> None:
        """Of a server that has loaded the snapshot, each its own."""
        self.both("SAVE", self._save)

    def _save(self, name: str) -> dict[str, float]:
        with self.start(name, f"--dir {self.folder} --dbfilename {self.snapshot()}") as server:
            ask(server, "CONFIG", "SET", "dbfilename", f"saved-{name}.rdb")
            before, began = server.cpu_us(), time.perf_counter()
            ask(server, "SAVE")
            wall, spent = time.perf_counter() - began, server.cpu_us() - before
            size = (self.folder / f"saved-{name}.rdb").stat().st_size
        return {"cpu s": spent / 1e6, "wall s": wall, "file MB": size / 1e6}

    def snapshot(self) -> str:
        """The peer's snapshot of the data; made once."""
        path = self.folder / "peer.rdb"
        if not path.exists():
            with self.start("peer", self.aof_arguments("peer")) as server:
                ask(server, "CONFIG", "SET", "dbfilename", path.name)
                ask(server, "SAVE")
            (self.folder / "aof-peer" / path.name).rename(path)
        return path.name

    def load_rdb(self) -> None:
        self.both("load RDB", lambda name: self.loading(name, f"--dir {self.folder} --dbfilename {self.snapshot()}"))

    def rewrite(self) -> None:
        self.both("rewrite AOF as commands", self._rewrite)

    def _rewrite(self, name: str) -> dict[str, float]:
        """The processor time of the child is its parent's once it has ended."""
        own = self.folder / f"rewrite-{name}"
        own.mkdir(exist_ok=True)
        (own / self.snapshot()).hardlink_to(self.folder / self.snapshot())
        data = f"--dir {own} --dbfilename {self.snapshot()} --aof-use-rdb-preamble no"
        with self.start(name, data) as server:
            ask(server, "BGREWRITEAOF")
            while server.info("aof_rewrite_in_progress") == "1":
                time.sleep(0.1)
            if server.info("aof_last_bgrewrite_status") != "ok":
                raise SystemExit(f"{name}: the rewrite failed")
            spent = sum(children_seconds(pid) for pid in server.pids())
            size = sum(path.stat().st_size for path in (own / AOF_FOLDER).iterdir())
        shutil.rmtree(own)
        return {"cpu s": spent, "file MB": size / 1e6}

    def copied(self) -> None:
        self.both("BGSAVE, 10 % written meanwhile", self._copied)

    def _copied(self, name: str) -> dict[str, float]:
        """The child is slowed down, so that all writes fall into its life."""
        keys = self.given.keys
        with self.start(name, f"--dir {self.folder} --dbfilename {self.snapshot()} --rdb-key-save-delay -40") as server:
            ask(server, "CONFIG", "SET", "dbfilename", f"saved-{name}.rdb")
            rng = random.Random(1)
            picked = [rng.randrange(keys) for _ in range(keys // 10)]
            own = set(server.pids())
            ask(server, "BGSAVE")
            child = (set(server.pids()) - own).pop()
            server.send(rewrite_of(n) for n in picked)
            if server.info("rdb_bgsave_in_progress") != "1":
                raise SystemExit(f"{name}: the child was done before the writes were; more keys, or a longer delay")
            kernel = status_bytes(Path(f"/proc/{child}/smaps_rollup").read_text(), "Private_Dirty")
            while server.info("rdb_bgsave_in_progress") == "1":
                time.sleep(0.1)
            told = float(server.info("rdb_last_cow_size"))
            rss = server.rss_bytes()
        return {"MB, Private_Dirty": kernel / 1e6, "MB, rdb_last_cow_size": told / 1e6, "RSS MB": rss / 1e6}

    def everysec(self) -> None:
        self.requests("everysec", 16)

    def always(self) -> None:
        self.requests("always", 1)

    def requests(self, policy: str, pipeline: int) -> None:
        arguments = f"--appendonly yes --appendfsync {policy} --auto-aof-rewrite-percentage 0"
        with self.start("ours", arguments) as ours, self.start("peer", arguments) as peer:
            how = load.Options(reps=max(3, self.given.reps), scale=self.given.scale)
            for figure in load.measure(ours, peer, "set", pipeline, how):
                name = f"appendfsync {policy}, {figure.name}"
                self.figures.append(replace(figure, part="persistence", name=name))
                print(f"{policy}, {figure.what}: ratio {figure.ratio:.2f}", file=sys.stderr, flush=True)


def ask(server: ServerUnderTest, *words: str) -> bytes:
    """One command; its reply, which must be no error."""
    with server.connect() as connection:
        connection.settimeout(600)
        connection.sendall(encode(*words))
        reply = connection.recv(1 << 16)
    if reply.startswith(b"-") or not reply:
        raise SystemExit(f"{server.name}: {' '.join(words)}: {reply.decode(errors='replace')}")
    return reply


def children_seconds(pid: int) -> float:
    """Processor time of a process's children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def keys_of(server: ServerUnderTest) -> int:
    return int(ask(server, "DBSIZE")[1:])


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="perf.persistence", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--server", default=OURS, help="the command of ours (default: of this clone)")
    add("--peer", default="redis-server", help="the command of the peer")
    add("--server-args", default="", help="more arguments of ours")
    add("--peer-args", default="", help="more arguments of the peer")
    add("--parts", type=lambda text: text.split(","), default=list(PARTS), help=f"default: {','.join(PARTS)}")
    add("--keys", type=int, default=5_000_000, help="keys (5,000,000)")
    add("--reps", type=int, default=1, help="runs of each, of which the median counts (1)")
    add("--scale", type=float, default=1.0, help="multiplies the requests of everysec and always")
    add("--dir", default=None, help="where files are put")
    given = parser.parse_args(arguments)
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"{part!r} is none of {', '.join(PARTS)}")
    return given


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    given = options(arguments)
    server_under_test.START_SECONDS = 600.0     # loading counts as starting
    folder = Path(tempfile.mkdtemp(prefix="perf-persistence-", dir=given.dir))
    try:
        bench = Bench(given, folder)
        if set(PARTS[:5]) & set(given.parts):
            write_aof(folder, given.keys)
        steps = (bench.load_aof, bench.save, bench.load_rdb, bench.rewrite, bench.copied, bench.everysec, bench.always)
        for part, step in zip(PARTS, steps, strict=True):
            if part in given.parts:
                step()
        print("\n" + tables.text(tables.other_rows(bench.figures)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
