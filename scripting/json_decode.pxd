# cython: language_level=3
"""cjson.decode: JSON as Lua values. A tokenizer, and a parser that calls itself for what is nested."""
from scripting.lua cimport lua_State

cdef int json_decode(lua_State* L) noexcept nogil       # a lua_CFunction, whose upvalue 1 are its Settings
