# cython: language_level=3
"""The `redis` table of scripts."""
from scripting.lua cimport lua_State
from scripting.run_context cimport Run

cdef enum:
    ERROR = -1                         # a function of ours: raise what is on top

cdef void redis_open(lua_State* L, bint eval) noexcept      # push the table
cdef int script_resp() noexcept                             # what redis.setresp said last
cdef void begin_run(Run run)                                # that script is under way; None: none is
cdef bint is_running() noexcept                             # one is
cdef int internal_error(lua_State* L, error) noexcept       # a Python exception: into the log, and ERROR
cdef void open_log_and_version(lua_State* L) noexcept       # into the table on top: redis.log, redis.REDIS_VERSION and their like
