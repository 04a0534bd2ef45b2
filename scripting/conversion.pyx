# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The two directions.

A command's reply: integer -> number, bulk -> string, null -> false (nil in RESP3), array -> table, status ->
{ok = ...}, error -> {err = ...}; with redis.setresp(3) also map -> {map = ...}, set -> {set = ...}, double ->
{double = ...}, boolean, {big_number = ...}, {verbatim_string = {string, format}}.

What a script returns: a number loses its fraction, a table ends at its first nil, true is 1 and false null (with
redis.setresp(3) they are booleans), and the tables above are what they stand for.

Lua is called here with the memory limit off, so nothing raises.
"""
from libc.math cimport signbit
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MIN, int64_t
from libc.stdlib cimport strtod, strtoll
from libc.string cimport memchr

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.resp_writer cimport format_double, format_signed
from scripting.limits cimport SLICE, SPARSE, limits, limits_ended
from scripting.lua cimport LUA_BOOLEAN, LUA_NIL, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua, lua_pop, lua_State
from server.registry.reply_writer cimport encode_reply

from server.registry.errors import CommandError
from server.registry.reply import BigNumber, Pairs, SetOf, Verbatim

cdef object _CommandError = CommandError
cdef enum:
    DEEPEST = 2000                     # tables within tables that a script may return
    ELEMENT = 40                       # bytes that an element counts for besides its text


class CountedError(CommandError):
    """An error that the statistics have counted already: a command's, passed on by a script."""

    counted = True


# ---- to Lua
cdef void push_error_reply(lua_State* L, const char* text, size_t length, bint counted) noexcept nogil:
    """Without a code the error gets ERR; line breaks at the end go."""
    cdef const char* space = <const char*>memchr(text, c' ', length)
    while length and (text[length - 1] == c'\n' or text[length - 1] == c'\r'):
        length -= 1
    lua.createtable(L, 0, 2)
    if space == NULL:
        lua.pushstring(L, "ERR ")
        lua.pushlstring(L, text, length)
        lua.concat(L, 2)
    else:
        lua.pushlstring(L, text, length)
    lua.setfield(L, -2, "err")
    if counted:
        lua.pushboolean(L, 1)
        lua.setfield(L, -2, "ignore_error_stats_update")


cdef const char* _line_end(const char* at) noexcept nogil:
    while at[0] != c'\r':
        at += 1
    return at


cdef void _push_text_as(lua_State* L, const char* field, const char* text, size_t length) noexcept nogil:
    """{field = text}"""
    lua.createtable(L, 0, 1)
    lua.pushlstring(L, text, length)
    lua.setfield(L, -2, field)


cdef void _set_pair(lua_State* L) noexcept nogil:
    """table, key, value -> table; a key that no Lua table takes is left out."""
    if lua.type(L, -2) == LUA_NIL:
        lua_pop(L, 2)
        return
    lua.rawset(L, -3)


cdef const char* _push_array(lua_State* L, const char* at, int64_t count) noexcept nogil:
    cdef int64_t i
    if count < 0:
        lua.pushboolean(L, 0)
        return at
    lua.createtable(L, <int>count, 0)
    for i in range(count):
        at = push_wire(L, at)
        lua.rawseti(L, -2, <int>i + 1)
    return at


cdef const char* _push_map(lua_State* L, const char* at, int64_t count) noexcept nogil:
    """{map = {key = value, ...}}, grown pair by pair as Redis grows it: its order is that of Redis's table then."""
    cdef int64_t i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 0)
    for i in range(count):
        at = push_wire(L, push_wire(L, at))
        _set_pair(L)
    lua.setfield(L, -2, "map")
    return at


cdef const char* _push_set(lua_State* L, const char* at, int64_t count) noexcept nogil:
    """{set = {member = true, ...}}, grown member by member, as a map is."""
    cdef int64_t i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 0)
    for i in range(count):
        at = push_wire(L, at)
        lua.pushboolean(L, 1)
        _set_pair(L)
    lua.setfield(L, -2, "set")
    return at


cdef const char* _push_verbatim(lua_State* L, const char* at, int64_t length) noexcept nogil:
    """{verbatim_string = {string = ..., format = ...}} of `txt:...`, so many bytes long."""
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, at + 4, length - 4)
    lua.setfield(L, -2, "string")
    lua.pushlstring(L, at, 3)
    lua.setfield(L, -2, "format")
    lua.setfield(L, -2, "verbatim_string")
    return at + length + 2


cdef const char* _skip_attributes(lua_State* L, const char* at, int64_t count) noexcept nogil:
    """Attributes are nothing to a script: the reply that follows them is."""
    cdef int64_t i
    for i in range(2 * count):
        at = push_wire(L, at)
        lua_pop(L, 1)
    return push_wire(L, at)


cdef const char* push_wire(lua_State* L, const char* at) noexcept nogil:
    cdef char kind = at[0]
    cdef const char* end
    cdef int64_t count
    lua.checkstack(L, 6)
    if kind == c'$':
        count = strtoll(at + 1, <char**>&end, 10)
        if count < 0:
            lua.pushboolean(L, 0)
            return end + 2
        lua.pushlstring(L, end + 2, count)
        return end + 4 + count
    end = _line_end(at)
    if kind == c':':
        lua.pushnumber(L, <double>strtoll(at + 1, NULL, 10))
    elif kind == c'+':
        _push_text_as(L, "ok", at + 1, end - at - 1)
    elif kind == c'-':
        push_error_reply(L, at + 1, end - at - 1, True)
    elif kind == c'*' or kind == c'>':
        return _push_array(L, end + 2, strtoll(at + 1, NULL, 10))
    elif kind == c'%':
        return _push_map(L, end + 2, strtoll(at + 1, NULL, 10))
    elif kind == c'~':
        return _push_set(L, end + 2, strtoll(at + 1, NULL, 10))
    elif kind == c'#':
        lua.pushboolean(L, at[1] == c't')
    elif kind == c',':
        lua.createtable(L, 0, 1)
        lua.pushnumber(L, strtod(at + 1, NULL))
        lua.setfield(L, -2, "double")
    elif kind == c'(':
        _push_text_as(L, "big_number", at + 1, end - at - 1)
    elif kind == c'=':
        return _push_verbatim(L, end + 2, strtoll(at + 1, NULL, 10))
    elif kind == c'|':
        return _skip_attributes(L, end + 2, strtoll(at + 1, NULL, 10))
    else:                              # _
        lua.pushnil(L)
    return end + 2


cdef int push_reply(lua_State* L, object reply, int resp) except -1:
    cdef bytes text
    cdef type kind = type(reply)
    cdef int i
    if kind is bytes:
        lua.pushlstring(L, PyBytes_AS_STRING(<bytes>reply), PyBytes_GET_SIZE(<bytes>reply))
    elif kind is int:
        lua.pushnumber(L, <double><int64_t>reply)
    elif reply is None:
        if resp == 3:
            lua.pushnil(L)
        else:
            lua.pushboolean(L, 0)
    elif kind is str:
        text = (<str>reply).encode("utf-8", "surrogateescape")
        _push_text_as(L, "ok", PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
    elif kind is list:
        lua.checkstack(L, 6)
        lua.createtable(L, <int>len(<list>reply), 0)
        i = 0
        for item in <list>reply:
            i += 1
            push_reply(L, item, resp)
            lua.rawseti(L, -2, i)
    elif isinstance(reply, _CommandError):
        text = reply.text
        push_error_reply(L, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), True)
    else:
        text = encode_reply(reply, resp)
        push_wire(L, PyBytes_AS_STRING(text))
    return 0


cdef size_t number_text(double number, char* text) noexcept nogil:
    cdef int64_t whole
    if -4611686018427387904.0 <= number <= 4611686018427387904.0:      # 2^62, as in Redis
        whole = <int64_t>number
        if <double>whole == number:
            return format_signed(text, whole) - text
    if number != number and signbit(number):
        text[0] = c'-'
        return 1 + format_double(text + 1, number)
    return format_double(text, number)


# ---- from Lua
cdef int64_t _truncated(double number) noexcept:
    if number != number or number >= 9223372036854775808.0 or number < -9223372036854775808.0:
        return INT64_MIN
    return <int64_t>number


cdef bytes _line_at(lua_State* L, int index):
    """For one line of the protocol: a C string, line breaks become spaces."""
    cdef bytes text = lua.tolstring(L, index, NULL)
    return text.replace(b"\r", b" ").replace(b"\n", b" ")


cdef bint _field(lua_State* L, const char* name, int kind) noexcept:
    """Push a field of the table on top, if it is of that type."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    if lua.type(L, -1) == kind:
        return True
    lua_pop(L, 1)
    return False


cdef size_t _spent = 0                 # bytes that the reply under way counts for


class _Endless(Exception):
    """The script was killed, or its reply needs too much."""


cdef int _spend(size_t bytes) except -1:
    """A table that is in itself twice has 2^2000 elements, and a long string may be in many places."""
    global _spent
    _spent += bytes
    limits.work += bytes
    if limits.work > SLICE and limits_ended() or _spent > limits.most:
        raise _Endless
    return 0


cdef object pop_reply(lua_State* L, int resp, object count_error):
    global _spent
    _spent = 0
    try:
        return _pop(L, resp, count_error, 0)
    except _Endless:
        error = CountedError("ERR the script's reply needs more memory than a script may have")
        if not limits.killed:
            count_error(error)
        return error


cdef object _pop(lua_State* L, int resp, object count_error, int depth):
    cdef int kind = lua.type(L, -1)
    _spend(ELEMENT + (lua.objlen(L, -1) if kind == LUA_STRING else 0))
    if kind == LUA_TABLE:
        reply = _table(L, resp, count_error, depth)
    elif kind == LUA_STRING:
        reply = bytes_at(L, -1)
    elif kind == LUA_NUMBER:
        reply = _truncated(lua.tonumber(L, -1))
    elif kind == LUA_BOOLEAN:
        if resp == 3:
            reply = bool(lua.toboolean(L, -1))
        else:
            reply = 1 if lua.toboolean(L, -1) else None
    else:
        reply = None
    lua_pop(L, 1)
    return reply


cdef object _table(lua_State* L, int resp, object count_error, int depth):
    """The table on top, which stays there: the first of these that it has a field for, else an array."""
    cdef int top = lua.gettop(L)
    if depth >= DEEPEST or not lua.checkstack(L, 8):
        error = _CommandError("ERR reached lua stack limit")
        count_error(error)
        return error if depth else CountedError(error.text)
    if _field(L, "err", LUA_STRING):
        reply = _error(L, count_error)
    elif _field(L, "ok", LUA_STRING):
        reply = _line_at(L, -1).decode("utf-8", "surrogateescape")
    elif _field(L, "double", LUA_NUMBER):
        reply = lua.tonumber(L, -1)
    elif _field(L, "big_number", LUA_STRING):
        reply = BigNumber(bytes_at(L, -1).replace(b"\r", b" ").replace(b"\n", b" "))
    else:
        reply = _verbatim(L)
        if reply is None:
            reply = _collection(L, resp, count_error, depth)
    lua.settop(L, top)
    return reply


cdef object _error(lua_State* L, object count_error):
    """table, its field err -> table; counted now, unless it says that it has been."""
    text = _line_at(L, -1)
    lua_pop(L, 1)
    if not (_field(L, "ignore_error_stats_update", LUA_BOOLEAN) and lua.toboolean(L, -1)):
        count_error(_CommandError(text))
    return CountedError(text)


cdef object _verbatim(lua_State* L):
    """The field verbatim_string, None when it has not got what such a string needs."""
    cdef int top = lua.gettop(L)
    reply = None
    if _field(L, "verbatim_string", LUA_TABLE) and _field(L, "format", LUA_STRING):
        format = _line_at(L, -1)[:3].ljust(3)
        lua_pop(L, 1)
        if _field(L, "string", LUA_STRING):
            reply = Verbatim(bytes_at(L, -1), (<bytes>format).decode("latin-1"))
    lua.settop(L, top)
    return reply


cdef object _collection(lua_State* L, int resp, object count_error, int depth):
    """The field map or set, else the table as an array, up to its first nil."""
    cdef int i = 0
    cdef list items = []
    if _field(L, "map", LUA_TABLE):
        limits.work += limits.large // SPARSE
        lua.pushnil(L)
        while lua.next(L, -2):
            lua.pushvalue(L, -2)
            key = _pop(L, resp, count_error, depth + 1)
            items.append((key, _pop(L, resp, count_error, depth + 1)))
        return Pairs(items)
    if _field(L, "set", LUA_TABLE):
        limits.work += limits.large // SPARSE
        lua.pushnil(L)
        while lua.next(L, -2):
            lua_pop(L, 1)
            lua.pushvalue(L, -1)
            items.append(_pop(L, resp, count_error, depth + 1))
        return SetOf(items)
    while True:
        i += 1
        lua.rawgeti(L, -1, i)
        if lua.type(L, -1) == LUA_NIL:
            return items
        items.append(_pop(L, resp, count_error, depth + 1))
