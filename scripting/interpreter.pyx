# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A Lua state with its memory limit, its sandbox and the hook that looks at the clock.

Every 10,000 instructions the hook asks whether the script has run for too long; from then on it lets `on_slow` serve
other clients, and ends the script when that says so. Large allocations ask too, because a few instructions that make
long strings can take as long as millions of others. An end cannot be swallowed: pcall and its like raise it again.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from scripting.bits cimport bits_open
from scripting.conversion cimport pop_reply
from scripting.json cimport json_open
from scripting.library_api cimport library_open
from scripting.msgpack cimport msgpack_open
from scripting.pack cimport pack_open
from scripting.redis_api cimport redis_open, script_resp
from scripting.lua cimport (
    GC_COLLECT, GC_STEP, LUA_BOOLEAN, LUA_GLOBALS, LUA_REGISTRY, LUA_TABLE, MASK_COUNT, MASK_LINE, lua, lua_Debug,
    lua_pop, lua_State)
from scripting.sandbox cimport (
    Limits, limited_alloc, sandbox_handler, sandbox_limits, sandbox_load, sandbox_lock_globals, sandbox_missing,
    sandbox_open, sandbox_protect, sandbox_push_error, sandbox_raise_kill, sandbox_set_limits)
from server.registry.clock cimport monotonic_us

from scripting.conversion import CountedError
from server.registry.errors import CommandError

cdef enum:
    HOOK_EVERY = 10000                 # instructions
    TURNS = 3                          # of the loop, to others: the next may come late (accept, read, serve)
    COLLECT_EVERY = 50                 # calls

cdef extern from *:
    """
    #define REMUS_SCRIPT_MEMORY ((size_t)512 << 20)
    """
    size_t SCRIPT_MEMORY "REMUS_SCRIPT_MEMORY"       # bytes a script may make Lua hold

ctypedef int (*ask_t)() noexcept nogil

cdef int64_t _started_us = 0
cdef int64_t _limit_us = -1            # of the script or library under way; negative: none
cdef bint _loading = False             # a library: past the limit it ends at once
cdef object _on_slow = None            # () -> True when the script must end


cdef int _ask() noexcept:
    try:
        return 1 if _on_slow() else 0
    except BaseException:              # nobody there to hear of it: the script ends
        return 1


cdef bint _is_slow() noexcept nogil:
    return _limit_us >= 0 and monotonic_us() - _started_us >= _limit_us


cdef void _watch(Limits* limits) noexcept nogil:
    cdef int turn
    if limits.killed or not _is_slow():
        return
    limits.strict = False
    limits.killed = _loading
    for turn in range(TURNS):
        if not limits.killed and (<ask_t><void*>_ask)():
            limits.killed = True
    limits.strict = True


cdef void _hook(lua_State* L, lua_Debug* where) noexcept nogil:
    cdef Limits* limits
    if not _is_slow():
        return
    limits = sandbox_limits(L)
    if _loading:
        lua.sethook(L, _hook, MASK_LINE, 0)
        sandbox_push_error(L, "FUNCTION LOAD timeout")
        lua.error(L)
    if not limits.killed:
        limits.strict = False
        if (<ask_t><void*>_ask)():
            limits.killed = True
        limits.strict = True
    if limits.killed:
        lua.sethook(L, _hook, MASK_LINE | MASK_COUNT, 1)
        sandbox_raise_kill(L)


def when_slow(on_slow) -> None:
    """What a script that runs for too long calls every now and then; it says whether the script must end."""
    global _on_slow
    _on_slow = on_slow


cdef class Interpreter:
    """A locked Lua state. `library`: functions are loaded into it, else it is EVAL's."""

    def __cinit__(self, bint library=False):
        cdef lua_State* L
        self.limits.most = SCRIPT_MEMORY
        self.limits.watch = _watch
        self.L = L = lua.newstate(limited_alloc, &self.limits)
        if L == NULL:
            raise MemoryError("no memory for Lua")
        sandbox_set_limits(L, &self.limits)
        sandbox_open(L)
        redis_open(L, not library)
        lua.setfield(L, -2, "redis")
        json_open(L)
        lua.setfield(L, -2, "cjson")
        msgpack_open(L)
        lua.setfield(L, -2, "cmsgpack")
        pack_open(L)
        lua.setfield(L, -2, "struct")
        bits_open(L)
        lua.setfield(L, -2, "bit")
        if library:
            self.open_library_globals()
        sandbox_lock_globals(L)
        self.globals = lua.L_ref(L, LUA_REGISTRY)
        lua.pushvalue(L, LUA_GLOBALS)
        self.face = lua.L_ref(L, LUA_REGISTRY)
        lua.settop(L, 0)

    cdef void open_library_globals(self) noexcept:
        """What a library finds while it is loaded: `redis`, with little in it, and nothing else."""
        cdef lua_State* L = self.L
        lua.createtable(L, 0, 1)
        library_open(L)
        sandbox_missing(L)
        sandbox_protect(L, lua.gettop(L))
        lua.setfield(L, -2, "redis")
        sandbox_missing(L)
        self.library = lua.L_ref(L, LUA_REGISTRY)

    def __dealloc__(self):
        if self.L != NULL:
            self.limits.strict = False
            lua.settop(self.L, 0)
            lua.close(self.L)

    @property
    def memory(self) -> int:
        """Bytes that Lua holds."""
        return self.limits.used

    cdef push_strings(self, list strings):
        """An array of them on top."""
        cdef int i = 0
        cdef bytes text
        lua.createtable(self.L, <int>len(strings), 0)
        for text in strings:
            i += 1
            lua.pushlstring(self.L, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
            lua.rawseti(self.L, -2, i)

    cdef void reset_globals(self) noexcept:
        """An empty stack, and the globals as they were whatever setfenv(0, ...) made of them."""
        lua.settop(self.L, 0)
        lua.rawgeti(self.L, LUA_REGISTRY, self.face)
        lua.replace(self.L, LUA_GLOBALS)

    # ---- compiled functions, by their number in the registry
    def compile(self, bytes code, bytes name) -> int:
        """The number of the compiled chunk. Raises CommandError with Lua's message alone."""
        cdef lua_State* L = self.L
        self.reset_globals()
        if sandbox_load(L, PyBytes_AS_STRING(code), PyBytes_GET_SIZE(code), PyBytes_AS_STRING(name)):
            text = lua.tolstring(L, -1, NULL) or b""
            lua.settop(L, 0)
            raise CommandError(<bytes>text)
        return lua.L_ref(L, LUA_REGISTRY)

    def forget(self, int function) -> None:
        """Let a function go."""
        lua.L_unref(self.L, LUA_REGISTRY, function)

    # ---- running
    cdef int run(self, int arguments, int handler) noexcept:
        """lua_pcall under the memory limit and the hook."""
        cdef int status
        global _started_us
        _started_us = monotonic_us()
        self.limits.killed = False
        if _limit_us >= 0:
            lua.sethook(self.L, _hook, MASK_COUNT, HOOK_EVERY)
        self.limits.strict = True
        status = lua.pcall(self.L, arguments, 1, handler)
        self.limits.strict = False
        lua.sethook(self.L, NULL, 0, 0)
        return status

    def call(self, int function, bytes name, list keys, list arguments, bint eval, object count_error):
        """Run a function: what it returns as a reply, a CommandError when it fails. KEYS and ARGV are globals for EVAL,
        arguments for a function of a library."""
        cdef lua_State* L = self.L
        self.prepare(function, eval)
        self.push_strings(keys)
        if eval:
            lua.setfield(L, -2, "KEYS")
        self.push_strings(arguments)
        if eval:
            lua.setfield(L, -2, "ARGV")
            lua_pop(L, 1)
        return self.conclude(self.run(0 if eval else 2, 1), name, count_error)

    cdef void prepare(self, int function, bint eval) noexcept:
        """The handler and the function on the stack; for EVAL also the globals, where KEYS and ARGV belong."""
        cdef lua_State* L = self.L
        self.reset_globals()
        lua.pushcclosure(L, sandbox_handler, 0)
        lua.rawgeti(L, LUA_REGISTRY, function)
        if eval:
            lua.rawgeti(L, LUA_REGISTRY, self.face)
            lua.setfenv(L, -2)         # a script may have given itself another one
            lua.rawgeti(L, LUA_REGISTRY, self.globals)

    cdef void push_words(self, Batch* b, Request* r, uint32_t first, uint32_t last) noexcept:
        """An array of the words first ... last - 1 of a request on top."""
        cdef uint32_t i
        lua.createtable(self.L, last - first, 0)
        for i in range(first, last):
            lua.pushlstring(self.L, arg_at(b, r, i), arg_length(b, r, i))
            lua.rawseti(self.L, -2, <int>(i - first) + 1)

    cdef object call_request(self, int function, bytes name, Batch* b, Request* r, uint32_t keys, bint eval,
                             object count_error):
        """`call` for EVALSHA or FCALL as it came: words 3 ... are `keys` keys and the arguments."""
        cdef lua_State* L = self.L
        self.prepare(function, eval)
        self.push_words(b, r, 3, 3 + keys)
        if eval:
            lua.setfield(L, -2, "KEYS")
        self.push_words(b, r, 3 + keys, r.arg_count)
        if eval:
            lua.setfield(L, -2, "ARGV")
            lua_pop(L, 1)
        return self.conclude(self.run(0 if eval else 2, 1), name, count_error)

    cdef object conclude(self, int status, bytes name, object count_error):
        """The reply that is on top, or the error."""
        cdef lua_State* L = self.L
        if status:
            reply = self.failure(name)
        else:
            reply = pop_reply(L, script_resp(), count_error)
        lua.settop(L, 0)
        self.calls += 1
        if self.limits.used > self.limits.most // 2:
            self.clean_up()            # so that what this script left is not the next one's trouble
        elif self.calls >= COLLECT_EVERY:
            self.calls = 0
            lua.gc(L, GC_STEP, COLLECT_EVERY)
        return reply

    cdef void clean_up(self) noexcept:
        """Full collections: each halves the buffer in which Lua joins strings."""
        cdef int i
        for i in range(8):
            if self.limits.used > self.limits.most // 64:
                lua.gc(self.L, GC_COLLECT, 0)

    cdef object failure(self, bytes name):
        """The error on top as a reply: `ERR text script: name, on @user_script:1.`"""
        cdef lua_State* L = self.L
        cdef bytes text
        if self.limits.killed and lua.type(L, -1) != LUA_TABLE:
            return CommandError(b"ERR Script killed by user with SCRIPT KILL... script: %s" % name)
        if lua.type(L, -1) != LUA_TABLE:
            text = lua.tolstring(L, -1, NULL) if lua.isstring(L, -1) else b"execution failure"
            return CommandError(b"ERR Error running script %s, %s" % (name, text[:100]))
        text = self.field("err") or b"ERR unknown error"
        source, line = self.field("source"), self.field("line")
        if source is not None and line is not None:
            text = b"%s script: %s, on %s:%s." % (text, name, source, line)
        lua.pushstring(L, "ignore_error_stats_update")
        lua.rawget(L, -2)
        counted = lua.type(L, -1) == LUA_BOOLEAN and lua.toboolean(L, -1)
        return (CountedError if counted else CommandError)(text.replace(b"\r", b" ").replace(b"\n", b" "))

    cdef bytes field(self, const char* name):
        """A field of the table on top as text, None when it is no string or number."""
        cdef bytes text = None
        lua.pushstring(self.L, name)
        lua.rawget(self.L, -2)
        if lua.isstring(self.L, -1):
            text = lua.tolstring(self.L, -1, NULL)
        lua_pop(self.L, 1)
        return text

    def load_library(self, bytes code, int64_t timeout_ms) -> None:
        """Compile and run a library's code; it registers its functions (library_api.registering). Raises CommandError
        with the message for people."""
        cdef lua_State* L = self.L
        global _limit_us, _loading
        cdef int64_t before = _limit_us
        self.show(self.library)
        try:
            try:
                function = self.compile(code, b"@user_function")
            except CommandError as error:
                raise CommandError(b"ERR Error compiling function: " + error.text)
            self.reset_globals()
            lua.rawgeti(L, LUA_REGISTRY, function)
            lua.L_unref(L, LUA_REGISTRY, function)
            _loading, _limit_us = True, timeout_ms * 1000 if timeout_ms else -1
            if self.run(0, 0):
                if self.limits.killed:
                    text = b"ERR FUNCTION LOAD timeout"
                elif lua.type(L, -1) == LUA_TABLE:
                    text = self.field("err") or b"ERR unknown error"
                else:
                    text = b"ERR " + (lua.tolstring(L, -1, NULL) if lua.isstring(L, -1) else b"execution failure")
                raise CommandError(b"ERR Error registering functions: " + text)
        finally:
            _loading, _limit_us = False, before
            lua.settop(L, 0)
            self.show(self.globals)

    cdef void show(self, int table) noexcept:
        """Have the globals show that table."""
        cdef lua_State* L = self.L
        lua.settop(L, 0)
        lua.rawgeti(L, LUA_REGISTRY, self.face)
        lua.getmetatable(L, -1)
        lua.rawgeti(L, LUA_REGISTRY, table)
        lua.setfield(L, -2, "__index")
        lua.settop(L, 0)

    def collect(self) -> None:
        """A full collection."""
        lua.gc(self.L, GC_COLLECT, 0)


def set_time_limit(int64_t milliseconds) -> None:
    """busy-reply-threshold; 0 is none."""
    global _limit_us
    _limit_us = milliseconds * 1000 if milliseconds > 0 else -1


def running_ms() -> int:
    """For how long the script under way has been running."""
    return (monotonic_us() - _started_us) // 1000
