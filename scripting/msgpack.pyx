# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""cmsgpack.pack(...), unpack(data), unpack_one(data [, offset]), unpack_limit(data, limit [, offset]).

A table whose keys are 1 to n is an array, any other a map. Tables within tables beyond the 16th level are packed as
nil.
"""
from libc.limits cimport INT_MAX
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from scripting.limits cimport VALUE, limited_integer, limited_optional_integer, limits_charge, limits_charge_table
from scripting.lua cimport (
    LUA_BOOLEAN, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua, lua_fail, lua_pop, lua_set_function, lua_State)
from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_byte, scratch_finish, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef enum:
    DEEPEST = 16                       # levels of tables that are packed
    DEEPEST_IN = 1000                  # levels that are unpacked

cdef struct Input:
    const uint8_t* at
    size_t left


# ---- packing
cdef void _tagged(lua_State* L, Scratch* s, int tag, uint64_t value, int size) noexcept nogil:
    """A tag, then `size` bytes, the highest first."""
    cdef int i
    scratch_room(L, s, size + 1)
    s.bytes[s.used] = <char>tag
    for i in range(size):
        s.bytes[s.used + 1 + i] = <char>(value >> (8 * (size - 1 - i)) & 0xFF)
    s.used += size + 1


cdef void _pack_integer(lua_State* L, Scratch* s, int64_t n) noexcept nogil:
    if n >= 0:
        if n <= 127:
            scratch_byte(L, s, <int>n)
        elif n <= 0xFF:
            _tagged(L, s, 0xCC, n, 1)
        elif n <= 0xFFFF:
            _tagged(L, s, 0xCD, n, 2)
        elif n <= 0xFFFFFFFFLL:
            _tagged(L, s, 0xCE, n, 4)
        else:
            _tagged(L, s, 0xCF, n, 8)
    elif n >= -32:
        scratch_byte(L, s, <int>(n & 0xFF))
    elif n >= -128:
        _tagged(L, s, 0xD0, <uint64_t>n, 1)
    elif n >= -32768:
        _tagged(L, s, 0xD1, <uint64_t>n, 2)
    elif n >= -2147483648LL:
        _tagged(L, s, 0xD2, <uint64_t>n, 4)
    else:
        _tagged(L, s, 0xD3, <uint64_t>n, 8)


cdef void _pack_number(lua_State* L, Scratch* s, double number) noexcept nogil:
    cdef float single = <float>number
    cdef uint64_t image8
    cdef uint32_t image4
    if -9223372036854775808.0 <= number < 9223372036854775808.0 and <double><int64_t>number == number:
        _pack_integer(L, s, <int64_t>number)
    elif <double>single == number:
        memcpy(&image4, &single, 4)
        _tagged(L, s, 0xCA, image4, 4)
    else:
        memcpy(&image8, &number, 8)
        _tagged(L, s, 0xCB, image8, 8)


cdef void _pack_string(lua_State* L, Scratch* s) noexcept nogil:
    cdef size_t length
    cdef const char* text = lua.tolstring(L, -1, &length)
    if length < 32:
        scratch_byte(L, s, 0xA0 | <int>length)
    elif length <= 0xFF:
        _tagged(L, s, 0xD9, length, 1)
    elif length <= 0xFFFF:
        _tagged(L, s, 0xDA, length, 2)
    else:
        _tagged(L, s, 0xDB, length, 4)
    scratch_add(L, s, text, length)


cdef bint _is_array(lua_State* L, size_t* count) noexcept nogil:
    """Whether the keys of the table on top are 1 to n; how many there are."""
    cdef double key, largest = 0
    cdef bint array = True
    count[0] = 0
    limits_charge_table(L)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(L, 1)
        count[0] += 1
        if array:
            if lua.type(L, -1) == LUA_NUMBER:
                key = lua.tonumber(L, -1)
                if key > 0 and key <= INT_MAX and <double><int>key == key:
                    if key > largest:
                        largest = key
                    continue
            array = False
    return array and largest == <double>count[0]


cdef void _pack_table(lua_State* L, Scratch* s, int level) noexcept nogil:
    cdef size_t count, i
    cdef bint array
    lua.L_checkstack(L, 6, "too many tables within tables")
    array = _is_array(L, &count)
    if count < 16:
        scratch_byte(L, s, (0x90 if array else 0x80) | <int>count)
    elif count <= 0xFFFF:
        _tagged(L, s, 0xDC if array else 0xDE, count, 2)
    else:
        _tagged(L, s, 0xDD if array else 0xDF, count, 4)
    if array:
        for i in range(count):
            lua.rawgeti(L, -1, <int>i + 1)
            _pack_value(L, s, level + 1)
        return
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        _pack_value(L, s, level + 1)
        _pack_value(L, s, level + 1)


cdef void _pack_value(lua_State* L, Scratch* s, int level) noexcept nogil:
    """Pack the value on top and take it off."""
    cdef int kind = lua.type(L, -1)
    limits_charge(L, VALUE)
    if kind == LUA_STRING:
        _pack_string(L, s)
    elif kind == LUA_NUMBER:
        _pack_number(L, s, lua.tonumber(L, -1))
    elif kind == LUA_BOOLEAN:
        scratch_byte(L, s, 0xC3 if lua.toboolean(L, -1) else 0xC2)
    elif kind == LUA_TABLE and level < DEEPEST:
        _pack_table(L, s, level)
    else:
        scratch_byte(L, s, 0xC0)
    lua_pop(L, 1)


cdef int _pack(lua_State* L) noexcept nogil:
    cdef int count = lua.gettop(L)
    cdef int i
    cdef Scratch* s
    if count == 0:
        return lua.L_argerror(L, 0, "MessagePack pack needs input.")
    s = scratch_begin()
    for i in range(1, count + 1):
        lua.L_checkstack(L, 1, "in function mp_check")
        lua.pushvalue(L, i)
        _pack_value(L, s, 0)
    scratch_finish(L, s)
    return 1


# ---- unpacking
cdef void _need(lua_State* L, Input* input, size_t bytes) noexcept nogil:
    if bytes > input.left:
        lua_fail(L, "Missing bytes in input.")


cdef uint64_t _taken(lua_State* L, Input* input, int size) noexcept nogil:
    """The tag is left behind, and the number of `size` bytes that follows it."""
    cdef uint64_t value = 0
    cdef int i
    _need(L, input, size + 1)
    for i in range(size):
        value = value << 8 | input.at[1 + i]
    input.at += size + 1
    input.left -= size + 1
    return value


cdef void _push_bytes(lua_State* L, Input* input, size_t length) noexcept nogil:
    _need(L, input, length)
    lua.pushlstring(L, <const char*>input.at, length)
    input.at += length
    input.left -= length


cdef void _push_array(lua_State* L, Input* input, size_t count, int level) noexcept nogil:
    cdef size_t i
    lua.createtable(L, 0, 0)
    for i in range(count):
        _push_value(L, input, level + 1)
        lua.rawseti(L, -2, <int>i + 1)


cdef void _push_map(lua_State* L, Input* input, size_t count, int level) noexcept nogil:
    cdef size_t i
    lua.createtable(L, 0, 0)
    for i in range(count):
        _push_value(L, input, level + 1)
        _push_value(L, input, level + 1)
        lua.settable(L, -3)            # complains about nil and NaN


cdef void _push_number(lua_State* L, Input* input, int tag) noexcept nogil:
    """Tags 0xCA to 0xD3: float, double, unsigned and signed integers of 1 to 8 bytes."""
    cdef uint32_t image4
    cdef uint64_t image8
    cdef float single
    cdef double number
    if tag == 0xCA:
        image4 = <uint32_t>_taken(L, input, 4)
        memcpy(&single, &image4, 4)
        number = single
    elif tag == 0xCB:
        image8 = _taken(L, input, 8)
        memcpy(&number, &image8, 8)
    elif tag == 0xCC:
        number = <double>_taken(L, input, 1)
    elif tag == 0xCD:
        number = <double>_taken(L, input, 2)
    elif tag == 0xCE:
        number = <double>_taken(L, input, 4)
    elif tag == 0xD0:
        number = <double><int8_t>_taken(L, input, 1)
    elif tag == 0xD1:
        number = <double><int16_t>_taken(L, input, 2)
    elif tag == 0xD2:
        number = <double><int32_t>_taken(L, input, 4)
    else:                              # 0xCF and 0xD3: an unsigned one, too, is read as signed
        number = <double><int64_t>_taken(L, input, 8)
    lua.pushnumber(L, number)


cdef void _push_short(lua_State* L, Input* input, int tag, int level) noexcept nogil:
    """Tags that say all about what they are: small integers, and the length of what is short."""
    _taken(L, input, 0)
    if tag < 0x80:
        lua.pushnumber(L, <double>tag)
    elif tag >= 0xE0:
        lua.pushnumber(L, <double><int8_t>tag)
    elif tag < 0x90:
        _push_map(L, input, tag & 15, level)
    elif tag < 0xA0:
        _push_array(L, input, tag & 15, level)
    else:
        _push_bytes(L, input, tag & 31)


cdef void _push_value(lua_State* L, Input* input, int level) noexcept nogil:
    cdef int tag
    limits_charge(L, VALUE)
    _need(L, input, 1)
    lua.L_checkstack(L, 4, "too many return values at once; use unpack_one or unpack_limit instead.")
    if level > DEEPEST_IN:
        lua_fail(L, "Bad data format in input.")
    tag = input.at[0]
    if tag < 0xC0 or tag >= 0xE0:
        _push_short(L, input, tag, level)
    elif tag == 0xC0:
        lua.pushnil(L)
        _taken(L, input, 0)
    elif tag == 0xC2 or tag == 0xC3:
        lua.pushboolean(L, tag & 1)
        _taken(L, input, 0)
    elif 0xCA <= tag <= 0xD3:
        _push_number(L, input, tag)
    elif tag == 0xD9:
        _push_bytes(L, input, _taken(L, input, 1))
    elif tag == 0xDA:
        _push_bytes(L, input, _taken(L, input, 2))
    elif tag == 0xDB:
        _push_bytes(L, input, _taken(L, input, 4))
    elif tag == 0xDC:
        _push_array(L, input, _taken(L, input, 2), level)
    elif tag == 0xDD:
        _push_array(L, input, _taken(L, input, 4), level)
    elif tag == 0xDE:
        _push_map(L, input, _taken(L, input, 2), level)
    elif tag == 0xDF:
        _push_map(L, input, _taken(L, input, 4), level)
    else:
        lua_fail(L, "Bad data format in input.")


cdef int _unpack_some(lua_State* L, ptrdiff_t limit, ptrdiff_t offset) noexcept nogil:
    cdef size_t length
    cdef const char* data = lua.L_checklstring(L, 1, &length)
    cdef bint all = limit == 0 and offset == 0
    cdef Input input
    cdef int count = 0
    cdef char text[96]
    if offset < 0 or limit < 0:
        snprintf(text, sizeof(text), "Invalid request to unpack with offset of %d and limit of %d.", <int>offset,
                 <int>length)
        return lua_fail(L, text)
    if <size_t>offset > length:
        snprintf(text, sizeof(text), "Start offset %d greater than input length %d.", <int>offset, <int>length)
        return lua_fail(L, text)
    if all:
        limit = INT_MAX
    input.at = <const uint8_t*>data + offset
    input.left = length - offset
    while input.left and count < limit:
        _push_value(L, &input, 0)
        count += 1
    if all:
        return count
    lua.L_checkstack(L, 1, "in function mp_unpack_full")
    lua.pushinteger(L, -1 if input.left == 0 else <ptrdiff_t>(length - input.left))
    lua.insert(L, 2)
    return count + 1


cdef int _unpack(lua_State* L) noexcept nogil:
    lua.settop(L, 1)
    return _unpack_some(L, 0, 0)


cdef int _unpack_one(lua_State* L) noexcept nogil:
    cdef ptrdiff_t offset = limited_optional_integer(L, 2, 0)
    lua.settop(L, 1)
    return _unpack_some(L, 1, offset)


cdef int _unpack_limit(lua_State* L) noexcept nogil:
    cdef ptrdiff_t limit = limited_integer(L, 2)
    cdef ptrdiff_t offset = limited_optional_integer(L, 3, 0)
    lua.settop(L, 1)
    return _unpack_some(L, limit, offset)


cdef void msgpack_open(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 8)
    lua_set_function(L, "pack", _pack)
    lua_set_function(L, "unpack", _unpack)
    lua_set_function(L, "unpack_one", _unpack_one)
    lua_set_function(L, "unpack_limit", _unpack_limit)
    lua.pushstring(L, "cmsgpack")
    lua.setfield(L, -2, "_NAME")
    lua.pushstring(L, "lua-cmsgpack 0.4.0")
    lua.setfield(L, -2, "_VERSION")
