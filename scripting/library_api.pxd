# cython: language_level=3
"""What a library of functions finds while it is loaded: a table `redis` whose one purpose is redis.register_function."""
from scripting.lua cimport lua_State

cdef void library_open(lua_State* L) noexcept       # push that table
