# cython: language_level=3
"""The table of connected clients: who is here, and the counters that INFO and the limits ask for.

Ids only grow and a dict keeps its order, so iteration is in the order of the ids, as CLIENT LIST shows them. Everything
but the iteration is O(1). Loading and script clients are not in here: they have no connection.
"""

from libc.stdint cimport int64_t

from server.clients.client cimport CLIENT_CLOSE_ASAP, Client

from server.clients.accounts import CLASSES, REPLICAS
from server.clients.blocking import BlockedCounts

_CLASS_BY_NAME = {name.encode(): name for name in CLASSES} | {b"slave": REPLICAS}


def class_named(bytes name):
    """The class that a user names, in any case; `slave` is the old word for replica. None when there is none."""
    return _CLASS_BY_NAME.get(name.lower())


cdef class ClientTable:
    """Clients by id."""

    cdef public int max_clients        # maxclients
    cdef public int64_t received       # total_connections_received
    cdef public int64_t rejected       # rejected_connections
    cdef readonly object counts        # of those who wait
    cdef dict clients

    def __init__(self, int max_clients=10000):
        self.max_clients = max_clients
        self.counts = BlockedCounts()
        self.clients = {}

    def add(self, Client client) -> None:
        """A client was accepted."""
        self.clients[client.id] = client
        self.received += 1

    def remove(self, Client client) -> None:
        """A client is gone; harmless when it was not here."""
        self.clients.pop(client.id, None)

    def get(self, client_id):
        """The client of that id, unless it is being closed."""
        cdef Client client = self.clients.get(client_id)
        return None if client is None or client.state & CLIENT_CLOSE_ASAP else client

    def __iter__(self):
        """Clients by ascending id. Those that are being closed count as gone. Safe against changes on the way."""
        cdef Client client
        return iter([client for client in self.clients.values() if not client.state & CLIENT_CLOSE_ASAP])

    def __len__(self) -> int:
        return len(self.clients)

    def full(self, int others=0) -> bool:
        """Whether one more would be more than maxclients. others: connections that count besides."""
        return len(self.clients) + others >= self.max_clients

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.received = self.rejected = 0
