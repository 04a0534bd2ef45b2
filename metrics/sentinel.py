"""The metrics port of a sentinel: what INFO tells, what it knows of its masters, and a page that shows them.

It knows no sentinel: who makes it says which sections there are, and where the figures come from.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prometheus_client.core import Metric

from metrics.collector import Collector, command_families, field_families, identity
from metrics.endpoint import FILES, ROOM, Endpoint
from metrics.family import GAUGE, family
from metrics.mailbox import Mailbox
from metrics.request import Reply, Request
from metrics.snapshot import CommandCounts, Field, command_counts, read_fields
from server.registry.info import sections as declared_sections

if TYPE_CHECKING:
    from server.server import Server


FILES_HERE = {f"/{file.name}": file for file in ROOM.glob("sentinel_page/*")}
FILES_HERE["/"] = FILES_HERE.pop("/index.html")


class Gauge(Protocol):
    """A gauge with its values."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def samples(self) -> list[tuple[dict[str, str], float]]: ...


class Figures(Protocol):
    """What a sentinel knows. masters: for the page, as JSON has it."""

    @property
    def gauges(self) -> Sequence[Gauge]: ...
    @property
    def masters(self) -> list[dict[str, Any]]: ...


class Seen(NamedTuple):
    """A sentinel at one moment."""

    unix_seconds: float
    fields: list[Field]
    commands: list[CommandCounts]
    figures: Figures


class SentinelCollector(Collector):
    """sections: of INFO. figures: called on the main thread."""

    def __init__(self, mailbox: Mailbox, sections: Sequence[str], figures: Callable[[], Figures]) -> None:
        super().__init__(mailbox)
        self._sections = [declared_sections()[name] for name in sections]
        self._figures = figures

    def take(self, server: "Server") -> Seen:
        """The snapshot, on the main thread."""
        fields, _ = read_fields(server.parts, self._sections)
        return Seen(time.time(), fields, [*command_counts(server.config.latency_tracking)], self._figures())

    def families(self, snapshot: Any) -> Iterator[Metric]:
        """What it tells."""
        values = {field.name: value for field, _, value in snapshot.fields}
        yield from field_families(snapshot)
        yield from identity(snapshot, values)
        yield from command_families(snapshot.commands, ())
        for gauge in snapshot.figures.gauges:
            yield family(gauge.name, gauge.text, gauge.samples, GAUGE)


class SentinelEndpoint(Endpoint):
    """The metrics port of a sentinel."""

    def __init__(self, server: "Server", sections: Sequence[str], figures: Callable[[], Figures]) -> None:
        self._sections = sections
        self._figures = figures
        super().__init__(server)

    def collector(self) -> Collector:
        """What /metrics shows."""
        return SentinelCollector(self.mailbox, self._sections, self._figures)

    def file(self, path: str) -> Path | None:
        """The file that stands at a path."""
        return FILES_HERE.get(path) or FILES.get(path)

    def answers(self, request: Request) -> dict[str, Callable[[], Reply]]:
        """What is computed, by path."""
        return {
            "/metrics": lambda: self.metrics(request),
            "/masters.json": lambda: self.told_by_server(lambda server: self._figures().masters),
        }
