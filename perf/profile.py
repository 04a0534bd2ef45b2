"""Where the processor time of a request goes: kernel, parsing, table, command, reply. For `docs/profiling.md`.

    ./dev profile                                   GET at depth 50
    ./dev profile --test lrange_100 --pipeline 1 --clients 50
    ./dev profile --server-args '--io-threads 2' --symbols 30
    ./dev profile --keep /tmp/perf.data             for perf report and perf annotate

Starts a server of this clone, loads it with remus-benchmark, samples it with perf (Debian: linux-perf) and sorts each
sample into a row by the function it fell into; one in the kernel by the system call around it. Shares times processor
time per request (all threads, from /proc) give microseconds per request. Samples are of processor time, so a busy
machine costs samples but moves no shares, except that caches are shared with whoever else runs.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from perf import load, tables
from perf.benchmark.options import Options
from perf.benchmark.session import run
from perf.results import OURS, commit
from perf.server_under_test import ServerFailed, ServerUnderTest, encode, exit_on_sigterm

WARMUP_SECONDS = 0.5
FEW_SAMPLES = 500  # fewer than these leave rows of a few percent to chance
Frame = tuple[str, str]  # symbol, file it is in

# Rows in the order in which a request meets them. A sample in the kernel goes by the system call in its call chain.
SYSTEM_CALLS = (
    ("kernel: receive", r"sys_(recv|read)"),
    ("kernel: send", r"sys_(send|write)"),
    ("kernel: wait and wake", r"sys_(epoll|poll|ppoll|eventfd|futex|sched)"),
)
OTHER_KERNEL = "kernel: interrupts and the rest"
# A sample in the process goes by the first pattern found in "file symbol".
FUNCTIONS = (
    ("parse", r"resp_reader"),
    ("table: prefetch", r"warm_|prefetch"),
    ("table: find and change", r"structures_\d+(table|memory)_|structures_5table"),
    ("reply", r"resp_writer|iothreads_7message|output_|write_(bulk|raw|integer|header)"),
    ("lanes and hand-off", r"iothreads|^(lane|handoff|connection|poller|ring|thread)\."),
    ("statistics", r"record_6Record_account|histogram|hot_keys|big_keys|observe|latency|sampling"),
    ("dispatch", r"dispatch_4loop|dispatch_6record|^loop\.|^record\."),
    ("command", r"fastpath|server_5types|server_8keyspace|server_10structures|scripting|server_"),
    ("Python", r"libpython|python3"),
    ("copies and malloc", r"^libc"),
)
OTHER = "the rest"
ORDER = [*(row for row, _ in SYSTEM_CALLS), OTHER_KERNEL, *(row for row, _ in FUNCTIONS), OTHER]


def row_of(chain: list[Frame]) -> str:
    """The row of one sample; `chain` begins with the function it fell into."""
    symbol, file = chain[0]
    if "kernel" in file:
        calls = " ".join(symbol for symbol, file in chain if "kernel" in file)
        return next((row for row, pattern in SYSTEM_CALLS if re.search(pattern, calls)), OTHER_KERNEL)
    text = f"{Path(file).name} {symbol}"
    return next((row for row, pattern in FUNCTIONS if re.search(pattern, text)), OTHER)


def samples(script: Iterable[str]) -> Iterator[list[Frame]]:
    """Call chains from `perf script -F ip,sym,dso`: a line for each frame, an empty line after each sample."""
    chain: list[Frame] = []
    for line in script:
        found = re.match(r"\s*[0-9a-f]+ (.*?) \((.*)\)\s*$", line)
        if found:
            chain.append((found[1].partition("+0x")[0], found[2].removesuffix(" (deleted)")))
        elif chain:
            yield chain
            chain = []
    if chain:
        yield chain


def shares(counted: Counter[str]) -> dict[str, float]:
    """Each row's part of all samples, in the order of a request; rows without samples are left out."""
    total = counted.total()
    return {row: counted[row] / total for row in ORDER if counted[row]}


def share_rows(parts: dict[str, float], cpu_us: float) -> tables.Rows:
    """The table, with a sum at its end."""
    rows = [["where", "share", "ns/request"]]
    rows += [[row, f"{100 * share:.1f} %", f"{1000 * cpu_us * share:,.0f}"] for row, share in parts.items()]
    return [*rows, ["all", "100 %", f"{1000 * cpu_us:,.0f}"]]


def short(frame: Frame) -> str:
    """`__pyx_f_6server_10structures_5table_table_find` as `server.structures.table.table_find`."""
    symbol, file = frame
    if not symbol.startswith("__pyx_"):
        return f"{symbol} ({'kernel' if 'kernel' in file else Path(file).name.partition('.')[0]})"
    rest, words = re.sub(r"^__pyx_[a-z]+_", "", symbol), []
    while found := re.match(r"(\d+)(.*)$", rest):
        length = int(found[1])
        words.append(found[2][:length])
        rest = found[2][length:].removeprefix("_")
    return ".".join([*words, rest]) if rest else ".".join(words)


# ---- recording
def record(server: ServerUnderTest, given: argparse.Namespace, data: Path) -> float:
    """Sample the server under load; microseconds of its processor time per request."""
    how = load.Options(given.clients, given.keys, given.size)
    for test in ("set", load.FILLED_BY.get(given.test, "set")):
        drive(server, Options(test=test, requests=given.keys, key_distribution="sequential", pipeline=50), how)
    if given.test.startswith("lrange_"):
        server.send([encode("DEL", load.LIST), encode("RPUSH", load.LIST, *["x" * given.size] * 600)])
    # The load lasts longer than the samples, so that perf sees nothing but it.
    asked = Options(test=given.test, pipeline=given.pipeline, duration=given.seconds + 2 * WARMUP_SECONDS)
    loading = threading.Thread(target=lambda: answered.append(drive(server, asked, how)))
    answered: list[int] = []
    before = server.cpu_us()
    loading.start()
    try:
        command = ["perf", "record", "-q", "-g", "-F", str(given.frequency), "-p", str(server.process.pid)]
        command += ["-o", str(data), "--", "sleep", str(given.seconds)]
        threading.Event().wait(WARMUP_SECONDS)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        loading.join()
    if done.returncode or not answered:
        raise ServerFailed(f"perf record: {done.stderr[-500:]}")
    return (server.cpu_us() - before) / answered[0]


def drive(server: ServerUnderTest, options: Options, how: load.Options) -> int:
    """One run of the load generator; how many requests were answered."""
    options.port, options.clients = server.port, how.clients
    options.key_space, options.value_size = how.keys, how.size
    result = run(options)
    if result.errors:
        raise ServerFailed(result.first_error)
    return result.answered


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--test", default="get", help="a test of remus-benchmark (get)")
    add("--pipeline", type=int, default=50, help="depth (50)")
    add("--clients", type=int, default=50, help="connections (50)")
    add("--keys", type=int, default=100_000, help="different keys (100,000)")
    add("--size", type=int, default=16, help="bytes of a value (16)")
    add("--server", default=OURS, help="the command that starts the server")
    add("--server-args", default="", help="more arguments of it")
    add("--seconds", type=float, default=4.0, help="of sampling (4)")
    add("--frequency", type=int, default=1999, help="samples a second (1,999)")
    add("--symbols", type=int, default=12, help="functions to list (12)")
    add("--keep", default="", help="keep perf's data in this file")
    add("--markdown", action="store_true", help="the table as markdown")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Record, sort, print; the exit status."""
    given = options(arguments)
    if shutil.which("perf") is None:
        print("perf is missing (Debian: apt-get install -y linux-perf)", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="profile-")))
        data = Path(given.keep) if given.keep else folder / "perf.data"
        try:
            with ServerUnderTest("server", given.server, given.server_args) as server:
                cpu_us = record(server, given, data)
        except (OSError, ValueError, ServerFailed) as error:
            print(f"profile: {error}", file=sys.stderr)
            return 2
        script = subprocess.run(
            ["perf", "script", "-i", str(data), "-F", "ip,sym,dso"], capture_output=True, text=True, check=True
        ).stdout
    rows: Counter[str] = Counter()
    leaves: Counter[Frame] = Counter()
    for chain in samples(script.splitlines()):
        rows[row_of(chain)] += 1
        leaves[chain[0]] += 1
    if rows.total() < FEW_SAMPLES:
        print(f"only {rows.total()} samples: take more --seconds, or a quieter machine", file=sys.stderr)
    what = f"{given.test} at depth {given.pipeline}, {given.clients} clients, {given.keys:,} keys, commit {commit()}"
    shown = tables.markdown if given.markdown else tables.text
    print(f"{what}: {rows.total():,} samples\n\n{shown(share_rows(shares(rows), cpu_us))}\n")
    for frame, count in leaves.most_common(given.symbols):
        print(f"{100 * count / rows.total():5.1f} %  {short(frame)}")
    return 0


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
