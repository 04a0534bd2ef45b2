"""Percentiles of a histogram."""

from collections.abc import Iterable, Iterator


def percentiles(buckets: list[tuple[int, int]], wanted: Iterable[float | str]) -> Iterator[tuple[float, int]]:
    """(percent, value) read from ascending (upper bound, count) pairs."""
    total = sum(count for _, count in buckets)
    for percent in wanted:
        goal, seen, value = total * float(percent) / 100, 0, buckets[-1][0]
        for bound, count in buckets:
            seen += count
            if seen >= goal:
                value = bound
                break
        yield float(percent), value
