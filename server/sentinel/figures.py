"""What a sentinel's metrics show of its masters, as plain values: by the names that redis_exporter has for them, and
what a page shows of replicas and of the other sentinels. The metrics room makes families of it."""

from collections.abc import Callable, Iterator

from server.registry.light import Any, NamedTuple
from server.sentinel.info import status_of
from server.sentinel.instance import DOWN, STATE_NAMES, Instance, Master
from server.sentinel.replies import flags_of
from server.sentinel.state import State


class Figure(NamedTuple):
    """A gauge: its name, what it means, and its values by labels."""

    name: str
    text: str
    samples: list[tuple[dict[str, str], float]]


class Figures(NamedTuple):
    """gauges: for /metrics. masters: for the page."""

    gauges: list[Figure]
    masters: list[dict[str, Any]]


def figures(state: State) -> Figures:
    """All of it now. Complexity: O(instances)"""
    return Figures([*_gauges(state)], [_of_master(state, master) for master in state.masters.values()])


def _up(instances: dict[str, Instance]) -> int:
    return sum(not one.flags & DOWN for one in instances.values())


def _usable(master: Master) -> int:
    """Of the sentinels, ourselves included."""
    return 1 + _up(master.sentinels)


def _has_quorum(master: Master) -> bool:
    return _usable(master) >= max(master.quorum, (len(master.sentinels) + 1) // 2 + 1)


# name: (what it means, its value)
GAUGES: dict[str, tuple[str, Callable[[Master], float]]] = {
    "redis_sentinel_master_slaves": ("Replicas of the master.", lambda m: len(m.replicas)),
    "redis_sentinel_master_ok_slaves": ("Those that are up.", lambda m: _up(m.replicas)),
    "redis_sentinel_master_sentinels": ("Sentinels that watch it, this one included.", lambda m: len(m.sentinels) + 1),
    "redis_sentinel_master_ok_sentinels": ("Those that are up.", _usable),
    "redis_sentinel_master_ckquorum_status": ("Whether they suffice for quorum and majority.",
                                              lambda m: int(_has_quorum(m))),
    "redis_sentinel_master_setting_ckquorum": ("Its quorum.", lambda m: m.quorum),
    "redis_sentinel_master_setting_failover_timeout": ("failover-timeout, ms.", lambda m: m.failover_timeout),
    "redis_sentinel_master_setting_parallel_syncs": ("parallel-syncs.", lambda m: m.parallel_syncs),
    "redis_sentinel_master_setting_down_after_milliseconds": ("down-after-milliseconds.", lambda m: m.down_after),
    "remus_sentinel_master_config_epoch": ("Grows by each failover.", lambda m: m.config_epoch),
    "remus_sentinel_master_failover_state": ("0: none is under way.", lambda m: m.failover_state),
}


def _labels(state: State, master: Master) -> dict[str, str]:
    address = f"{state.announced(master.address)}:{master.address.port}"
    return {"master_name": master.name, "master_address": address}


def _gauges(state: State) -> Iterator[Figure]:
    masters = [(_labels(state, master), master) for master in state.masters.values()]
    yield Figure("redis_sentinel_master_status", "What this sentinel takes the master for, as a label.",
                 [({**labels, "master_status": status_of(master)}, 1) for labels, master in masters])
    for name, (text, value) in GAUGES.items():
        yield Figure(name, text, [(labels, value(master)) for labels, master in masters])


def _of_master(state: State, master: Master) -> dict[str, Any]:
    return {
        "name": master.name, **_shown(state, master), "status": status_of(master), "quorum": master.quorum,
        "config_epoch": master.config_epoch, "failover": STATE_NAMES[master.failover_state],
        "has_quorum": _has_quorum(master), "seen_by": state.myid,
        "replicas": [{**_shown(state, one), "offset": one.offset, "priority": one.priority, "link_up": one.link_up}
                     for one in master.replicas.values()],
        "sentinels": [{**_shown(state, one), "id": one.runid, "hello_ms": state.now - one.heard_hello}
                      for one in master.sentinels.values()],
    }


def _shown(state: State, one: Instance) -> dict[str, Any]:
    return {"address": f"{state.announced(one.address)}:{one.address.port}", "flags": flags_of(one),
            "ping_ms": state.now - one.link.available}
