# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from scripting.conversion cimport bytes_at
from scripting.lua cimport (LUA_FUNCTION, LUA_NIL, LUA_NUMBER, LUA_REGISTRY, LUA_STRING, LUA_TABLE, lua, lua_pop,
                            lua_State)
from scripting.redis_api cimport ERROR, internal_error, open_log_and_version
from scripting.sandbox cimport sandbox_offer, sandbox_push_error

cdef enum:
    CALLBACK = 2                       # where on the stack the function stands that is being registered

# The library being loaded: knows(flags), register(name, function, description, flags).
cdef object _registering = None


def registering(library) -> None:
    """redis.register_function speaks to that library; None: no library is being loaded."""
    global _registering
    _registering = library


cdef bytes _string_at(lua_State* L, int index):
    """A string or number as bytes, None for anything else."""
    return bytes_at(L, index) if lua.isstring(L, index) else None


cdef list _flags_at(lua_State* L, int index):
    """The array of strings at index (absolute); None when something in it is no string."""
    cdef int i = 0
    cdef list flags = []
    while True:
        i += 1
        lua.rawgeti(L, index, i)
        if lua.type(L, -1) == LUA_NIL:
            lua_pop(L, 1)
            return flags
        flag = _string_at(L, -1)
        lua_pop(L, 1)
        if flag is None:
            return None
        flags.append(flag)


cdef object _named_arguments(lua_State* L):
    """register_function{function_name = ..., callback = ..., ...}: (name, description, flags), or a text that says what
    is wrong. The function goes to CALLBACK."""
    cdef bytes key
    cdef object name = None, description = None, flags = []
    if lua.type(L, 1) != LUA_TABLE:
        return ("calling redis.register_function with a single argument is only applicable to Lua table "
                "(representing named arguments).")
    lua.settop(L, CALLBACK)
    lua.pushnil(L)
    while lua.next(L, 1):
        if lua.type(L, -2) == LUA_NUMBER:
            return "unknown argument given to redis.register_function"
        if lua.type(L, -2) != LUA_STRING:
            return "named argument key given to redis.register_function is not a string"
        key = (<bytes>lua.tolstring(L, -2, NULL)).lower()
        if key == b"function_name":
            name = _string_at(L, -1)
            if name is None:
                return "function_name argument given to redis.register_function must be a string"
        elif key == b"description":
            description = _string_at(L, -1)
            if description is None:
                return "description argument given to redis.register_function must be a string"
        elif key == b"callback":
            if lua.type(L, -1) != LUA_FUNCTION:
                return "callback argument given to redis.register_function must be a function"
            lua.pushvalue(L, -1)
            lua.replace(L, CALLBACK)
        elif key == b"flags":
            if lua.type(L, -1) != LUA_TABLE:
                return "flags argument to redis.register_function must be a table representing function flags"
            flags = _flags_at(L, lua.gettop(L))
            if flags is None or not _registering.knows(flags):
                return "unknown flag given"
        else:
            return "unknown argument given to redis.register_function"
        lua_pop(L, 1)
    if name is None:
        return "redis.register_function must get a function name argument"
    if lua.type(L, CALLBACK) != LUA_FUNCTION:
        return "redis.register_function must get a callback argument"
    return name, description, flags


cdef object _placed_arguments(lua_State* L):
    """register_function(name, function)."""
    name = _string_at(L, 1)
    if name is None:
        return "first argument to redis.register_function must be a string"
    if lua.type(L, CALLBACK) != LUA_FUNCTION:
        return "second argument to redis.register_function must be a function"
    return name, None, []


cdef str _register(lua_State* L, tuple about):
    """Give the function at CALLBACK to the library; a text says why it does not take it: nothing refers to it then."""
    cdef int function
    name, description, flags = about
    cdef str refused = "the server has no memory"
    lua.pushvalue(L, CALLBACK)
    function = lua.L_ref(L, LUA_REGISTRY)
    try:
        refused = _registering.register(name, function, description, flags)
    finally:
        if refused is not None:
            lua.L_unref(L, LUA_REGISTRY, function)
    return refused


cdef int _register_function(lua_State* L) noexcept:
    cdef int count = lua.gettop(L)
    try:
        if _registering is None:
            text = "redis.register_function can only be called on FUNCTION LOAD command"
        elif not 1 <= count <= 2:
            text = "wrong number of arguments to redis.register_function"
        else:
            found = _named_arguments(L) if count == 1 else _placed_arguments(L)
            text = found if type(found) is str else _register(L, found)
        if text is None:
            return 0
        error = (<str>text).encode()
        sandbox_push_error(L, error)
        return ERROR
    except BaseException as error:
        return internal_error(L, error)


cdef void library_open(lua_State* L) noexcept:
    lua.createtable(L, 0, 8)
    open_log_and_version(L)
    sandbox_offer(L, "register_function", <void*>_register_function)
