# cython: language_level=3
"""The library `math`: Lua's own, but for its random numbers."""
from scripting.lua cimport lua_State

cdef int numbers_open(lua_State* L) noexcept nogil           # into the globals
