"""The plan of a load test, and what is read from redis-benchmark."""

import pytest

from perf import load
from perf.load import Run
from perf.server_under_test import ServerFailed

CSV = """"test","rps","avg_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"LPUSH (needed)","1.00","0.2","0.2","0.3","0.4","0.5"
"LPOP, or so","123456.79","0.231","0.215","0.327","0.559","3.135"
"""


def test_the_last_row_counts():
    assert load.parse_csv(CSV) == (123456.79, 0.215, 0.559)


@pytest.mark.parametrize("text", ["", "Could not connect", CSV.splitlines()[0]])
def test_no_figures(text):
    with pytest.raises(ServerFailed):
        load.parse_csv(text)


def test_requests_follow_depth_scale_and_the_price_of_the_test():
    assert load.requests_of("get", 16, 1.0) == 800_000
    assert load.requests_of("get", 16, 0.5) == 400_000
    assert load.requests_of("lrange_600", 16, 1.0) == 40_000
    assert load.requests_of("get", 32, 1.0) > load.requests_of("get", 16, 1.0)
    assert load.requests_of("lrange_600", 1, 0.0001) == 2000


def test_lrange_is_a_command_of_its_own():
    assert load.arguments_of("get") == ["-t", "get"]
    assert load.arguments_of("lrange_300") == ["LRANGE", "mylist", "0", "299"]


def test_every_partner_and_every_dear_test_is_a_test():
    assert {*load.FILLED_BY, *load.FILLED_BY.values(), *load.DEARER} <= set(load.TESTS)


def test_the_ratio_is_the_median_of_the_pairs():
    pairs = [(Run(1, 1, 1, cpu), Run(1, 1, 1, peer)) for cpu, peer in ((1.0, 2.0), (5.0, 5.0), (8.0, 10.0))]
    cpu = load.figures("get P=1", pairs)[0]
    assert (cpu.ours, cpu.peer, cpu.ratio) == (5.0, 5.0, 0.8)
