"""INFO about commands: commandstats, latencystats. Kept in the commands' records."""

from collections.abc import Iterator

from server.config.config import Config
from server.dispatch.record import used_records
from server.observe.percentiles import percentiles
from server.registry.info_sections import COMMANDSTATS, LATENCYSTATS


@COMMANDSTATS.of(Config).family
def command_lines(_: Config) -> Iterator[tuple[str, str]]:
    """cmdstat_get:calls=...; commands never called are left out."""
    for r in used_records():
        calls, spent = r.calls, r.microseconds
        yield (
            f"cmdstat_{r.command.name}",
            f"calls={calls},usec={spent},usec_per_call={spent / calls if calls else 0:.2f},"
            f"rejected_calls={r.rejected},failed_calls={r.failed}",
        )


@LATENCYSTATS.of(Config).family
def latency_lines(config: Config) -> Iterator[tuple[str, str]]:
    """latency_percentiles_usec_get:p50=0.5,p99=...; only with latency-tracking."""
    if not config.latency_tracking:
        return
    wanted = config.latency_tracking_info_percentiles
    for r in used_records():
        if buckets := r.latency_histogram():
            shown = ",".join([f"p{percent:g}={value / 1000:.3f}" for percent, value in percentiles(buckets, wanted)])
            yield f"latency_percentiles_usec_{r.command.name}", shown
