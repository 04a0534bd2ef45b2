"""Transactions: how they begin and end, and the keys that WATCH guards."""

from collections.abc import Callable

from server.clients.client import Client
from server.keyspace.database import Database

when_watched: Callable[[bool], object]

class Watch:
    """One key that one client watches."""

    client: Client
    db: Database
    key: bytes
    expired: bool

def begin(client: Client) -> None:
    """MULTI."""

def spoil(client: Client) -> None:
    """A command was refused: EXEC will be, too."""

def discard(client: Client) -> None:
    """Leave MULTI without running anything, and watch nothing any more."""

def watch(client: Client, key: bytes) -> None:
    """WATCH one key of the client's database. Complexity: O(keys that this client watches)."""

def unwatch(client: Client) -> None:
    """Watch nothing any more. The verdict so far (DIRTY_CAS) stays."""

def watched_expired(client: Client) -> bool:
    """Whether a watched key has expired since WATCH without anybody deleting it."""

def changed(db: Database, key: bytes) -> None:
    """A watched key of db was changed or deleted (hook of keyspace.effects). Complexity: O(its watchers)."""

def all_changed(emptied: Database, replaced_with: Database | None = None) -> None:
    """A database is about to be emptied (FLUSHDB, FLUSHALL, a resync), or swapped with `replaced_with` (SWAPDB: call it
    for each of the two). Complexity: O(keys watched there)."""
