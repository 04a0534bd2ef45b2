# cython: language_level=3
"""The script under way, and what its commands must pass before they run.

In Redis's order: known, arity, allowed in scripts, stale replica, permission, read-only script, read-only replica and
disk, memory, cluster. The checks that belong to other rooms are their gates.
"""
from libc.stdint cimport int64_t

from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor
from server.dispatch.propagate cimport Propagation

cdef enum:                             # redis.set_repl: who hears of what a script changes
    REPL_AOF = 1
    REPL_REPLICA = 2

cdef enum:
    ANY_SLOT = -2                      # Run.slot: the script may use keys of several

cdef class Checked:                    # a command and what scripts must be checked for
    cdef readonly object command
    cdef bint refused, scripting, writes, spreads, needs_memory
    cdef tuple before                  # gates ahead of the checks of the script's own
    cdef tuple permitted               # that of the caller's user, asked when that may not do everything
    cdef tuple writing                 # gates of commands that write, while the script has not written
    cdef bint keyed                    # it names keys

cdef class Run:                        # the script under way
    cdef readonly object server
    cdef readonly Client client        # pretended: runs the script's commands
    cdef readonly Client caller        # who sent the script
    cdef readonly bytes name           # SHA1 of the script, or the function's name
    cdef list words                    # of the caller's command, if somebody has asked for them ...
    cdef Batch* batch                  # ... else where they are: the caller's batch stays while the script runs
    cdef Request* request
    cdef readonly bint eval            # not a function
    cdef readonly bint read_only       # *_RO, or flag no-writes
    cdef readonly bint allow_oom
    cdef readonly bint out_of_memory   # when it began
    cdef public bint wrote             # a command that writes was let through
    cdef public bint killed
    cdef public bint timed_out         # others are told BUSY
    cdef Executor executor
    cdef Propagation propagation
    cdef int spread                    # REPL_
    cdef int slot                      # of a cluster: where the script's keys are; door.NO_SLOT: none was used yet
    cdef int64_t unix_us               # the time that the script sees
    cdef int begin(self, object server, Executor executor, Propagation propagation, Client client, Client caller, bytes name,
                   bint eval, bint read_only, bint allow_oom) except -1
    cdef object execute(self, list argv)
    cdef object refuse(self, object command, str text)
    cdef object refusal(self, Checked checked, list argv)
    cpdef int keep_to_slot(self, bytes key) except -1    # of a cluster: keys of another than that one's are refused; None: of any but one
    cdef bint is_elsewhere(self) noexcept      # of a cluster: door.slot is another than that of the script's keys
    cdef str foreign(self, object call)
    cdef void freeze_time(self) noexcept

cdef Checked find_checked(list argv)   # the command that argv names, None when there is none
