# cython: language_level=3
"""The library `cjson`."""
from scripting.lua cimport lua_State

cdef void json_open(lua_State* L) noexcept nogil       # push the table
