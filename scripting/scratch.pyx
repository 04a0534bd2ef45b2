# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from scripting.lua cimport lua, lua_fail, lua_State
from scripting.sandbox cimport LARGE, sandbox_limits, sandbox_watch

cdef enum:
    KEPT_BYTES = 1048576               # a buffer beyond that does not stay

cdef Scratch _scratch


cdef Scratch* scratch_begin() noexcept nogil:
    if _scratch.capacity > KEPT_BYTES:
        free(_scratch.bytes)
        _scratch.bytes = NULL
        _scratch.capacity = 0
    _scratch.used = 0
    return &_scratch


cdef void scratch_room(lua_State* L, Scratch* s, size_t room) noexcept nogil:
    cdef size_t capacity = s.capacity
    cdef char* bytes
    if room <= capacity - s.used:
        return
    if room > sandbox_limits(L).most - s.used:
        lua_fail(L, "not enough memory")
    if room >= LARGE:
        sandbox_watch(L)               # the same text again and again is no allocation of Lua's
    while capacity - s.used < room:
        capacity = capacity * 2 if capacity else 1024
    bytes = <char*>realloc(s.bytes, capacity)
    if bytes == NULL:
        lua_fail(L, "not enough memory")
    s.bytes = bytes
    s.capacity = capacity


cdef void scratch_finish(lua_State* L, Scratch* s) noexcept nogil:
    if s.used:
        lua.pushlstring(L, s.bytes, s.used)
    else:
        lua.pushlstring(L, "", 0)


cdef void scratch_add(lua_State* L, Scratch* s, const char* bytes, size_t length) noexcept nogil:
    scratch_room(L, s, length)
    memcpy(s.bytes + s.used, bytes, length)
    s.used += length


cdef void scratch_byte(lua_State* L, Scratch* s, int byte) noexcept nogil:
    scratch_room(L, s, 1)
    s.bytes[s.used] = <char>byte
    s.used += 1
