"""Replication as metrics: a master's replicas, a replica's master, and what both have been through.

INFO's lines are the source: `slave0:ip=...,port=...` and those of the section syncs.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from metrics.family import Labels, family
from metrics.names import MASTER_LINK, number

WORST = Callable[[float, float], float]
# word of a line of INFO syncs replica<n> -> (metric, help)
OF_REPLICA = {
    "lag_bytes": ("remus_replica_lag_bytes", "Bytes of the stream that a replica has not acknowledged."),
    "lag_seconds": ("remus_replica_lag_seconds", "For how long the master has been beyond what a replica has."),
    "sent_bytes": ("remus_replica_sent_bytes_total", "Bytes of snapshot and stream that its connection has taken."),
}


def words(line: str) -> dict[str, str]:
    """`ip=127.0.0.1,port=6380,state=online` as a dict."""
    return dict(part.split("=", 1) for part in line.split(",") if "=" in part)


def numbered(lines: Mapping[str, str], name: str) -> Iterator[dict[str, str]]:
    """The words of slave0, slave1, ..."""
    for shown, line in lines.items():
        if re.fullmatch(rf"{name}\d+", shown):
            yield words(line)


def by_labels(
    all_told: list[dict[str, str]], labels: tuple[str, ...], field: str, worst: WORST
) -> list[tuple[Labels, float]]:
    """One sample per set of labels: replicas behind one address that tell no port are not told apart."""
    found: dict[tuple[str, ...], float] = {}
    for told in all_told:
        who = tuple(told.get(label, "") for label in labels)
        value = float(told.get(field, 0))
        found[who] = worst(found[who], value) if who in found else value
    names = [f"slave_{label}" for label in labels]
    return [(dict(zip(names, who, strict=True)), value) for who, value in found.items()]


def replication_families(lines: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[Metric]:
    """lines: what families of INFO print; values: fields of INFO."""
    yield from of_replicas(lines)
    yield from of_syncs(lines)
    if values.get("role") == "slave":
        yield from of_master(values)


def of_replicas(lines: Mapping[str, str]) -> Iterator[Metric]:
    """What a master has below it: redis_exporter's names, and ours for those that are online."""
    replicas, who = [*numbered(lines, "slave")], ("ip", "port", "state")
    if replicas:
        yield family("redis_connected_slave_offset_bytes", "What a replica has.",
                     by_labels(replicas, who, "offset", min))  # fmt: skip
        yield family("redis_connected_slave_lag_seconds", "Time since a replica was last heard of.",
                     by_labels(replicas, who, "lag", max))  # fmt: skip
    online = [*numbered(lines, "replica")]
    if online:
        for field, (name, text) in OF_REPLICA.items():
            yield family(name, text, by_labels(online, ("ip", "port"), field, max))


def of_syncs(lines: Mapping[str, str]) -> Iterator[Metric]:
    """Counted since the start. side: what this server was in it."""
    ended: list[tuple[Labels, float]] = []
    last: list[tuple[Labels, float]] = []
    for side in ("master", "replica"):
        told = words(lines[f"as_{side}"])
        last.append(({"side": side}, float(told.pop("last_full"))))
        for name, count in told.items():
            kind, result = name.split("_")
            ended.append(({"side": side, "kind": kind, "result": result}, float(count)))
    yield family("remus_syncs_total", "Syncs that ended, by kind (full, partial) and result.", ended)
    yield family("remus_last_full_sync_timestamp_seconds", "When a full sync last ended well; 0: never.", last)
    for line, name, label, text in (
        ("full_sync_reasons", "remus_full_syncs_begun_total", "reason", "Full syncs of replicas, by their reason."),
        ("master_link_changes", "remus_master_link_changes_total", "to", "The link to a master came, or went."),
    ):
        yield family(name, text, [({label: word}, float(count)) for word, count in words(lines[line]).items()])


def of_master(values: Mapping[str, Any]) -> Iterator[Metric]:
    """What a replica has above it."""
    master = {name: str(values.get(name, "")) for name in ("master_host", "master_port")}
    for field, metric in MASTER_LINK.items():
        known = number(values.get(field, ""))
        if known is not None:
            yield family(f"redis_{metric}", f"{field} of INFO replication.", [(master, known)])
    replica = {**master, "read_only": f"{values.get('slave_read_only', 0):d}"}
    yield family("redis_slave_info", "The replica, in labels.", [(replica, 1)])
