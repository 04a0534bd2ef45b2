# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""struct.pack(format, ...), struct.unpack(format, data [, position]), struct.size(format).

    > < !n     big endian, little endian, alignment n
    b B h H l L T i[n] I[n]    integers: 1, 2, 8, 8 (size_t), n bytes (4), small letters signed
    f d        float, double
    s          zero-terminated string;  cn: n bytes;  c0: all of it (pack), as many as the number read before (unpack)
    x          a padding byte
"""
from libc.limits cimport INT_MAX
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint64_t
from libc.string cimport memchr

from scripting.limits cimport limited_number, limited_optional_integer
from scripting.lua cimport lua, lua_fail, lua_pop, lua_set_function, lua_State
from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_byte, scratch_finish, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef enum:
    BIGGEST = 32                       # bytes of an integer
    ALIGNED = 8                        # what a plain "!" means

cdef struct Layout:
    bint little
    size_t align


cdef bint _digit(int c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef int _number(lua_State* L, const char** format, int otherwise) noexcept nogil:
    """The digits at the head of format."""
    cdef int value = 0, digit
    if not _digit(format[0][0]):
        return otherwise
    while _digit(format[0][0]):
        digit = format[0][0] - c'0'
        if value > (INT_MAX - digit) // 10:
            lua_fail(L, "integral size overflow")
        value = value * 10 + digit
        format[0] += 1
    return value


cdef size_t _size_of(lua_State* L, int option, const char** format) noexcept nogil:
    cdef int size
    cdef char text[96]
    if option == c'B' or option == c'b' or option == c'x':
        return 1
    if option == c'H' or option == c'h':
        return 2
    if option == c'L' or option == c'l' or option == c'd' or option == c'T':
        return 8
    if option == c'f':
        return 4
    if option == c'c':
        return _number(L, format, 1)
    if option == c'i' or option == c'I':
        size = _number(L, format, 4)
        if size > BIGGEST:
            snprintf(text, sizeof(text), "integral size %d is larger than limit of %d", size, <int>BIGGEST)
            lua_fail(L, text)
        return size
    return 0


cdef size_t _gap(size_t at, Layout* layout, int option, size_t size) noexcept nogil:
    """Bytes to skip so that an element of that size is aligned."""
    if size == 0 or option == c'c':
        return 0
    if size > layout.align:
        size = layout.align
    return (size - (at & (size - 1))) & (size - 1)


cdef void _control(lua_State* L, int option, const char** format, Layout* layout) noexcept nogil:
    cdef int align
    cdef char text[64]
    if option == c' ':
        return
    if option == c'>':
        layout.little = False
    elif option == c'<':
        layout.little = True
    elif option == c'!':
        align = _number(L, format, ALIGNED)
        if align <= 0 or align & (align - 1):
            snprintf(text, sizeof(text), "alignment %d is not a power of 2", align)
            lua_fail(L, text)
        layout.align = align
    else:
        snprintf(text, sizeof(text), "invalid format option '%c'", option)
        lua.L_argerror(L, 1, text)


cdef bint _is_integer(int option) noexcept nogil:
    return option != 0 and (option == c'b' or option == c'B' or option == c'h' or option == c'H' or option == c'l'
                            or option == c'L' or option == c'T' or option == c'i' or option == c'I')


cdef void _put_integer(lua_State* L, Scratch* s, int argument, bint little, int size) noexcept nogil:
    cdef double number = limited_number(L, argument)
    cdef uint64_t value
    cdef uint8_t* at
    cdef int i
    if not number >= 0:                # not a number: as the least
        value = <uint64_t>(<int64_t>number if number >= -9223372036854775808.0 else INT64_MIN)
    elif number < 18446744073709551616.0:
        value = <uint64_t>number
    else:
        value = 0
    scratch_room(L, s, size)
    at = <uint8_t*>s.bytes + s.used
    for i in range(size):
        at[i if little else size - 1 - i] = value & 0xFF
        value >>= 8
    s.used += size


cdef void _put_real(lua_State* L, Scratch* s, const uint8_t* bytes, int size, bint little) noexcept nogil:
    cdef int i
    for i in range(size):
        scratch_byte(L, s, bytes[i if little == _native_little() else size - 1 - i])


cdef bint _native_little() noexcept nogil:
    cdef int one = 1
    return (<uint8_t*>&one)[0] == 1


cdef int _pack(lua_State* L) noexcept nogil:
    cdef const char* format = lua.L_checklstring(L, 1, NULL)
    cdef const char* text
    cdef Layout layout
    cdef Scratch* s
    cdef int argument = 2, option
    cdef size_t size, gap, length, i
    cdef size_t total = 0
    cdef float real4
    cdef double real8
    layout.little = _native_little()
    layout.align = 1
    lua.pushnil(L)                     # an argument that is missing is nil
    s = scratch_begin()
    while format[0] != 0:
        option = format[0]
        format += 1
        size = _size_of(L, option, &format)
        gap = _gap(total, &layout, option, size)
        total += gap
        for i in range(gap):
            scratch_byte(L, s, 0)
        if _is_integer(option):
            _put_integer(L, s, argument, layout.little, <int>size)
            argument += 1
        elif option == c'x':
            scratch_byte(L, s, 0)
        elif option == c'f':
            real4 = <float>limited_number(L, argument)
            argument += 1
            _put_real(L, s, <uint8_t*>&real4, 4, layout.little)
        elif option == c'd':
            real8 = limited_number(L, argument)
            argument += 1
            _put_real(L, s, <uint8_t*>&real8, 8, layout.little)
        elif option == c'c' or option == c's':
            text = lua.L_checklstring(L, argument, &length)
            argument += 1
            if size == 0:
                size = length
            if length < size:
                lua.L_argerror(L, argument, "string too short")
            scratch_add(L, s, text, size)
            if option == c's':
                scratch_byte(L, s, 0)
                size += 1
        else:
            _control(L, option, &format, &layout)
        total += size
    scratch_finish(L, s)
    return 1


cdef double _get_integer(const uint8_t* bytes, bint little, bint signed_, int size) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value = value << 8 | bytes[size - 1 - i if little else i]
    if not signed_:
        return <double>value
    if 0 < size < 8 and value >> (size * 8 - 1) & 1:
        value |= ~<uint64_t>0 << (size * 8)
    return <double><int64_t>value


cdef void _get_real(const uint8_t* bytes, uint8_t* to, int size, bint little) noexcept nogil:
    cdef int i
    for i in range(size):
        to[i] = bytes[i if little == _native_little() else size - 1 - i]


cdef int _unpack(lua_State* L) noexcept nogil:
    cdef const char* format = lua.L_checklstring(L, 1, NULL)
    cdef size_t length, size
    cdef const char* data = lua.L_checklstring(L, 2, &length)
    cdef ptrdiff_t start = limited_optional_integer(L, 3, 1)
    cdef const char* end
    cdef size_t at
    cdef Layout layout
    cdef int results = 0, option
    cdef float real4
    cdef double real8
    if start == 0:
        return lua.L_argerror(L, 3, "offset must be 1 or greater")
    at = <size_t>(start - 1)           # one that is negative is too large for all but an empty format
    layout.little = _native_little()
    layout.align = 1
    while format[0] != 0:
        option = format[0]
        format += 1
        size = _size_of(L, option, &format)
        at += _gap(at, &layout, option, size)
        if size > length or at > length - size:
            return lua.L_argerror(L, 2, "data string too short")
        lua.L_checkstack(L, 2, "too many results")
        if _is_integer(option):
            lua.pushnumber(L, _get_integer(<const uint8_t*>data + at, layout.little, option >= c'a', <int>size))
            results += 1
        elif option == c'x':
            pass
        elif option == c'f':
            _get_real(<const uint8_t*>data + at, <uint8_t*>&real4, 4, layout.little)
            lua.pushnumber(L, real4)
            results += 1
        elif option == c'd':
            _get_real(<const uint8_t*>data + at, <uint8_t*>&real8, 8, layout.little)
            lua.pushnumber(L, real8)
            results += 1
        elif option == c'c':
            if size == 0:
                if results == 0 or not lua.isnumber(L, -1):
                    return lua_fail(L, "format 'c0' needs a previous size")
                real8 = lua.tonumber(L, -1)
                lua_pop(L, 1)
                results -= 1
                if not -1 < real8 < <double>(length - at) + 1:      # it loses its fraction
                    return lua.L_argerror(L, 2, "data string too short")
                size = <size_t>real8
            lua.pushlstring(L, data + at, size)
            results += 1
        elif option == c's':
            end = <const char*>memchr(data + at, 0, length - at)
            if end == NULL:
                return lua_fail(L, "unfinished string in data")
            size = end - (data + at) + 1
            lua.pushlstring(L, data + at, size - 1)
            results += 1
        else:
            _control(L, option, &format, &layout)
        at += size
    lua.pushinteger(L, at + 1)
    return results + 1


cdef bint _alphanumeric(int c) noexcept nogil:
    return _digit(c) or c'a' <= c <= c'z' or c'A' <= c <= c'Z'


cdef int _size(lua_State* L) noexcept nogil:
    cdef const char* format = lua.L_checklstring(L, 1, NULL)
    cdef Layout layout
    cdef size_t at = 0, size
    cdef int option
    layout.little = _native_little()
    layout.align = 1
    while format[0] != 0:
        option = format[0]
        format += 1
        size = _size_of(L, option, &format)
        at += _gap(at, &layout, option, size)
        if option == c's':
            return lua.L_argerror(L, 1, "option 's' has no fixed size")
        if option == c'c' and size == 0:
            return lua.L_argerror(L, 1, "option 'c0' has no fixed size")
        if not _alphanumeric(option):
            _control(L, option, &format, &layout)
        at += size
    lua.pushinteger(L, at)
    return 1


cdef void pack_open(lua_State* L) noexcept nogil:
    lua.createtable(L, 0, 3)
    lua_set_function(L, "pack", _pack)
    lua_set_function(L, "unpack", _unpack)
    lua_set_function(L, "size", _size)
