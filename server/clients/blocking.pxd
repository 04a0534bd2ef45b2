# cython: language_level=3
"""Clients that wait for keys, as native code sees them."""
from libc.stdint cimport int64_t

from server.clients.client cimport Client
from server.keyspace.database cimport Database

cdef class BlockedCounts:              # what INFO says of those who wait
    cdef public int64_t blocked        # blocked_clients: by blocking commands, CLIENT PAUSE and SHUTDOWN
    cdef public int64_t with_timeout   # clients_in_timeout_table
    cdef public int64_t on_no_key      # total_blocking_keys_on_nokey

cdef class Blocked:                    # one client's waiting
    cdef Blocking room
    cdef readonly Client client
    cdef readonly object command
    cdef readonly Database db
    cdef list argv                     # what is to be run again ...
    cdef bint as_it_came               # ... if that is not the request itself
    cdef int type                      # of the value that is waited for (structures.table)
    cdef readonly tuple keys
    cdef public int64_t deadline_us    # monotonic; 0 = none
    cdef readonly bint on_no_key
    cdef int _end(self, reply) except -1

# ---- what rooms above do for it, each set by its file
ctypedef int (*run_again_t)(object executor, Client client, list argv) except -1
    # a command runs once more, from the start; argv None: the request that the client holds
ctypedef int (*resume_t)(object loop, Client client) except -1         # it goes on with its batch, and what it was answered leaves

cdef struct Above:
    run_again_t run_again              # dispatch.executor
    resume_t resume                    # dispatch.loop

cdef Above above

cdef class Blocking:                   # all who wait
    cdef BlockedCounts counts
    cdef readonly object clients       # ClientTable
    cdef readonly object loop          # ClientLoop
    cdef readonly object executor      # CommandRunner
    cdef readonly object stats
    cdef readonly object latency
    cdef object in_unit
    cdef public object when_unwatched_by_fast_paths
    cdef readonly object ready         # deque of (database, key) to serve; the executor looks whether there are
    cdef set noted                     # the same, as (number, key), so that each stands there once
    cdef bint serving
    cdef Blocked again                 # whose command is being run again
    cdef list deadlines                # heap of (us, client id, who), some of them gone
    cdef int64_t with_deadline         # how many of them are still here
    cdef object timer
    cdef dict no_key                   # (number, key) with on_no_key waiters -> how many
    cdef int64_t others                # who waits for keys, but not for lists
    cdef int begin(self, Client client, command, int type, tuple keys, int64_t timeout_ms, bint on_no_key, list argv) except -1
        # the client waits from now on; argv None: its request is run again
    cdef int wake(self, Database db, bytes key) except -1      # `note` and `serve` in one, for who is in no unit: a command is over
    cdef int _enter(self, Client client, object blocked, int64_t deadline_us) except -1
    cdef int _enter_queues(self, Blocked blocked) except -1
    cdef int _leave(self, Blocked blocked) except -1
    cdef int _let_go(self, Client client, int64_t deadline_us) except -1
    cdef int _leave_queues(self, Blocked blocked) except -1
    cdef int _count(self, int by) except -1
    cdef bint _crowded(self) noexcept
    cdef int64_t _nearest(self) except -2
    cdef int _arm(self) except -1
    cdef int _serve_key(self, Database db, bytes key) except -1
    cdef int _run_again(self, Blocked blocked) except -1
