# cython: language_level=3
"""What a script finds in its globals, and why it cannot change it. No Python here."""
from scripting.lua cimport LUA_GLOBALS, lua_CFunction, lua_State

cdef enum:
    ORIGINAL = LUA_GLOBALS - 1         # upvalue 1 of a wrapper: the function of Lua's own

ctypedef int (*api_t)(lua_State* L) noexcept     # results, or -1: raise what is on top

# ---- tables that scripts share
cdef void sandbox_protect(lua_State* L, int index) noexcept nogil      # the table there becomes read-only, in its place
cdef int sandbox_readonly(lua_State* L) noexcept nogil       # __newindex of what is read-only
cdef bint sandbox_push_real(lua_State* L, int index) noexcept nogil
    # push the table behind the read-only one at index; push nothing when it is not one
cdef int sandbox_refuse_readonly(lua_State* L, int index) noexcept nogil    # a Lua error when the table there is one
cdef void sandbox_lock_globals(lua_State* L) noexcept nogil  # what stands in the real globals (on top) is read-only now
cdef void sandbox_missing(lua_State* L) noexcept nogil       # the table on top complains about fields it lacks

# ---- functions of Lua's own, in the table on top
cdef void sandbox_wrap(lua_State* L, const char* name, lua_CFunction wrapper) noexcept nogil    # it gets it as ORIGINAL
cdef int sandbox_original(lua_State* L) noexcept nogil       # for a wrapper: run what it wraps, in the same frame
cdef int sandbox_charged(lua_State* L) noexcept nogil        # a wrapper: it goes through the strings that it is given
cdef int sandbox_writing(lua_State* L) noexcept nogil        # a wrapper: it writes into its first argument itself

# ---- functions of ours that use Python (the GIL is held whenever Lua runs), in the table on top
cdef void sandbox_offer(lua_State* L, const char* name, void* function) noexcept nogil      # function: an api_t

# ---- errors
cdef void sandbox_push_error(lua_State* L, const char* text) noexcept nogil    # {err = "ERR text"}
cdef int sandbox_handler(lua_State* L) noexcept nogil        # message handler: an error table with source and line
