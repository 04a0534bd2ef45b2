# cython: language_level=3
"""What scripts may set of cjson: one set of settings for each table `cjson`, kept by its functions as their upvalue."""
from scripting.lua cimport LUA_GLOBALS, lua, lua_State

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

cdef inline Settings* json_settings(lua_State* L) noexcept nogil:
    """Those of the function that runs."""
    return <Settings*>lua.touserdata(L, SETTINGS)
