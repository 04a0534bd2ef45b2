"""LATENCY DOCTOR: what the latency events of a server mean, and what can be done about them.

`report` is text for people: one line of statistics per event, then the advice that those events call for.
"""

import time
from collections.abc import Iterable, Iterator

from server.config.config import Config
from server.observe.latency import LatencyEvent, LatencyMonitor
from server.registry.dataclass import dataclass

OFF = ("Latency is not being watched. CONFIG SET latency-monitor-threshold <milliseconds> makes the server note "
       "everything that takes so long; ask again when it has run for a while.\n")
NOTHING = "No latency spike was seen since latency is being watched.\n"
NO_ADVICE = "\nNone of these events has an easy explanation.\n"

# event -> the advice it calls for
ADVICE = {
    "fork": ("fork",),
    "command": ("slowlog", "large-values"),
    "fast-command": ("scheduler",),
    "aof-write-pending-fsync": ("local-disk", "disk-contention", "ssd", "writeback"),
    "aof-write-active-child": ("no-appendfsync", "writeback", "ssd"),
    "aof-write-alone": ("local-disk", "writeback", "ssd"),
    "aof-fsync-always": ("appendfsync",),
    "aof-fstat": ("disk-contention", "local-disk"),
    "rdb-unlink-temp-file": ("disk-contention", "local-disk"),
    "aof-rewrite-diff-write": ("write-load", "writeback", "ssd", "local-disk"),
    "aof-rename": ("write-load", "writeback", "ssd", "local-disk"),
    "expire-cycle": ("hz", "large-values"),
    "eviction-del": ("large-values",),
    "eviction-cycle": ("mass-eviction",),
}

TEXTS = {
    "fork": "Forking takes long because the process has much memory to share with its child, and more so in some "
            "virtual machines. A machine with a faster fork, or less memory per server, helps.",
    "slowlog": "SLOWLOG GET shows which commands are slow; {slowlog}",
    "large-values": "Removing a large value takes time: UNLINK, FLUSHALL ASYNC and the lazyfree-lazy-* directives "
                    "free it in steps. Many small values are better than one huge one.",
    "scheduler": "Even commands that do next to nothing were slow, so the process did not get the processor when it "
                 "needed it: other programs on the machine, a busy neighbour on the host, or swapping. "
                 "`redis-cli --intrinsic-latency 100`, run there, measures it.",
    "local-disk": "Keep the files on a local disk rather than on the network.",
    "ssd": "An SSD writes and syncs faster.",
    "writeback": "Mounting ext4 with data=writeback speeds up writing; after a power failure the end of the AOF may "
                 "then have to be repaired.",
    "disk-contention": "Something else uses the disk at the same time; other servers on this machine included.",
    "no-appendfsync": "`CONFIG SET no-appendfsync-on-rewrite yes` keeps a rewrite and the fsyncs from getting in each "
                      "other's way, at the price of safety while the rewrite lasts.",
    "appendfsync": "`appendfsync always` waits for the disk at every turn; `everysec` loses about a second.",
    "write-load": "What is written during an AOF rewrite has to be added at its end: less writing makes that short.",
    "hz": "More and shorter expire cycles: `CONFIG SET hz 100`.",
    "mass-eviction": "Much had to be evicted at once: maxmemory was lowered, or something very large was written.",
    "huge-pages": "Transparent huge pages are in use, which makes copies after a fork expensive: write `never` to "
                  "/sys/kernel/mm/transparent_hugepage/enabled and restart the server.",
}


@dataclass(frozen=True)
class Statistics:
    """The samples of one event in a few numbers: milliseconds, and seconds for the period."""

    samples: int
    average: int
    deviation: int
    period: int


def statistics(event: LatencyEvent, now: int) -> Statistics:
    """Mean, mean absolute deviation, and the time since the oldest sample."""
    values = [spike.milliseconds for spike in event.samples]
    count = len(values)
    if not count:
        return Statistics(0, 0, 0, 0)
    average = sum(values) // count
    deviation = sum(abs(average - value) for value in values) // count
    return Statistics(count, average, deviation, max(1, now - event.samples[0].unix_seconds))


def huge_pages() -> int:
    """Bytes of anonymous huge pages this process has; 0 where the system does not say."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(b"AnonHugePages:"))
    except (OSError, ValueError, IndexError):
        return 0


def report(latency: LatencyMonitor, config: Config) -> str:
    """The whole text."""
    events = latency.events
    if not events and not latency.threshold_ms:
        return OFF
    now = int(time.time())
    lines = []
    for number, (name, event) in enumerate(events.items(), 1):
        s = statistics(event, now)
        lines.append(f"{number}. {name}: {s.samples} latency spikes (average {s.average}ms, "
                     f"mean deviation {s.deviation}ms, period {s.period / max(1, s.samples):.2f} sec). "
                     f"Worst all time event {event.worst}ms.\n")
    advice = list(dict.fromkeys(_wanted(config, events)))
    if not lines and not advice:
        return NOTHING
    text = "Latency spikes were seen:\n\n" + "".join(lines) if lines else ""
    if not advice:
        return text + NO_ADVICE
    slowlog = _slowlog(config)
    return text + "\nWhat may help:\n\n" + "".join(f"- {TEXTS[key].format(slowlog=slowlog)}\n" for key in advice)


def _wanted(config: Config, events: Iterable[str]) -> Iterator[str]:
    for name in events:
        for key in ADVICE.get(name, ()):
            if key == "appendfsync" and config.appendfsync != "always":
                continue
            if key == "hz" and config.hz >= 100:
                continue
            yield key
    if huge_pages():
        yield "huge-pages"


def _slowlog(config: Config) -> str:
    limit = config.slowlog_log_slower_than
    wanted = config.latency_monitor_threshold * 1000
    if limit < 0:
        return f"it is off: `CONFIG SET slowlog-log-slower-than {wanted}` turns it on."
    if limit > wanted:
        return f"`CONFIG SET slowlog-log-slower-than {wanted}` makes it note everything that is seen here."
    return "the large values among their keys are where to look first."
