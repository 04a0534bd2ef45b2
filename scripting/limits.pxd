# cython: language_level=3
"""What a script may take of the server: bytes that Lua holds, and time. No Python here, but for asking whether
it must end.

Time passes in three ways, and each looks at the clock: instructions (a hook, after fewer of them the larger the blocks
are that one instruction may go through), large allocations, and loops in C, which say what they do (`limits_charge`).
"""
from libc.stddef cimport ptrdiff_t, size_t
from libc.stdint cimport int64_t

from scripting.lua cimport LUA_STRING, lua, lua_State

cdef enum:
    LARGE = 65536                      # bytes of a block that counts as large
    SLICE = 1048576                    # bytes or steps of a loop in C between two looks at the clock
    VALUE = 16                         # steps that a value counts for which is made into text, or out of it
    SPARSE = 256                       # bytes of large blocks that going over one table may touch for a step: there
                                       # may be nothing in it, however large it is

cdef extern from *:
    """
    #define REMUS_NEVER ((size_t)-1)
    """
    size_t NEVER "REMUS_NEVER"

cdef struct Limits:                    # of one Lua state; its owner is the Interpreter
    size_t used                        # bytes that Lua holds
    size_t large                       # those of them that are in large blocks
    size_t most                        # bytes that a script may make it hold
    size_t collect_at                  # bytes from which on a collection is due: twice what the last one left
    size_t wakes_at                    # the collector rests until Lua holds more than so many; NEVER: it does not rest
    lua_State* L
    size_t work                        # of loops in C since they last looked at the clock
    lua_State* running                 # the coroutine that has the hook; NULL: no script with a time limit runs
    bint strict                        # a script runs: refuse what goes beyond `most`
    bint killed                        # the running script must end: no pcall swallows that

cdef Limits* limits                    # those of the Lua state that runs, or ran last: one thread runs all of them

cdef void limits_enter(Limits* mine) noexcept nogil                   # `limits` are these from now on
cdef void limits_leave(Limits* mine) noexcept nogil                   # their state goes
cdef void* limited_alloc(void* owner, void* block, size_t old, size_t size) noexcept nogil     # owner: Limits*
cdef void limits_start(lua_State* L) noexcept nogil                   # a script begins in L: strict, the clock runs
cdef void limits_start_loading(lua_State* L, int64_t milliseconds) noexcept nogil
    # as limits_start, for a library or a text to be compiled, which ends by itself after so long; 0: it does not
cdef void limits_rest(lua_State* L) noexcept nogil                    # it has ended: not strict; the clock runs on
cdef void limits_stop() noexcept nogil                                # that is done too
cdef void limits_running(lua_State* L) noexcept nogil                 # that coroutine goes on: the hook is there too
cdef void limits_look(lua_State* L) noexcept nogil                    # does not return when the script must end
cdef bint limits_ended() noexcept nogil                               # `limits_look` for who cannot be jumped out of
cdef int limits_raise_if_killed(lua_State* L) noexcept nogil

# ---- the collector
cdef void limits_collected() noexcept nogil                           # a collection is over
cdef void limits_stop_collector() noexcept nogil                      # until `limits_let_collect`
cdef void limits_let_collect() noexcept nogil                         # it may run again, and rests until one is due

cdef inline void limits_charge(lua_State* L, size_t work) noexcept nogil:
    """A loop in C goes through so many bytes, or does as many small steps."""
    limits.work += work
    if limits.work > SLICE:
        limits_look(L)

cdef inline void limits_charge_table(lua_State* L) noexcept nogil:
    """Someone goes over a table in C."""
    limits_charge(L, VALUE + limits.large // SPARSE)

# ---- arguments that are numbers, or strings that stand for them, which are gone through to the end
cdef inline void limits_charge_string(lua_State* L, int index) noexcept nogil:
    if lua.type(L, index) == LUA_STRING:
        limits_charge(L, lua.objlen(L, index))

cdef inline double limited_number(lua_State* L, int index) noexcept nogil:
    limits_charge_string(L, index)
    return lua.L_checknumber(L, index)

cdef inline ptrdiff_t limited_integer(lua_State* L, int index) noexcept nogil:
    limits_charge_string(L, index)
    return lua.L_checkinteger(L, index)

cdef inline ptrdiff_t limited_optional_integer(lua_State* L, int index, ptrdiff_t otherwise) noexcept nogil:
    limits_charge_string(L, index)
    return lua.L_optinteger(L, index, otherwise)

cdef inline int limited_int(lua_State* L, int index) noexcept nogil:
    """As Lua's own library reads one: without its fraction, modulo 2^32; what no 64 bits hold is 0."""
    return <int>limited_integer(L, index)

cdef inline int limited_optional_int(lua_State* L, int index, int otherwise) noexcept nogil:
    return <int>limited_optional_integer(L, index, otherwise)
