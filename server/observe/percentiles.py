"""Percentiles of a histogram."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate


def percentiles(buckets: list[tuple[int, int]], wanted: Iterable[float | str]) -> Iterator[tuple[float, int]]:
    """(percent, value) read from ascending (upper bound, count) pairs."""
    seen = list(accumulate(count for _, count in buckets))
    for percent in map(float, wanted):
        place = bisect_left(seen, seen[-1] * percent / 100)
        yield percent, buckets[min(place, len(buckets) - 1)][0]
