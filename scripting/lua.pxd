# cython: language_level=3
"""The C interface of Lua 5.1, as function pointers: lupa's extension module carries the library, `lua` finds it there.

`lua.pushnil(L)` is lua_pushnil(L); luaL_x is `lua.L_x`, luaopen_x `lua.open_x`. Any of them may raise a Lua error (a
longjmp) where the manual says so: who calls them holds no Python reference then.
"""
from libc.stddef cimport ptrdiff_t, size_t

cdef extern from *:
    """
    typedef struct lua_State lua_State;
    """
    ctypedef struct lua_State:         # never looked into
        pass

cdef struct lua_Debug:                 # of Lua 5.1, whose layout is its binary interface
    int event
    const char* name
    const char* namewhat
    const char* what
    const char* source
    int currentline
    int nups
    int linedefined
    int lastlinedefined
    char short_src[60]
    int i_ci

ctypedef int (*lua_CFunction)(lua_State*) noexcept nogil
ctypedef void* (*lua_Alloc)(void*, void*, size_t, size_t) noexcept nogil
ctypedef void (*lua_Hook)(lua_State*, lua_Debug*) noexcept nogil
ctypedef const char* (*lua_Reader)(lua_State*, void*, size_t*) noexcept nogil

cdef enum:
    LUA_REGISTRY = -10000
    LUA_GLOBALS = -10002               # upvalue i of a C function is LUA_GLOBALS - i
    LUA_NONE = -1
    LUA_NIL = 0
    LUA_BOOLEAN = 1
    LUA_LIGHTUSERDATA = 2
    LUA_NUMBER = 3
    LUA_STRING = 4
    LUA_TABLE = 5
    LUA_FUNCTION = 6
    LUA_USERDATA = 7
    LUA_THREAD = 8
    LUA_MULTRET = -1
    LUA_ERRMEM = 4
    GC_STOP = 0
    GC_RESTART = 1
    GC_COLLECT = 2
    GC_COUNT = 3
    GC_COUNTB = 4
    GC_STEP = 5
    MASK_LINE = 4
    MASK_COUNT = 8

cdef struct Lua:
    lua_State* (*newstate)(lua_Alloc, void*) noexcept nogil
    void (*close)(lua_State*) noexcept nogil
    lua_State* (*newthread)(lua_State*) noexcept nogil
    lua_CFunction (*atpanic)(lua_State*, lua_CFunction) noexcept nogil
    int (*gettop)(lua_State*) noexcept nogil
    void (*settop)(lua_State*, int) noexcept nogil
    void (*pushvalue)(lua_State*, int) noexcept nogil
    void (*remove)(lua_State*, int) noexcept nogil
    void (*insert)(lua_State*, int) noexcept nogil
    void (*replace)(lua_State*, int) noexcept nogil
    int (*checkstack)(lua_State*, int) noexcept nogil
    int (*type)(lua_State*, int) noexcept nogil
    const char* (*typename)(lua_State*, int) noexcept nogil
    int (*isnumber)(lua_State*, int) noexcept nogil
    int (*isstring)(lua_State*, int) noexcept nogil
    int (*iscfunction)(lua_State*, int) noexcept nogil
    int (*rawequal)(lua_State*, int, int) noexcept nogil
    int (*lessthan)(lua_State*, int, int) noexcept nogil
    double (*tonumber)(lua_State*, int) noexcept nogil
    ptrdiff_t (*tointeger)(lua_State*, int) noexcept nogil
    int (*toboolean)(lua_State*, int) noexcept nogil
    const char* (*tolstring)(lua_State*, int, size_t*) noexcept nogil
    size_t (*objlen)(lua_State*, int) noexcept nogil
    lua_CFunction (*tocfunction)(lua_State*, int) noexcept nogil
    void* (*touserdata)(lua_State*, int) noexcept nogil
    lua_State* (*tothread)(lua_State*, int) noexcept nogil
    void* (*newuserdata)(lua_State*, size_t) noexcept nogil
    const void* (*topointer)(lua_State*, int) noexcept nogil
    void (*pushnil)(lua_State*) noexcept nogil
    void (*pushnumber)(lua_State*, double) noexcept nogil
    void (*pushinteger)(lua_State*, ptrdiff_t) noexcept nogil
    void (*pushlstring)(lua_State*, const char*, size_t) noexcept nogil
    void (*pushstring)(lua_State*, const char*) noexcept nogil
    void (*pushcclosure)(lua_State*, lua_CFunction, int) noexcept nogil
    void (*pushboolean)(lua_State*, int) noexcept nogil
    void (*pushlightuserdata)(lua_State*, void*) noexcept nogil
    void (*gettable)(lua_State*, int) noexcept nogil
    void (*getfield)(lua_State*, int, const char*) noexcept nogil
    void (*rawget)(lua_State*, int) noexcept nogil
    void (*rawgeti)(lua_State*, int, int) noexcept nogil
    void (*createtable)(lua_State*, int, int) noexcept nogil
    int (*getmetatable)(lua_State*, int) noexcept nogil
    void (*settable)(lua_State*, int) noexcept nogil
    void (*setfield)(lua_State*, int, const char*) noexcept nogil
    void (*rawset)(lua_State*, int) noexcept nogil
    void (*rawseti)(lua_State*, int, int) noexcept nogil
    int (*setmetatable)(lua_State*, int) noexcept nogil
    int (*setfenv)(lua_State*, int) noexcept nogil
    void (*call)(lua_State*, int, int) noexcept nogil
    int (*pcall)(lua_State*, int, int, int) noexcept nogil
    int (*load)(lua_State*, lua_Reader, void*, const char*) noexcept nogil
    int (*gc)(lua_State*, int, int) noexcept nogil
    int (*error)(lua_State*) noexcept nogil
    int (*next)(lua_State*, int) noexcept nogil
    void (*concat)(lua_State*, int) noexcept nogil
    int (*sethook)(lua_State*, lua_Hook, int, int) noexcept nogil
    int (*gethookcount)(lua_State*) noexcept nogil
    const char* (*getupvalue)(lua_State*, int, int) noexcept nogil
    int (*getstack)(lua_State*, int, lua_Debug*) noexcept nogil
    int (*getinfo)(lua_State*, const char*, lua_Debug*) noexcept nogil
    int (*L_error)(lua_State*, const char*, ...) noexcept nogil
    int (*L_argerror)(lua_State*, int, const char*) noexcept nogil
    int (*L_typerror)(lua_State*, int, const char*) noexcept nogil
    const char* (*L_checklstring)(lua_State*, int, size_t*) noexcept nogil
    const char* (*L_optlstring)(lua_State*, int, const char*, size_t*) noexcept nogil
    double (*L_checknumber)(lua_State*, int) noexcept nogil
    ptrdiff_t (*L_checkinteger)(lua_State*, int) noexcept nogil
    ptrdiff_t (*L_optinteger)(lua_State*, int, ptrdiff_t) noexcept nogil
    void (*L_checktype)(lua_State*, int, int) noexcept nogil
    void (*L_checkany)(lua_State*, int) noexcept nogil
    void (*L_checkstack)(lua_State*, int, const char*) noexcept nogil
    void (*L_where)(lua_State*, int) noexcept nogil
    int (*L_ref)(lua_State*, int) noexcept nogil
    void (*L_unref)(lua_State*, int, int) noexcept nogil
    int (*open_base)(lua_State*) noexcept nogil
    int (*open_table)(lua_State*) noexcept nogil
    int (*open_string)(lua_State*) noexcept nogil
    int (*open_math)(lua_State*) noexcept nogil

cdef Lua lua

cdef inline void lua_pop(lua_State* L, int count) noexcept nogil:
    lua.settop(L, -count - 1)

cdef inline const char* lua_text(lua_State* L, int index) noexcept nogil:
    return lua.tolstring(L, index, NULL)

cdef inline void lua_set_function(lua_State* L, const char* name, lua_CFunction function) noexcept nogil:
    """Into the table on top."""
    lua.pushcclosure(L, function, 0)
    lua.setfield(L, -2, name)

cdef int lua_fail(lua_State* L, const char* text) noexcept nogil    # luaL_error with a plain text: does not return
