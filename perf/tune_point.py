"""One measured point of a tuning sweep, and what held it back. Pure: figures in, words out."""

from dataclasses import dataclass

FULL = 0.85  # a thread that is on a processor for this share of the time has little left to give
ALL_FULL = 0.93  # the same for all processors together
CROWDED = 0.15  # a share of the processors that others used, above which figures are not to be trusted


@dataclass(frozen=True)
class Point:
    """What one run of the load generator showed. Processor times are microseconds per request; 0 where unknown.

    `main_cpu` is the main thread's, `lane_cpu` that of all other threads of the server together, `generator_cpu` the
    load generator's. `busy` is what INFO iothreads says of each lane: the share of the run it did not wait, the main
    thread first. `used` is the share of all processors of this machine that anybody used, `others` the part of it that
    neither the server nor the generator did.
    """

    threads: int
    pipeline: int
    clients: int
    rate: float  # requests/s
    p50: float  # ms
    p99: float
    p999: float
    main_cpu: float = 0.0
    lane_cpu: float = 0.0
    generator_cpu: float = 0.0
    generator_threads: int = 1
    busy: tuple[float, ...] = ()
    used: float = 0.0
    others: float = 0.0

    @property
    def server_cpu(self) -> float:
        return self.main_cpu + self.lane_cpu

    @property
    def main_share(self) -> float:
        """Of the time the main thread was on a processor; without the server's process in sight, was not waiting."""
        return self.main_cpu * self.rate / 1e6 if self.main_cpu else (self.busy[0] if self.busy else 0.0)

    @property
    def lane_share(self) -> float:
        """The same for the I/O threads, on average; they share the connections evenly."""
        lanes = self.threads - 1
        if not lanes:
            return 0.0
        if self.main_cpu:
            return self.lane_cpu * self.rate / 1e6 / lanes
        return max(self.busy[1:], default=0.0)

    @property
    def generator_share(self) -> float:
        """The same for the threads of the load generator."""
        return self.generator_cpu * self.rate / 1e6 / self.generator_threads


# Who can hold a rate back -> how that comes, as the end of "in 3 of 9 workloads ...".
LIMITS = {
    "main thread": "the main thread filled one processor: with commands, or, with io-threads 1, with everything",
    "I/O threads": "the I/O threads were full: one more of them would have served more",
    "load generator": "the load generator was full: the server could have done more than it was asked to",
    "processors": "all processors were in use: what one thread gains another one loses",
    "other programs": "other programs used processors that the server or the load generator could have used",
    "round trips": "nobody was full, each waited for the other: more clients or a deeper pipeline would be served",
}


def limit(point: Point) -> str:
    """Who held the point back: a key of LIMITS. The fullest thread; else the machine; else nobody."""
    shares = {"main thread": point.main_share, "I/O threads": point.lane_share, "load generator": point.generator_share}
    fullest = max(shares, key=lambda who: shares[who])
    if shares[fullest] >= FULL:
        return fullest
    if point.used >= ALL_FULL:
        return "other programs" if point.others > CROWDED else "processors"
    return "round trips"
