# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
import lupa.lua51



cdef extern from "<dlfcn.h>" nogil:
    void* dlopen(const char* path, int flags)
    void* dlsym(void* handle, const char* name)
    char* dlerror()
    int RTLD_NOW


# What the struct Lua holds, field by field.
_NAMES = """
    lua_newstate lua_close lua_newthread lua_atpanic lua_gettop lua_settop lua_pushvalue lua_remove lua_insert
    lua_replace lua_checkstack lua_type lua_typename lua_isnumber lua_isstring lua_iscfunction lua_rawequal
    lua_lessthan lua_tonumber lua_tointeger lua_toboolean lua_tolstring lua_objlen lua_tocfunction lua_touserdata
    lua_tothread lua_newuserdata lua_topointer
    lua_pushnil lua_pushnumber lua_pushinteger lua_pushlstring lua_pushstring lua_pushcclosure lua_pushboolean
    lua_pushlightuserdata lua_gettable lua_getfield lua_rawget lua_rawgeti lua_createtable lua_getmetatable
    lua_settable lua_setfield lua_rawset lua_rawseti lua_setmetatable lua_setfenv lua_call lua_pcall lua_load lua_gc
    lua_error lua_next lua_concat lua_sethook lua_gethookcount lua_getupvalue lua_getstack lua_getinfo
    luaL_error luaL_argerror luaL_typerror
    luaL_checklstring luaL_optlstring luaL_checknumber luaL_checkinteger luaL_optinteger luaL_checktype
    luaL_checkany luaL_checkstack luaL_where luaL_ref luaL_unref luaopen_base luaopen_table luaopen_string
    luaopen_math
""".split()


cdef void* _symbol(void* handle, const char* name) except NULL:
    cdef void* found = dlsym(handle, name)
    if found == NULL:
        raise ImportError(f"lupa's Lua 5.1 does not offer {name.decode()}: it was built with its symbols hidden")
    return found


cdef int lua_fail(lua_State* L, const char* text) noexcept nogil:
    lua.L_where(L, 1)
    lua.pushstring(L, text)
    lua.concat(L, 2)
    return lua.error(L)


cdef int _bind() except -1:
    cdef bytes path = lupa.lua51.__file__.encode()
    cdef void* handle = dlopen(path, RTLD_NOW)        # the library that the import has mapped already
    if handle == NULL:
        raise ImportError(f"cannot open {lupa.lua51.__file__}: {dlerror().decode()}")
    for at, name in enumerate(_NAMES):
        (<void**>&lua)[at] = _symbol(handle, name.encode())
    return 0


_bind()
