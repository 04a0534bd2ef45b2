"""The comparison in docs/comparison.md: between two markers, written by `./dev bench --readme` and by nobody else."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

from perf import results, tables
from perf.results import Figure

PAGE = "docs/comparison.md"
BEGIN = "<!-- perf: made by ./dev bench --readme -->"
END = "<!-- perf: end -->"
THREADS = (
    "Columns name the pipeline depth and, where it is not one thread each, the `io-threads` of both sides, ours first: "
    "2:1 is ours with two beside a peer with one, 2:2 is both with two. A thread of ours sleeps when it has nothing to "
    "do, one of Redis spins, which needs a processor to itself: where servers and load share few of them, 2:2 shows "
    "what spinning costs there, and says little about larger machines."
)
OPEN_LOOP = (
    "Latencies are those of an open loop: every server is offered the same rate, half of what the slowest one can do; "
    "many short runs of all in turn, medians."
)


def section(figures: Iterable[Figure], settings: dict[str, Any]) -> str:
    """The words and tables for these figures, without the markers."""
    found = list(figures)
    paragraphs = [about(settings)]
    if any(" io-threads=" in figure.name for figure in found):
        paragraphs.append(THREADS)
    if any(figure.part == "latency" for figure in found):
        paragraphs.append(OPEN_LOOP)
    parts = ["\n".join(line for text in paragraphs for line in wrap(text, 120, break_on_hyphens=False))]
    for rows in (tables.ratio_rows(found), tables.latency_rows(found), tables.other_rows(found)):
        if rows:
            parts.append(tables.markdown(rows))
    return "\n\n".join(parts)


def about(settings: dict[str, Any]) -> str:
    """What was measured, on what, and how to read it."""
    return (
        f"Commit {results.commit()} beside {settings['peer']} {settings['peer_version']} on {results.machine()}, "
        f"{settings['clients']} clients, {settings['keys']:,} keys, values of {settings['size']} bytes; server, peer "
        "and load generator share the processors. Each cell is *processor time per request / requests per second*, "
        "ours divided by the peer's, the median of alternating runs: the first is better below 1, the second above. "
        "Rates at depth 16 and 50 are held down by redis-benchmark, which then needs more processor than the server."
    )


def write(path: Path, text: str) -> None:
    """Put the text between the markers; ValueError when the file has none."""
    page = path.read_text()
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the comparison: a line {BEGIN} and a line {END}")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
