# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A table that scripts share is never handed out itself: they get an empty table whose metatable leads to it for
reading and refuses to write (`__newindex`); `rawset`, `table.insert` and their like, which pass metatables by, are
wrapped. The metatable itself answers getmetatable with another such table.

What could leave the sandbox or stop the server is closed here: bytecode is not loaded, the collector is stopped while
the parser runs (an identifier it has not anchored yet may not go away), finalizers cannot be set, the thread's globals
cannot be exchanged for good, sizes are checked before a loop in C begins that no hook could end.
"""
from libc.math cimport floor
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from scripting.lua cimport (
    GC_COLLECT, GC_RESTART, GC_STEP, GC_STOP, LUA_BOOLEAN, LUA_FUNCTION, LUA_GLOBALS, LUA_MULTRET, LUA_NIL, LUA_NUMBER,
    LUA_REGISTRY, LUA_STRING, LUA_TABLE, lua, lua_CFunction, lua_Debug, lua_fail, lua_pop, lua_set_function, lua_State)

from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_finish, scratch_room

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef char _MARK = 0                    # its address: where a read-only table's metatable keeps the real one
cdef char _LIMITS = 0                  # registry: the state's Limits
cdef char _GUARD = 0                   # registry: what getmetatable answers for a read-only table
cdef uint64_t _random_state = (<uint64_t>0x1234 << 32) | (<uint64_t>0xABCD << 16) | 0x330E

cdef enum:
    ORIGINAL = LUA_GLOBALS - 1         # upvalue 1 of a wrapper: the function of Lua's own
    MAX_CODE = 0x1FFFFFFF              # bytes of one chunk of source


# ---- memory
cdef void* limited_alloc(void* owner, void* block, size_t old, size_t size) noexcept nogil:
    cdef Limits* limits = <Limits*>owner
    cdef void* new
    if size == 0:
        limits.used -= old
        free(block)
        return NULL
    if size > old and limits.strict:
        if size >= LARGE:
            limits.watch(limits)
            if limits.killed:
                return NULL            # an error of memory, and that is the end: see _raise_if_killed
        if limits.used + (size - old) > limits.most:
            return NULL
    new = realloc(block, size)
    if new != NULL:
        limits.used += size - old
    return new


cdef Limits* sandbox_limits(lua_State* L) noexcept nogil:
    cdef Limits* limits
    lua.pushlightuserdata(L, &_LIMITS)
    lua.rawget(L, LUA_REGISTRY)
    limits = <Limits*>lua.touserdata(L, -1)
    lua_pop(L, 1)
    return limits


# ---- errors
cdef void sandbox_push_error(lua_State* L, const char* text) noexcept nogil:
    lua.createtable(L, 0, 1)
    lua.pushstring(L, "ERR ")
    lua.pushstring(L, text)
    lua.concat(L, 2)
    lua.setfield(L, -2, "err")


cdef int sandbox_raise_kill(lua_State* L) noexcept nogil:
    sandbox_push_error(L, "Script killed by user with SCRIPT KILL...")
    return lua.error(L)


cdef int sandbox_watch(lua_State* L) noexcept nogil:
    cdef Limits* limits = sandbox_limits(L)
    if limits.strict:
        limits.watch(limits)
    return _raise_if_killed(L)


cdef int _raise_if_killed(lua_State* L) noexcept nogil:
    if sandbox_limits(L).killed:
        return sandbox_raise_kill(L)
    return 0


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


cdef bint _push_real(lua_State* L, int index) noexcept nogil:
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


cdef int _refuse_readonly(lua_State* L, int index) noexcept nogil:
    if _push_real(L, index):
        lua_pop(L, 1)
        return sandbox_readonly(L)
    return 0


cdef int _original(lua_State* L) noexcept nogil:
    """Run what was wrapped, in the same frame."""
    return (<lua_CFunction>lua.touserdata(L, ORIGINAL))(L)


cdef int _writing(lua_State* L) noexcept nogil:
    """rawset, setmetatable, table.insert and others that write into their first argument."""
    _refuse_readonly(L, 1)
    return _original(L)


cdef int _rawget(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.L_checkany(L, 2)
    lua.settop(L, 2)
    if _push_real(L, 1):
        lua.replace(L, 1)
    lua.rawget(L, 1)
    return 1


cdef int _next(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.settop(L, 2)
    if _push_real(L, 1):
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


# ---- calls that must not swallow the end
cdef int _pcall(lua_State* L) noexcept nogil:
    """As Redis's: an error table is reduced to its text, as it was before 7.0."""
    cdef int arguments = lua.gettop(L)
    lua.L_checkany(L, 1)
    lua.pushboolean(L, 1)
    lua.insert(L, 1)
    if lua.pcall(L, arguments - 1, LUA_MULTRET, 0):
        _raise_if_killed(L)
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
    if sandbox_limits(L).killed:
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
        _raise_if_killed(L)
    lua.pushboolean(L, failed == 0)
    lua.replace(L, 1)
    return lua.gettop(L)


cdef int _watched(lua_State* L) noexcept nogil:
    """coroutine.resume."""
    cdef int results = _original(L)
    _raise_if_killed(L)
    return results


# ---- loading
cdef int sandbox_load(lua_State* L, const char* code, size_t length, const char* name) noexcept nogil:
    cdef int failed
    if length and code[0] == 27:       # bytecode: behind a space the parser gets to read it, and complains
        lua.pushstring(L, " ")
        lua.pushlstring(L, code, length)
        lua.concat(L, 2)
        code = lua.tolstring(L, -1, &length)
        failed = sandbox_load(L, code, length, name)
        lua.remove(L, -2)
        return failed
    if length > MAX_CODE:
        lua.pushstring(L, "chunk is too long")
        return 3
    lua.gc(L, GC_STOP, 0)
    failed = lua.L_loadbuffer(L, code, length, name)
    lua.gc(L, GC_RESTART, 0)
    return failed


cdef int _loaded(lua_State* L, int failed) noexcept nogil:
    if failed == 0:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef int _loadstring(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* code = lua.L_checklstring(L, 1, &length)
    return _loaded(L, sandbox_load(L, code, length, lua.L_optlstring(L, 2, code, NULL)))


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
            lua_pop(L, 1)
            lua.pushstring(L, "reader function must return a string")
            return _loaded(L, 2)
        lua.tolstring(L, -1, &length)
        if length == 0:
            break
        pieces += 1
        if pieces < 64:                # several at a time: putting together is linear, not quadratic
            lua.L_checkstack(L, 4, "too many pieces")
        else:
            lua.concat(L, pieces + 1)
            pieces = 0
    lua_pop(L, 1)
    lua.concat(L, pieces + 1)
    code = lua.tolstring(L, -1, &length)
    return _loaded(L, sandbox_load(L, code, length, name))


# ---- sizes
cdef int _rep(lua_State* L) noexcept nogil:
    cdef size_t length, whole, done
    cdef const char* text = lua.L_checklstring(L, 1, &length)
    cdef ptrdiff_t count = lua.L_checkinteger(L, 2)
    cdef Limits* limits = sandbox_limits(L)
    cdef Scratch* s
    if count <= 0 or length == 0:
        lua.pushlstring(L, "", 0)
        return 1
    if <size_t>count > limits.most // length:
        return lua_fail(L, "resulting string too large")
    whole = length * <size_t>count
    s = scratch_begin()
    scratch_add(L, s, text, length)
    scratch_room(L, s, whole)
    while s.used < whole:
        done = min(s.used, whole - s.used)
        memcpy(s.bytes + s.used, s.bytes, done)
        s.used += done
    scratch_finish(L, s)
    return 1


cdef int _unpack(lua_State* L) noexcept nogil:
    cdef double first = 1, last
    lua.L_checktype(L, 1, LUA_TABLE)
    if lua.type(L, 2) > LUA_NIL:
        first = lua.L_checknumber(L, 2)
    last = lua.L_checknumber(L, 3) if lua.type(L, 3) > LUA_NIL else <double>lua.objlen(L, 1)
    if not (-2147483648.0 <= first <= 2147483647.0 and -2147483648.0 <= last <= 2147483647.0 and last - first < 8000000):
        return lua_fail(L, "too many results to unpack")
    return _original(L)


# ---- odds and ends
cdef int _collectgarbage(lua_State* L) noexcept nogil:
    """How the collector works is not a script's affair: only "collect", "count" and "step" do something."""
    cdef const char* what = lua.L_optlstring(L, 1, "collect", NULL)
    if what[0] == c'c' and what[1] == c'o' and what[2] == c'u':
        return _original(L)
    if what[0] == c'c':
        lua.gc(L, GC_COLLECT, 0)
    elif what[0] == c's' and what[1] == c't' and what[2] == c'e':
        lua.pushboolean(L, lua.gc(L, GC_STEP, <int>lua.L_optinteger(L, 2, 0)))
        return 1
    lua.pushinteger(L, 0)
    return 1


cdef int _newproxy(lua_State* L) noexcept nogil:
    """Userdata without a metatable alone: a metatable of a script's own could name a finalizer."""
    if lua.type(L, 1) > LUA_NIL and (lua.type(L, 1) != LUA_BOOLEAN or lua.toboolean(L, 1)):
        return lua_fail(L, "newproxy with a metatable is not allowed")
    lua.pushvalue(L, ORIGINAL)
    lua.call(L, 0, 1)
    return 1


cdef double _random_fraction() noexcept nogil:
    """The 48-bit congruential generator that POSIX calls lrand48: the same sequence for the same seed everywhere."""
    global _random_state
    _random_state = (_random_state * 0x5DEECE66DULL + 0xB) & 0xFFFFFFFFFFFFULL
    return <double>((_random_state >> 17) % 0x7FFFFFFF) / <double>0x7FFFFFFF


cdef int _random(lua_State* L) noexcept nogil:
    cdef double fraction = _random_fraction()
    cdef int low = 1, high
    cdef int arguments = lua.gettop(L)
    if arguments == 0:
        lua.pushnumber(L, fraction)
        return 1
    if arguments > 2:
        return lua_fail(L, "wrong number of arguments")
    if arguments == 2:
        low = <int>lua.L_checkinteger(L, 1)
    high = <int>lua.L_checkinteger(L, arguments)
    if low > high:
        return lua.L_argerror(L, arguments, "interval is empty")
    if arguments == 1:
        lua.pushnumber(L, floor(fraction * high) + 1)
    else:
        lua.pushnumber(L, floor(fraction * (<double>high - low + 1)) + low)
    return 1


cdef int _randomseed(lua_State* L) noexcept nogil:
    global _random_state
    _random_state = (((<uint64_t>lua.L_checkinteger(L, 1)) & 0xFFFFFFFFULL) << 16) | 0x330E
    return 0


cdef int _missing(lua_State* L) noexcept nogil:
    """__index of the globals."""
    lua.L_where(L, 1)
    lua.pushstring(L, "Script attempted to access nonexistent global variable '")
    _push_text_of(L, 2)
    lua.pushstring(L, "'")
    lua.concat(L, 4)
    return lua.error(L)


# ---- functions of ours that use Python
ctypedef int (*api_nogil_t)(lua_State* L) noexcept nogil


cdef int _trampoline(lua_State* L) noexcept nogil:
    """The memory limit rests while Python is under way, so that nothing jumps over it; an error is raised once it is
    not. Upvalues: the function, the limits."""
    cdef Limits* limits = <Limits*>lua.touserdata(L, LUA_GLOBALS - 2)
    cdef bint strict = limits.strict
    cdef int results
    limits.strict = False
    results = (<api_nogil_t>lua.touserdata(L, LUA_GLOBALS - 1))(L)
    limits.strict = strict
    return lua.error(L) if results < 0 else results


cdef void sandbox_offer(lua_State* L, const char* name, void* function) noexcept nogil:
    lua.pushlightuserdata(L, function)
    lua.pushlightuserdata(L, sandbox_limits(L))
    lua.pushcclosure(L, _trampoline, 2)
    lua.setfield(L, -2, name)


cdef void sandbox_set_limits(lua_State* L, Limits* limits) noexcept nogil:
    lua.pushlightuserdata(L, &_LIMITS)
    lua.pushlightuserdata(L, limits)
    lua.rawset(L, LUA_REGISTRY)


cdef void sandbox_missing(lua_State* L) noexcept nogil:
    """The table on top complains about fields that it does not have."""
    lua.createtable(L, 0, 1)
    lua.pushcclosure(L, _missing, 0)
    lua.setfield(L, -2, "__index")
    lua.setmetatable(L, -2)


# ---- putting together
cdef void _wrap(lua_State* L, const char* name, lua_CFunction wrapper) noexcept nogil:
    """In the table on top: replace a function by a wrapper that knows it."""
    lua.getfield(L, -1, name)
    lua.pushlightuserdata(L, <void*>lua.tocfunction(L, -1))
    lua.remove(L, -2)
    lua.pushcclosure(L, wrapper, 1)
    lua.setfield(L, -2, name)


cdef void _remove(lua_State* L, const char* name) noexcept nogil:
    lua.pushnil(L)
    lua.setfield(L, -2, name)


cdef void _open(lua_State* L, const char* name, lua_CFunction library) noexcept nogil:
    lua.pushcclosure(L, library, 0)
    lua.pushstring(L, name)
    lua.call(L, 1, 0)


cdef int sandbox_open(lua_State* L) noexcept nogil:
    """Leaves the real globals on the stack; more may be put into them until sandbox_lock_globals."""
    _open(L, "", lua.open_base)
    _open(L, "table", lua.open_table)
    _open(L, "string", lua.open_string)
    _open(L, "math", lua.open_math)
    lua.pushvalue(L, LUA_GLOBALS)
    _remove(L, "dofile")
    _remove(L, "loadfile")
    _remove(L, "print")
    lua_set_function(L, "pcall", _pcall)
    lua_set_function(L, "rawget", _rawget)
    lua_set_function(L, "loadstring", _loadstring)
    lua_set_function(L, "load", _load)
    lua_set_function(L, "next", _next)
    lua.getfield(L, -1, "next")
    lua.pushcclosure(L, _pairs, 1)
    lua.setfield(L, -2, "pairs")
    lua.getfield(L, -1, "newproxy")
    lua.pushcclosure(L, _newproxy, 1)
    lua.setfield(L, -2, "newproxy")
    _wrap(L, "rawset", _writing)
    _wrap(L, "setmetatable", _writing)
    lua_set_function(L, "xpcall", _xpcall)
    _wrap(L, "unpack", _unpack)
    _wrap(L, "collectgarbage", _collectgarbage)
    lua.getfield(L, -1, "coroutine")
    _wrap(L, "resume", _watched)
    lua_pop(L, 1)
    lua.getfield(L, -1, "string")
    lua_set_function(L, "rep", _rep)
    lua_pop(L, 1)
    lua.getfield(L, -1, "table")
    _wrap(L, "insert", _writing)
    _wrap(L, "remove", _writing)
    _wrap(L, "sort", _writing)
    lua_pop(L, 1)
    lua.getfield(L, -1, "math")
    lua_set_function(L, "random", _random)
    lua_set_function(L, "randomseed", _randomseed)
    lua_pop(L, 1)
    return 1


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
