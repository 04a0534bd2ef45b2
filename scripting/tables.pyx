# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The functions of Lua's table library that loop: the same, with loops that can be ended. Places are C ints, too."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t

from scripting.limits cimport limited_int, limited_optional_int, limits_charge
from scripting.lua cimport (
    LUA_FUNCTION, LUA_GLOBALS, LUA_NIL, LUA_NUMBER, LUA_STRING, LUA_TABLE, lua, lua_fail,
    lua_pop, lua_set_function, lua_State)
from scripting.sandbox cimport sandbox_refuse_readonly
from scripting.scratch cimport Scratch, scratch_add, scratch_begin, scratch_finish

cdef extern from "<stdio.h>" nogil:
    int snprintf(char* at, size_t size, const char* format, ...)

cdef enum:
    MOVE = 4                           # steps that an element that goes to another place counts for
    RANGES = 40                        # parts that wait to be sorted: each is at most half of the one before

cdef struct Range:
    int first
    int last


cdef int _length(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    return <int>lua.objlen(L, 1)


# ---- one element more, or less
cdef int _insert(lua_State* L) noexcept nogil:
    cdef int end, place
    sandbox_refuse_readonly(L, 1)
    end = _length(L) + 1
    if lua.gettop(L) == 2:
        lua.rawseti(L, 1, end)
        return 0
    if lua.gettop(L) != 3:
        return lua_fail(L, "wrong number of arguments to 'insert'")
    place = limited_int(L, 2)
    while end > place:
        limits_charge(L, MOVE)
        lua.rawgeti(L, 1, end - 1)
        lua.rawseti(L, 1, end)
        end -= 1
    lua.rawseti(L, 1, place)
    return 0


cdef int _remove(lua_State* L) noexcept nogil:
    cdef int end, place
    sandbox_refuse_readonly(L, 1)
    end = _length(L)
    place = limited_optional_int(L, 2, end)
    if place < 1 or place > end:
        return 0
    lua.rawgeti(L, 1, place)
    while place < end:
        limits_charge(L, MOVE)
        lua.rawgeti(L, 1, place + 1)
        lua.rawseti(L, 1, place)
        place += 1
    lua.pushnil(L)
    lua.rawseti(L, 1, end)
    return 1


# ---- all of them
cdef void _add_element(lua_State* L, Scratch* s, int place) noexcept nogil:
    cdef char wrong[96]
    cdef size_t length
    cdef const char* text
    lua.rawgeti(L, 1, place)
    if not lua.isstring(L, -1):
        snprintf(wrong, sizeof(wrong), "invalid value (%s) at index %d in table for 'concat'",
                 lua.typename(L, lua.type(L, -1)), place)
        lua_fail(L, wrong)
    text = lua.tolstring(L, -1, &length)
    limits_charge(L, length + MOVE)
    scratch_add(L, s, text, length)
    lua_pop(L, 1)


cdef int _concat(lua_State* L) noexcept nogil:
    cdef size_t length
    cdef const char* separator = lua.L_optlstring(L, 2, "", &length)
    cdef int first, last
    cdef Scratch* s
    lua.L_checktype(L, 1, LUA_TABLE)
    first = limited_optional_int(L, 3, 1)
    last = limited_int(L, 4) if lua.type(L, 4) > LUA_NIL else _length(L)
    s = scratch_begin()
    while first < last:
        _add_element(L, s, first)
        scratch_add(L, s, separator, length)
        first += 1
    if first == last:
        _add_element(L, s, last)
    scratch_finish(L, s)
    return 1


cdef int _foreach(lua_State* L) noexcept nogil:
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.L_checktype(L, 2, LUA_FUNCTION)
    lua.pushnil(L)
    while lua.next(L, 1):
        limits_charge(L, MOVE)
        lua.pushvalue(L, 2)
        lua.pushvalue(L, -3)
        lua.pushvalue(L, -3)
        lua.call(L, 2, 1)
        if lua.type(L, -1) != LUA_NIL:
            return 1
        lua_pop(L, 2)
    return 0


cdef int _foreachi(lua_State* L) noexcept nogil:
    cdef int length = _length(L), i
    lua.L_checktype(L, 2, LUA_FUNCTION)
    for i in range(1, length + 1):
        limits_charge(L, MOVE)
        lua.pushvalue(L, 2)
        lua.pushinteger(L, i)
        lua.rawgeti(L, 1, i)
        lua.call(L, 2, 1)
        if lua.type(L, -1) != LUA_NIL:
            return 1
        lua_pop(L, 1)
    return 0


cdef int _maxn(lua_State* L) noexcept nogil:
    cdef double largest = 0
    lua.L_checktype(L, 1, LUA_TABLE)
    lua.pushnil(L)
    while lua.next(L, 1):
        limits_charge(L, 1)
        lua_pop(L, 1)
        if lua.type(L, -1) == LUA_NUMBER:
            largest = max(largest, lua.tonumber(L, -1))
    lua.pushnumber(L, largest)
    return 1


# ---- sorting: Lua's way through the elements, since the order of equal ones, and a script's own function, show it
cdef bint _less(lua_State* L, int a, int b) noexcept nogil:
    """Whether the value at a comes before the one at b (both below the top)."""
    cdef bint answer
    if lua.type(L, 2) == LUA_NIL:
        if lua.type(L, a) == LUA_STRING and lua.type(L, b) == LUA_STRING:
            limits_charge(L, min(lua.objlen(L, a), lua.objlen(L, b)))
        limits_charge(L, MOVE)
        return lua.lessthan(L, a, b)
    limits_charge(L, MOVE)
    lua.pushvalue(L, 2)
    lua.pushvalue(L, a - 1)
    lua.pushvalue(L, b - 2)
    lua.call(L, 2, 1)
    answer = lua.toboolean(L, -1)
    lua_pop(L, 1)
    return answer


cdef void _put_two(lua_State* L, int below, int top) noexcept nogil:
    """The two values on top become elements, which takes them off."""
    lua.rawseti(L, 1, top)
    lua.rawseti(L, 1, below)


cdef void _order(lua_State* L, int low, int high) noexcept nogil:
    """Exchange two elements when the second comes before the first."""
    lua.rawgeti(L, 1, low)
    lua.rawgeti(L, 1, high)
    if _less(L, -1, -2):
        _put_two(L, high, low)
    else:
        lua_pop(L, 2)


cdef int _partition(lua_State* L, int first, int last) noexcept nogil:
    """Elements before the pivot to its left, others to its right; its place. The pivot (on top) is at last - 1, too;
    first and last are on their sides already."""
    cdef int i = first, j = last - 1
    while True:
        i += 1
        lua.rawgeti(L, 1, i)
        while _less(L, -1, -2):
            if i > last:
                lua_fail(L, "invalid order function for sorting")
            lua_pop(L, 1)
            i += 1
            lua.rawgeti(L, 1, i)
        j -= 1
        lua.rawgeti(L, 1, j)
        while _less(L, -3, -1):
            if j < first:
                lua_fail(L, "invalid order function for sorting")
            lua_pop(L, 1)
            j -= 1
            lua.rawgeti(L, 1, j)
        if j < i:
            lua_pop(L, 3)
            lua.rawgeti(L, 1, last - 1)
            lua.rawgeti(L, 1, i)
            _put_two(L, i, last - 1)
            return i
        _put_two(L, j, i)


cdef int _split(lua_State* L, int first, int last) noexcept nogil:
    """Sort up to three elements; of more, put one into its place, which is the reply. 0: all done."""
    cdef int middle
    _order(L, first, last)
    if last - first == 1:
        return 0
    middle = <int>((<int64_t>first + last) // 2)
    lua.rawgeti(L, 1, middle)
    lua.rawgeti(L, 1, first)
    if _less(L, -2, -1):
        _put_two(L, first, middle)
    else:
        lua_pop(L, 1)
        lua.rawgeti(L, 1, last)
        if _less(L, -1, -2):
            _put_two(L, last, middle)
        else:
            lua_pop(L, 2)
    if last - first == 2:
        return 0
    lua.rawgeti(L, 1, middle)
    lua.pushvalue(L, -1)
    lua.rawgeti(L, 1, last - 1)
    _put_two(L, last - 1, middle)
    return _partition(L, first, last)


cdef void _sort_range(lua_State* L, int first, int last) noexcept nogil:
    cdef Range waiting[RANGES]
    cdef int count = 0, place
    while True:
        while first < last:
            place = _split(L, first, last)
            if place == 0:
                break
            if place - first < last - place:               # the smaller part at once
                waiting[count].first = place + 1
                waiting[count].last = last
                last = place - 1
            else:
                waiting[count].first = first
                waiting[count].last = place - 1
                first = place + 1
            count += 1
        if count == 0:
            return
        count -= 1
        first = waiting[count].first
        last = waiting[count].last


cdef int _sort(lua_State* L) noexcept nogil:
    cdef int length
    sandbox_refuse_readonly(L, 1)
    length = _length(L)
    lua.L_checkstack(L, 40, "")
    if lua.type(L, 2) > LUA_NIL:
        lua.L_checktype(L, 2, LUA_FUNCTION)
    lua.settop(L, 2)
    _sort_range(L, 1, length)
    return 0


cdef int tables_open(lua_State* L) noexcept nogil:
    lua.pushcclosure(L, lua.open_table, 0)
    lua.pushstring(L, "table")
    lua.call(L, 1, 0)
    lua.getfield(L, LUA_GLOBALS, "table")
    lua_set_function(L, "insert", _insert)
    lua_set_function(L, "remove", _remove)
    lua_set_function(L, "concat", _concat)
    lua_set_function(L, "foreach", _foreach)
    lua_set_function(L, "foreachi", _foreachi)
    lua_set_function(L, "maxn", _maxn)
    lua_set_function(L, "sort", _sort)
    lua_pop(L, 1)
    return 0
