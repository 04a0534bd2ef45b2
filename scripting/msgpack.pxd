# cython: language_level=3
"""The library `cmsgpack`: MessagePack."""
from scripting.lua cimport lua_State

cdef void msgpack_open(lua_State* L) noexcept nogil    # push the table
