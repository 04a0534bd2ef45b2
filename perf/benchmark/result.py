"""What one run found out."""

import json
from dataclasses import dataclass, field
from typing import Any

from perf.benchmark.histogram import Histogram

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)


@dataclass
class Result:
    """Times are seconds, latencies microseconds. `requests` are those answered in the measured part."""

    title: str
    requests: int
    seconds: float  # from the end of the warm-up to the last reply
    errors: int  # error replies, those of the warm-up included
    first_error: str
    cpu_seconds: float  # processor time of the load generator itself, with the warm-up
    answered: int  # requests, with the warm-up
    latency: Histogram
    commands: dict[str, Histogram]  # by title
    sent_bytes: int
    received_bytes: int
    offered_rate: float = 0.0  # open loop: requests per second that were to be sent
    unsent: int = 0  # open loop: due before the end, and never sent: the server was too slow
    lag: Histogram = field(default_factory=Histogram)  # open loop: sent later than due, though a client was idle
    settings: dict[str, Any] = field(default_factory=dict)
    ended_early: str = ""  # why the run ended before it was over: "interrupted", or what failed

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    @property
    def cpu_per_million(self) -> float:
        """Seconds of its own processor time per million requests."""
        return self.cpu_seconds * 1e6 / self.answered if self.answered else 0.0

    def percentile(self, percent: float) -> float:
        """Latency in us that `percent` of the requests did not exceed."""
        return self.latency.percentile(percent)

    def to_dict(self, histogram: bool = True) -> dict[str, Any]:
        """All of it, ready for JSON; with `histogram`, latencies as [[us, count]...], too."""
        found: dict[str, Any] = {
            "title": self.title,
            "requests": self.requests,
            "seconds": round(self.seconds, 6),
            "rate": round(self.rate, 2),
            "errors": self.errors,
            "first_error": self.first_error,
            "cpu_seconds": round(self.cpu_seconds, 6),
            "cpu_seconds_per_million": round(self.cpu_per_million, 4),
            "sent_bytes": self.sent_bytes,
            "received_bytes": self.received_bytes,
            "latency_us": described(self.latency),
            "commands": {
                title: {"requests": each.total, "latency_us": described(each)} for title, each in self.commands.items()
            },
            "settings": self.settings,
        }
        if self.ended_early:
            found["ended_early"] = self.ended_early
        if self.offered_rate:
            found["open_loop"] = {
                "offered_rate": self.offered_rate,
                "unsent": self.unsent,
                "send_lag_us": described(self.lag),
            }
        if histogram:
            found["histogram_us"] = [[round(value, 3), count] for value, count in self.latency.buckets()]
        return found

    def to_json(self, histogram: bool = True) -> str:
        """`to_dict` as one line of text."""
        return json.dumps(self.to_dict(histogram))


def described(latency: Histogram) -> dict[str, float]:
    """The figures that reports show, in us."""
    found = {"mean": latency.mean, "min": latency.min}
    found |= {f"p{percent:g}": latency.percentile(percent) for percent in PERCENTILES}
    found["max"] = latency.max
    return {name: round(value, 3) for name, value in found.items()}
