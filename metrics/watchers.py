"""The sentinels that watch this server, as far as it can know: who listens to their channel, by names as theirs are."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import Metric

from metrics.family import Labels, family
from server.clients.client import Client

CHANNEL = b"__sentinel__:hello"
NAME = re.compile(rb"sentinel-([!-~]{8})-pubsub")  # what it calls its connection: the beginning of its id is in it
SHOWN_MAX = 32  # so that no stranger makes labels without end


class Watcher(NamedTuple):
    """A sentinel: the beginning of its id, and where its connection comes from."""

    id: str
    ip: str


def watchers(listeners: Iterable[Client]) -> list[Watcher]:
    """Among who listens to the channel. Complexity: O(listeners)"""
    found: dict[Watcher, None] = {}
    for client in listeners:
        named = NAME.fullmatch(client.name)
        if named is not None and len(found) < SHOWN_MAX:
            found[Watcher(named[1].decode(), client.address.rpartition(":")[0])] = None
    return sorted(found)


def watcher_families(found: list[Watcher]) -> Iterator[Metric]:
    """One sample for each."""
    if found:
        samples: list[tuple[Labels, float]] = [({"sentinel_id": one.id, "sentinel_ip": one.ip}, 1) for one in found]
        yield family("remus_watched_by_sentinel", "A sentinel that watches this server, in labels.", samples)
