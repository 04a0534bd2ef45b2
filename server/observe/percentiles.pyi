from collections.abc import Iterable

def classes(counts: list[int]) -> list[tuple[int, int]]:
    """(upper bound, count) of each class of a histogram that has some, ascending; see server.observe.histogram."""

def percentiles(buckets: list[tuple[int, int]], wanted: Iterable[float | str]) -> list[tuple[float, int]]:
    """(percent, value) read from ascending (upper bound, count) pairs."""
