# cython: language_level=3
"""Client-side caching: who is told that a key it has read was changed (CLIENT TRACKING).

Two ways of asking. By default the server remembers what each client read (structures.tracked_keys), and tells it once
when that changes, is evicted or expires: what it reads after that is remembered anew. Broadcasting remembers nothing of
reads: a client names prefixes, and hears at the end of each turn of the loop which names with that prefix were changed.

    read      dispatch/door.pyx:pass_tracked, executor.pyx:call       a flag of the client -> `remember`
    change    dispatch/shapes.pyx:tell_event, keyspace/effects.py:changed    a bit of `Conditions.events` -> `key_changed`
    told      `_send`: a push, or a message of __redis__:invalidate, to the client or to whom it redirects to

Order. What a client is told because of its own command comes after that command's reply (`pending`, `settle`): never in
the middle of it. What goes because memory is needed is told before the command that needs it. Within a turn the others
hear of a change before anything that they read after it, for everything written to a client stands in one row.

NOLOOP spares a client what its own command, or a script of its, changed: not what expired, was evicted, or is forgotten
for want of room meanwhile, of which it would know nothing.

Keys are names, without a database, and whoever flushes one database invalidates all: both as in Redis.
Prefixes are looked up by each length that one of them has: a change costs as many looks as there are lengths.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.ref cimport PyObject

from server.clients.client cimport Client
from server.keyspace.lazyfree cimport LazyFree
from server.structures.table cimport Table
from server.structures.tracked_keys cimport TrackedKeys

cdef struct Speaker:
    PyObject* client                   # whose commands run right now; NULL: nobody's. Borrowed, to compare with

cdef Speaker speaker

cdef class Tracker:                    # Client.tracking: how one client wants it
    cdef readonly uint64_t id          # of the client
    cdef readonly uint64_t redirect    # of the client that is told instead; 0: none
    cdef readonly bint broadcasts      # BCAST
    cdef readonly bint opt_in, opt_out, no_loop
    cdef public bint caching           # CLIENT CACHING was said: for the next command
    cdef readonly bint broken          # there is no such client to redirect to any more
    cdef readonly list prefixes        # of a broadcast, in order
    cdef bint remembers(self) noexcept # whether what the client reads now is to be remembered

cdef class Broadcast:                  # a prefix that somebody wants to hear of
    cdef dict clients                  # id -> Client
    cdef dict changed                  # name -> who changed it last in this turn: `by` of key_changed

cdef class Tracking:
    cdef readonly TrackedKeys keys
    cdef LazyFree lazyfree
    cdef dict clients                  # id -> Client: who tracks
    cdef dict redirected               # id of a receiver -> how many redirect to it
    cdef readonly dict broadcasts      # prefix -> Broadcast
    cdef Table* prefixes               # prefix -> its Broadcast, borrowed
    cdef uint32_t* lengths             # of the prefixes, ascending, each once
    cdef uint32_t length_count
    cdef list pending                  # (speaker, Client, name or None): what comes after the speaker's reply
    cdef bint hearing                  # as `on_hearing` was told last
    cdef int rounds                    # of `limit` in a row that were not enough
    cdef public size_t max_keys        # tracking-table-max-keys; 0: no limit
    cdef public object find_client     # (id) -> Client or None
    cdef public object attend          # (hook, yes): the loop's
    cdef public object on_hearing      # (yes): whether changes must be told here, when that begins or ends
    cdef public object may_learn       # (client, key name) -> whether its ACL lets it read such a key; None: everybody's does
    cdef Tracker start_plainly(self, Client client)
    cpdef int stop(self, Client client) except -1
    cpdef int redirect_less(self, uint64_t receiver) except -1
    cdef int remember(self, Client client, const char* key, size_t length, uint64_t hash) except -1
    cdef int key_changed(self, int64_t by, const char* key, size_t length) except -1
    cdef int settle(self, Client client) except -1
    cdef int _tell(self, Client client, object name) except -1
    cdef int _send(self, Client client, const char* key, size_t length) except -1
    cdef int _send_body(self, Client client, bytes body) except -1
    cdef Client _receiver(self, Client client)
    cdef int _invalidate(self, int64_t by, const char* key, size_t length) except -1
    cdef int _note_broadcasts(self, int64_t by, const char* key, size_t length) except -1
    cdef int _rebuild_prefixes(self) except -1
    cdef int _hear(self) except -1
