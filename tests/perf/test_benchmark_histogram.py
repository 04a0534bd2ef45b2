"""The histogram against sorted lists, and the percentile file made of it."""

import math

import pytest
from hypothesis import given, settings, strategies as st

from perf.benchmark.files import hgrm
from perf.benchmark.histogram import Histogram

VALUE = st.one_of(st.integers(0, 400), st.integers(0, 10**6), st.integers(0, 2**42))
VALUES = st.lists(VALUE, min_size=1, max_size=100)


def filled(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


def exact(values: list[int], percent: float) -> float:
    """Nearest rank, in us."""
    rank = max(1, math.ceil(percent / 100 * len(values) - 1e-6))
    return sorted(values)[rank - 1] / 1e3


@settings(max_examples=200, deadline=None)
@given(VALUES, st.sampled_from([0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_at_most_one_percent_too_high(values: list[int], percent: float):
    true, told = exact(values, percent), filled(values).percentile(percent)
    assert true <= told <= true * 1.01


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_merging_is_recording_both(left: list[int], right: list[int]):
    merged = filled(left)
    merged.merge(filled(right))
    assert merged.buckets() == filled(left + right).buckets()
    assert (merged.min, merged.max, merged.mean) == pytest.approx(
        (min(left + right) / 1e3, max(left + right) / 1e3, sum(left + right) / 1e3 / len(left + right))
    )


def test_deviation_and_counts():
    latency = filled([1000, 3000] * 50)
    assert latency.deviation == pytest.approx(1.0, rel=0.01)
    assert (latency.count_up_to(1.5), latency.count_up_to(4)) == (50, 100)
    copied = latency.copy()
    copied.record(1)
    assert (latency.total, copied.total) == (100, 101)


def test_an_empty_one():
    latency = Histogram()
    assert (len(latency), latency.percentile(99), latency.mean, latency.min, latency.max) == (0, 0, 0, 0, 0)
    assert "Total count    =            0]" in hgrm(latency)


def test_what_is_longer_than_it_can_tell_counts_as_its_greatest():
    latency = filled([2**60])
    assert latency.total == 1
    assert latency.max == pytest.approx(2**43 / 1e3)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_the_percentile_file(values: list[int]):
    lines = hgrm(filled(values)).splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    assert lines[1] == ""
    rows = [[float(cell) for cell in line.split()] for line in lines[2:-3]]
    assert all(len(row) == 4 and row[3] == pytest.approx(1 / (1 - row[1]), rel=0.01) for row in rows[:-1])
    assert rows[-1][1:] == [1.0, len(values)]
    for before, after in zip(rows, rows[1:]):
        assert before[0] <= after[0]
        assert before[1] < after[1]
        assert before[2] <= after[2]
    for value, share, seen, *_ in rows:
        assert seen / len(values) >= share - 1e-9
        assert value * 1.01 + 0.001 >= exact(values, share * 100) / 1e3
    assert [line.split()[0] for line in lines[-3:]] == ["#[Mean", "#[Max", "#[Buckets"]
