"""What is kept of a run in files: HdrHistogram's percentile file and its log, and JSON.

The log (`.hlog`) holds the histograms themselves, in nanoseconds, as every HdrHistogram library reads them: cells are
cut as those of an HdrHistogram with two significant digits, so nothing is lost. An encoded histogram is

    compressed   cookie, length, zlib( cookie, length of the counts, 0, digits, least, greatest, 1.0, counts )
    counts       each cell's from 0 on, as zigzag LEB128; a negative one -n stands for n empty cells
"""

import base64
import math
import os
import struct
import time
import zlib
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


# ---- the log
COOKIE, COMPRESSED_COOKIE = 0x1C849313, 0x1C849314  # format V2
DIGITS = 2
GREATEST = (1 << 44) - 1  # ns, that the histogram can hold


def cell_of(value: int) -> int:
    """The place of a value (ns) among the counts; as in histogram.pxd."""
    shift = max(0, value.bit_length() - SUB_BUCKETS.bit_length() + 1)
    return shift * SUB_BUCKETS // 2 + (value >> shift)


def zigzag(value: int) -> bytes:
    """LEB128 of a signed number whose sign is its lowest bit."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])


def encoded(latency: Histogram) -> str:
    """The histogram as a log holds it."""
    counts, at = [], 0
    for upper_us, count in latency.buckets():
        cell = cell_of(round(upper_us * 1e3))
        if cell > at:
            counts.append(zigzag(at - cell))
        counts.append(zigzag(count))
        at = cell + 1
    packed = b"".join(counts)
    head = struct.pack(">iiiiqqd", COOKIE, len(packed), 0, DIGITS, 1, GREATEST, 1.0)
    squeezed = zlib.compress(head + packed)
    return base64.b64encode(struct.pack(">ii", COMPRESSED_COOKIE, len(squeezed)) + squeezed).decode()


def hlog(result: Result) -> str:
    """HdrHistogram's log: one interval, the whole run; in a mix one line per command, tagged with its title."""
    began = time.time() - result.seconds
    lines = [
        f"#[{result.title}: latencies in nanoseconds]",
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {began:.3f} (seconds since epoch), {time.ctime(began)}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for title, latency in result.commands.items():
        tag = "".join(letter if letter.isalnum() else "_" for letter in title)
        line = f"0.000,{result.seconds:.3f},{latency.max / 1e3:.3f},{encoded(latency)}"
        lines.append(f"Tag={tag},{line}" if len(result.commands) > 1 else line)
    return "\n".join(lines) + "\n"


# ---- files
def numbered(path: Path, name: str, several: bool) -> Path:
    """`out.hgrm` for one test; `out-get.hgrm` and so on for several."""
    return path.with_name(f"{path.stem}-{name}{path.suffix}") if several else path


def write_histogram(path: Path, result: Result) -> None:
    """A log if the name ends with `.hlog`, else percentiles."""
    path.write_text(hlog(result) if path.suffix == ".hlog" else hgrm(result.latency))


def check_writable(path: Path) -> None:
    """ValueError when a file of that name cannot be written: better before the load than after."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{path} cannot be written")


def append_json(path: Path, result: Result) -> None:
    """A line per run."""
    with open(path, "a") as out:
        out.write(result.to_json() + "\n")
