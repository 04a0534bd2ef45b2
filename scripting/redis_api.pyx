# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What scripts call: redis.call and pcall, replies, logging and the other functions of the table `redis`.

A call goes through the command's fast path where it has one that takes it; else the words become a list, and the run
(`run_context`) checks and executes it.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport PyObject

from iothreads.message cimport Arg, Batch, Chunk, Output, Request, output_clear
from scripting.conversion cimport bytes_at, number_text, push_error_reply, push_reply, push_wire
from scripting.lua cimport LUA_NUMBER, LUA_STRING, lua, lua_State
from scripting.run_context cimport REPL_AOF, REPL_REPLICA, Checked, Run, find_checked
from scripting.sandbox cimport sandbox_offer, sandbox_push_error
from server.clients.client cimport SLOW_TRACKING, Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.door cimport IN_SCRIPT, may_pass, passed
from server.dispatch.record cimport (AHEAD_SUBCOMMAND, RULE_NOSCRIPT, RULE_SPREADS, Record, record_of,
                                     subcommand_pointer)
from server.dispatch.tracked cimport after_fast
from server.registry.clock cimport ticks

from server.dispatch.call import Call
from server.observe.internal_errors import internal_errors
from server.registry.errors import CommandError
from server.version import REDIS_VERSION

cdef object _CommandError = CommandError
cdef Run _run = None                   # the script under way
cdef object _log = None

cdef enum:
    FAST_WORDS = 64                    # of a call that a fast path may take ...
    FAST_BYTES = 16384                 # ... and all of them together
    NUMBER_BYTES = 64                  # that a number may take (conversion.number_text)


cdef void begin_run(Run run):
    global _run
    _run = run


cdef bint is_running() noexcept:
    return _run is not None


def current() -> Run | None:
    """The script under way."""
    return _run


def begin(Run run) -> None:
    """That script is under way; None: none is."""
    begin_run(run)


def log_to(log) -> None:
    """Where redis.log writes."""
    global _log
    _log = log


cdef int script_resp() noexcept:
    return 2 if _run is None else _run.client.resp


# ---- redis.call and redis.pcall
cdef list _arguments(lua_State* L):
    """The words of a command; None when they are not strings and numbers, with the error on the stack."""
    cdef int count = lua.gettop(L)
    cdef int i, kind
    cdef char text[64]
    cdef list argv = []
    for i in range(1, count + 1):
        kind = lua.type(L, i)
        if kind == LUA_STRING:
            argv.append(bytes_at(L, i))
        elif kind == LUA_NUMBER:
            argv.append(PyBytes_FromStringAndSize(text, number_text(lua.tonumber(L, i), text)))
        else:
            break
    lua.settop(L, 0)
    if count == 0:
        sandbox_push_error(L, "Please specify at least one argument for this redis lib call")
        return None
    if len(argv) < count:
        sandbox_push_error(L, "Lua redis lib command arguments must be strings or integers")
        return None
    return argv


cdef Batch _batch                      # the one command that a fast path is given
cdef Request _request
cdef Arg _words[FAST_WORDS]


cdef bint _fill(lua_State* L, int count) noexcept:
    """Put the words of a call into the batch; False when one of them is no string or number, or all are too long."""
    cdef size_t used = 0, length       # used: FAST_BYTES at most, whatever stands where
    cdef const char* text
    cdef int i
    for i in range(count):
        if lua.type(L, i + 1) == LUA_STRING:
            text = lua.tolstring(L, i + 1, &length)
            if length > FAST_BYTES - used:
                return False
            memcpy(_batch.buffer + used, text, length)
        elif lua.type(L, i + 1) == LUA_NUMBER and FAST_BYTES - used >= NUMBER_BYTES:
            length = number_text(lua.tonumber(L, i + 1), _batch.buffer + used)
        else:
            return False
        _words[i].offset = used
        _words[i].length = length
        used += length
    _batch.used = used
    _request.arg_count = count
    _request.hash = 0
    return True


cdef int _fast(lua_State* L) except -1:
    """Run the call through the command's fast path, no Python object in between: what its reply begins with; 0: it has
    none or declines."""
    cdef int count = lua.gettop(L)
    cdef Client client = _run.client
    cdef Record record
    cdef uint64_t start
    cdef bytes reply
    cdef int kind
    if count == 0 or count > FAST_WORDS or not _fill(L, count):
        return 0
    _request.record = record_of(_batch.buffer, _words[0].length)
    if _request.record != NULL and count > 1 and (<Record>_request.record).prefetch == AHEAD_SUBCOMMAND:
        _request.record = subcommand_pointer(_request.record, _batch.buffer + _words[1].offset, _words[1].length)
    if not may_pass(<PyObject*>_request.record, client, &_batch, &_request, IN_SCRIPT):
        return 0
    if state.all & SLOW_CLUSTER and _run.is_elsewhere():
        return 0
    record = <Record>_request.record
    if record.rules & RULE_NOSCRIPT or record.write and _run.out_of_memory:
        return 0
    if record.rules & RULE_SPREADS:
        if _run.read_only:
            return 0
        if _run.propagation.wanted:
            _run.propagation.gather()
    start = ticks()
    if not record.fast(client, &_batch, &_request):
        return 0
    passed(<PyObject*>record, client, &_batch, &_request, &start, _batch.used + client.out.bytes, False)
    if client.slow & SLOW_TRACKING:
        after_fast(client, &_batch, &_request)
    if record.write:
        _run.wrote = True
    lua.settop(L, 0)
    if client.out.head != NULL and client.out.head == client.out.tail:
        kind = client.out.head.bytes[0]
        push_wire(L, client.out.head.bytes)
    else:
        reply = _joined(&client.out)
        kind = PyBytes_AS_STRING(reply)[0]
        push_wire(L, PyBytes_AS_STRING(reply))
    output_clear(&client.out)
    return kind


cdef bytes _joined(Output* out):
    """A reply of several chunks in one piece."""
    cdef Chunk* chunk = out.head
    cdef list parts = []
    while chunk != NULL:
        parts.append(PyBytes_FromStringAndSize(chunk.bytes, chunk.used))
        chunk = chunk.next
    return b"".join(parts)


cdef int _command(lua_State* L, bint raises) noexcept:
    cdef int kind
    try:
        kind = _fast(L) if _run is not None and _run.spread == REPL_AOF | REPL_REPLICA else 0
        if kind:
            return ERROR if raises and kind == c'-' else 1
        argv = _arguments(L)
        if argv is None:
            return ERROR if raises else 1
        if _run is None:
            sandbox_push_error(L, "redis.call/pcall can only be called inside a script invocation")
            return ERROR
        reply = _run.execute(argv)
        push_reply(L, reply, _run.client.resp)
        return ERROR if raises and isinstance(reply, _CommandError) else 1
    except BaseException as error:
        return internal_error(L, error)


cdef int internal_error(lua_State* L, error) noexcept:
    internal_errors.note("A script's call")
    if _run is not None:
        output_clear(&_run.client.out)
    sandbox_push_error(L, "internal error: see the server's log")
    return ERROR


cdef int _call(lua_State* L) noexcept:
    return _command(L, True)


cdef int _pcall(lua_State* L) noexcept:
    return _command(L, False)


# ---- replies
cdef int _error_reply(lua_State* L) noexcept:
    cdef size_t length
    cdef const char* text
    if lua.gettop(L) != 1 or lua.type(L, -1) != LUA_STRING:
        sandbox_push_error(L, "wrong number or type of arguments")
        return 1
    text = lua.tolstring(L, 1, &length)
    if length and text[0] == c'-':
        text += 1
        length -= 1
    push_error_reply(L, text, length, False)
    return 1


cdef int _status_reply(lua_State* L) noexcept:
    if lua.gettop(L) != 1 or lua.type(L, -1) != LUA_STRING:
        sandbox_push_error(L, "wrong number or type of arguments")
        return 1
    lua.createtable(L, 0, 1)
    lua.pushvalue(L, 1)
    lua.setfield(L, -2, "ok")
    return 1


# ---- odds and ends
cdef int _sha1hex(lua_State* L) noexcept:
    if lua.gettop(L) != 1:
        sandbox_push_error(L, "wrong number of arguments")
        return ERROR
    try:
        text = bytes_at(L, 1) if lua.isstring(L, 1) else b""
        import hashlib
        digest = hashlib.sha1(text).hexdigest().encode()
        lua.pushlstring(L, PyBytes_AS_STRING(digest), 40)
        return 1
    except BaseException as error:
        return internal_error(L, error)


cdef int _log_line(lua_State* L) noexcept:
    cdef int count = lua.gettop(L)
    cdef int i
    cdef double level
    if count < 2:
        sandbox_push_error(L, "redis.log() requires two arguments or more.")
        return ERROR
    if not lua.isnumber(L, 1):
        sandbox_push_error(L, "First argument must be a number (log level).")
        return ERROR
    level = <int>lua.tonumber(L, 1)
    if level < 0 or level > 3:
        sandbox_push_error(L, "Invalid debug level.")
        return ERROR
    try:
        if _log is not None:
            words = [bytes_at(L, i) for i in range(2, count + 1) if lua.isstring(L, i)]
            _log.write(int(level), b" ".join(words).decode("utf-8", "backslashreplace"))
    except BaseException as error:
        return internal_error(L, error)
    return 0


cdef int _setresp(lua_State* L) noexcept:
    cdef double version
    if lua.gettop(L) != 1:
        sandbox_push_error(L, "redis.setresp() requires one argument.")
        return ERROR
    version = <int>lua.tonumber(L, 1)
    if version != 2 and version != 3:
        sandbox_push_error(L, "RESP version must be 2 or 3.")
        return ERROR
    if _run is not None:
        _run.client.resp = <int>version
    return 0


cdef int _set_repl(lua_State* L) noexcept:
    cdef int flags
    if lua.gettop(L) != 1:
        sandbox_push_error(L, "redis.set_repl() requires one argument.")
        return ERROR
    flags = <int>lua.tonumber(L, 1)
    if flags & ~(REPL_AOF | REPL_REPLICA):
        sandbox_push_error(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
        return ERROR
    if _run is not None:
        _run.spread = flags
    return 0


cdef int _acl_check_cmd(lua_State* L) noexcept:
    cdef Checked checked
    try:
        argv = _arguments(L)
        if argv is None:
            return ERROR
        if _run is None:
            sandbox_push_error(L, "redis.acl_check_cmd can only be called inside a script invocation")
            return ERROR
        checked = find_checked(argv)
        if checked is None:
            sandbox_push_error(L, "Invalid command passed to redis.acl_check_cmd()")
            return ERROR
        lua.pushboolean(L, _permitted(checked, argv))
        return 1
    except BaseException as error:
        return internal_error(L, error)


cdef bint _permitted(Checked checked, list argv) except -1:
    """Whether the caller's user may make the call. To ask is no refusal: nothing is noted."""
    user = _run.client.user
    return user is None or user.may(checked.command, argv) is None


cdef int _true(lua_State* L) noexcept:
    lua.pushboolean(L, 1)
    return 1


cdef int _false(lua_State* L) noexcept:
    lua.pushboolean(L, 0)
    return 1


cdef int _nothing(lua_State* L) noexcept:
    return 0


# ---- the tables
cdef void _number(lua_State* L, const char* name, double value) noexcept:
    lua.pushnumber(L, value)
    lua.setfield(L, -2, name)


cdef void open_log_and_version(lua_State* L) noexcept:
    cdef bytes version = REDIS_VERSION.encode()
    major, minor, patch = (int(part) for part in REDIS_VERSION.split("."))
    sandbox_offer(L, "log", <void*>_log_line)
    _number(L, "LOG_DEBUG", 0)
    _number(L, "LOG_VERBOSE", 1)
    _number(L, "LOG_NOTICE", 2)
    _number(L, "LOG_WARNING", 3)
    _number(L, "REDIS_VERSION_NUM", major << 16 | minor << 8 | patch)
    lua.pushstring(L, version)
    lua.setfield(L, -2, "REDIS_VERSION")


cdef void redis_open(lua_State* L, bint eval) noexcept:
    lua.createtable(L, 0, 24)
    open_log_and_version(L)
    sandbox_offer(L, "call", <void*>_call)
    sandbox_offer(L, "pcall", <void*>_pcall)
    sandbox_offer(L, "error_reply", <void*>_error_reply)
    sandbox_offer(L, "status_reply", <void*>_status_reply)
    sandbox_offer(L, "sha1hex", <void*>_sha1hex)
    sandbox_offer(L, "setresp", <void*>_setresp)
    sandbox_offer(L, "set_repl", <void*>_set_repl)
    sandbox_offer(L, "acl_check_cmd", <void*>_acl_check_cmd)
    _number(L, "REPL_NONE", 0)
    _number(L, "REPL_AOF", REPL_AOF)
    _number(L, "REPL_SLAVE", REPL_REPLICA)
    _number(L, "REPL_REPLICA", REPL_REPLICA)
    _number(L, "REPL_ALL", REPL_AOF | REPL_REPLICA)
    if eval:
        sandbox_offer(L, "breakpoint", <void*>_false)
        sandbox_offer(L, "debug", <void*>_nothing)
        sandbox_offer(L, "replicate_commands", <void*>_true)


_batch.buffer = <char*>malloc(FAST_BYTES)
_batch.args = _words
_batch.commands = &_request
_batch.command_count = _batch.next = 1
