"""CLUSTER SLOT-STATS: figures of slots that this node serves, as later servers of the field tell them."""

from server.cluster import slots
from server.cluster.slots import COUNT
from server.dispatch.call import Call
from server.dispatch.node import node_of
from server.registry import args
from server.registry.command import LOADING, STALE, group
from server.registry.errors import CommandError, syntax
from server.registry.light import Any

command = group("cluster")
_KEYS = b"key-count"
_USES = (b"cpu-usec", b"network-bytes-in", b"network-bytes-out")        # with cluster-slot-stats-enabled


def _figures(call: Call, of: int) -> list[list[Any]]:
    """Slot and figures, of those of a set that we or our master serve. Complexity: O(slots of the set)."""
    node = node_of(call)
    found: list[list[Any]] = [[slot, {_KEYS: node.keys_in(slot)}] for slot in slots.each(of & node.shard_slots)]
    if call.server.config.cluster_slot_stats_enabled:
        uses = call.server.loop.sampling.slot_use
        for slot, figures in found:
            figures.update(zip(_USES, uses(slot), strict=True))
    return found


def _in_range(call: Call, words: tuple[bytes, ...]) -> list[list[Any]]:
    if len(words) != 2:
        raise syntax()
    first, last = (args.integer_in(word, 0, COUNT - 1, "ERR Invalid or out of range slot") for word in words)
    if first > last:
        raise CommandError(f"ERR Start slot number {first} is greater than end slot number {last}")
    return _figures(call, slots.span(first, last))


def _ordered(call: Call, words: tuple[bytes, ...]) -> list[list[Any]]:
    by = words[0].lower() if words else b""
    if by != _KEYS and not (by in _USES and call.server.config.cluster_slot_stats_enabled):
        raise CommandError("ERR Unrecognized sort metric for ORDERBY.")
    most: int | None = None
    descending: bool | None = None
    rest = list(words[1:])
    while rest:
        name = rest.pop(0).upper()
        if name == b"LIMIT" and rest and most is None:
            most = args.integer_in(rest.pop(0), 1, COUNT, "ERR Limit has to lie in between 1 and 16384 (maximum number "
                                                          "of slots).")
        elif name in (b"ASC", b"DESC") and descending is None:
            descending = name == b"DESC"
        else:
            raise syntax()
    sign = 1 if descending is False else -1
    found = sorted(_figures(call, slots.ALL), key=lambda one: (sign * one[1][by], one[0]))
    return found[:most]


@command("CLUSTER|SLOT-STATS", arity=-4, flags=STALE | LOADING, since="8.0.0",
         tips=("nondeterministic_output", "request_policy:all_shards"),
         syntax="SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]")
def cluster_slot_stats(call: Call, what: bytes, *words: bytes) -> list[list[Any]]:
    """Tell how many keys slots of this shard have and, with cluster-slot-stats-enabled, what their commands used: those
    of a range, or of all in the order of a figure (key-count, cpu-usec, network-bytes-in, network-bytes-out), the most
    first unless ASC says otherwise.

    Complexity: O(N) where N is the number of slots in the range, O(N log N) with ORDERBY, where it is the shard's slots
    """
    node_of(call)
    if what.upper() == b"SLOTSRANGE":
        return _in_range(call, words)
    if what.upper() == b"ORDERBY":
        return _ordered(call, words)
    raise syntax()
