# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The table cjson: encode(value), decode(text) (`json_encode`, `json_decode`), and their settings, which stay as set.

A table whose keys are integers is an array (up to its largest key, unless that is far beyond the number of its
elements), an empty one an object. null is a light userdata (cjson.null). Text is taken as bytes: UTF-8 is not checked.
"""
from libc.limits cimport INT_MAX
from libc.stddef cimport ptrdiff_t, size_t
from libc.string cimport strcmp

from scripting.json_decode cimport json_decode
from scripting.json_encode cimport json_encode
from scripting.json_settings cimport AS_NULL, OFF, ON, Settings, json_settings
from scripting.limits cimport limited_integer
from scripting.lua cimport LUA_BOOLEAN, LUA_NIL, lua, lua_CFunction, lua_pop, lua_State

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)


cdef void _at_most(lua_State* L, int arguments) noexcept nogil:
    if lua.gettop(L) > arguments:
        lua.L_argerror(L, arguments + 1, "found too many arguments")
    lua.settop(L, arguments)


cdef int _integer_setting(lua_State* L, int index, int* setting, int low, int high) noexcept nogil:
    cdef ptrdiff_t value
    cdef char text[64]
    if lua.type(L, index) != LUA_NIL:
        value = <int>limited_integer(L, index)
        if value < low or value > high:
            snprintf(text, sizeof(text), "expected integer between %d and %d", low, high)
            lua.L_argerror(L, 1, text)
        setting[0] = <int>value
    lua.pushinteger(L, setting[0])
    return 1


cdef int _choice_setting(lua_State* L, int index, int* setting, int choices) noexcept nogil:
    """off, on, null (of which the first `choices` are allowed), or a boolean."""
    cdef const char* word
    cdef char text[96]
    if lua.type(L, index) == LUA_BOOLEAN:
        setting[0] = lua.toboolean(L, index)
    elif lua.type(L, index) != LUA_NIL:
        word = lua.L_checklstring(L, index, NULL)
        if strcmp(word, "off") == 0:
            setting[0] = OFF
        elif strcmp(word, "on") == 0:
            setting[0] = ON
        elif choices > 2 and strcmp(word, "null") == 0:
            setting[0] = AS_NULL
        else:
            snprintf(text, sizeof(text), "invalid option '%.60s'", word)
            return lua.L_argerror(L, index, text)
    if setting[0] == AS_NULL:
        lua.pushstring(L, "null")
    else:
        lua.pushboolean(L, setting[0])
    return 1


cdef int _encode_sparse_array(lua_State* L) noexcept nogil:
    cdef Settings* settings = json_settings(L)
    _at_most(L, 3)
    _choice_setting(L, 1, &settings.sparse_convert, 2)
    _integer_setting(L, 2, &settings.sparse_ratio, 0, INT_MAX)
    _integer_setting(L, 3, &settings.sparse_safe, 0, INT_MAX)
    return 3


cdef int _encode_max_depth(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &json_settings(L).encode_depth, 1, INT_MAX)


cdef int _decode_max_depth(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &json_settings(L).decode_depth, 1, INT_MAX)


cdef int _encode_number_precision(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &json_settings(L).precision, 1, 14)


cdef int _encode_keep_buffer(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &json_settings(L).keep_buffer, 2)


cdef int _encode_invalid_numbers(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &json_settings(L).encode_invalid, 3)


cdef int _decode_invalid_numbers(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &json_settings(L).decode_invalid, 2)


cdef int _new(lua_State* L) noexcept nogil:
    json_open(L)
    return 1


cdef void _set(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """table, settings -> the same; the function keeps the settings."""
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, function, 1)
    lua.setfield(L, -3, name)


cdef void json_open(lua_State* L) noexcept nogil:
    cdef Settings* settings
    lua.createtable(L, 0, 16)
    settings = <Settings*>lua.newuserdata(L, sizeof(Settings))
    settings.sparse_convert = OFF
    settings.sparse_ratio = 2
    settings.sparse_safe = 10
    settings.encode_depth = settings.decode_depth = 1000
    settings.encode_invalid = OFF
    settings.decode_invalid = ON
    settings.precision = 14
    settings.keep_buffer = ON
    _set(L, "encode", json_encode)
    _set(L, "decode", json_decode)
    _set(L, "encode_sparse_array", _encode_sparse_array)
    _set(L, "encode_max_depth", _encode_max_depth)
    _set(L, "decode_max_depth", _decode_max_depth)
    _set(L, "encode_number_precision", _encode_number_precision)
    _set(L, "encode_keep_buffer", _encode_keep_buffer)
    _set(L, "encode_invalid_numbers", _encode_invalid_numbers)
    _set(L, "decode_invalid_numbers", _decode_invalid_numbers)
    _set(L, "new", _new)
    lua_pop(L, 1)
    lua.pushlightuserdata(L, NULL)
    lua.setfield(L, -2, "null")
    lua.pushstring(L, "cjson")
    lua.setfield(L, -2, "_NAME")
    lua.pushstring(L, "2.1.0")
    lua.setfield(L, -2, "_VERSION")
