# cython: language_level=3
"""What a script finds in its globals, and why it cannot change it. No Python here."""
from libc.stddef cimport size_t

from scripting.lua cimport lua_State

cdef enum:
    LARGE = 65536                      # bytes

cdef struct Limits:                    # of one Lua state; its owner is the Interpreter
    size_t used                        # bytes that Lua holds
    size_t most                        # bytes that a script may make it hold
    bint strict                        # a script runs: refuse what goes beyond `most`
    bint killed                        # the running script must end: no pcall swallows that
    void (*watch)(Limits*) noexcept nogil      # before a large allocation of a script: few instructions may take long

cdef void* limited_alloc(void* owner, void* block, size_t old, size_t size) noexcept nogil     # lua_Alloc; owner: Limits*
cdef int sandbox_open(lua_State* L) noexcept nogil           # base, string, table, math as scripts may see them; -> globals
cdef void sandbox_protect(lua_State* L, int index) noexcept nogil      # the table there becomes read-only, in its place
cdef int sandbox_readonly(lua_State* L) noexcept nogil       # __newindex of what is read-only
cdef int sandbox_load(lua_State* L, const char* code, size_t length, const char* name) noexcept nogil
    # luaL_loadbuffer that takes text alone; 0 and the function, or not 0 and the message
cdef int sandbox_raise_kill(lua_State* L) noexcept nogil
cdef int sandbox_watch(lua_State* L) noexcept nogil          # before something large; does not return when the script must end
cdef void sandbox_lock_globals(lua_State* L) noexcept nogil  # what stands in the real globals (top of stack) is read-only from now on
cdef void sandbox_missing(lua_State* L) noexcept nogil       # the table on top complains about fields it lacks
cdef void sandbox_push_error(lua_State* L, const char* text) noexcept nogil    # {err = "ERR text"}
cdef int sandbox_handler(lua_State* L) noexcept nogil        # message handler: an error table with source and line
cdef Limits* sandbox_limits(lua_State* L) noexcept nogil
cdef void sandbox_set_limits(lua_State* L, Limits* limits) noexcept nogil
cdef void sandbox_offer(lua_State* L, const char* name, void* function) noexcept nogil
    # into the table on top: an api_t, a function of ours that uses Python (the GIL is held whenever Lua runs)

ctypedef int (*api_t)(lua_State* L) noexcept     # results, or -1: raise what is on top
