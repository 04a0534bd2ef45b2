# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Lua's own functions where they are quick; what searches and replaces is ours, on `patterns`, and can be ended."""
from libc.stddef cimport ptrdiff_t, size_t
from libc.string cimport memchr, memcmp, memcpy, strpbrk

from scripting.limits cimport SLICE, limited_int, limited_optional_integer, limits, limits_charge
from scripting.lua cimport (
    LUA_FUNCTION, LUA_GLOBALS, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua, lua_fail, lua_pop,
    lua_set_function, lua_State)
from scripting.patterns cimport Matcher, matcher_begin, matcher_match, matcher_push, matcher_push_all
from scripting.sandbox cimport sandbox_charged, sandbox_original, sandbox_wrap
from scripting.scratch cimport (
    Scratch, scratch_add, scratch_begin, scratch_begin_own, scratch_byte, scratch_finish, scratch_room)

cdef extern from *:
    """
    #include <stdio.h>
    #include <string.h>
    """
    void* memmem(const void* text, size_t length, const void* wanted, size_t wanted_length) nogil
    int snprintf(char* at, size_t size, const char* format, ...) nogil

cdef enum:
    TRIES = 20                         # at places where the first byte stands
    SUBJECT = LUA_GLOBALS - 1          # upvalues of what gmatch gives
    PATTERN = LUA_GLOBALS - 2
    PLACE = LUA_GLOBALS - 3            # in the subject, where to go on


# ---- finding
cdef int _push_place(lua_State* L, size_t first, size_t last) noexcept nogil:
    lua.pushinteger(L, first)
    lua.pushinteger(L, last)
    return 2


cdef const char* _found(const char* s, size_t length, const char* p, size_t p_length) noexcept nogil:
    """Where p is in s. Places where its first byte stands are found faster than p itself, unless there are many: to
    compare at each of them is quadratic."""
    cdef const char* end = s + length
    cdef int i
    if p_length == 0:
        return s
    for i in range(TRIES):
        if <size_t>(end - s) < p_length:
            return NULL
        s = <const char*>memchr(s, p[0], end - s - p_length + 1)
        if s == NULL or memcmp(s, p, p_length) == 0:
            return s
        s += 1
    return <const char*>memmem(s, end - s, p, p_length)


cdef int _plain(lua_State* L, const char* s, size_t start, size_t length, const char* p,
                size_t p_length) noexcept nogil:
    cdef const char* found
    limits_charge(L, length - start + p_length)
    found = _found(s + start, length - start, p, p_length)
    if found == NULL:
        lua.pushnil(L)
        return 1
    return _push_place(L, found - s + 1, found - s + p_length)


cdef int _search(lua_State* L, bint find) noexcept nogil:
    cdef size_t length, p_length, start
    cdef const char* s = lua.L_checklstring(L, 1, &length)
    cdef const char* p = lua.L_checklstring(L, 2, &p_length)
    cdef ptrdiff_t place = limited_optional_integer(L, 3, 1)
    cdef const char* at
    cdef const char* end
    cdef bint anchored
    cdef Matcher m
    if place < 0:
        place += <ptrdiff_t>length + 1
    start = 0 if place <= 1 else min(<size_t>place - 1, length)
    if find and (lua.toboolean(L, 4) or strpbrk(p, "^$*+?.([%-") == NULL):
        return _plain(L, s, start, length, p, p_length)
    anchored = p[0] == c'^'
    if anchored:
        p += 1
    matcher_begin(&m, L, s, length)
    at = s + start
    while at <= m.end:
        m.level = 0
        end = matcher_match(&m, at, p)
        if end != NULL:
            if find:
                return _push_place(L, at - s + 1, end - s) + matcher_push_all(&m, NULL, NULL)
            return matcher_push_all(&m, at, end)
        if anchored:
            break
        at += 1
    lua.pushnil(L)
    return 1


cdef int _find(lua_State* L) noexcept nogil:
    return _search(L, True)


cdef int _match(lua_State* L) noexcept nogil:
    return _search(L, False)


cdef int _gmatch_next(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* s = lua.tolstring(L, SUBJECT, &length)
    cdef const char* p = lua.tolstring(L, PATTERN, NULL)
    cdef const char* at = s + lua.tointeger(L, PLACE)
    cdef const char* end
    cdef Matcher m
    matcher_begin(&m, L, s, length)
    while at <= m.end:
        m.level = 0
        end = matcher_match(&m, at, p)
        if end != NULL:
            lua.pushinteger(L, end - s + (1 if end == at else 0))
            lua.replace(L, PLACE)
            return matcher_push_all(&m, at, end)
        at += 1
    return 0


cdef int _gmatch(lua_State* L) noexcept nogil:
    lua.L_checklstring(L, 1, NULL)
    lua.L_checklstring(L, 2, NULL)
    lua.settop(L, 2)
    lua.pushinteger(L, 0)
    lua.pushcclosure(L, _gmatch_next, 3)
    return 1


# ---- replacing
cdef void _add_capture(lua_State* L, Scratch* to, Matcher* m, int index, const char* s, const char* end) noexcept nogil:
    cdef size_t length
    cdef const char* text
    matcher_push(m, index, s, end)
    text = lua.tolstring(L, -1, &length)
    scratch_add(L, to, text, length)
    lua_pop(L, 1)


cdef void _add_text(lua_State* L, Scratch* to, Matcher* m, const char* s, const char* end) noexcept nogil:
    """The text at 3, where %1 to %9 are captures, %0 is the match, and a % before anything else goes."""
    cdef size_t length, i = 0
    cdef const char* text = lua.tolstring(L, 3, &length)
    limits_charge(L, length)
    while i < length:
        if text[i] != c'%':
            scratch_byte(L, to, text[i])
        else:
            i += 1                     # a % at the end stands before the zero that ends the text
            if text[i] == c'0':
                scratch_add(L, to, s, end - s)
            elif c'1' <= text[i] <= c'9':
                _add_capture(L, to, m, text[i] - c'1', s, end)
            else:
                scratch_byte(L, to, text[i])
        i += 1


cdef void _add_answer(lua_State* L, Scratch* to, Matcher* m, const char* s, const char* end) noexcept nogil:
    """What the table or the function at 3 says about the match; nil and false leave it as it is."""
    cdef char wrong[64]
    cdef const char* text
    cdef size_t length
    if lua.type(L, 3) == LUA_TABLE:
        matcher_push(m, 0, s, end)
        lua.gettable(L, 3)
    else:
        lua.pushvalue(L, 3)
        lua.call(L, matcher_push_all(m, s, end), 1)
    if not lua.toboolean(L, -1):
        scratch_add(L, to, s, end - s)
    elif not lua.isstring(L, -1):
        snprintf(wrong, sizeof(wrong), "invalid replacement value (a %s)", lua.typename(L, lua.type(L, -1)))
        lua_fail(L, wrong)
    else:
        text = lua.tolstring(L, -1, &length)
        scratch_add(L, to, text, length)
    lua_pop(L, 1)


cdef int _gsub(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* at = lua.L_checklstring(L, 1, &length)
    cdef const char* p = lua.L_checklstring(L, 2, NULL)
    cdef int kind = lua.type(L, 3)
    cdef bint anchored = p[0] == c'^'
    cdef int most = <int>limited_optional_integer(L, 4, length + 1)
    cdef int count = 0
    cdef const char* end
    cdef Matcher m
    cdef Scratch to
    if kind != LUA_NUMBER and kind != LUA_STRING and kind != LUA_FUNCTION and kind != LUA_TABLE:
        return lua.L_argerror(L, 3, "string/function/table expected")
    scratch_begin_own(L, &to)
    matcher_begin(&m, L, at, length)
    if anchored:
        p += 1
    while count < most:
        m.level = 0
        end = matcher_match(&m, at, p)
        if end != NULL:
            count += 1
            if kind == LUA_TABLE or kind == LUA_FUNCTION:
                _add_answer(L, &to, &m, at, end)
            else:
                _add_text(L, &to, &m, at, end)
        if end != NULL and end > at:
            at = end
        elif at < m.end:
            scratch_byte(L, &to, at[0])
            at += 1
        else:
            break
        if anchored:
            break
    scratch_add(L, &to, at, m.end - at)
    scratch_finish(L, &to)
    lua.pushinteger(L, count)
    return 2


# ---- odds and ends
cdef int _rep(lua_State* L) noexcept nogil:
    cdef size_t length, whole, done
    cdef const char* text = lua.L_checklstring(L, 1, &length)
    cdef int count = limited_int(L, 2)
    cdef Scratch* s
    if count <= 0 or length == 0:
        lua.pushlstring(L, "", 0)
        return 1
    if <size_t>count > limits.most // length:
        return lua_fail(L, "resulting string too large")
    whole = length * <size_t>count
    s = scratch_begin()
    scratch_add(L, s, text, length)
    scratch_room(L, s, whole - length)
    while s.used < whole:
        done = min(min(s.used, whole - s.used), <size_t>SLICE)
        limits_charge(L, done)
        memcpy(s.bytes + s.used, s.bytes, done)
        s.used += done
    scratch_finish(L, s)
    return 1


cdef int _charged_numbers(lua_State* L) noexcept nogil:
    """A wrapper: the string that comes first is not gone through, those that stand for numbers are."""
    cdef int i
    for i in range(2, lua.gettop(L) + 1):
        if lua.type(L, i) == LUA_STRING:
            limits_charge(L, lua.objlen(L, i))
    return sandbox_original(L)


cdef int strings_open(lua_State* L) noexcept nogil:
    lua.pushcclosure(L, lua.open_string, 0)
    lua.pushstring(L, "string")
    lua.call(L, 1, 0)
    lua.getfield(L, LUA_GLOBALS, "string")
    lua_set_function(L, "find", _find)
    lua_set_function(L, "match", _match)
    lua_set_function(L, "gmatch", _gmatch)
    lua.getfield(L, -1, "gmatch")
    lua.setfield(L, -2, "gfind")
    lua_set_function(L, "gsub", _gsub)
    lua_set_function(L, "rep", _rep)
    sandbox_wrap(L, "byte", _charged_numbers)
    sandbox_wrap(L, "sub", sandbox_charged)
    sandbox_wrap(L, "char", sandbox_charged)
    sandbox_wrap(L, "format", sandbox_charged)
    sandbox_wrap(L, "lower", sandbox_charged)
    sandbox_wrap(L, "upper", sandbox_charged)
    sandbox_wrap(L, "reverse", sandbox_charged)
    lua_pop(L, 1)
    return 0
