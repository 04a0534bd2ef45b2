"""The table of connected clients: who is here, and the counters that INFO and the limits ask for.

Ids only grow and a dict keeps its order, so iteration is in the order of the ids, as CLIENT LIST shows them. Everything
but the iteration is O(1). Loading and script clients are not in here: they have no connection.
"""

from collections.abc import Iterator

from server.clients.blocking import BlockedCounts
from server.clients.client import CLOSE_ASAP, MASTER, MONITOR, REPLICA, Client

NORMAL, REPLICAS, PUBSUB, MASTERS = "normal", "replica", "pubsub", "master"
CLASSES = (NORMAL, REPLICAS, PUBSUB, MASTERS)
_CLASS_BY_NAME = {name.encode(): name for name in CLASSES} | {b"slave": REPLICAS}


def class_of(client: Client) -> str:
    """The class that output limits and CLIENT LIST TYPE go by: a monitor is a normal client."""
    if client.has(MASTER):
        return MASTERS
    if client.has(REPLICA) and not client.has(MONITOR):
        return REPLICAS
    return PUBSUB if client.subscriptions else NORMAL


def class_named(name: bytes) -> str | None:
    """The class that a user names, in any case; `slave` is the old word for replica. None when there is none."""
    return _CLASS_BY_NAME.get(name.lower())


class ClientTable:
    """Clients by id."""

    def __init__(self, max_clients: int = 10000) -> None:
        self.max_clients = max_clients       # maxclients
        self.received = 0                    # total_connections_received
        self.rejected = 0                    # rejected_connections
        self.counts = BlockedCounts()        # of those who wait
        self._clients: dict[int, Client] = {}

    def add(self, client: Client) -> None:
        """A client was accepted."""
        self._clients[client.id] = client
        self.received += 1

    def remove(self, client: Client) -> None:
        """A client is gone; harmless when it was not here."""
        self._clients.pop(client.id, None)

    def get(self, client_id: int) -> Client | None:
        """The client of that id, unless it is being closed."""
        client = self._clients.get(client_id)
        return None if client is None or client.has(CLOSE_ASAP) else client

    def __iter__(self) -> Iterator[Client]:
        """Clients by ascending id. Those that are being closed count as gone. Safe against changes on the way."""
        return iter([client for client in self._clients.values() if not client.has(CLOSE_ASAP)])

    def __len__(self) -> int:
        return len(self._clients)

    def full(self, others: int = 0) -> bool:
        """Whether one more would be more than maxclients. others: connections that count besides."""
        return len(self._clients) + others >= self.max_clients

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.received = self.rejected = 0
