"""Figures as text and as markdown."""

import pytest

from perf import tables
from perf.load import Run, figures
from perf.results import Figure


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234567.8, "1,234,568"), (345.6, "346"), (12.34, "12.3"), (1.234, "1.23"), (0, "0.00"), (0.0012, "0.0012")],
)
def test_number(value, shown):
    assert tables.number(value) == shown


def test_columns_are_as_wide_as_their_widest_cell():
    assert tables.text([["test", "us"], ["lrange_600", "1,234"]]) == "test           us\nlrange_600  1,234"
    assert tables.text([]) == ""


def test_markdown_has_a_rule_below_the_head():
    assert tables.markdown([["a", "b"], ["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
    assert tables.markdown([]) == ""


def test_load_has_a_row_for_each_run_and_the_readme_one_for_each_test():
    found = []
    for depth in (1, 16):
        found += figures(f"get P={depth}", [(Run(300.0, 0.1, 0.5, 2.0), Run(100.0, 0.2, 0.6, 8.0))])
    rows = tables.load_rows(found)
    assert [row[0] for row in rows] == ["test", "get P=1", "get P=16"]
    assert rows[1][1:] == ["2.00", "8.00", "0.25", "300", "100", "3.00", "0.50", "0.60"]
    assert tables.ratio_rows(found) == [["test", "P=1", "P=16"], ["GET", "0.25 / 3.00", "0.25 / 3.00"]]
    assert tables.other_rows(found) == []


def test_other_parts_have_a_row_for_each_figure():
    rows = tables.other_rows([Figure("memory", "string", "bytes/item", 50.0, 100.0, 0.5)])
    assert rows[1:] == [["string", "bytes/item", "50.0", "100", "0.50"]]
    assert tables.load_rows([]) == tables.ratio_rows([]) == []
