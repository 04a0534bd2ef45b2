# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.limits cimport INT_MAX
from libc.math cimport floor, isinf, isnan
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from scripting.json_settings cimport AS_NULL, OFF, Settings, json_settings
from scripting.limits cimport VALUE, limits_charge, limits_charge_table
from scripting.lua cimport (LUA_BOOLEAN, LUA_LIGHTUSERDATA, LUA_NIL, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua, lua_fail,
                            lua_pop, lua_State)
from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_byte, scratch_finish, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)


cdef void _cannot(lua_State* L, int index, const char* reason) noexcept nogil:
    cdef char text[128]
    snprintf(text, sizeof(text), "Cannot serialise %s: %s", lua.typename(L, lua.type(L, index)), reason)
    lua_fail(L, text)


cdef void _encode_string(lua_State* L, Scratch* s, int index) noexcept nogil:
    cdef size_t length, i
    cdef const uint8_t* text = <const uint8_t*>lua.tolstring(L, index, &length)
    cdef char* at
    cdef uint8_t c
    scratch_room(L, s, length * 6 + 2)
    at = s.bytes + s.used
    at[0] = c'"'
    at += 1
    for i in range(length):
        c = text[i]
        if c >= 32 and c != c'"' and c != c'\\' and c != c'/' and c != 127:
            at[0] = <char>c
            at += 1
            continue
        at[0] = c'\\'
        at += 1
        if c == c'"' or c == c'\\' or c == c'/':
            at[0] = <char>c
        elif c == 8:
            at[0] = c'b'
        elif c == 9:
            at[0] = c't'
        elif c == 10:
            at[0] = c'n'
        elif c == 12:
            at[0] = c'f'
        elif c == 13:
            at[0] = c'r'
        else:
            memcpy(at, "u00", 3)
            at[3] = "0123456789abcdef"[c >> 4]
            at[4] = "0123456789abcdef"[c & 15]
            at += 4
        at += 1
    at[0] = c'"'
    s.used = at + 1 - s.bytes


cdef void _encode_number(lua_State* L, Scratch* s, int index) noexcept nogil:
    cdef double number = lua.tonumber(L, index)
    cdef Settings* settings = json_settings(L)
    if isnan(number) or isinf(number):
        if settings.encode_invalid == OFF:
            _cannot(L, index, "must not be NaN or Inf")
        elif settings.encode_invalid == AS_NULL:
            scratch_add(L, s, "null", 4)
            return
        elif isnan(number):
            scratch_add(L, s, "nan", 3)
            return
    scratch_room(L, s, 32)
    s.used += snprintf(s.bytes + s.used, 32, "%.*g", settings.precision, number)


cdef int _array_length(lua_State* L) noexcept nogil:
    """The largest key of the table on top when all keys are positive integers; -1 for an object."""
    cdef Settings* settings = json_settings(L)
    cdef double key
    cdef double largest = 0
    cdef int64_t items = 0
    limits_charge_table(L)
    lua.pushnil(L)
    while lua.next(L, -2):
        if lua.type(L, -2) == LUA_NUMBER:
            key = lua.tonumber(L, -2)
            if key >= 1 and floor(key) == key and key <= INT_MAX:
                if key > largest:
                    largest = key
                items += 1
                lua_pop(L, 1)
                continue
        lua_pop(L, 2)
        return -1
    if settings.sparse_ratio > 0 and largest > <double>items * settings.sparse_ratio and largest > settings.sparse_safe:
        if not settings.sparse_convert:
            _cannot(L, -1, "excessively sparse array")
        return -1
    return <int>largest


cdef void _encode_object(lua_State* L, Scratch* s, int depth) noexcept nogil:
    cdef bint comma = False
    cdef int kind
    scratch_byte(L, s, c'{')
    lua.pushnil(L)
    while lua.next(L, -2):
        if comma:
            scratch_byte(L, s, c',')
        comma = True
        kind = lua.type(L, -2)
        if kind == LUA_NUMBER:
            scratch_byte(L, s, c'"')
            _encode_number(L, s, -2)
            scratch_add(L, s, "\":", 2)
        elif kind == LUA_STRING:
            _encode_string(L, s, -2)
            scratch_byte(L, s, c':')
        else:
            _cannot(L, -2, "table key must be a number or string")
        _encode_value(L, s, depth)
        lua_pop(L, 1)
    scratch_byte(L, s, c'}')


cdef void _encode_table(lua_State* L, Scratch* s, int depth) noexcept nogil:
    cdef char text[64]
    cdef int length, i
    if depth > json_settings(L).encode_depth or not lua.checkstack(L, 3):
        snprintf(text, sizeof(text), "Cannot serialise, excessive nesting (%d)", depth)
        lua_fail(L, text)
    length = _array_length(L)
    if length <= 0:
        _encode_object(L, s, depth)
        return
    scratch_byte(L, s, c'[')
    for i in range(1, length + 1):
        if i > 1:
            scratch_byte(L, s, c',')
        lua.rawgeti(L, -1, i)
        _encode_value(L, s, depth)
        lua_pop(L, 1)
    scratch_byte(L, s, c']')


cdef void _encode_value(lua_State* L, Scratch* s, int depth) noexcept nogil:
    """The value on top, which stays there."""
    cdef int kind = lua.type(L, -1)
    limits_charge(L, VALUE)
    if kind == LUA_STRING:
        _encode_string(L, s, -1)
    elif kind == LUA_NUMBER:
        _encode_number(L, s, -1)
    elif kind == LUA_BOOLEAN:
        if lua.toboolean(L, -1):
            scratch_add(L, s, "true", 4)
        else:
            scratch_add(L, s, "false", 5)
    elif kind == LUA_TABLE:
        _encode_table(L, s, depth + 1)
    elif kind == LUA_NIL or kind == LUA_LIGHTUSERDATA and lua.touserdata(L, -1) == NULL:
        scratch_add(L, s, "null", 4)
    else:
        _cannot(L, -1, "type not supported")


cdef int json_encode(lua_State* L) noexcept nogil:
    cdef Scratch* s
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, "expected 1 argument")
    s = scratch_begin()
    _encode_value(L, s, 0)
    scratch_finish(L, s)
    return 1
