"""Transactions: how they begin and end, and the keys that WATCH guards. What MULTI queues is in `transaction`.

    MULTI ... EXEC   commands are only checked and queued; EXEC runs them all, and nothing comes between them. A command
                     refused while queueing spoils the transaction: EXEC then answers EXECABORT.
    WATCH key ...    EXEC answers a null array and runs nothing when a watched key was changed meanwhile.

Each database knows who watches which key (`db.watched`: key -> watches in order), each client what it watches
(`client.watching`), so a change costs O(watchers of the key) and nothing when nobody watches. While somebody does, fast
paths of writes look whether their keys are among those (`when_watched`, a hook).

A key that had expired already when WATCH saw it counts as absent: deleting it later is no change. A key that expires
between WATCH and EXEC is one, even if nobody has deleted it yet.
"""

from collections.abc import Callable

from server.clients import transaction
from server.clients.client import DIRTY_CAS, DIRTY_EXEC, Client
from server.keyspace.database import Database

when_watched: Callable[[bool], object] = bool      # told when the first key is watched, and when none is any more


def begin(client: Client) -> None:
    """MULTI."""
    transaction.begin(client)


def spoil(client: Client) -> None:
    """A command was refused: EXEC will be, too."""
    client.set(DIRTY_EXEC)


def discard(client: Client) -> None:
    """Leave MULTI without running anything, and watch nothing any more."""
    transaction.end(client)
    unwatch(client)


class Watch:
    """One key that one client watches."""

    __slots__ = ("client", "db", "expired", "key")

    def __init__(self, client: Client, db: Database, key: bytes) -> None:
        self.client = client
        self.db = db
        self.key = key
        self.expired = db.is_expired(key)           # when WATCH saw it, expired but not deleted yet


_watches = 0                                        # in all databases of this process


def watch(client: Client, key: bytes) -> None:
    """WATCH one key of the client's database. Complexity: O(keys that this client watches)."""
    global _watches
    db = client.db
    if client.watching is None:
        client.watching = []
    for known in client.watching:
        if known.key == key and known.db is db:
            return
    new = Watch(client, db, key)
    client.watching.append(new)
    if key in db.watched:
        db.watched[key].append(new)
    else:
        db.watched[key] = [new]
    _watches += 1
    if _watches == 1:
        when_watched(True)


def unwatch(client: Client) -> None:
    """Watch nothing any more. The verdict so far (DIRTY_CAS) stays."""
    global _watches
    if not client.watching:
        return
    for old in client.watching:
        watchers = old.db.watched[old.key]
        watchers.remove(old)
        if not watchers:
            del old.db.watched[old.key]
    _watches -= len(client.watching)
    client.watching = None
    if _watches == 0:
        when_watched(False)


def watched_expired(client: Client) -> bool:
    """Whether a watched key has expired since WATCH without anybody deleting it."""
    for known in client.watching or ():  # noqa: SIM110 (every EXEC of a client that watches asks: half the time of a generator)
        if not known.expired and known.db.is_expired(known.key):
            return True
    return False


def changed(db: Database, key: bytes) -> None:
    """A watched key of db was changed or deleted (hook of keyspace.effects). Complexity: O(its watchers)."""
    for known in list(db.watched.get(key, ())):
        if known.expired:
            if db.has_entry(key):
                break
            known.expired = False                   # deleted as expired: it was absent all along
            continue
        known.client.set(DIRTY_CAS)
        unwatch(known.client)


def all_changed(emptied: Database, replaced_with: Database | None = None) -> None:
    """A database is about to be emptied (FLUSHDB, FLUSHALL, a resync), or swapped with `replaced_with` (SWAPDB: call it
    for each of the two). Complexity: O(keys watched there)."""
    for key, watchers in list(emptied.watched.items()):
        was_there = emptied.has_entry(key)
        comes = replaced_with if replaced_with is not None and replaced_with.has_entry(key) else None
        if not was_there and comes is None:
            continue
        for known in watchers:
            if known.expired:
                if comes is None:
                    known.expired = False
                    continue
                if comes.is_expired(key):
                    continue
            elif not was_there and comes is not None and comes.is_expired(key):
                known.expired = True
                continue
            known.client.set(DIRTY_CAS)
