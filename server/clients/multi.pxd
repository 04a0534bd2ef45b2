# cython: language_level=3
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
from server.clients.client cimport Client

cpdef int watch(Client client, bytes key) except -1        # one key of the client's database. O(keys that this client watches)
cpdef int unwatch(Client client) except -1                 # nothing any more. The verdict so far (DIRTY_CAS) stays
cpdef bint watched_expired(Client client) except -1        # a watched key has expired since without anybody deleting it
