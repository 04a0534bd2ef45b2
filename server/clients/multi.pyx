# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint64_t

from server.clients.client cimport CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, Client
from server.clients.transaction cimport begin_transaction, end_transaction
from server.keyspace.database cimport Database

when_watched = bool                    # told when the first key is watched, and when none is any more

cdef Py_ssize_t _watches = 0           # in all databases of this process


def begin(Client client) -> None:
    """MULTI."""
    begin_transaction(client)


def spoil(Client client) -> None:
    """A command was refused: EXEC will be, too."""
    client.state |= CLIENT_DIRTY_EXEC


def discard(Client client) -> None:
    """Leave MULTI without running anything, and watch nothing any more."""
    end_transaction(client)
    unwatch(client)


cdef class Watch:
    """One key that one client watches."""

    cdef readonly Client client
    cdef readonly Database db
    cdef readonly bytes key
    cdef readonly bint expired                # when WATCH saw it, expired but not deleted yet


cpdef int watch(Client client, bytes key) except -1:
    global _watches
    cdef Database db = client.db
    cdef Watch known, new
    if client.watching is None:
        client.watching = []
    for known in <list>client.watching:
        if known.key == key and known.db is db:
            return 0
    new = Watch.__new__(Watch)
    new.client, new.db, new.key, new.expired = client, db, key, db.is_expired(key)
    (<list>client.watching).append(new)
    watchers = db.watched.get(key)
    if watchers is None:
        db.watched[key] = [new]
    else:
        (<list>watchers).append(new)
    _watches += 1
    if _watches == 1:
        when_watched(True)
    return 0


cpdef int unwatch(Client client) except -1:
    global _watches
    cdef Watch old
    cdef list watchers
    if not client.watching:
        return 0
    for old in <list>client.watching:
        watchers = old.db.watched[old.key]
        if len(watchers) == 1:
            del old.db.watched[old.key]
        else:
            watchers.remove(old)
    _watches -= len(<list>client.watching)
    client.watching = None
    if _watches == 0:
        when_watched(False)
    return 0


cpdef bint watched_expired(Client client) except -1:
    cdef Watch known
    if client.watching is not None:
        for known in <list>client.watching:
            if not known.expired and known.db.is_expired(known.key):
                return True
    return False


def changed(Database db, bytes key) -> None:
    """A watched key of db was changed or deleted (hook of keyspace.effects). Complexity: O(its watchers)."""
    cdef Watch known
    for known in list(db.watched.get(key, ())):
        if known.expired:
            if db.has_entry(key):
                break
            known.expired = False                   # deleted as expired: it was absent all along
            continue
        known.client.state |= CLIENT_DIRTY_CAS
        unwatch(known.client)


def all_changed(Database emptied, Database replaced_with=None) -> None:
    """A database is about to be emptied (FLUSHDB, FLUSHALL, a resync), or swapped with `replaced_with` (SWAPDB: call it
    for each of the two). Complexity: O(keys watched there)."""
    cdef Database comes
    cdef Watch known
    cdef bint was_there
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
            known.client.state |= CLIENT_DIRTY_CAS
