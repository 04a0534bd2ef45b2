# cython: language_level=3
"""The library `bit`: operations on 32-bit integers."""
from scripting.lua cimport lua_State

cdef void bits_open(lua_State* L) noexcept nogil       # push the table
