"""From measured points to a number for `io-threads`, with the reason. Pure: no clock, no server.

Two questions, because two machines are asked about. *As measured*: which number served most here, with the load
generator on whatever processors it had? *With the load from elsewhere*: the main thread and the I/O threads need so
much processor time per request each, and a thread can use one processor at most; so with n threads no more than

    min(1 / main thread's time, (n - 1) / I/O threads' time)        requests per second

can be served, and the best n is the smallest one that comes close to the highest of these, with no more threads than
processors.

On a machine that others use meanwhile, measured rates tell how the scheduler shared it out, not what io-threads did: a
server with more threads gets a larger share. Then rates are reckoned from processor times alone, for a quiet machine:
the least of what each thread could do and of what all processors together could do.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import median

from perf.tune_point import CROWDED, LIMITS, Point, limit

NOTICEABLE = 0.05  # a gain below this share is not worth a thread


@dataclass(frozen=True)
class Against:
    """A number of threads beside the lowest one measured; ratios are geometric means over all workloads."""

    threads: int
    rate: float
    p99: float
    cpu: float  # 0 when unknown


@dataclass(frozen=True)
class Advice:
    """`threads` for this machine as it was loaded; `alone` for when the load comes from elsewhere, None if unknown."""

    threads: int
    alone: int | None
    against: list[Against]
    reasons: list[str]
    warnings: list[str]


def mean(values: Sequence[float]) -> float:
    """The geometric mean: a half and a double cancel. 0 when there is nothing to average."""
    good = [value for value in values if value > 0]
    return exp(sum(log(value) for value in good) / len(good)) if good else 0.0


def advise(points: Sequence[Point], processors: int, local: bool) -> Advice:
    """`processors` of the server's machine; `local`: the load generator runs on it, too."""
    crowded = is_crowded(points)
    measured, points = points, quiet(points, processors) if crowded else points
    compared = compare(points)
    best = choose({one.threads: one.rate for one in compared})
    ceilings = ceiling_by_threads(points, processors)
    alone = choose(ceilings) if ceilings else None
    reasons = [*measured_reasons(compared, best), *depth_reasons(points), *limit_reasons(measured, best)]
    reasons += ceiling_reasons(ceilings, alone)
    if crowded:
        reasons.insert(0, "Rates are reckoned from processor times: what others did meanwhile distorts measured ones.")
    return Advice(best, alone, compared, reasons, warnings(measured, processors, local))


def is_crowded(points: Sequence[Point]) -> bool:
    """Whether others used so much of the machine that rates say little, and processor times are known instead."""
    return median(point.others for point in points) > CROWDED and all(point.main_cpu for point in points)


def quiet(points: Sequence[Point], processors: int) -> list[Point]:
    """The points with the rates that a quiet machine would allow."""
    return [replace(point, rate=quiet_rate(point, processors)) for point in points]


def quiet_rate(point: Point, processors: int) -> float:
    """Requests/s when the fullest thread, or all processors together, are full and nobody else is there."""
    limits = [ceiling(point), processors * 1e6 / (point.server_cpu + point.generator_cpu)]
    if point.generator_cpu:
        limits.append(point.generator_threads * 1e6 / point.generator_cpu)
    return min(limits)


def choose(rates: dict[int, float]) -> int:
    """The fewest threads that come within NOTICEABLE of the best rate: every further one costs processor time."""
    most = max(rates.values())
    return min(threads for threads, rate in rates.items() if rate >= most * (1 - NOTICEABLE))


def compare(points: Sequence[Point]) -> list[Against]:
    """Each number of threads beside the lowest, over the workloads that both have."""
    by_place = {(point.threads, point.pipeline, point.clients): point for point in points}
    numbers = sorted({point.threads for point in points})
    found = []
    for threads in numbers:
        pairs = [
            (point, by_place[numbers[0], point.pipeline, point.clients])
            for point in points
            if point.threads == threads and (numbers[0], point.pipeline, point.clients) in by_place
        ]
        found.append(
            Against(
                threads,
                mean([a.rate / b.rate for a, b in pairs if b.rate]),
                mean([a.p99 / b.p99 for a, b in pairs if b.p99]),
                mean([a.server_cpu / b.server_cpu for a, b in pairs if b.server_cpu]),
            )
        )
    return found


def ceiling(point: Point) -> float:
    """Requests/s at which the main thread or the I/O threads of such a point are full; 0 if unknown."""
    if not point.main_cpu:
        return 0.0
    main = 1e6 / point.main_cpu
    return min(main, (point.threads - 1) * 1e6 / point.lane_cpu) if point.threads > 1 and point.lane_cpu else main


def ceiling_by_threads(points: Sequence[Point], processors: int) -> dict[int, float]:
    """Mean ceiling over the workloads for each measured number of threads that has a processor for each thread."""
    numbers = sorted({point.threads for point in points})
    found = {
        threads: mean([ceiling(point) for point in points if point.threads == threads])
        for threads in numbers
        if threads <= max(processors, numbers[0])
    }
    return found if all(found.values()) else {}


# ---- in words
def change(ratio: float) -> str:
    """1.42 as "+42 %"."""
    return f"{100 * (ratio - 1):+.0f} %"


def threads_text(threads: int) -> str:
    return f"io-threads {threads}"


def measured_reasons(compared: Sequence[Against], best: int) -> list[str]:
    """What each further number of threads brought."""
    first = compared[0].threads
    lines = []
    for one in compared[1:]:
        cost = f", processor time per request {change(one.cpu)}" if one.cpu else ""
        lines.append(
            f"Beside {threads_text(first)}, {threads_text(one.threads)}: rate {change(one.rate)}, p99 "
            f"{change(one.p99)}{cost} (means over all workloads)."
        )
    if best == first and len(compared) > 1:
        lines.append(f"No larger number served noticeably more (at least {100 * NOTICEABLE:.0f} %).")
    return lines


def depth_reasons(points: Sequence[Point]) -> list[str]:
    """The best number for each pipeline depth, where they differ."""
    chosen = {}
    for depth in sorted({point.pipeline for point in points}):
        compared = compare([point for point in points if point.pipeline == depth])
        chosen[depth] = choose({one.threads: one.rate for one in compared})
    if len(set(chosen.values())) < 2:
        return []
    each = ", ".join(f"{threads} at depth {depth}" for depth, threads in chosen.items())
    return [f"The best number depends on the pipeline: {each}."]


def limit_reasons(points: Sequence[Point], best: int) -> list[str]:
    """Who held the recommended number back."""
    chosen = [point for point in points if point.threads == best]
    counted = Counter(limit(point) for point in chosen)
    return [
        f"With {threads_text(best)}, in {count} of {len(chosen)} workloads {LIMITS[who]}."
        for who, count in counted.most_common()
    ]


def ceiling_reasons(ceilings: dict[int, float], alone: int | None) -> list[str]:
    """What the server could do if the load came from elsewhere."""
    if alone is None or len(ceilings) < 2:
        return []
    first, lowest = next(iter(ceilings.items()))
    others = [f"{threads}: {change(rate / lowest)}" for threads, rate in ceilings.items() if threads != first]
    return [
        f"With the load from another machine and a processor for each thread, the fullest thread would allow, beside "
        f"{threads_text(first)}, with {', '.join(others)}; so there take {threads_text(alone)}."
    ]


def warnings(points: Sequence[Point], processors: int, local: bool) -> list[str]:
    """Why the figures may say less than they seem to."""
    lines = []
    others = median(point.others for point in points)
    if others > CROWDED:
        lines.append(
            f"Other programs used {100 * others:.0f} % of this machine meanwhile: measure again when it is quiet, "
            "or with more --reps."
        )
    generator = sum(limit(point) == "load generator" for point in points)
    if 2 * generator > len(points):
        lines.append("The load generator was the limit in most workloads: give it more threads, or another machine.")
    if local and any(limit(point) == "processors" for point in points):
        lines.append(
            f"Server and load generator shared {processors} processors, and used them up: threads that would help a "
            "server with processors of its own took them from the generator here."
        )
    return lines
