"""./dev torture simulation: see the package."""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.figures import cost, failover
from tests.simulation.moving import play as play_moving
from tests.simulation.promises import Broken
from tests.simulation.watch import play as play_sentinels
from tests.simulation.world import Outcome, play

BATCH = 50


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev torture simulation",
                                     description="Clusters, sentinels, or slots that move, under a virtual clock.")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--seed", type=int, default=None, help="the first; a random one without")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--sentinels", action="store_true", help="instead: sentinels over a master and its replicas")
    parser.add_argument("--moving", action="store_true", help="instead: slots that move at once")
    parser.add_argument("--cost", type=int, metavar="NODES", default=0,
                        help="instead: what gossip costs a node of so many")
    parser.add_argument("--failover", type=int, metavar="NODES", default=0,
                        help="instead: how long it takes when half of the masters of so many nodes die, less one")
    return parser.parse_args(arguments)


def batch(first: int, count: int) -> tuple[list[Outcome], list[str]]:
    """The runs of so many seeds, and what broke."""
    outcomes, broken = [], []
    for seed in range(first, first + count):
        try:
            outcomes.append(play(seed))
        except Broken as error:
            broken.append(str(error))
    return outcomes, broken


def batch_of_sentinels(first: int, count: int) -> tuple[list[int], int, list[str]]:
    """The runs of so many seeds: ms until all agreed, failovers, and what broke."""
    agreed, failovers, broken = [], 0, []
    for seed in range(first, first + count):
        try:
            outcome = play_sentinels(seed)
        except Broken as error:
            broken.append(str(error))
        else:
            agreed.append(outcome.agreed_ms)
            failovers += outcome.failovers
    return agreed, failovers, broken


def sentinels(first: int, seeds: int, jobs: int) -> int:
    """1 when a pledge was broken."""
    began = time.monotonic()
    agreed: list[int] = []
    failovers = failed = 0
    with ProcessPoolExecutor(jobs) as pool:
        for more, count, wrong in pool.map(batch_of_sentinels, *zip(*batches(first, seeds))):
            agreed += more
            failovers += count
            failed += len(wrong)
            print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
    agreed.sort()
    print(f"seeds {first} to {first + seeds - 1}: {failed} broken; {failovers} failovers; agreed after "
          f"{agreed[len(agreed) // 2] if agreed else 0} ms (median), {agreed[-1] if agreed else 0} at most; "
          f"{time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def batch_of_moving(first: int, count: int) -> tuple[int, int, list[str]]:
    """The runs of so many seeds: migrations that came about, that did not, and what broke."""
    moved = failed = 0
    broken = []
    for seed in range(first, first + count):
        try:
            world = play_moving(seed)
        except Broken as error:
            broken.append(str(error))
        else:
            moved += world.moved
            failed += world.failed
    return moved, failed, broken


def moving(first: int, seeds: int, jobs: int) -> int:
    """1 when something was lost, or was there twice."""
    began = time.monotonic()
    moved = failed = broken = 0
    with ProcessPoolExecutor(jobs) as pool:
        for more, fewer, wrong in pool.map(batch_of_moving, *zip(*batches(first, seeds))):
            moved += more
            failed += fewer
            broken += len(wrong)
            print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
    print(f"seeds {first} to {first + seeds - 1}: {broken} broken; {moved} migrations came about, {failed} did not; "
          f"{time.monotonic() - began:.0f} s")
    return 1 if broken else 0


def batches(first: int, count: int) -> Iterator[tuple[int, int]]:
    for start in range(first, first + count, BATCH):
        yield start, min(BATCH, first + count - start)


def main(arguments: list[str]) -> int:
    """1 when a promise was broken."""
    chosen = options(arguments)
    if chosen.cost or chosen.failover:
        print(cost(chosen.cost) if chosen.cost else failover(chosen.failover))
        return 0
    first = secrets.randbits(30) if chosen.seed is None else chosen.seed
    if chosen.sentinels:
        return sentinels(first, chosen.seeds, chosen.jobs)
    if chosen.moving:
        return moving(first, chosen.seeds, chosen.jobs)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    broken: list[str] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for more, wrong in pool.map(batch, *zip(*batches(first, chosen.seeds))):
            outcomes += more
            broken += wrong
            print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
    agreed = sorted(outcome.agreed_ms for outcome in outcomes)
    print(f"seeds {first} to {first + chosen.seeds - 1}: {len(broken)} broken; {sum(o.verdicts for o in outcomes)} "
          f"verdicts, {sum(o.winners for o in outcomes)} new masters; agreed after "
          f"{agreed[len(agreed) // 2] if agreed else 0} ms (median), {agreed[-1] if agreed else 0} at most; "
          f"{time.monotonic() - began:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
