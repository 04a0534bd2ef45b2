# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.math cimport floor
from libc.stdint cimport uint64_t

from scripting.limits cimport limited_int, limited_integer
from scripting.lua cimport (
    LUA_FUNCTION, LUA_GLOBALS, lua, lua_fail, lua_pop, lua_set_function, lua_State)
from scripting.sandbox cimport sandbox_charged, sandbox_wrap

cdef uint64_t _random_state = (<uint64_t>0x1234 << 32) | (<uint64_t>0xABCD << 16) | 0x330E


cdef double _random_fraction() noexcept nogil:
    """The 48-bit congruential generator that POSIX calls lrand48: the same sequence for the same seed everywhere."""
    global _random_state
    _random_state = (_random_state * 0x5DEECE66DULL + 0xB) & 0xFFFFFFFFFFFFULL
    return <double>((_random_state >> 17) % 0x7FFFFFFF) / <double>0x7FFFFFFF


cdef int _random(lua_State* L) noexcept nogil:
    cdef double fraction = _random_fraction()
    cdef int low = 1, high, width
    cdef int arguments = lua.gettop(L)
    if arguments == 0:
        lua.pushnumber(L, fraction)
        return 1
    if arguments > 2:
        return lua_fail(L, "wrong number of arguments")
    if arguments == 2:
        low = limited_int(L, 1)
    high = limited_int(L, arguments)
    if low > high:
        return lua.L_argerror(L, arguments, "interval is empty")
    if arguments == 1:
        lua.pushnumber(L, floor(fraction * high) + 1)
    else:
        width = <int>(<unsigned int>high - <unsigned int>low + 1)      # as Redis: it may wrap around
        lua.pushnumber(L, floor(fraction * width) + low)
    return 1


cdef int _randomseed(lua_State* L) noexcept nogil:
    global _random_state
    _random_state = (((<uint64_t>limited_integer(L, 1)) & 0xFFFFFFFFULL) << 16) | 0x330E
    return 0


cdef int numbers_open(lua_State* L) noexcept nogil:
    lua.pushcclosure(L, lua.open_math, 0)
    lua.pushstring(L, "math")
    lua.call(L, 1, 0)
    lua.getfield(L, LUA_GLOBALS, "math")
    lua.pushnil(L)
    while lua.next(L, -2):
        if lua.type(L, -1) == LUA_FUNCTION:                # an existing key: allowed while going through
            lua_pop(L, 1)
            lua.pushvalue(L, -2)
            sandbox_wrap(L, lua.tolstring(L, -2, NULL), sandbox_charged)
        lua_pop(L, 1)
    lua_set_function(L, "random", _random)
    lua_set_function(L, "randomseed", _randomseed)
    lua_pop(L, 1)
    return 0
