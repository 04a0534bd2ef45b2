"""What is kept of a run in files: the percentile file that HdrHistogram's plotters read, and JSON."""

import math
from collections.abc import Iterator
from pathlib import Path

from perf.benchmark.histogram import Histogram
from perf.benchmark.result import Result

TICKS_PER_HALF = 5  # lines for each halving of the distance to 100 %
BUCKETS = 36  # powers of two above the first SUB_BUCKETS values, as histogram.pxd cuts them
SUB_BUCKETS = 256


def hgrm_ticks() -> Iterator[float]:
    """Percentiles that approach 100: five up to 50, five up to 75, five up to 87.5 and so on, for ever."""
    percentile = 0.0
    while True:
        yield percentile
        halvings = math.floor(math.log2(100.0 / (100.0 - percentile))) + 1
        percentile += 100.0 / (TICKS_PER_HALF * 2**halvings)


def hgrm(latency: Histogram) -> str:
    """HdrHistogram's percentile distribution, values in milliseconds."""
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    buckets = iter(latency.buckets())
    ticks = hgrm_ticks()
    tick = next(ticks)
    seen = 0
    value = 0.0
    while seen < latency.total:
        # The cell in which this share of all values is reached.
        while seen == 0 or seen / latency.total * 100.0 < tick:
            value, count = next(buckets)
            seen += count
        if seen < latency.total:
            share = tick / 100.0
            lines.append(f"{value / 1e3:12.3f} {share:.12f} {seen:10d} {1 / (1 - share):14.2f}")
        tick = next(ticks)
    if latency.total:
        lines.append(f"{value / 1e3:12.3f} {1.0:.12f} {seen:10d}")
    lines += [
        f"#[Mean    = {latency.mean / 1e3:12.3f}, StdDeviation   = {latency.deviation / 1e3:12.3f}]",
        f"#[Max     = {latency.max / 1e3:12.3f}, Total count    = {latency.total:12d}]",
        f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {SUB_BUCKETS:12d}]",
    ]
    return "\n".join(lines) + "\n"


def numbered(path: Path, name: str, several: bool) -> Path:
    """`out.hgrm` for one test; `out-get.hgrm` and so on for several."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}") if several else path


def write_hgrm(path: Path, result: Result) -> None:
    path.write_text(hgrm(result.latency))


def append_json(path: Path, result: Result) -> None:
    """A line per run."""
    with open(path, "a") as out:
        out.write(result.to_json() + "\n")
