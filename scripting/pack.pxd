# cython: language_level=3
"""The library `struct`: Lua values to and from the bytes of C structures."""
from scripting.lua cimport lua_State

cdef void pack_open(lua_State* L) noexcept nogil       # push the table
