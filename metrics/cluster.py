"""What a node sees of its cluster, as metrics: CLUSTER INFO by redis_exporter's names, and what its bus carries."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import Metric

from metrics.family import COUNTER, GAUGE, Labels, family, single
from metrics.snapshot import SlotCounts
from server.cluster.replies import TYPE_WORDS

# field of CLUSTER INFO, which is also the metric's name -> help
GAUGES = {
    "cluster_slots_assigned": "Slots that some node serves.",
    "cluster_slots_ok": "Slots whose node is well.",
    "cluster_slots_pfail": "Slots whose node this one cannot reach.",
    "cluster_slots_fail": "Slots whose node the majority cannot reach.",
    "cluster_known_nodes": "Nodes that this one knows, itself among them.",
    "cluster_size": "Masters that serve slots.",
    "cluster_current_epoch": "The greatest epoch that this node has heard of.",
    "cluster_my_epoch": "The config epoch of this node, or of its master.",
}
MIGRATIONS = (("export", "success"), ("export", "failed"), ("export", "cancelled"), ("import", "success"),
              ("import", "failed"))  # fmt: skip
USES = (  # of a slot's commands, with cluster-slot-stats-enabled: metric, help, factor
    ("remus_slot_cpu_seconds_total", "Time that commands of a slot took.", 1e-6),
    ("remus_slot_input_bytes_total", "Bytes of requests about a slot.", 1),
    ("remus_slot_output_bytes_total", "Bytes of replies about a slot.", 1),
)
COUNTED = {"sent": "redis_cluster_messages_sent_total", "received": "redis_cluster_messages_received_total"}


def cluster_families(told: Mapping[str, str | int]) -> Iterator[Metric]:
    """told: fields of CLUSTER INFO, and `links`; nothing outside of a cluster."""
    if not told:
        return
    yield single("redis_cluster_state", "Whether the cluster serves.", float(told["cluster_state"] == "ok"))
    for name, text in GAUGES.items():
        yield single(f"redis_{name}", text, float(told[name]))
    for way, name in COUNTED.items():
        yield single(name, f"Messages of the bus, {way}.", float(told[f"cluster_stats_messages_{way}"]))
    yield family("remus_cluster_slot_migrations", "Atomic slot migrations under way.",
                 [({"operation": way}, float(told[f"slot_migrations_{way}"])) for way in ("export", "import")])
    yield family("remus_cluster_slot_migrations_ended_total", "Atomic slot migrations by how they ended.",
                 [({"operation": way, "state": end}, float(told[f"slot_migrations_{way}_{end}"]))
                  for way, end in MIGRATIONS])  # fmt: skip
    yield single("remus_cluster_slot_migration_unsent_bytes", "What exports wait to send.",
                 float(told["slot_migrations_unsent"]))
    by_type: list[tuple[Labels, float]] = [
        ({"type": word, "direction": way}, float(told.get(f"cluster_stats_messages_{word}_{way}", 0)))
        for way in COUNTED for word in TYPE_WORDS.values()
    ]
    yield family("remus_cluster_messages_total", "Messages of the bus, by what they are about.", by_type)
    yield single("remus_cluster_links", "Links of the bus, either way.", float(told["links"]))
    yield single("remus_cluster_links_over_limit_total", "Links dropped for cluster-link-sendbuf-limit.",
                 float(told["total_cluster_links_buffer_limit_exceeded"]))  # fmt: skip


def slot_families(slots: Sequence[SlotCounts]) -> Iterator[Metric]:
    """metrics-hot-slots."""
    if not slots:
        return
    labels: list[Labels] = [{"slot": str(each.slot)} for each in slots]
    yield family("remus_slot_keys", "Keys of slots that have most, or are used most.",
                 [(name, float(each.keys)) for name, each in zip(labels, slots, strict=True)], GAUGE)
    for at, (name, text, factor) in enumerate(USES):
        used = [(label, each.use[at] * factor) for label, each in zip(labels, slots, strict=True)
                if each.use is not None]
        if used:
            yield family(name, text, used, COUNTER)
