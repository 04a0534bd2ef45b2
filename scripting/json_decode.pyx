# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdlib cimport strtod
from libc.string cimport strncmp

from scripting.json_settings cimport Settings, json_settings
from scripting.limits cimport VALUE, limits_charge
from scripting.lua cimport lua, lua_fail, lua_State
from scripting.scratch cimport Scratch, scratch_begin, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef enum:                             # tokens
    T_OBJ_BEGIN
    T_OBJ_END
    T_ARR_BEGIN
    T_ARR_END
    T_STRING
    T_NUMBER
    T_BOOLEAN
    T_NULL
    T_COLON
    T_COMMA
    T_END
    T_ERROR

cdef struct Token:
    int kind
    size_t index
    const char* text                   # of a string; of an error what is wrong
    size_t length
    double number                      # also a boolean

cdef struct Parser:
    const char* data
    const char* at
    Settings* settings
    Scratch* scratch
    int depth


# ---- tokens
cdef int _hex4(const char* at) noexcept nogil:
    """Four hexadecimal digits, -1 when they are none."""
    cdef int value = 0, i, c
    for i in range(4):
        c = at[i]
        if c'0' <= c <= c'9':
            c -= c'0'
        elif c'a' <= (c | 32) <= c'f':
            c = (c | 32) - c'a' + 10
        else:
            return -1
        value = value << 4 | c
    return value


cdef bint _unicode_escape(Parser* p) noexcept nogil:
    r"""\uXXXX, or a surrogate pair of them, as UTF-8 into the scratch. False when it is wrong."""
    cdef int point = _hex4(p.at + 2)
    cdef int low
    cdef char* to = p.scratch.bytes + p.scratch.used
    cdef int escape = 6
    if point < 0:
        return False
    if point & 0xF800 == 0xD800:
        if point & 0x400 or p.at[6] != c'\\' or p.at[7] != c'u':
            return False
        low = _hex4(p.at + 8)
        if low < 0 or low & 0xFC00 != 0xDC00:
            return False
        point = ((point & 0x3FF) << 10 | (low & 0x3FF)) + 0x10000
        escape = 12
    if point <= 0x7F:
        to[0] = <char>point
        p.scratch.used += 1
    elif point <= 0x7FF:
        to[0] = <char>(0xC0 | point >> 6)
        to[1] = <char>(0x80 | (point & 0x3F))
        p.scratch.used += 2
    elif point <= 0xFFFF:
        to[0] = <char>(0xE0 | point >> 12)
        to[1] = <char>(0x80 | (point >> 6 & 0x3F))
        to[2] = <char>(0x80 | (point & 0x3F))
        p.scratch.used += 3
    else:
        to[0] = <char>(0xF0 | point >> 18)
        to[1] = <char>(0x80 | (point >> 12 & 0x3F))
        to[2] = <char>(0x80 | (point >> 6 & 0x3F))
        to[3] = <char>(0x80 | (point & 0x3F))
        p.scratch.used += 4
    p.at += escape
    return True


cdef void _wrong(Parser* p, Token* token, const char* what) noexcept nogil:
    token.kind = T_ERROR
    token.index = p.at - p.data
    token.text = what


cdef void _string_token(Parser* p, Token* token) noexcept nogil:
    cdef Scratch* s = p.scratch
    cdef char c
    p.at += 1
    s.used = 0
    while True:
        c = p.at[0]
        if c == c'"':
            break
        if c == 0:
            _wrong(p, token, "unexpected end of string")
            return
        if c == c'\\':
            c = p.at[1]
            if c == c'u':
                if _unicode_escape(p):
                    continue
                _wrong(p, token, "invalid unicode escape code")
                return
            if c == c'b':
                c = 8
            elif c == c't':
                c = 9
            elif c == c'n':
                c = 10
            elif c == c'f':
                c = 12
            elif c == c'r':
                c = 13
            elif c != c'"' and c != c'\\' and c != c'/':
                _wrong(p, token, "invalid escape code")
                return
            p.at += 1
        s.bytes[s.used] = c
        s.used += 1
        p.at += 1
    p.at += 1
    token.kind = T_STRING
    token.text = s.bytes
    token.length = s.used


cdef int _lower(char c) noexcept nogil:
    return c | 32


cdef bint _is_invalid_number(const char* at) noexcept nogil:
    """Forms that strtod takes and JSON does not: +1, 0x1, 01, inf, nan."""
    if at[0] == c'+':
        return True
    if at[0] == c'-':
        at += 1
    if at[0] == c'0':
        return _lower(at[1]) == c'x' or c'0' <= at[1] <= c'9'
    if at[0] <= c'9':
        return False
    if _lower(at[0]) == c'i' and _lower(at[1]) == c'n' and _lower(at[2]) == c'f':
        return True
    return _lower(at[0]) == c'n' and _lower(at[1]) == c'a' and _lower(at[2]) == c'n'


cdef void _number_token(Parser* p, Token* token) noexcept nogil:
    cdef char* end
    token.kind = T_NUMBER
    token.number = strtod(p.at, &end)
    if end == p.at:
        _wrong(p, token, "invalid number")
    else:
        p.at = end


cdef void _word_token(Parser* p, Token* token, char c) noexcept nogil:
    """Strings, numbers, and words."""
    if c == c'"':
        _string_token(p, token)
    elif c == c'-' or c'0' <= c <= c'9':
        if not p.settings.decode_invalid and _is_invalid_number(p.at):
            _wrong(p, token, "invalid number")
        else:
            _number_token(p, token)
    elif strncmp(p.at, "true", 4) == 0:
        token.kind = T_BOOLEAN
        token.number = 1
        p.at += 4
    elif strncmp(p.at, "false", 5) == 0:
        token.kind = T_BOOLEAN
        token.number = 0
        p.at += 5
    elif strncmp(p.at, "null", 4) == 0:
        token.kind = T_NULL
        p.at += 4
    elif p.settings.decode_invalid and _is_invalid_number(p.at):
        _number_token(p, token)
    else:
        _wrong(p, token, "invalid token")


cdef int _single(char c) noexcept nogil:
    """The token that a character is, -1 when it begins a longer one or none."""
    if c == c'{':
        return T_OBJ_BEGIN
    if c == c'}':
        return T_OBJ_END
    if c == c'[':
        return T_ARR_BEGIN
    if c == c']':
        return T_ARR_END
    if c == c',':
        return T_COMMA
    if c == c':':
        return T_COLON
    return -1


cdef void _next(Parser* p, Token* token) noexcept nogil:
    cdef char c
    while p.at[0] == c' ' or p.at[0] == c'\t' or p.at[0] == c'\n' or p.at[0] == c'\r':
        p.at += 1
    c = p.at[0]
    token.index = p.at - p.data
    if c == 0:
        token.kind = T_END
        return
    token.kind = _single(c)
    if token.kind < 0:
        _word_token(p, token, c)
    else:
        p.at += 1


# ---- values
cdef const char* _name_of(int kind) noexcept nogil:
    if kind == T_OBJ_BEGIN:
        return "T_OBJ_BEGIN"
    if kind == T_OBJ_END:
        return "T_OBJ_END"
    if kind == T_ARR_BEGIN:
        return "T_ARR_BEGIN"
    if kind == T_ARR_END:
        return "T_ARR_END"
    if kind == T_STRING:
        return "T_STRING"
    if kind == T_NUMBER:
        return "T_NUMBER"
    if kind == T_BOOLEAN:
        return "T_BOOLEAN"
    if kind == T_NULL:
        return "T_NULL"
    if kind == T_COLON:
        return "T_COLON"
    if kind == T_COMMA:
        return "T_COMMA"
    return "T_END"


cdef void _expected(lua_State* L, const char* what, Token* token) noexcept nogil:
    cdef char text[160]
    snprintf(text, sizeof(text), "Expected %s but found %s at character %d", what,
             token.text if token.kind == T_ERROR else _name_of(token.kind), <int>token.index + 1)
    lua_fail(L, text)


cdef void _descend(lua_State* L, Parser* p) noexcept nogil:
    cdef char text[96]
    p.depth += 1
    if p.depth > p.settings.decode_depth or not lua.checkstack(L, 3):
        snprintf(text, sizeof(text), "Found too many nested data structures (%d) at character %d", p.depth,
                 <int>(p.at - p.data))
        lua_fail(L, text)


cdef void _decode_object(lua_State* L, Parser* p) noexcept nogil:
    cdef Token token
    _descend(L, p)
    lua.createtable(L, 0, 0)
    _next(p, &token)
    while token.kind != T_OBJ_END:
        if token.kind != T_STRING:
            _expected(L, "object key string", &token)
        lua.pushlstring(L, token.text, token.length)
        _next(p, &token)
        if token.kind != T_COLON:
            _expected(L, "colon", &token)
        _next(p, &token)
        _decode_value(L, p, &token)
        lua.rawset(L, -3)
        _next(p, &token)
        if token.kind == T_OBJ_END:
            break
        if token.kind != T_COMMA:
            _expected(L, "comma or object end", &token)
        _next(p, &token)
        if token.kind == T_OBJ_END:
            _expected(L, "object key string", &token)
    p.depth -= 1


cdef void _decode_array(lua_State* L, Parser* p) noexcept nogil:
    cdef Token token
    cdef int i = 0
    _descend(L, p)
    lua.createtable(L, 0, 0)
    _next(p, &token)
    while i or token.kind != T_ARR_END:
        i += 1
        _decode_value(L, p, &token)
        lua.rawseti(L, -2, i)
        _next(p, &token)
        if token.kind == T_ARR_END:
            break
        if token.kind != T_COMMA:
            _expected(L, "comma or array end", &token)
        _next(p, &token)
    p.depth -= 1


cdef void _decode_value(lua_State* L, Parser* p, Token* token) noexcept nogil:
    limits_charge(L, VALUE)
    if token.kind == T_STRING:
        limits_charge(L, token.length)
        lua.pushlstring(L, token.text, token.length)
    elif token.kind == T_NUMBER:
        lua.pushnumber(L, token.number)
    elif token.kind == T_BOOLEAN:
        lua.pushboolean(L, token.number != 0)
    elif token.kind == T_OBJ_BEGIN:
        _decode_object(L, p)
    elif token.kind == T_ARR_BEGIN:
        _decode_array(L, p)
    elif token.kind == T_NULL:
        lua.pushlightuserdata(L, NULL)
    else:
        _expected(L, "value", token)


cdef int json_decode(lua_State* L) noexcept nogil:
    cdef Parser parser
    cdef Token token
    cdef size_t length
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, "expected 1 argument")
    parser.settings = json_settings(L)
    parser.data = parser.at = lua.L_checklstring(L, 1, &length)
    parser.depth = 0
    if length >= 2 and (parser.data[0] == 0 or parser.data[1] == 0):
        return lua_fail(L, "JSON parser does not support UTF-16 or UTF-32")
    parser.scratch = scratch_begin()
    scratch_room(L, parser.scratch, length + 1)            # no string in it is longer
    _next(&parser, &token)
    _decode_value(L, &parser, &token)
    _next(&parser, &token)
    if token.kind != T_END:
        _expected(L, "the end", &token)
    return 1
