# cython: language_level=3
"""cjson.encode: Lua values as JSON, straight into the scratch."""
from scripting.lua cimport lua_State

cdef int json_encode(lua_State* L) noexcept nogil       # a lua_CFunction, whose upvalue 1 are its Settings
