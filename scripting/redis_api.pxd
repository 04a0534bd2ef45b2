# cython: language_level=3
"""The `redis` table, and the script under way."""
from libc.stdint cimport int64_t, uint64_t

from scripting.lua cimport lua_State
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor
from server.dispatch.propagate cimport Propagation

cdef class Run:                        # the script under way
    cdef readonly object server
    cdef readonly Client client        # pretended: runs the script's commands
    cdef readonly Client caller        # who sent the script
    cdef readonly bytes name           # SHA1 of the script, or the function's name
    cdef readonly list argv            # of the caller's command
    cdef readonly bint eval            # not a function
    cdef readonly bint read_only       # *_RO, or flag no-writes
    cdef readonly bint allow_oom
    cdef readonly bint out_of_memory   # when it began
    cdef public bint wrote             # a command that writes was let through
    cdef public bint killed
    cdef public bint timed_out         # others are told BUSY
    cdef Executor executor
    cdef Propagation propagation
    cdef int spread                    # redis.set_repl: 1 AOF, 2 replicas
    cdef int64_t unix_us               # the time that the script sees
    cdef object execute(self, list argv)
    cdef object refuse(self, object command, str text)
    cdef object refusal(self, object of, list argv)
    cdef void freeze_time(self) noexcept

cdef void redis_open(lua_State* L, bint eval) noexcept      # push the table `redis` of scripts
cdef void library_open(lua_State* L) noexcept               # push the one that a library finds while it is loaded
cdef int script_resp() noexcept                             # what redis.setresp said last
cdef void begin_run(Run run)                                 # that script is under way; None: none is
