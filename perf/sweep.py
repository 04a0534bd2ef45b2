"""Every test at every depth, with several numbers of I/O threads, in turn.

Ours runs with each number of `io-threads`, the peer as its command line says and, for each number above 1, once more
with as many threads of its own. So what a second thread of ours brings is seen twice: beside one thread of the peer
("2:1", what a user of the peer gains) and like for like ("2:2").
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from perf import load
from perf.load import Run
from perf.results import Figure
from perf.server_under_test import ServerFailed, ServerUnderTest

SHORTEST = 0.1  # share of its requests that a test sends at least, however short the time
Starter = Callable[..., ServerUnderTest]  # start("ours", "--io-threads 2")


@dataclass(frozen=True)
class Case:
    """A cell of the table. I/O threads: 0 as the server's command line says."""

    test: str
    pipeline: int
    threads: int = 0  # of ours
    peer_threads: int = 0

    @property
    def name(self) -> str:
        name = f"{self.test} P={self.pipeline}" + (f" io-threads={self.threads}" if self.threads > 1 else "")
        return name + (f" peer={self.peer_threads}" if self.peer_threads > 1 else "")


def cases(test: str, pipeline: int, threads: Sequence[int], peers: Sequence[int]) -> list[Case]:
    """Who is compared with whom: each number of ours with the peer as it is, and with one of as many threads."""
    return [Case(test, pipeline, ours, peer) for ours in threads for peer in peers if peer in (0, ours)]


class Contest:
    """Servers of both sides that run side by side; use it in a `with`."""

    def __init__(
        self, start: Starter, threads: Sequence[int], tell: Callable[[str], None], like_for_like: bool = True
    ) -> None:
        self.stack = ExitStack()
        self.threads = list(threads)
        self.peers = [0]
        self.servers: list[ServerUnderTest] = []  # in the order of `threads`, then of `peers`
        try:
            for number in threads:
                self.servers.append(self.stack.enter_context(start("ours", thread_arguments(number))))
            self.servers.append(self.stack.enter_context(start("peer")))
            for number in threads:
                if like_for_like and number > 1:
                    self.add_peer(start, number, tell)
        except BaseException:
            self.stack.close()
            raise

    def add_peer(self, start: Starter, threads: int, tell: Callable[[str], None]) -> None:
        """A peer with threads of its own; one that knows no `--io-threads` is compared as it is, only."""
        try:
            self.servers.append(self.stack.enter_context(start("peer", thread_arguments(threads))))
            self.peers.append(threads)
        except ServerFailed as error:
            tell(f"the peer does not start with {thread_arguments(threads)}: {str(error).splitlines()[-1]}")

    def __enter__(self) -> "Contest":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def sides(self, case: Case) -> tuple[int, int]:
        """Where the two servers of a case stand in `servers`."""
        return self.threads.index(case.threads), len(self.threads) + self.peers.index(case.peer_threads)


@dataclass
class Sweep:
    """A repetition goes through all tests at all depths, so those of one case are minutes apart."""

    tests: Sequence[str]
    pipelines: Sequence[int]
    threads: Sequence[int]
    options: load.Options
    start: Starter
    tell: Callable[[str], None]
    minutes: float = 0.0  # 0: no limit; else tests send fewer requests, for all repetitions to be over by then
    pairs: dict[Case, list[tuple[Run, Run]]] = field(default_factory=dict)
    ends: float = 0.0  # of this repetition, on the monotonic clock, when there is a limit

    def run(self) -> None:
        """All repetitions, an equal share of the time for each."""
        began = time.monotonic()
        for number in range(self.options.reps):
            self.ends = began + self.minutes * 60 * (number + 1) / self.options.reps
            self.repetition(number)

    def repetition(self, number: int) -> None:
        """Each test once, on fresh servers for each depth."""
        count, done, began = len(self.tests) * len(self.pipelines), 0, time.monotonic()
        full_seconds = 0.0  # what the tests done so far would have taken with all their requests
        for pipeline in self.pipelines:
            with Contest(self.start, self.threads, self.tell) as contest:
                for test in self.tests:
                    share = self.pace(full_seconds / done * (count - done)) if done else self.first_pace(number)
                    start = time.monotonic()
                    ratios = self.one(contest, test, pipeline, share, turned=number % 2 == 1)
                    full_seconds += (time.monotonic() - start) / share
                    done += 1
                    left = (time.monotonic() - began) / done * (count - done)
                    self.tell(
                        f"repetition {number + 1} of {self.options.reps}, {done} of {count}: {test} P={pipeline}: "
                        f"{' | '.join(ratios)} ({left:.0f} s left of it)"
                    )

    def one(self, contest: Contest, test: str, pipeline: int, share: float, turned: bool) -> list[str]:
        """A run of each server, and the ratios in words."""
        options = replace(self.options, scale=self.options.scale * share)
        runs = load.alternate(contest.servers, test, pipeline, options, turned)
        ratios = []
        for case in cases(test, pipeline, self.threads, contest.peers):
            ours, peer = (runs[side] for side in contest.sides(case))
            self.pairs.setdefault(case, []).append((ours, peer))
            ratios.append(f"cpu {ours.cpu / peer.cpu:.2f} rate {ours.rate / peer.rate:.2f}")
        return ratios

    def first_pace(self, number: int) -> float:
        """Nothing is known yet of how long tests take: with a time limit and several repetitions, begin short."""
        return 1.0 if not self.minutes or self.options.reps == 1 else 1 / self.options.reps

    def pace(self, needed_seconds: float) -> float:
        """The share of its requests that a test may send for the others to have their turn before the time is over."""
        if not self.minutes or needed_seconds <= 0:
            return 1.0
        return min(1.0, max(SHORTEST, (self.ends - time.monotonic()) / needed_seconds))

    def figures(self) -> list[Figure]:
        """What was measured so far."""
        return [figure for case, pairs in self.pairs.items() for figure in load.figures(case.name, pairs)]


def thread_arguments(threads: int) -> str:
    return f"--io-threads {threads}" if threads else ""
