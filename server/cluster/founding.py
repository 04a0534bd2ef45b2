"""A cluster that is there at once: the nodes.conf of each node, written before any of them starts.

What CLUSTER MEET, ADDSLOTS and REPLICATE come to in seconds is known beforehand when nobody has said anything yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.cluster import slots
from server.cluster.conf_format import Conf, Record, write
from server.cluster.messages import MASTER, MYSELF, REPLICA
from server.cluster.view import random_name
from server.config.cluster import BUS_PORT_OFFSET
from server.registry.light import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random


class Place(NamedTuple):
    """Where a node will be. port: for clients, on the transport of the bus; bus_port 0: the usual one."""

    ip: str
    port: int
    bus_port: int = 0


def founded(places: Sequence[Place], masters: int, rng: Random, *, tls: bool = False) -> list[str]:
    """The text of nodes.conf for each place: the first are masters, each with as many slots as the others, and their
    replicas follow, in turns."""
    names = [random_name(rng) for _ in places]
    shards = [random_name(rng) for _ in range(masters)]
    return [write(Conf([_record(places, names, shards, one, one == me) for one in range(len(places))], masters, 0, tls))
            for me in range(len(places))]


def _record(places: Sequence[Place], names: list[str], shards: list[str], number: int, mine: bool) -> Record:
    place, masters = places[number], len(shards)
    shard = number % masters
    leads = number < masters
    record = Record(names[number], place.ip, place.port, place.bus_port or place.port + BUS_PORT_OFFSET,
                    (MASTER if leads else REPLICA) | MYSELF * mine, config_epoch=shard + 1, shard_id=shards[shard])
    if leads:
        record.slots = slots.span(shard * slots.COUNT // masters, (shard + 1) * slots.COUNT // masters - 1)
    else:
        record.master = names[shard]
    return record
