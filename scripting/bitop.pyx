# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Numbers are taken modulo 2^32 (the nearest integer, halves to even) and results are signed, as in Lua BitOp."""
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.string cimport memcpy

from scripting.limits cimport limited_number
from scripting.lua cimport lua, lua_set_function, lua_State

cdef enum:
    SMALLEST = -2147483648


cdef uint32_t _argument(lua_State* L, int index) noexcept nogil:
    """With 2^52 + 2^51 added, the low bits of the double are the integer."""
    cdef double number = limited_number(L, index) + 6755399441055744.0
    cdef uint64_t image
    memcpy(&image, &number, 8)
    return <uint32_t>image


cdef int _result(lua_State* L, uint32_t bits) noexcept nogil:
    lua.pushnumber(L, <double><int32_t>bits)
    return 1


cdef int _tobit(lua_State* L) noexcept nogil:
    return _result(L, _argument(L, 1))


cdef int _bnot(lua_State* L) noexcept nogil:
    return _result(L, ~_argument(L, 1))


cdef int _band(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        bits &= _argument(L, i)
    return _result(L, bits)


cdef int _bor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        bits |= _argument(L, i)
    return _result(L, bits)


cdef int _bxor(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        bits ^= _argument(L, i)
    return _result(L, bits)


cdef int _lshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef uint32_t by = _argument(L, 2) & 31
    return _result(L, bits << by)


cdef int _rshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef uint32_t by = _argument(L, 2) & 31
    return _result(L, bits >> by)


cdef int _arshift(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef uint32_t by = _argument(L, 2) & 31
    return _result(L, <uint32_t>(<int32_t>bits >> by))


cdef uint32_t _rotated(uint32_t bits, uint32_t by) noexcept nogil:
    by &= 31
    return bits << by | bits >> ((32 - by) & 31) if by else bits


cdef int _rol(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _result(L, _rotated(bits, _argument(L, 2)))


cdef int _ror(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    return _result(L, _rotated(bits, 32 - (_argument(L, 2) & 31)))


cdef int _bswap(lua_State* L) noexcept nogil:
    cdef uint32_t b = _argument(L, 1)
    return _result(L, b >> 24 | (b >> 8 & 0xFF00) | (b & 0xFF00) << 8 | b << 24)


cdef int _tohex(lua_State* L) noexcept nogil:
    cdef uint32_t bits = _argument(L, 1)
    cdef int32_t digits = 8
    cdef const char* alphabet = "0123456789abcdef"
    cdef char text[8]
    cdef int i
    if lua.type(L, 2) >= 0:
        digits = <int32_t>_argument(L, 2)
    if digits < 0:
        alphabet = "0123456789ABCDEF"
        digits = 8 if digits == SMALLEST else -digits      # -SMALLEST is no int32
    if digits > 8:
        digits = 8
    for i in range(digits - 1, -1, -1):
        text[i] = alphabet[bits & 15]
        bits >>= 4
    lua.pushlstring(L, text, digits)
    return 1


cdef void bits_open(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 12)
    lua_set_function(L, "tobit", _tobit)
    lua_set_function(L, "bnot", _bnot)
    lua_set_function(L, "band", _band)
    lua_set_function(L, "bor", _bor)
    lua_set_function(L, "bxor", _bxor)
    lua_set_function(L, "lshift", _lshift)
    lua_set_function(L, "rshift", _rshift)
    lua_set_function(L, "arshift", _arshift)
    lua_set_function(L, "rol", _rol)
    lua_set_function(L, "ror", _ror)
    lua_set_function(L, "bswap", _bswap)
    lua_set_function(L, "tohex", _tohex)
