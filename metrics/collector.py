"""From a snapshot to prometheus-client's families; everything here runs in the thread that serves the scrape.

Names and labels are redis_exporter's for all that it knows, and remus_* for the rest. A type differs in one case: a
counter that redis_exporter calls something else than ..._total is shown as untyped, as the format demands.
"""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import psutil
from prometheus_client.core import HistogramMetricFamily, Metric, SummaryMetricFamily

from metrics.cluster import cluster_families, slot_families
from metrics.family import COUNTER, GAUGE, Labels, family, single
from metrics.keys import group_families, key_families, notable_families
from metrics.mailbox import Mailbox, NoAnswer
from metrics.names import ALIASES, INSTANCE, LANES, OURS, SCRIPT_NAME, SCRIPT_SECONDS, number
from metrics.replication import replication_families
from metrics.snapshot import CommandCounts, Field, Snapshot, take
from metrics.watchers import watcher_families
from server.observe.percentiles import percentiles
from server.version import VERSION

if TYPE_CHECKING:
    from server.server import Server

BUCKETS_US = tuple(1 << power for power in range(24))  # of redis_commands_latencies_usec: 1 us to 8.4 s
SCRIPT_SHOWN = 128  # letters of a script's name
ANSWER_SECONDS = 10.0  # less than Prometheus' usual timeout is of no use: it would see nothing instead of redis_up 0


class Shown(Protocol):
    """What snapshots have in common."""

    @property
    def unix_seconds(self) -> float: ...
    @property
    def fields(self) -> list[Field]: ...


class Collector:
    """What prometheus-client's registry asks at each scrape."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.process = psutil.Process()
        self.scrapes = self.failures = 0
        self.seconds = 0.0
        self.last_seconds = 0.0
        self.groups_ms = 0.0

    def describe(self) -> list[Metric]:
        """Nothing in advance: names follow the server's state."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families. A main thread that does not answer in time is redis_up 0, and little else is known of it."""
        started = time.perf_counter()
        self.scrapes += 1
        try:
            snapshot = self.ask(self.take)
        except NoAnswer as error:
            self.failures += 1
            snapshot, failure = None, str(error)
        waited = time.perf_counter() - started
        yield single("redis_up", "Whether the server's main thread answers.", float(snapshot is not None))
        if snapshot is not None:
            yield from self.families(snapshot)
        yield from self.scrape_families("" if snapshot is not None else failure, waited)
        yield from process_families(self.process)
        self.last_seconds = time.perf_counter() - started
        self.seconds += self.last_seconds

    def take(self, server: "Server") -> Any:
        """The snapshot, on the main thread."""
        return take(server)

    def families(self, snapshot: Any) -> Iterator[Metric]:
        """What it tells."""
        yield from families(snapshot)
        if any(snapshot.watched_keys):
            yield from self.key_families(snapshot)
        yield from notable_families(snapshot.hot_keys, snapshot.big_keys)

    def key_families(self, snapshot: Snapshot) -> Iterator[Metric]:
        """Keys, patterns and prefixes that directives name."""
        *keys, separators = snapshot.watched_keys
        if any(keys):
            yield from key_families(self.ask, *keys)
        if separators:
            started = time.perf_counter()
            yield from group_families(self.ask, separators)
            self.groups_ms = (time.perf_counter() - started) * 1000

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """What the main thread says."""
        return self.mailbox.ask(question, ANSWER_SECONDS)

    def scrape_families(self, failure: str, waited: float) -> Iterator[Metric]:
        """What redis_exporter tells of itself; here the endpoint in the server stands for it."""
        build = {"version": VERSION, "commit_sha": "", "build_date": "", "golang_version": ""}
        yield family("redis_exporter_build_info", "The version of this endpoint.", [(build, 1)])
        yield family(
            "redis_exporter_last_scrape_error",
            "Whether this scrape failed, and why.",
            [({"err": failure}, float(bool(failure)))],
        )
        yield single(
            "redis_exporter_last_scrape_connect_time_seconds", "Time until the main thread had answered.", waited
        )
        yield single(
            "redis_exporter_last_scrape_duration_seconds", "Duration of the scrape before this.", self.last_seconds
        )
        yield single("redis_last_key_groups_scrape_duration_milliseconds", "Time for key groups.", self.groups_ms)
        yield single("redis_exporter_scrapes_total", "Scrapes answered.", self.scrapes)
        yield single("redis_target_scrape_request_errors_total", "Scrapes without an answer.", self.failures)
        duration = SummaryMetricFamily("redis_exporter_scrape_duration_seconds", "Durations of finished scrapes.")
        duration.add_metric([], max(0, self.scrapes - 1), self.seconds)
        yield duration


def families(s: Snapshot) -> Iterator[Metric]:
    """Everything that a snapshot tells."""
    values = {field.name: value for field, _, value in s.fields}
    yield from field_families(s)
    yield from identity(s, values)
    yield from command_families(s.commands, s.percentiles)
    yield from keyspace_families(s)
    yield from denial_families(s)
    yield from replication_families(s.lines, values)
    yield from cluster_families(s.cluster)
    yield from slot_families(s.slots)
    yield from watcher_families(s.watchers)
    yield from slow_families(s)
    yield from script_families(values)
    yield from config_families(s, values)
    yield from lane_families(s.lanes)
    yield turn_histogram(s.turns, values)
    yield wait_histogram(s.waits)
    yield from payload_histograms(s.payloads)


def field_families(s: Shown) -> Iterator[Metric]:
    """One per INFO field that has a metric."""
    for field, section, value in s.fields:
        known = number(value)
        if known is None:
            continue
        text = f"{field.name} of INFO {section}."
        if field.metric:
            kind = COUNTER if field.counter else GAUGE
            for name in (field.metric, *ALIASES.get(field.metric, ())):
                yield single(f"redis_{name}", text, known * field.scale, kind)
        elif field.name in OURS:
            yield single(f"remus_{OURS[field.name]}", text, known)


def identity(s: Shown, values: Mapping[str, Any]) -> Iterator[Metric]:
    """Who it is and since when."""
    labels = {name: str(values.get(name, "")) for name in INSTANCE}
    yield family("redis_instance_info", "The server, in labels.", [(labels, 1)])
    ours = {"version": str(values.get("remus_version", "")), "python_version": str(values.get("python_version", ""))}
    yield family("remus_build_info", "Remus and the Python that runs it, in labels.", [(ours, 1)])
    uptime = number(values.get("uptime_in_seconds", 0)) or 0
    yield single("redis_start_time_seconds", "When the server started.", int(s.unix_seconds) - uptime)


def command_families(commands: list[CommandCounts], wanted: tuple[float, ...]) -> Iterator[Metric]:
    """Calls, time and latencies by command."""
    plain: tuple[tuple[str, str, Callable[[CommandCounts], float]], ...] = (
        ("redis_commands_total", "Calls.", lambda c: c.calls),
        ("redis_commands_duration_seconds_total", "Time spent in calls.", lambda c: c.microseconds / 1e6),
        ("redis_commands_rejected_calls_total", "Calls refused before they began.", lambda c: c.rejected),
        ("redis_commands_failed_calls_total", "Calls that ended in an error.", lambda c: c.failed),
    )
    for name, text, value in plain:
        yield family(name, text, [({"cmd": each.name}, value(each)) for each in commands])
    yield latency_percentiles(commands, wanted)
    yield latency_histogram(commands)


def latency_percentiles(commands: list[CommandCounts], wanted: tuple[float, ...]) -> Metric:
    """The summary that mirrors INFO latencystats; the label quantile is in percent, as redis_exporter has it."""
    name = "redis_latency_percentiles_usec"
    metric = Metric(name, "Latency percentiles since the start or CONFIG RESETSTAT.", "summary")
    for each in commands:
        if each.latency:
            for percent, value in percentiles(each.latency, wanted):
                metric.add_sample(name, {"cmd": each.name, "quantile": f"{percent:g}"}, value / 1000)
            metric.add_sample(f"{name}_count", {"cmd": each.name}, each.calls)
            metric.add_sample(f"{name}_sum", {"cmd": each.name}, each.microseconds)
    return metric


def latency_histogram(commands: list[CommandCounts]) -> Metric:
    """LATENCY HISTOGRAM with the same buckets for all commands, so that rates and sums over them hold."""
    metric = HistogramMetricFamily("redis_commands_latencies_usec", "Latency of calls.", labels=["cmd"])
    for each in commands:
        if each.latency:
            metric.add_metric([each.name], [*cumulated(each.latency)], each.microseconds)
    return metric


def cumulated(latency: list[tuple[int, int]]) -> Iterator[tuple[str, float]]:
    """(le, calls at most so long) for each of BUCKETS_US, from ascending (upper bound in ns, calls)."""
    at = total = 0
    for bound in BUCKETS_US:
        while at < len(latency) and latency[at][0] <= bound * 1000:
            total += latency[at][1]
            at += 1
        yield str(bound), total
    yield "+Inf", total + sum(calls for _, calls in latency[at:])


def keyspace_families(s: Snapshot) -> Iterator[Metric]:
    """Keys by database (empty ones, too), and errors by code."""
    names = [({"db": f"db{each.number}"}, each) for each in s.databases]
    yield family("redis_db_keys", "Keys.", [(db, each.keys) for db, each in names])
    yield family("redis_db_keys_expiring", "Keys that will expire.", [(db, each.expires) for db, each in names])
    yield family(
        "redis_db_avg_ttl_seconds", "Their mean time to live.", [(db, each.average_ttl_ms / 1000) for db, each in names]
    )
    errors = [({"err": code}, float(count)) for code, count in s.errors.items()]
    yield family("redis_errors_total", "Error replies by their first word.", errors)


def denial_families(s: Snapshot) -> Iterator[Metric]:
    """What users were refused: the fields acl_access_denied_* of INFO, by user."""
    samples: list[tuple[Labels, float]] = []
    for name, counts in s.denials:
        user = name.decode("utf-8", "backslashreplace")
        samples += [({"user": user, "reason": reason}, float(count)) for reason, count in counts.items()]
    yield family("remus_acl_denials_total", "Refusals by ACL user and reason: auth, cmd, key, channel.", samples)


def slow_families(s: Snapshot) -> Iterator[Metric]:
    """Slow log and latency monitor."""
    length, newest, microseconds = s.slow_log
    yield single("redis_slowlog_length", "Entries in the slow log.", length)
    yield single("redis_slowlog_last_id", "Id of its newest entry.", newest)
    yield single("redis_last_slow_execution_duration_seconds", "How long that command took.", microseconds / 1e6)
    spikes = [({"event_name": name}, at, milliseconds) for name, at, milliseconds in s.latency_spikes]
    yield family("redis_latency_spike_last", "When an event was last slow.", [(who, at) for who, at, _ in spikes])
    yield family(
        "redis_latency_spike_duration_seconds", "How long it took then.", [(who, ms / 1e3) for who, _, ms in spikes]
    )


def script_families(values: Mapping[str, Any]) -> Iterator[Metric]:
    """The script that is running. A scrape sees one only once it is slow: then others hear BUSY, not the scrape."""
    seconds = number(values.get(SCRIPT_SECONDS, ""))
    if seconds is not None:
        name = str(values.get(SCRIPT_NAME) or "")[:SCRIPT_SHOWN]
        labels = {"name": name} if name and seconds > 0 else {}
        text = "How long the script has been running that other clients hear BUSY about."
        yield family(f"remus_{SCRIPT_SECONDS}", text, [(labels, seconds)])


def config_families(s: Snapshot, values: Mapping[str, Any]) -> Iterator[Metric]:
    """Limits to compare with."""
    for name, value in s.config.items():
        yield single(f"redis_config_{name.replace('-', '_')}", f"The directive {name}.", value)
    yield single("redis_hz", "Cron ticks per second.", number(values.get("hz", 0)) or 0)
    yield single("redis_configured_hz", "The directive hz.", number(values.get("configured_hz", 0)) or 0)
    limits: list[tuple[Labels, float]] = []
    times: list[tuple[Labels, float]] = []
    for name, (hard, soft, seconds) in s.output_limits.items():
        shown = "slave" if name == "replica" else name
        limits += [({"class": shown, "limit": "hard"}, hard), ({"class": shown, "limit": "soft"}, soft)]
        times.append(({"class": shown, "limit": "soft"}, seconds))
    yield family("redis_config_client_output_buffer_limit_bytes", "client-output-buffer-limit.", limits)
    yield family(
        "redis_config_client_output_buffer_limit_overcome_seconds", "How long the soft limit may be passed.", times
    )


def lane_families(lanes: list[dict[str, int]]) -> Iterator[Metric]:
    """The I/O threads; thread 0 is the main thread's own lane. Busy share: rate of busy over rate of busy + idle."""
    for counter, (name, factor, text) in LANES.items():
        samples = [({"thread": str(n)}, lane[counter] * factor) for n, lane in enumerate(lanes) if counter in lane]
        yield family(f"remus_io_thread_{name}", text, samples)
    clients = [({"thread": str(n)}, float(lane["connections"])) for n, lane in enumerate(lanes)]
    yield family("remus_io_thread_connections", "Connections that the thread serves.", clients)


def turn_histogram(turns: list[int], values: Mapping[str, Any]) -> Metric:
    """How long the turns of the event loop worked: for a client that finds the server busy, the wait for its turn."""
    metric = HistogramMetricFamily("remus_eventloop_turn_seconds", "Duration of turns of the event loop but for waits.")
    total, buckets = 0, []
    for bits, count in enumerate(turns[:-1]):
        total += count
        buckets.append((f"{(1 << bits) / 1e6:g}", total))
    worked = number(values.get("eventloop_duration_sum", 0)) or 0
    metric.add_metric([], [*buckets, ("+Inf", total + turns[-1])], worked / 1e6)
    return metric


def powers_of_two(counts: list[int], first: int, last: int, unit: float = 1) -> list[tuple[str, int]]:
    """Cumulated buckets of a histogram of server.observe.histogram: bounds 2**first to 2**last, then all."""
    totals = list(accumulate(counts))
    bounds = [str(1 << bits) if unit == 1 else f"{unit * (1 << bits):g}" for bits in range(first, last + 1)]
    return [*zip(bounds, totals[first : last + 1], strict=True), ("+Inf", totals[-1])]


def wait_histogram(waits: tuple[list[int], int]) -> Metric:
    """From the moment that a batch of commands was read and parsed to its first command, in the main thread."""
    text = "Time that batches of commands waited for the main thread."
    metric = HistogramMetricFamily("remus_main_thread_wait_seconds", text)
    metric.add_metric([], powers_of_two(waits[0], 0, 23, 1e-6), waits[1] / 1e6)
    return metric


def payload_histograms(payloads: dict[tuple[str, str], tuple[list[int], int]]) -> Iterator[Metric]:
    """How large requests and replies are, by what their commands do: read, write, other."""
    for way, text in (("request", "Requests by their size."), ("reply", "Replies by their size.")):
        metric = HistogramMetricFamily(f"remus_{way}_size_bytes", text, labels=["class"])
        for (of, kind), (counts, total) in payloads.items():
            if of == way:
                metric.add_metric([kind], powers_of_two(counts, 4, 26), total)
        yield metric


def process_families(process: psutil.Process) -> Iterator[Metric]:
    """process_*, as every client library names them."""
    with process.oneshot():
        cpu, memory = process.cpu_times(), process.memory_info()
        yield single("process_cpu_seconds_total", "User and system time of all threads.", cpu.user + cpu.system)
        yield single("process_resident_memory_bytes", "RSS.", memory.rss)
        yield single("process_virtual_memory_bytes", "Address space.", memory.vms)
        yield single("process_start_time_seconds", "When the process started.", process.create_time())
        yield single("process_threads", "Threads.", process.num_threads())
    yield single("process_open_fds", "Open file descriptors.", process.num_fds())
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    yield single("process_virtual_memory_max_bytes", "How much there may be; -1: any.",
                 -1 if space == resource.RLIM_INFINITY else space)
    yield single("process_max_fds", "How many there may be.", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
