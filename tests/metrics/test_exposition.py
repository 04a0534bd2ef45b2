"""Our text is prometheus-client's text."""

import gzip
from collections.abc import Callable

import pytest

pytest.importorskip("prometheus_client")
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric, SummaryMetricFamily

from metrics import exposition
from metrics.collector import family
from tests.metrics.test_endpoint import get, port, url  # noqa: F401 - fixtures
from tests.support.server import Server


class Fixed:
    def __init__(self, families: list[Metric]) -> None:
        self.families = families

    def collect(self) -> list[Metric]:
        return self.families


def odd_families() -> list[Metric]:
    labels = [{}, {"b": "x", "a": "y"}, {"a": 'quotes " and \\ and \n lines'}, {"a": "ünïcode, ☃"}, {"a": ""}]
    values = [0, 1, -1, 1.5, 1e6, 12345678.9, 1e21, 1e-9, float("inf"), float("-inf"), float("nan"), 2**60, True]
    histogram = HistogramMetricFamily("h", "A histogram.", labels=["cmd"])
    histogram.add_metric(["get"], [("0.1", 1), ("+Inf", 2)], 0.25)
    summary = SummaryMetricFamily("s", "A summary.")
    summary.add_metric([], 3, 4.5)
    return [
        *(family(f"name{n}", "Text with a \\ and a \n line.", [(each, value) for each in labels])
          for n, value in enumerate(values)),
        family("things_total", "A counter.", [({}, 5)]), family("untyped", "A counter.", [({}, 5)], "counter"),
        histogram, summary, Metric("empty", "Nothing.", "gauge"),
    ]  # fmt: skip


def test_the_text_is_that_of_prometheus_client() -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Fixed(odd_families()))
    assert exposition.text(odd_families()) == generate_latest(registry)


def test_a_whole_scrape_is_read_by_its_parser(new_server: Callable[..., Server], port: int, url: str) -> None:  # noqa: F811
    from prometheus_client.parser import text_string_to_metric_families

    new_server(metrics_port=port, metrics_count_keys="db0=*")
    plain = get(f"{url}/metrics")[1]
    families = {each.name: each for each in text_string_to_metric_families(plain)}
    assert len(families) > 150 and families["redis_up"].samples[0].value == 1
    untyped = [name for name, each in families.items() if each.type == "unknown"]
    assert untyped and all(f"# TYPE {name} untyped" in plain for name in untyped)
    named = get(f"{url}/metrics?name[]=redis_up")[1]
    assert named.splitlines()[-1] == "redis_up 1.0" and len(named.splitlines()) == 3


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("deflate, GZIP;q=0.5", True), ("gzip;q=0", False), ("", False), ("x-gzip2", False)],
)
def test_gzip(accepted: str, packed: bool) -> None:
    headers, body = exposition.response(accepted, "", odd_families())
    assert (("Content-Encoding", "gzip") in headers) == packed
    assert (gzip.decompress(body) if packed else body) == exposition.text(odd_families())
