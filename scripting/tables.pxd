# cython: language_level=3
"""The library `table`."""
from scripting.lua cimport lua_State

cdef int tables_open(lua_State* L) noexcept nogil            # into the globals
