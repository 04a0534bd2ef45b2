"""What a sentinel costs that watches many masters: processor time a second, and memory, of ours beside the peer's.

    python -m perf.sentinels                                 100 masters for each, three minutes
    python -m perf.sentinels --masters 10 --seconds 20

Both run at the same time, each over masters of its own, which are the peer's; so a busy machine is busy for both.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from perf.results import OURS
from perf.server_under_test import ServerFailed, ServerUnderTest, exit_on_sigterm

SETTLE_SECONDS = 75.0  # connecting, INFO, and what a server of ours does once, a minute after its start
TRIES = 5
OF_MASTERS = "--hz 1 --appendonly no"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="perf.sentinels", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--server", default=OURS, help="the command of ours (default: of this clone)")
    parser.add_argument("--peer", default="redis-server", help="the command of the peer")
    parser.add_argument("--masters", type=int, default=100, help="how many each watches (100)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one look (60)")
    parser.add_argument("--looks", type=int, default=3, help="how many; the median counts (3)")
    return parser.parse_args()


def a_master(command: str) -> ServerUnderTest:
    """One; among hundreds of connections somebody takes a port that was free just now."""
    for _ in range(TRIES - 1):
        try:
            return ServerUnderTest("master", command, OF_MASTERS)
        except ServerFailed:
            pass
    return ServerUnderTest("master", command, OF_MASTERS)


def watching(name: str, command: str, folder: Path, masters: list[ServerUnderTest]) -> ServerUnderTest:
    """A sentinel that watches those masters."""
    conf = folder / f"{name}.conf"
    conf.write_text("".join(f"sentinel monitor m{n} 127.0.0.1 {one.port} 1\n" for n, one in enumerate(masters)))
    return ServerUnderTest(name, f"{command} {conf} --sentinel")


def main() -> int:
    """Prints each look, and the medians."""
    given = options()
    commands = {"ours": given.server, "peer": given.peer}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perf-")))
        sentinels = {}
        for name, command in commands.items():
            masters = [stack.enter_context(a_master(given.peer)) for _ in range(given.masters)]
            sentinels[name] = stack.enter_context(watching(name, command, folder, masters))
        print({name: one.process.pid for name, one in sentinels.items()}, flush=True)
        time.sleep(SETTLE_SECONDS)
        looks: list[dict[str, float]] = []
        for _ in range(given.looks):
            began, before = time.monotonic(), {name: one.cpu_us() for name, one in sentinels.items()}
            time.sleep(given.seconds)
            passed = time.monotonic() - began
            looks.append({name: (one.cpu_us() - before[name]) / 1e3 / passed for name, one in sentinels.items()})
            print(shown(looks[-1]), flush=True)
        print(f"median: {shown({name: median(look[name] for look in looks) for name in commands})}")
        print("memory: " + ", ".join(f"{name} {one.rss_bytes() / 2**20:.1f} MiB" for name, one in sentinels.items()))
    return 0


def shown(look: dict[str, float]) -> str:
    """One look as a line."""
    return f"ours {look['ours']:.2f} ms/s, peer {look['peer']:.2f} ms/s, ratio {look['ours'] / look['peer']:.3f}"


if __name__ == "__main__":
    exit_on_sigterm()
    sys.exit(main())
