# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A Lua state with its sandbox, and its `limits` of memory and time."""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.message cimport Batch, Request, arg_at, arg_length
from scripting.base cimport base_load, base_open
from scripting.bitop cimport bits_open
from scripting.conversion cimport pop_reply
from scripting.json cimport json_open
from scripting.library_api cimport library_open
from scripting.limits cimport (
    NEVER, limited_alloc, limits_collected, limits_enter, limits_leave, limits_rest, limits_start, limits_start_loading,
    limits_stop)
from scripting.lua cimport (
    GC_COLLECT, GC_STEP, LUA_BOOLEAN, LUA_GLOBALS, LUA_REGISTRY, LUA_TABLE, lua, lua_pop, lua_State)
from scripting.msgpack cimport msgpack_open
from scripting.numbers cimport numbers_open
from scripting.pack cimport pack_open
from scripting.redis_api cimport redis_open, script_resp
from scripting.sandbox cimport sandbox_handler, sandbox_lock_globals, sandbox_missing, sandbox_protect
from scripting.strings cimport strings_open
from scripting.tables cimport tables_open

from scripting.conversion import CountedError
from server.registry.errors import CommandError

cdef bytes KILLED = b"ERR Script killed by user with SCRIPT KILL... script: %s"

cdef enum:
    COLLECT_EVERY = 50                 # calls
    COMPILE_MS = 5000                  # for which a script may be compiled
    SLICE_KB = 16                      # of a collection, at least: it goes through about twice as much

cdef extern from *:
    """
    #define REMUS_SCRIPT_MEMORY ((size_t)512 << 20)
    """
    size_t SCRIPT_MEMORY "REMUS_SCRIPT_MEMORY"       # bytes a script may make Lua hold


cdef class Interpreter:
    """A locked Lua state. `library`: functions are loaded into it, else it is EVAL's."""

    def __cinit__(self, bint library=False):
        cdef lua_State* L
        self.limits.most = SCRIPT_MEMORY
        self.limits.wakes_at = NEVER
        self.limits.L = self.L = L = lua.newstate(limited_alloc, &self.limits)
        if L == NULL:
            raise MemoryError("no memory for Lua")
        limits_enter(&self.limits)
        limits_collected()
        base_open(L)
        strings_open(L)
        tables_open(L)
        numbers_open(L)
        lua.pushvalue(L, LUA_GLOBALS)
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
            limits_leave(&self.limits)

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
        cdef int failed
        limits_enter(&self.limits)
        self.reset_globals()
        limits_start_loading(L, COMPILE_MS)
        failed = base_load(L, PyBytes_AS_STRING(code), PyBytes_GET_SIZE(code), PyBytes_AS_STRING(name))
        limits_rest(L)
        limits_stop()
        if failed:
            text = b"it takes too long" if self.limits.killed else self.message()
            lua.settop(L, 0)
            self.collect_some()
            raise CommandError(text)
        self.collect_some()
        return lua.L_ref(L, LUA_REGISTRY)

    cdef bytes message(self):
        """The error on top, of whatever kind, as text."""
        if lua.type(self.L, -1) == LUA_TABLE:
            return self.field("err") or b"ERR unknown error"
        return lua.tolstring(self.L, -1, NULL) if lua.isstring(self.L, -1) else b"execution failure"

    cdef void collect_some(self) noexcept:
        """When a collection is due, a slice of it: as much as came since the last one, and more."""
        cdef size_t used = self.limits.used
        if used < self.limits.collect_at:
            return
        if lua.gc(self.L, GC_STEP, SLICE_KB + <int>((used - self.seen if used > self.seen else 0) >> 10)):
            limits_collected()
        self.seen = self.limits.used

    def forget(self, int function) -> None:
        """Let a function go."""
        lua.L_unref(self.L, LUA_REGISTRY, function)

    # ---- running
    cdef int run(self, int arguments, int handler) noexcept:
        """lua_pcall within the limits. The clock runs on, for the reply, until `limits_stop`."""
        cdef int status
        limits_start(self.L)
        status = lua.pcall(self.L, arguments, 1, handler)
        limits_rest(self.L)
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
        limits_enter(&self.limits)
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
            if self.limits.killed:
                reply = CommandError(KILLED % name)
        limits_stop()
        lua.settop(L, 0)
        self.calls += 1
        if self.limits.used > self.limits.most // 2:
            self.clean_up()            # so that what this script left is not the next one's trouble
        elif self.calls >= COLLECT_EVERY:
            self.calls = 0
            self.collect_some()
        return reply

    cdef void clean_up(self) noexcept:
        """Full collections, without KEYS and ARGV: each halves the buffer in which Lua joins strings."""
        cdef int i
        lua.rawgeti(self.L, LUA_REGISTRY, self.globals)
        lua.pushnil(self.L)
        lua.setfield(self.L, -2, "KEYS")
        lua.pushnil(self.L)
        lua.setfield(self.L, -2, "ARGV")
        lua.settop(self.L, 0)
        for i in range(8):
            if self.limits.used > self.limits.most // 64:
                lua.gc(self.L, GC_COLLECT, 0)
        limits_collected()

    cdef object failure(self, bytes name):
        """The error on top as a reply: `ERR text script: name, on @user_script:1.`"""
        cdef lua_State* L = self.L
        cdef bytes text
        if self.limits.killed and lua.type(L, -1) != LUA_TABLE:
            return CommandError(KILLED % name)
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
        cdef int failed
        cdef bytes at = b"compiling function: "
        limits_enter(&self.limits)
        self.show(self.library)
        self.reset_globals()
        limits_start_loading(L, timeout_ms)
        failed = base_load(L, PyBytes_AS_STRING(code), PyBytes_GET_SIZE(code), "@user_function")
        if not failed:
            at = b"registering functions: "
            failed = lua.pcall(L, 0, 0, 0)
        limits_rest(L)
        limits_stop()
        error = None
        if failed:
            error = self.load_failure(at)
        lua.settop(L, 0)
        self.show(self.globals)
        self.collect_some()
        if error is not None:
            raise error

    cdef object load_failure(self, bytes at):
        """The error on top, which came while a library was being loaded."""
        if self.limits.killed:
            return CommandError(b"ERR Error registering functions: ERR FUNCTION LOAD timeout")
        if at == b"registering functions: " and lua.type(self.L, -1) != LUA_TABLE:
            at += b"ERR "
        return CommandError(b"ERR Error " + at + self.message())

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
        limits_enter(&self.limits)
        lua.gc(self.L, GC_COLLECT, 0)
        limits_collected()
