# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""cjson.encode(value), cjson.decode(text), and their settings, which stay as scripts set them.

A table whose keys are integers is an array (up to its largest key, unless that is far beyond the number of its elements), an
empty one an object. null is a light userdata (cjson.null). Text is taken as bytes: UTF-8 is not checked.
"""
from libc.limits cimport INT_MAX
from libc.math cimport floor, isinf, isnan
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy, strcmp, strlen, strncmp

from scripting.lua cimport (LUA_BOOLEAN, LUA_GLOBALS, LUA_LIGHTUSERDATA, LUA_NIL, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua,
                            lua_CFunction, lua_fail, lua_pop, lua_State)
from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_byte, scratch_finish, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef enum:
    OFF = 0
    ON = 1
    AS_NULL = 2
    SETTINGS = LUA_GLOBALS - 1         # upvalue 1 of every function

cdef struct Settings:
    int sparse_convert                 # a sparse array becomes an object instead of an error
    int sparse_ratio                   # 0: no array is too sparse
    int sparse_safe                    # arrays up to that index never are
    int encode_depth
    int decode_depth
    int encode_invalid                 # NaN and infinity: OFF, ON, AS_NULL
    int decode_invalid
    int precision
    int keep_buffer                    # kept for show

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


cdef Settings* _settings(lua_State* L) noexcept nogil:
    return <Settings*>lua.touserdata(L, SETTINGS)


# ---- encoding
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
    cdef Settings* settings = _settings(L)
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
    cdef Settings* settings = _settings(L)
    cdef double key
    cdef double largest = 0
    cdef int64_t items = 0
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
    if depth > _settings(L).encode_depth or not lua.checkstack(L, 3):
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


cdef int _encode(lua_State* L) noexcept nogil:
    cdef Scratch* s
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, "expected 1 argument")
    s = scratch_begin()
    _encode_value(L, s, 0)
    scratch_finish(L, s)
    return 1


# ---- decoding
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
    if token.kind == T_STRING:
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


cdef int _decode(lua_State* L) noexcept nogil:
    cdef Parser parser
    cdef Token token
    cdef size_t length
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, "expected 1 argument")
    parser.settings = _settings(L)
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


# ---- settings
cdef void _at_most(lua_State* L, int arguments) noexcept nogil:
    if lua.gettop(L) > arguments:
        lua.L_argerror(L, arguments + 1, "found too many arguments")
    lua.settop(L, arguments)


cdef int _integer_setting(lua_State* L, int index, int* setting, int low, int high) noexcept nogil:
    cdef ptrdiff_t value
    cdef char text[64]
    if lua.type(L, index) != LUA_NIL:
        value = <int>lua.L_checkinteger(L, index)
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
    cdef Settings* settings = _settings(L)
    _at_most(L, 3)
    _choice_setting(L, 1, &settings.sparse_convert, 2)
    _integer_setting(L, 2, &settings.sparse_ratio, 0, INT_MAX)
    _integer_setting(L, 3, &settings.sparse_safe, 0, INT_MAX)
    return 3


cdef int _encode_max_depth(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &_settings(L).encode_depth, 1, INT_MAX)


cdef int _decode_max_depth(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &_settings(L).decode_depth, 1, INT_MAX)


cdef int _encode_number_precision(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _integer_setting(L, 1, &_settings(L).precision, 1, 14)


cdef int _encode_keep_buffer(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &_settings(L).keep_buffer, 2)


cdef int _encode_invalid_numbers(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &_settings(L).encode_invalid, 3)


cdef int _decode_invalid_numbers(lua_State* L) noexcept nogil:
    _at_most(L, 1)
    return _choice_setting(L, 1, &_settings(L).decode_invalid, 2)


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
    _set(L, "encode", _encode)
    _set(L, "decode", _decode)
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
