"""What a person or a script reads of a run: text, one line, or CSV; and the line that shows a run's progress."""

from collections.abc import Iterable
from dataclasses import dataclass

from perf.benchmark.histogram import Histogram
from perf.benchmark.result import Result
from perf.benchmark.session import Progress

# The columns of `redis-benchmark --csv`.
CSV_COLUMNS = (
    "test", "rps", "avg_latency_ms", "min_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms",
    "max_latency_ms",
)  # fmt: skip
SHOWN = ("mean", "min", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")


def csv_row(values: Iterable[str]) -> str:
    return ",".join('"' + value.replace('"', '""') + '"' for value in values)


def csv_header() -> str:
    return csv_row(CSV_COLUMNS)


def csv_line(result: Result, precision: int = 3) -> str:
    """A run as a row below `csv_header`."""
    latency = result.latency
    values = [latency.mean, latency.min, *map(latency.percentile, (50, 95, 99)), latency.max]
    return csv_row([result.title, f"{result.rate:.2f}", *(f"{value / 1e3:.{precision}f}" for value in values)])


def quiet_line(result: Result, precision: int = 3) -> str:
    """A run in the words of `redis-benchmark -q`, which scripts look for."""
    p50 = result.percentile(50) / 1e3
    return f"{result.title}: {result.rate:.2f} requests per second, p50={p50:.{precision}f} msec"


def latency_cells(latency: Histogram, precision: int) -> list[str]:
    values = [latency.mean, latency.min, *(latency.percentile(float(name[1:])) for name in SHOWN[2:-1]), latency.max]
    return [f"{value / 1e3:.{precision}f}" for value in values]


def table(rows: list[list[str]]) -> list[str]:
    """The first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        for row in rows
    ]


def text(result: Result, precision: int = 3) -> str:
    """A run in full."""
    lines = [f"== {result.title}", f"  {result.rate:,.0f} requests/s: {result.requests:,} in {result.seconds:.2f} s"]
    lines += ["  " + how(result), ""]
    rows = [["latency (ms)", *SHOWN], ["", *latency_cells(result.latency, precision)]]
    if len(result.commands) > 1:
        rows[1][0] = "all"
        for title, latency in result.commands.items():
            share = latency.total / max(1, result.requests)
            rows.append([f"{title}, {share:.1%}", *latency_cells(latency, precision)])
    lines += ["  " + line for line in table(rows)]
    lines += ["", *("  " + line for line in notes(result, precision)), ""]
    return "\n".join(lines)


def how(result: Result) -> str:
    """The settings that make two runs comparable."""
    given = result.settings
    loop = "closed loop"
    if result.offered_rate:
        loop = f"open loop, {result.offered_rate:,.0f} requests/s {given['arrivals']}"
    parts = [counted(given["clients"], "client"), counted(given["threads"], "thread"), f"pipeline {given['pipeline']}"]
    if given["key_space"]:
        parts.append(f"{given['key_space']:,} keys {given['key_distribution']}")
    parts += [f"values of {given['value_size']} bytes", loop]
    return ", ".join(parts) + ("" if given["keep_alive"] else ", a new connection each time")


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def notes(result: Result, precision: int) -> Iterable[str]:
    yield (
        f"load generator: {result.cpu_per_million:.2f} s of processor time per million requests, "
        f"{megabytes(result.sent_bytes)} sent, {megabytes(result.received_bytes)} received"
    )
    if result.offered_rate:
        late = f"{result.lag.percentile(99) / 1e3:.{precision}f}"
        p50 = f"{result.lag.percentile(50) / 1e3:.{precision}f}"
        yield f"sent late by its own fault: p50 {p50} ms, p99 {late} ms (part of the latency)"
    if result.unsent:
        yield f"too slow: {result.unsent:,} requests were due and never sent, because all clients were waiting"
    if result.ended_early:
        yield f"ended early: {result.ended_early}"
    if result.errors:
        yield f"{result.errors:,} error replies; the first: {result.first_error}"


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


@dataclass
class ProgressLine:
    """One line, written anew four times a second: rate and mean latency since the last time, and over all."""

    title: str
    seconds: float = 0.0
    replies: int = 0
    waited: float = 0.0

    def line(self, now: Progress) -> str:
        seconds, replies = now.seconds - self.seconds, now.replies - self.replies
        mean_ms = (now.waited - self.waited) / 1e3 / replies if replies else 0.0
        self.seconds, self.replies, self.waited = now.seconds, now.replies, now.waited
        overall = now.replies / now.seconds if now.seconds else 0.0
        shown = f"{self.title}: {replies / seconds if seconds else 0:,.0f}/s, {mean_ms:.3f} ms"
        shown += f" (overall {overall:,.0f}/s, {now.replies:,} in {now.seconds:.1f} s)"
        return shown + (f", {now.errors:,} errors" if now.errors else "")
