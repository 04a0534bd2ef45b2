# cython: language_level=3
"""The functions of Lua's base library as scripts may have them, and `coroutine`."""
from libc.stddef cimport size_t

from scripting.lua cimport lua_State

cdef int base_open(lua_State* L) noexcept nogil             # into the globals
cdef int base_load(lua_State* L, const char* code, size_t length, const char* name) noexcept nogil
    # compiles text alone; 0 and the function, or not 0 and the message
