"""Every micro-benchmark runs: its data are what its loop expects."""

import pytest

from perf.micro import resp
from perf.micro.benchmarks import ALL, LARGE, chosen

QUICK = [micro for micro in ALL if f"{LARGE:,}" not in micro.name]


def test_names_are_unique():
    assert len({micro.name for micro in ALL}) == len(ALL)


@pytest.mark.parametrize("micro", QUICK, ids=lambda micro: micro.name)
def test_a_loop_takes_time_and_leaves_its_structure_as_it_was(micro):
    for _ in range(2):
        assert micro.loops(2, *micro.arguments) > 0


def test_a_parser_that_understands_something_else_is_no_benchmark():
    with pytest.raises(AssertionError):
        resp.parse_requests(1, b"PING\r\n", 2)


def test_only_picks_by_name():
    assert {micro.name.partition(":")[0] for micro in chosen("rax,lzf")} == {"rax", "lzf"}
    assert chosen("") == list(ALL)
