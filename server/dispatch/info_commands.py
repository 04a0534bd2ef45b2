"""INFO about commands: commandstats, errorstats, latencystats. Kept in the commands' records and in observe.stats."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from server.observe.percentiles import percentiles
from server.observe.stats import error_name
from server.registry.command import every_command
from server.registry.info import Section, section

if TYPE_CHECKING:
    from server.server import Server

commandstats: "Section[Server]" = section("commandstats", "Commandstats", default=False)


@commandstats.family
def command_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """cmdstat_get:calls=...; commands never called are left out."""
    for command in every_command():
        r = command.record
        if r is not None and (r.calls or r.rejected or r.failed):
            each = r.microseconds / r.calls if r.calls else 0
            yield (
                f"cmdstat_{command.name}",
                f"calls={r.calls},usec={r.microseconds},usec_per_call={each:.2f},"
                f"rejected_calls={r.rejected},failed_calls={r.failed}",
            )


errorstats: "Section[Server]" = section("errorstats", "Errorstats")


@errorstats.family
def error_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """errorstat_WRONGTYPE:count=3. Codes that differ in what may not stand in a name share it, as in Redis."""
    for code, count in s.stats.errors.items():
        yield f"errorstat_{error_name(code)}", f"count={count}"


latencystats: "Section[Server]" = section("latencystats", "Latencystats", default=False)


@latencystats.family
def latency_lines(s: "Server") -> Iterator[tuple[str, str]]:
    """latency_percentiles_usec_get:p50=0.5,p99=...; only with latency-tracking."""
    if not s.config.latency_tracking:
        return
    wanted = s.config.latency_tracking_info_percentiles
    for command in every_command():
        buckets = command.record.latency_histogram() if command.record is not None else []
        if buckets:
            shown = ",".join(f"p{percent:g}={value / 1000:.3f}" for percent, value in percentiles(buckets, wanted))
            yield f"latency_percentiles_usec_{command.name}", shown
