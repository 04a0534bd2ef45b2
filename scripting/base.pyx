# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What could leave the sandbox or swallow a script's end is replaced: bytecode is not loaded, the collector is stopped
while the parser runs (an identifier it has not anchored yet may not go away), finalizers cannot be set, what catches
errors raises the end again.
"""
from libc.stddef cimport ptrdiff_t
from libc.string cimport strcmp

from scripting.limits cimport (
    limited_int, limited_optional_int, limits, limits_charge, limits_collected, limits_let_collect, limits_look,
    limits_raise_if_killed, limits_running, limits_stop_collector)
from scripting.lua cimport (
    GC_COLLECT, GC_STEP, LUA_BOOLEAN, LUA_FUNCTION, LUA_GLOBALS, LUA_MULTRET, LUA_NIL, LUA_STRING,
    LUA_TABLE, lua, lua_CFunction, lua_fail, lua_pop, lua_set_function, lua_State)
from scripting.sandbox cimport (
    ORIGINAL, sandbox_charged, sandbox_original, sandbox_push_real, sandbox_wrap, sandbox_writing)

cdef enum:
    MAX_CODE = 0x1FFFFFFF              # bytes of one chunk of source
    BYTECODE = 27                      # what it begins with
    PIECE = 4096                       # bytes that the parser gets at a time
    PIECES = 64                        # of a source, that are put together at a time
    SWITCH = 4096                      # steps that going on in another coroutine counts for


# ---- tables, read-only ones too
cdef int _rawget(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.L_checkany(L, 2)
    lua.settop(L, 2)
    if sandbox_push_real(L, 1):
        lua.replace(L, 1)
    lua.rawget(L, 1)
    return 1


cdef int _next(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.settop(L, 2)
    if sandbox_push_real(L, 1):
        lua.replace(L, 1)
    if lua.next(L, 1):
        return 2
    lua.pushnil(L)
    return 1


cdef int _pairs(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.pushvalue(L, ORIGINAL)         # next
    lua.pushvalue(L, 1)
    lua.pushnil(L)
    return 3


cdef int _unpack(lua_State* L) noexcept nogil:
    cdef int first, last, i
    cdef ptrdiff_t count
    lua.L_checktype(L, 1, LUA_TABLE)
    first = limited_optional_int(L, 2, 1)
    last = limited_int(L, 3) if lua.type(L, 3) > LUA_NIL else <int>lua.objlen(L, 1)
    count = <ptrdiff_t>last - first + 1
    if count <= 0:
        return 0
    if count > 0x7FFFFFFF or not lua.checkstack(L, <int>count):
        return lua_fail(L, "too many results to unpack")
    for i in range(<int>count):
        lua.rawgeti(L, 1, first + i)
    return <int>count


# ---- calls that must not swallow the end
cdef int _pcall(lua_State* L) noexcept nogil:
    """As Redis's: an error table is reduced to its text, as it was before 7.0."""
    cdef int arguments = lua.gettop(L)
    lua.L_checkany(L, 1)
    lua.pushboolean(L, 1)
    lua.insert(L, 1)
    if lua.pcall(L, arguments - 1, LUA_MULTRET, 0):
        limits_running(L)
        limits_raise_if_killed(L)
        lua.remove(L, 1)
        if lua.type(L, -1) == LUA_TABLE:
            lua.getfield(L, -1, "err")
            if lua.isstring(L, -1):
                lua.replace(L, -2)
            else:
                lua_pop(L, 1)
        lua.pushboolean(L, 0)
        lua.insert(L, 1)
    return lua.gettop(L)


cdef int _handle(lua_State* L) noexcept nogil:
    """The message handler of xpcall: a script's own (upvalue 1), which runs where no hook reaches it when the end was
    raised by a hook: then it is left out."""
    if limits.killed:
        return 1
    lua.pushvalue(L, ORIGINAL)
    lua.insert(L, 1)
    lua.call(L, lua.gettop(L) - 1, LUA_MULTRET)
    return lua.gettop(L)


cdef int _xpcall(lua_State* L) noexcept nogil:
    cdef int failed
    lua.L_checkany(L, 2)
    lua.settop(L, 2)
    lua.pushcclosure(L, _handle, 1)
    lua.insert(L, 1)
    failed = lua.pcall(L, 0, LUA_MULTRET, 1)
    if failed:
        limits_running(L)
        limits_raise_if_killed(L)
    lua.pushboolean(L, failed == 0)
    lua.replace(L, 1)
    return lua.gettop(L)


cdef int _go_on(lua_State* L, lua_State* coroutine, lua_CFunction original) noexcept nogil:
    """Resume: the hook looks after the coroutine, and then after this one again."""
    cdef int results
    limits_charge(L, SWITCH)           # the hook counts from the beginning
    if coroutine != NULL:
        limits_running(coroutine)
    results = original(L)
    limits_running(L)
    limits_raise_if_killed(L)
    return results


cdef int _resume(lua_State* L) noexcept nogil:
    return _go_on(L, lua.tothread(L, 1), <lua_CFunction>lua.touserdata(L, ORIGINAL))


cdef int _call_wrapped(lua_State* L) noexcept nogil:
    """What coroutine.wrap gave: upvalue 1, the coroutine, is where Lua's own function expects it; 2: that."""
    return _go_on(L, lua.tothread(L, LUA_GLOBALS - 1), <lua_CFunction>lua.touserdata(L, LUA_GLOBALS - 2))


cdef int _wrap_coroutine(lua_State* L) noexcept nogil:
    sandbox_original(L)
    lua.getupvalue(L, -1, 1)
    lua.pushlightuserdata(L, <void*>lua.tocfunction(L, -2))
    lua.pushcclosure(L, _call_wrapped, 2)
    return 1


# ---- loading
cdef struct Source:
    const char* at
    size_t left
    bint lead                          # give a space first


cdef const char* _read(lua_State* L, void* data, size_t* size) noexcept nogil:
    """A lua_Reader: a piece at a time, and a look at the clock in between. Lists of jumps (out of a loop, a chain of
    elseif, or of `or`) make the parser quadratic."""
    cdef Source* source = <Source*>data
    cdef const char* piece = source.at
    if source.lead:
        source.lead = False
        size[0] = 1
        return " "
    size[0] = min(source.left, <size_t>PIECE)
    limits_look(L)
    source.at += size[0]
    source.left -= size[0]
    return piece


cdef int base_load(lua_State* L, const char* code, size_t length, const char* name) noexcept nogil:
    """Bytecode gets behind a space, where the parser reads it, and complains."""
    cdef Source source
    cdef int failed
    if length > MAX_CODE:
        lua.pushstring(L, "chunk is too long")
        return 3
    source.at = code
    source.left = length
    source.lead = length > 0 and code[0] == BYTECODE
    if limits.used > limits.most // 2:
        lua.gc(L, GC_COLLECT, 0)       # there will be none before the end
        limits_collected()
    limits_stop_collector()
    failed = lua.load(L, _read, &source, name)
    limits_let_collect()
    return failed


cdef int _loaded(lua_State* L, int failed) noexcept nogil:
    limits_raise_if_killed(L)
    if failed == 0:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef int _loadstring(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* code = lua.L_checklstring(L, 1, &length)
    return _loaded(L, base_load(L, code, length, lua.L_optlstring(L, 2, code, NULL)))


cdef int _load(lua_State* L) noexcept nogil:
    """load(function [, name]): the pieces are put together first, so that what they are can be seen."""
    cdef int pieces = 0
    cdef size_t length
    cdef const char* code
    cdef const char* name = lua.L_optlstring(L, 2, "=(load)", NULL)
    lua.L_checktype(L, 1, LUA_FUNCTION)
    lua.settop(L, 2)
    lua.pushstring(L, "")
    while True:
        lua.pushvalue(L, 1)
        lua.call(L, 0, 1)
        if lua.type(L, -1) == LUA_NIL:
            break
        if not lua.isstring(L, -1):
            lua.L_where(L, 1)
            lua.pushstring(L, "reader function must return a string")
            lua.concat(L, 2)
            return _loaded(L, 2)
        lua.tolstring(L, -1, &length)
        if length == 0:
            break
        pieces += 1
        if pieces < PIECES:            # several at a time: putting together is linear, not quadratic
            lua.L_checkstack(L, 4, "too many pieces")
            continue
        lua.concat(L, pieces + 1)
        pieces = 0
        limits_charge(L, lua.objlen(L, -1))
    lua_pop(L, 1)
    lua.concat(L, pieces + 1)
    code = lua.tolstring(L, -1, &length)
    return _loaded(L, base_load(L, code, length, name))


# ---- odds and ends
cdef int _select(lua_State* L) noexcept nogil:
    if lua.type(L, 1) == LUA_STRING:
        limits_charge(L, lua.objlen(L, 1))
    return sandbox_original(L)


cdef int _collectgarbage(lua_State* L) noexcept nogil:
    """How the collector works is not a script's affair: only "collect", "count" and "step" do something."""
    cdef const char* what = lua.L_optlstring(L, 1, "collect", NULL)
    cdef int size = limited_optional_int(L, 2, 0)
    if strcmp(what, "collect") == 0:
        limits_charge(L, limits.used)
        lua.gc(L, GC_COLLECT, 0)
    elif strcmp(what, "step") == 0:
        limits_charge(L, limits.used)
        lua.pushboolean(L, lua.gc(L, GC_STEP, size))
        return 1
    elif strcmp(what, "stop") != 0 and strcmp(what, "restart") != 0 \
            and strcmp(what, "setpause") != 0 and strcmp(what, "setstepmul") != 0:
        return sandbox_original(L)     # count, and what it complains about
    lua.pushinteger(L, 0)
    return 1


cdef int _newproxy(lua_State* L) noexcept nogil:
    """Userdata without a metatable alone: a metatable of a script's own could name a finalizer."""
    cdef int kind = lua.type(L, 1)
    if kind > LUA_NIL and kind != LUA_BOOLEAN:
        return lua.L_argerror(L, 1, "boolean or proxy expected")
    if lua.toboolean(L, 1):
        return lua_fail(L, "newproxy with a metatable is not allowed")
    lua.pushvalue(L, ORIGINAL)
    lua.call(L, 0, 1)
    return 1


cdef void _replace(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """In the table on top: a function that has the one of that name as its upvalue, as a value."""
    lua.getfield(L, -1, name)
    lua.pushcclosure(L, function, 1)
    lua.setfield(L, -2, name)


cdef void _remove(lua_State* L, const char* name) noexcept nogil:
    lua.pushnil(L)
    lua.setfield(L, -2, name)


cdef int base_open(lua_State* L) noexcept nogil:
    lua.pushcclosure(L, lua.open_base, 0)
    lua.pushstring(L, "")
    lua.call(L, 1, 0)
    lua.pushvalue(L, LUA_GLOBALS)
    _remove(L, "dofile")
    _remove(L, "loadfile")
    _remove(L, "print")
    lua_set_function(L, "pcall", _pcall)
    lua_set_function(L, "xpcall", _xpcall)
    lua_set_function(L, "rawget", _rawget)
    lua_set_function(L, "next", _next)
    lua.getfield(L, -1, "next")
    lua.pushcclosure(L, _pairs, 1)
    lua.setfield(L, -2, "pairs")
    lua_set_function(L, "unpack", _unpack)
    lua_set_function(L, "loadstring", _loadstring)
    lua_set_function(L, "load", _load)
    _replace(L, "newproxy", _newproxy)
    sandbox_wrap(L, "rawset", sandbox_writing)
    sandbox_wrap(L, "setmetatable", sandbox_writing)
    sandbox_wrap(L, "select", _select)
    sandbox_wrap(L, "collectgarbage", _collectgarbage)
    sandbox_wrap(L, "tonumber", sandbox_charged)
    sandbox_wrap(L, "error", sandbox_charged)
    sandbox_wrap(L, "assert", sandbox_charged)
    sandbox_wrap(L, "getfenv", sandbox_charged)
    sandbox_wrap(L, "setfenv", sandbox_charged)
    lua.getfield(L, -1, "coroutine")
    sandbox_wrap(L, "resume", _resume)
    sandbox_wrap(L, "wrap", _wrap_coroutine)
    lua_pop(L, 2)
    return 0
