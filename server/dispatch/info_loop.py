"""What INFO tells of the turning wheel: loop and lanes, cron, collector, shutdown.

debug is shown only when it is asked for by name; it is Redis's.
"""

from collections.abc import Iterator

from server.dispatch.collector import Collector
from server.dispatch.cron import Cron
from server.dispatch.lane_totals import LaneTotals
from server.dispatch.loop import Loop
from server.dispatch.served import Served
from server.dispatch.shutdown import Shutdown
from server.registry.info import section
from server.registry.info_sections import DEBUG, SERVER, STATS

SERVER.of(Cron).field("hz", lambda cron: cron.hz)
SERVER.of(Loop).field("multiplexing_api", lambda loop: loop.io.multiplexing_api)
SERVER.of(Loop).field("io_threads_active", lambda loop: loop.io.away > 0, metric="io_threads_active")
SERVER.of(Shutdown).field("shutdown_in_milliseconds", lambda shutdown: shutdown.remaining_ms(),
                          shown=lambda shutdown: shutdown.remaining_ms() is not None)

# ---- the loop and its lanes
lanes = STATS.of(LaneTotals)
lanes.field("total_net_input_bytes", lambda lanes: lanes.bytes_in, metric="net_input_bytes_total", counter=True)
lanes.field("total_net_output_bytes", lambda lanes: lanes.bytes_out, metric="net_output_bytes_total", counter=True)
lanes.field("total_reads_processed", lambda lanes: lanes.reads, metric="total_reads_processed", counter=True)
lanes.field("total_writes_processed", lambda lanes: lanes.writes, metric="total_writes_processed", counter=True)
lanes.field("io_threaded_reads_processed", lambda lanes: lanes.threaded_reads, metric="io_threaded_reads_processed",
            counter=True)
lanes.field("io_threaded_writes_processed", lambda lanes: lanes.threaded_writes, metric="io_threaded_writes_processed",
            counter=True)
STATS.of(Served).field("total_commands_processed", lambda served: served.commands, metric="commands_processed_total",
                       counter=True)
loop = STATS.of(Loop)
loop.field("eventloop_cycles", lambda loop: loop.cycles, metric="eventloop_cycles_total", counter=True)
loop.field("eventloop_duration_sum", lambda loop: loop.duration_us, metric="eventloop_duration_sum_usec_total",
           counter=True)
loop.field("eventloop_duration_cmd_sum", lambda loop: loop.command_us,
           metric="eventloop_duration_cmd_sum_usec_total", counter=True)

debug = DEBUG.of(Loop)
debug.field("eventloop_duration_max", lambda loop: loop.longest_us)
debug.field("fast_path_commands", lambda loop: loop.fast_commands)
debug.field("eventloop_cmd_per_cycle_max", lambda loop: loop.commands_per_cycle_max)
DEBUG.of(Cron).field("eventloop_duration_cron_sum", lambda cron: cron.spent_us)


@section("iothreads", "IOThreads", default=False).of(Loop).family
def lane_lines(loop: Loop) -> Iterator[tuple[str, str]]:
    """io_thread_0 is the main thread's lane; busy is time not spent waiting: its share since the start, and in us."""
    for number, lane in enumerate(loop.lane_stats()):
        spent = lane["busy_ns"] + lane["idle_ns"]
        busy = 100 * lane["busy_ns"] / spent if spent else 0.0
        yield (
            f"io_thread_{number}",
            f"clients={lane['connections']},busy_percent={busy:.2f},reads={lane['reads']},"
            f"writes={lane['writes']},bytes_in={lane['bytes_in']},bytes_out={lane['bytes_out']},"
            f"busy_us={lane['busy_ns'] // 1000},idle_us={lane['idle_ns'] // 1000}",
        )


# ---- what the collector of Python found
collector = STATS.of(Collector)
collector.field("gc_collections", lambda collector: collector.collections)
collector.field("gc_cycles_found", lambda collector: collector.cycles_found)
collector.field("gc_longest_usec", lambda collector: collector.longest_us)
