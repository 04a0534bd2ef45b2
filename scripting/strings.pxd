# cython: language_level=3
"""The library `string`."""
from scripting.lua cimport lua_State

cdef int strings_open(lua_State* L) noexcept nogil           # into the globals
