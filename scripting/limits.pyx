# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdlib cimport free, realloc

from scripting.lua cimport GC_RESTART, GC_STOP, MASK_COUNT, MASK_LINE, lua, lua_Debug, lua_State
from server.registry.clock cimport monotonic_us

cdef enum:
    HOOK_EVERY = 10000                 # instructions, at most ...
    HOOK_LEAST = 16
    TURNS = 3                          # of the loop, to others: the next may come late (accept, read, serve)
    PAUSE_US = 1000                    # between those
    LITTLE = 524288                    # bytes that Lua may hold before there is a first collection

cdef extern from *:
    """
    #define REMUS_HOOK_BYTES ((size_t)2 << 30)
    """
    size_t HOOK_BYTES "REMUS_HOOK_BYTES"         # ... and as few as can go through so many bytes in all

ctypedef int (*ask_t)() noexcept nogil

cdef Limits _nobody
cdef int64_t _started_us = 0
cdef int64_t _limit_us = -1            # of scripts; negative: none
cdef int64_t _due_us = -1              # when the running script has to ask (next); negative: never
cdef bint _loading = False             # a library: past the limit it ends at once
cdef object _on_slow = None            # () -> True when the script must end

limits = &_nobody


cdef void limits_enter(Limits* mine) noexcept nogil:
    global limits
    limits = mine


cdef void limits_leave(Limits* mine) noexcept nogil:
    global limits
    if limits == mine:
        limits = &_nobody


# ---- time
cdef int _ask() noexcept:
    try:
        return 1 if _on_slow() else 0
    except BaseException:              # nobody there to hear of it: the script ends
        return 1


cdef void _watch() noexcept nogil:
    """Let others be served when the script has run for too long; `killed` says whether it must end."""
    global _due_us
    cdef int turn
    limits.work = 0
    if limits.killed or _due_us < 0 or monotonic_us() < _due_us:
        return
    if _loading:
        limits.killed = True
        return
    limits.strict = False
    for turn in range(TURNS):
        if not limits.killed and (<ask_t>_ask)():
            limits.killed = True
    limits.strict = True
    _due_us = monotonic_us() + PAUSE_US


cdef int _hook_every() noexcept nogil:
    """Comparing two strings, going over a table from one key to the next, reading a number... is one instruction."""
    cdef size_t every = HOOK_BYTES // (limits.large + 1)
    return HOOK_EVERY if every > HOOK_EVERY else HOOK_LEAST if every < HOOK_LEAST else <int>every


cdef void _hook(lua_State* L, lua_Debug* where) noexcept nogil:
    cdef int every
    limits.running = L
    _watch()
    if limits.killed:
        lua.sethook(L, _hook, MASK_LINE | MASK_COUNT, 1)
        limits_raise_if_killed(L)
    every = _hook_every()
    if lua.gethookcount(L) != every:
        lua.sethook(L, _hook, MASK_COUNT, every)


cdef void limits_running(lua_State* L) noexcept nogil:
    if limits.running != NULL and limits.running != L:
        limits.running = L
        lua.sethook(L, _hook, MASK_COUNT, _hook_every())


cdef void _start(lua_State* L, int64_t limit_us) noexcept nogil:
    global _started_us, _due_us
    _started_us = monotonic_us()
    _due_us = _started_us + limit_us if limit_us >= 0 else -1
    limits.killed = False
    limits.work = 0
    if limit_us >= 0:
        limits.running = L
        lua.sethook(L, _hook, MASK_COUNT, _hook_every())
    limits.strict = True


cdef void limits_start(lua_State* L) noexcept nogil:
    _start(L, _limit_us)


cdef void limits_start_loading(lua_State* L, int64_t milliseconds) noexcept nogil:
    global _loading
    _loading = True
    _start(L, milliseconds * 1000 if milliseconds else -1)


cdef void limits_rest(lua_State* L) noexcept nogil:
    limits.strict = False
    limits.running = NULL
    lua.sethook(L, NULL, 0, 0)


cdef void limits_stop() noexcept nogil:
    global _due_us, _loading
    _due_us = -1
    _loading = False


cdef bint limits_ended() noexcept nogil:
    cdef bint strict = limits.strict
    _watch()
    limits.strict = strict
    return limits.killed


cdef void limits_look(lua_State* L) noexcept nogil:
    if limits.strict:
        _watch()
        limits_raise_if_killed(L)


cdef int limits_raise_if_killed(lua_State* L) noexcept nogil:
    if not limits.killed:
        return 0
    lua.createtable(L, 0, 1)
    lua.pushstring(L, "ERR FUNCTION LOAD timeout" if _loading else "ERR Script killed by user with SCRIPT KILL...")
    lua.setfield(L, -2, "err")
    return lua.error(L)


# ---- the collector
cdef void limits_collected() noexcept nogil:
    """Near `most` sooner than that: nothing is collected when memory is refused."""
    limits.collect_at = max(<size_t>LITTLE, min(2 * limits.used, (limits.used + limits.most) // 2))


cdef void limits_stop_collector() noexcept nogil:
    limits.wakes_at = NEVER
    lua.gc(limits.L, GC_STOP, 0)


cdef void limits_let_collect() noexcept nogil:
    """Lua would begin a collection at once: it forgets when one was due. So it stays stopped until then."""
    if limits.used < limits.collect_at:
        limits.wakes_at = limits.collect_at
    else:
        lua.gc(limits.L, GC_RESTART, 0)


cdef void _wake(Limits* mine) noexcept nogil:
    """From within the allocator: Lua only notes it."""
    mine.wakes_at = NEVER
    lua.gc(mine.L, GC_RESTART, 0)


# ---- memory
cdef void* limited_alloc(void* owner, void* block, size_t old, size_t size) noexcept nogil:
    cdef Limits* mine = <Limits*>owner
    cdef void* new
    if size == 0:
        mine.used -= old
        if old >= LARGE:
            mine.large -= old
        free(block)
        return NULL
    if size >= LARGE and not mine.strict:
        mine.work += size              # of a reply: looked at once the script goes on
    elif size > old and mine.strict:
        if size >= LARGE:
            _watch()
            if mine.killed:
                return NULL            # an error of memory, and that is the end: see limits_raise_if_killed
        if mine.used + (size - old) > mine.most:
            return NULL
    new = realloc(block, size)
    if new == NULL:
        return NULL
    mine.used += size - old
    if mine.used > mine.wakes_at:
        _wake(mine)
    if size >= LARGE or old >= LARGE:
        mine.large += (size if size >= LARGE else 0) - (old if old >= LARGE else 0)
        if mine.running != NULL and _hook_every() < lua.gethookcount(mine.running):
            lua.sethook(mine.running, _hook, MASK_COUNT, _hook_every())
    return new


# ---- for run
def when_slow(on_slow) -> None:
    """What a script that runs for too long calls every now and then; it says whether the script must end."""
    global _on_slow
    _on_slow = on_slow


def set_time_limit(int64_t milliseconds) -> None:
    """busy-reply-threshold; 0 is none."""
    global _limit_us
    _limit_us = milliseconds * 1000 if milliseconds > 0 else -1


def running_us() -> int:
    """For how long the script under way has been running."""
    return monotonic_us() - _started_us
