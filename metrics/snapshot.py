"""What the main thread answers to a scrape: plain numbers, copied. All that costs time is left to the asking thread.

Beside `keys`, which looks at keys that somebody named, this is all of the room that reads the server: `take`, and what
the live page asks for.
"""

import time
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from metrics import watchers
from metrics.names import CONFIG, INSTANCE, MASTER_LINK, OURS, SCRIPT_NAME, SCRIPT_SECONDS
from server.dispatch.record import all_records
from server.keyspace import by_slot
from server.keyspace.big_keys import BigKey
from server.observe.hot_keys import HotKey
from server.registry.info import InfoField, Section, sections
from server.registry.parts import Parts

if TYPE_CHECKING:
    from server.server import Server

# Their families are copied as numbers below, which is cheaper than as INFO's lines.
AS_NUMBERS = {"acl", "commandstats", "latencystats", "keyspace", "errorstats", "iothreads", "load", "hotkeys",
              "bigkeys"}  # fmt: skip
SLOW_SHOWN = 12
WANTED = {*INSTANCE, *MASTER_LINK, *OURS, "master_host", "master_port", "slave_read_only", "uptime_in_seconds",
          "remus_version", "python_version", "hz", "configured_hz", SCRIPT_SECONDS, SCRIPT_NAME}  # fmt: skip


Field = tuple[InfoField[Any], str, Any]  # field, section's name, value


class CommandCounts(NamedTuple):
    """One command that has been called (or refused)."""

    name: str  # config|get
    calls: int
    microseconds: int
    rejected: int
    failed: int
    latency: list[tuple[int, int]]  # (upper bound in ns, calls), ascending; empty without latency-tracking


class DatabaseCounts(NamedTuple):
    """One database."""

    number: int
    keys: int
    expires: int
    average_ttl_ms: float


class SlotCounts(NamedTuple):
    """One slot of a cluster."""

    slot: int
    keys: int
    use: tuple[int, int, int] | None  # microseconds, bytes of requests and of replies; None without slot stats


class Snapshot(NamedTuple):
    """The server at one moment."""

    unix_seconds: float
    fields: list[Field]
    lines: dict[str, str]  # what families of INFO print: slave0, ...
    errors: dict[str, int]  # by code
    denials: list[tuple[bytes, dict[str, int]]]  # of ACL: user, by reason
    commands: list[CommandCounts]
    databases: list[DatabaseCounts]
    lanes: list[dict[str, int]]  # per I/O thread, the main thread first
    turns: list[int]  # turns of the event loop; item n: those that worked for less than 2**n us, but not less than half
    waits: tuple[list[int], int]  # batches by the us until the main thread took them up, and the sum of those
    payloads: dict[tuple[str, str], tuple[list[int], int]]  # (request or reply, class) -> by bytes, sum
    slow_log: tuple[int, int, int]  # entries, id of the newest, its microseconds
    latency_spikes: list[tuple[str, int, int]]  # event, unix seconds, milliseconds of the latest
    percentiles: tuple[float, ...]  # latency-tracking-info-percentiles
    config: dict[str, int]  # the directives of names.CONFIG
    watched_keys: tuple[str, str, str, str]  # metrics-check-single-keys, -check-keys, -count-keys, -check-prefixes
    hot_keys: list[tuple[HotKey, float]]  # each with its accesses per second; as many as metrics-hot-keys asks for
    big_keys: list[BigKey]  # of each type as many as metrics-big-keys asks for
    output_limits: dict[str, Any]  # class of client -> its client-output-buffer-limit
    cluster: dict[str, str | int]  # fields of CLUSTER INFO, "links", and slot migrations; empty outside of one
    slots: list[SlotCounts]  # as many as metrics-hot-slots asks for, of either kind
    watchers: list[watchers.Watcher]  # sentinels


def read_fields(parts: Parts, sections: Iterable[Section]) -> tuple[list[Field], dict[str, str]]:
    """What INFO has in those sections that metrics show: fields, and the lines of families."""
    fields: list[Field] = []
    lines: dict[str, str] = {}
    part_of = parts.reading()
    for section in sections:
        for part, what, _ in section.declared:
            if isinstance(what, InfoField):
                if what.metric or what.name in WANTED:
                    subject = part_of[part]
                    if what.shown is None or what.shown(subject):
                        fields.append((what, section.name, what.read(subject)))
            elif section.name not in AS_NUMBERS:
                lines.update(what(part_of[part]))
    return fields, lines


def take(server: "Server") -> Snapshot:
    """Copy what the metrics show. Complexity: O(fields + commands called + databases), no key is looked at."""
    fields, lines = read_fields(server.parts, sections().values())
    config, entries = server.config, server.slowlog.entries
    newest = entries[0] if entries else None
    return Snapshot(
        unix_seconds=time.time(),
        fields=fields,
        lines=lines,
        errors=server.stats.errors_by_name(),
        denials=list(server.authentication.denials.shown()),
        commands=[*command_counts(config.latency_tracking)],
        databases=[DatabaseCounts(db.index, len(db), db.expires, db.average_ttl) for db in server.keyspace.databases],
        lanes=server.loop.lane_stats(),
        turns=server.loop.load.turns(),
        waits=server.loop.load.waits(),
        payloads=server.loop.load.payloads(),
        slow_log=(len(entries), newest.id if newest else 0, newest.microseconds if newest else 0),
        latency_spikes=[(name, *event.samples[-1]) for name, event in server.latency.events.items() if event.samples],
        percentiles=tuple(float(each) for each in config.latency_tracking_info_percentiles),
        config={name: getattr(config, name.replace("-", "_")) for name in CONFIG},
        watched_keys=(
            config.metrics_check_single_keys,
            config.metrics_check_keys,
            config.metrics_count_keys,
            config.metrics_check_prefixes,
        ),
        hot_keys=server.hot_keys_upkeep.hottest(config.metrics_hot_keys) if config.metrics_hot_keys else [],
        big_keys=server.big_keys.biggest(config.metrics_big_keys) if config.metrics_big_keys else [],
        output_limits=dict(config.client_output_buffer_limit),
        cluster={} if server.cluster is None else {
            **dict(server.cluster.info()), "links": len(server.cluster.bus), **server.cluster.migrating.figures()},
        slots=notable_slots(server, config.metrics_hot_slots),
        watchers=watchers.watchers(server.pubsub.channels.get(watchers.CHANNEL, ())),
    )


def notable_slots(server: "Server", most: int) -> list[SlotCounts]:
    """Of our shard the slots whose commands took most time, if that is counted, and those with most keys that are not
    among them: so many of either at most. Complexity: O(slots), some 50 microseconds."""
    if server.cluster is None or not most:
        return []
    sampling, db = server.loop.sampling, server.keyspace.databases[0]
    counted = bool(server.config.cluster_slot_stats_enabled)
    busiest = sampling.busiest_slots(most) if counted else []
    chosen = dict.fromkeys([*busiest, *(slot for slot, _ in by_slot.fullest(db, most))])
    return [SlotCounts(slot, by_slot.count_in_slot(db, slot), sampling.slot_use(slot) if counted else None)
            for slot in chosen if server.cluster.shard_slots >> slot & 1]


def newest_slow(server: "Server") -> list[dict[str, Any]]:
    """The newest entries of the slow log, without what the commands were about."""
    entries = islice(server.slowlog.entries, SLOW_SHOWN)
    return [
        {
            "id": each.id,
            "unix_seconds": each.unix_seconds,
            "microseconds": each.microseconds,
            "command": each.argv[0].decode("utf-8", "backslashreplace").lower() if each.argv else "",
        }
        for each in entries
    ]


def command_counts(tracking: bool) -> Iterable[CommandCounts]:
    """Every command that has been called, refused or has failed."""
    for record in all_records():
        if record.calls or record.rejected or record.failed:
            latency = record.latency_histogram() if tracking else []
            yield CommandCounts(
                record.command.name, record.calls, record.microseconds, record.rejected, record.failed, latency
            )
