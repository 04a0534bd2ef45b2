# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from scripting.limits cimport LARGE, limits, limits_charge, limits_look
from scripting.lua cimport lua, lua_fail, lua_State

cdef enum:
    KEPT_BYTES = 1048576               # a buffer beyond that does not stay
    OWN_BYTES = 1024                   # that a buffer of one's own begins with

cdef Scratch _scratch


cdef Scratch* scratch_begin() noexcept nogil:
    if _scratch.capacity > KEPT_BYTES:
        free(_scratch.bytes)
        _scratch.bytes = NULL
        _scratch.capacity = 0
    _scratch.used = 0
    return &_scratch


cdef void scratch_begin_own(lua_State* L, Scratch* s) noexcept nogil:
    s.bytes = <char*>lua.newuserdata(L, OWN_BYTES)
    s.used = 0
    s.capacity = OWN_BYTES
    s.place = lua.gettop(L)


cdef char* _grown(lua_State* L, Scratch* s, size_t capacity) noexcept nogil:
    cdef char* bytes
    if s.place == 0:
        bytes = <char*>realloc(s.bytes, capacity)
        if bytes == NULL:
            lua_fail(L, "not enough memory")
        return bytes
    bytes = <char*>lua.newuserdata(L, capacity)
    memcpy(bytes, s.bytes, s.used)
    lua.replace(L, s.place)
    return bytes


cdef void scratch_room(lua_State* L, Scratch* s, size_t room) noexcept nogil:
    cdef size_t capacity = s.capacity
    if room <= capacity - s.used:
        return
    if room > limits.most - s.used:
        lua_fail(L, "not enough memory")
    if s.used + room >= LARGE:
        limits_look(L)                 # the same text again and again is no allocation of Lua's
    while capacity - s.used < room:
        capacity = capacity * 2 if capacity else 1024
    s.bytes = _grown(L, s, capacity)
    s.capacity = capacity


cdef void scratch_finish(lua_State* L, Scratch* s) noexcept nogil:
    limits_charge(L, s.used)
    scratch_room(L, s, 1)              # there are bytes to point at, even if there is no text
    lua.pushlstring(L, s.bytes, s.used)


cdef void scratch_add(lua_State* L, Scratch* s, const char* bytes, size_t length) noexcept nogil:
    scratch_room(L, s, length)
    memcpy(s.bytes + s.used, bytes, length)
    s.used += length


cdef void scratch_byte(lua_State* L, Scratch* s, int byte) noexcept nogil:
    scratch_room(L, s, 1)
    s.bytes[s.used] = <char>byte
    s.used += 1
