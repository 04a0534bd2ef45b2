"""INFO about commands: commandstats, latencystats. Kept in the commands' records."""

from collections.abc import Iterator

from server.config.config import Config
from server.observe.percentiles import percentiles
from server.registry.command import every_command
from server.registry.info_sections import COMMANDSTATS, LATENCYSTATS


@COMMANDSTATS.of(Config).family
def command_lines(_: Config) -> Iterator[tuple[str, str]]:
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


@LATENCYSTATS.of(Config).family
def latency_lines(config: Config) -> Iterator[tuple[str, str]]:
    """latency_percentiles_usec_get:p50=0.5,p99=...; only with latency-tracking."""
    if not config.latency_tracking:
        return
    wanted = config.latency_tracking_info_percentiles
    for command in every_command():
        buckets = command.record.latency_histogram() if command.record is not None else []
        if buckets:
            shown = ",".join(f"p{percent:g}={value / 1000:.3f}" for percent, value in percentiles(buckets, wanted))
            yield f"latency_percentiles_usec_{command.name}", shown
