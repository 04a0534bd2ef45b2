# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A table that scripts share is never handed out itself: they get an empty table whose metatable leads to it for
reading and refuses to write (`__newindex`); `rawset`, `table.insert` and their like, which pass metatables by, are
wrapped. The metatable itself answers getmetatable with another such table.
"""
from libc.stddef cimport size_t

from scripting.limits cimport limits, limits_charge
from scripting.lua cimport (
    LUA_BOOLEAN, LUA_GLOBALS, LUA_NIL, LUA_NUMBER, LUA_REGISTRY, LUA_STRING, LUA_TABLE, lua, lua_CFunction, lua_Debug,
    lua_fail, lua_pop, lua_State)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef char _MARK = 0                    # its address: where a read-only table's metatable keeps the real one
cdef char _GUARD = 0                   # registry: what getmetatable answers for a read-only table


# ---- errors
cdef void sandbox_push_error(lua_State* L, const char* text) noexcept nogil:
    lua.createtable(L, 0, 1)
    lua.pushstring(L, "ERR ")
    lua.pushstring(L, text)
    lua.concat(L, 2)
    lua.setfield(L, -2, "err")


cdef void _push_text_of(lua_State* L, int index) noexcept nogil:
    """tostring without metamethods."""
    cdef int kind = lua.type(L, index)
    cdef char text[64]
    if kind == LUA_STRING or kind == LUA_NUMBER:
        lua.pushvalue(L, index)
        lua.tolstring(L, -1, NULL)
    elif kind == LUA_NIL:
        lua.pushstring(L, "nil")
    elif kind == LUA_BOOLEAN:
        lua.pushstring(L, "true" if lua.toboolean(L, index) else "false")
    else:
        snprintf(text, sizeof(text), "%s: %p", lua.typename(L, kind), lua.topointer(L, index))
        lua.pushstring(L, text)


cdef int sandbox_handler(lua_State* L) noexcept nogil:
    """The error becomes a table {err, source, line}; when it was raised in C, the place is that of the caller."""
    cdef lua_Debug where
    cdef bint known = False
    if lua.getstack(L, 1, &where):
        known = True
        lua.getinfo(L, "Sl", &where)
        if where.what[0] == c'C':
            known = lua.getstack(L, 2, &where)
            if known:
                lua.getinfo(L, "Sl", &where)
    if lua.type(L, 1) != LUA_TABLE:
        lua.createtable(L, 0, 3)
        lua.pushstring(L, "ERR ")
        _push_text_of(L, 1)
        lua.concat(L, 2)
        lua.setfield(L, -2, "err")
        lua.replace(L, 1)
    if known:
        lua.pushstring(L, where.source)
        lua.setfield(L, 1, "source")
        lua.pushinteger(L, where.currentline)
        lua.setfield(L, 1, "line")
    lua.settop(L, 1)
    return 1


# ---- read-only tables
cdef int sandbox_readonly(lua_State* L) noexcept nogil:
    return lua_fail(L, "Attempt to modify a readonly table")


cdef bint sandbox_push_real(lua_State* L, int index) noexcept nogil:
    """Push the table behind the read-only one at index; push nothing when it is not one."""
    if lua.type(L, index) != LUA_TABLE or not lua.getmetatable(L, index):
        return False
    lua.pushlightuserdata(L, &_MARK)
    lua.rawget(L, -2)
    if lua.type(L, -1) == LUA_TABLE:
        lua.remove(L, -2)
        return True
    lua_pop(L, 2)
    return False


cdef void sandbox_protect(lua_State* L, int index) noexcept nogil:
    """Replace the table at `index` (absolute) by a read-only one."""
    lua.createtable(L, 0, 0)
    lua.createtable(L, 0, 4)
    lua.pushvalue(L, index)
    lua.setfield(L, -2, "__index")
    lua.pushcclosure(L, sandbox_readonly, 0)
    lua.setfield(L, -2, "__newindex")
    lua.pushlightuserdata(L, &_GUARD)
    lua.rawget(L, LUA_REGISTRY)
    if lua.type(L, -1) == LUA_NIL:
        lua_pop(L, 1)
        lua.pushboolean(L, 0)
    lua.setfield(L, -2, "__metatable")
    lua.pushlightuserdata(L, &_MARK)
    lua.pushvalue(L, index)
    lua.rawset(L, -3)
    lua.setmetatable(L, -2)
    lua.replace(L, index)


cdef int sandbox_refuse_readonly(lua_State* L, int index) noexcept nogil:
    if sandbox_push_real(L, index):
        lua_pop(L, 1)
        return sandbox_readonly(L)
    return 0


cdef int _missing(lua_State* L) noexcept nogil:
    """__index of the globals."""
    lua.L_where(L, 1)
    lua.pushstring(L, "Script attempted to access nonexistent global variable '")
    _push_text_of(L, 2)
    lua.pushstring(L, "'")
    lua.concat(L, 4)
    return lua.error(L)


cdef void sandbox_missing(lua_State* L) noexcept nogil:
    """The table on top complains about fields that it does not have."""
    lua.createtable(L, 0, 1)
    lua.pushcclosure(L, _missing, 0)
    lua.setfield(L, -2, "__index")
    lua.setmetatable(L, -2)


cdef void sandbox_lock_globals(lua_State* L) noexcept nogil:
    """Make every table in the real globals (top of the stack) read-only, and a read-only face of the globals themselves
    the globals of the state. The real ones are left on the stack."""
    cdef int real = lua.gettop(L)
    # string metatable: {__index = string}, seen by scripts through a read-only table
    lua.pushlstring(L, "", 0)
    lua.getmetatable(L, -1)
    lua.createtable(L, 0, 1)
    lua.getfield(L, real, "string")
    sandbox_protect(L, lua.gettop(L))
    lua.setfield(L, -2, "__index")
    sandbox_protect(L, lua.gettop(L))
    lua.setfield(L, -2, "__metatable")
    lua.settop(L, real)
    # what the globals' own metatable looks like from outside
    lua.createtable(L, 0, 1)
    lua.pushvalue(L, real)
    sandbox_protect(L, real + 2)
    lua.setfield(L, -2, "__index")
    sandbox_protect(L, real + 1)
    lua.pushlightuserdata(L, &_GUARD)
    lua.insert(L, -2)
    lua.rawset(L, LUA_REGISTRY)
    # the libraries
    lua.pushnil(L)
    while lua.next(L, real):
        if lua.type(L, -1) == LUA_TABLE and not lua.rawequal(L, -1, real):
            sandbox_protect(L, real + 2)
            lua.pushvalue(L, -2)
            lua.insert(L, -2)
            lua.settable(L, real)      # an existing key: allowed while going through
        else:
            lua_pop(L, 1)
    # the globals
    sandbox_missing(L)
    lua.pushvalue(L, real)
    sandbox_protect(L, real + 1)
    lua.pushvalue(L, -1)
    lua.setfield(L, real, "_G")
    lua.replace(L, LUA_GLOBALS)


# ---- functions of Lua's own
cdef void sandbox_wrap(lua_State* L, const char* name, lua_CFunction wrapper) noexcept nogil:
    lua.getfield(L, -1, name)
    lua.pushlightuserdata(L, <void*>lua.tocfunction(L, -1))
    lua.remove(L, -2)
    lua.pushcclosure(L, wrapper, 1)
    lua.setfield(L, -2, name)


cdef int sandbox_original(lua_State* L) noexcept nogil:
    return (<lua_CFunction>lua.touserdata(L, ORIGINAL))(L)


cdef int sandbox_charged(lua_State* L) noexcept nogil:
    """A string may be gone through even where a number is wanted: it may stand for one."""
    cdef size_t work = 0
    cdef int i
    for i in range(lua.gettop(L), 0, -1):
        if lua.type(L, i) == LUA_STRING:
            work += lua.objlen(L, i)
    limits_charge(L, work)
    return sandbox_original(L)


cdef int sandbox_writing(lua_State* L) noexcept nogil:
    sandbox_refuse_readonly(L, 1)
    return sandbox_original(L)


# ---- functions of ours that use Python
ctypedef int (*api_nogil_t)(lua_State* L) noexcept nogil


cdef int _trampoline(lua_State* L) noexcept nogil:
    """The memory limit rests while Python is under way, so that nothing jumps over it; an error is raised once it is
    not. Upvalue: the function."""
    cdef bint strict = limits.strict
    cdef int results
    limits.strict = False
    results = (<api_nogil_t>lua.touserdata(L, LUA_GLOBALS - 1))(L)
    limits.strict = strict
    limits_charge(L, 1)
    return lua.error(L) if results < 0 else results


cdef void sandbox_offer(lua_State* L, const char* name, void* function) noexcept nogil:
    lua.pushlightuserdata(L, function)
    lua.pushcclosure(L, _trampoline, 1)
    lua.setfield(L, -2, name)
