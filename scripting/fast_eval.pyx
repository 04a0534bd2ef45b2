# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""EVAL, EVALSHA, FCALL and their read-only forms, and SCRIPT EXISTS, without the way through Python: the script is looked
up, given its words as they came, and run.

They decline (and the definitions in commands_eval run) for a script that cannot be compiled or has a shebang line, a
function with rarer flags, without room below maxmemory, and for a client with subscriptions, whose own messages come after
the reply.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from iothreads.resp_writer cimport write_error, write_header, write_integer, write_raw
from scripting.interpreter cimport Interpreter
from scripting.redis_api cimport begin_run, is_running
from scripting.run_context cimport Run
from server.clients.client cimport Client
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.door cimport WRITES_ASKED
from server.dispatch.evicting cimport has_room, make_room
from server.dispatch.executor cimport Executor
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Op, Record, fast_t
from server.dispatch.shapes cimport ANY_TYPE, DECLINED, FREE, UNKEYED, length_at, row, word_at
from server.observe.error_counts cimport ErrorCounts
from server.registry.clock cimport clock_refresh, clock_state, ticks

from scripting.flags import ALLOW_OOM, NO_WRITES
from scripting.scripts import NO_SCRIPT
from server.registry.errors import CommandError

cdef enum:
    LONG_US = 1000                     # a script of so long leaves the clock behind

cdef int _NO_WRITES = NO_WRITES
cdef int _ALLOW_OOM = ALLOW_OOM
cdef object _scripting = None          # run.Scripting ...
cdef object _scripts = None            # ... its Scripts ...
cdef object _functions = None          # ... and its Functions
cdef object _server = None
cdef Executor _executor = None
cdef Propagation _propagation = None
cdef Client _client = None             # pretended
cdef object _count_error = None
cdef ErrorCounts _errors = None
cdef bytes _NO_SCRIPT = NO_SCRIPT.encode()


cdef bint _plain(Client c, Request* r, Batch* b, int64_t* keys) noexcept:
    """Whether the call has its form, and nothing is in force that only the definition knows about; how many keys."""
    return (r.arg_count >= 3 and (has_room() or make_room()) and c.subscriptions is None
            and parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), keys)
            and 0 <= keys[0] <= <int64_t>r.arg_count - 3 and not is_running())


cdef class Last:
    """The script that ran last: nearly always it is the next one, too."""
    cdef dict known                    # where it was found. SCRIPT FLUSH leaves that empty, and there is another one
    cdef bytes name, sha
    cdef int function                  # its number in the interpreter


cdef Last _last = Last()


cdef inline bint _is(bytes name, const char* text, size_t length) noexcept:
    return <size_t>PyBytes_GET_SIZE(name) == length and memcmp(PyBytes_AS_STRING(name), text, length) == 0


cdef int _script(Client c, Batch* b, Request* r, dict known, bint read_only) except -1:
    """known: scripts by what the first argument is."""
    cdef int64_t keys
    cdef Run run
    cdef bytes name
    if not _plain(c, r, b, &keys):
        return 0
    if known is not _last.known or not _is(_last.name, arg_at(b, r, 1), arg_length(b, r, 1)):
        name = PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))
        script = known.get(name)
        if script is None and known is _scripts.by_body:
            script = _compiled(name)
        elif script is None and name.lower() not in known:
            return _refuse(c, <Record>r.record)
        if script is None or script.flags is not None:
            return 0
        _last.known, _last.name, _last.sha, _last.function = known, name, script.sha, script.function
    clock_refresh()                    # what the script sees all along
    run = Run.__new__(Run)
    run.begin(_server, _executor, _propagation, _client, c, _last.sha, True, read_only, False)
    _run(c, b, r, _scripts.interpreter, _last.function, run, <uint32_t>keys)
    return 1


cdef object _compiled(bytes body):
    """A script that is new; None: the definition says what is wrong with it, or what its first line declares."""
    if body.startswith(b"#!"):
        return None
    try:
        return _scripts.load(body)
    except CommandError:
        return None


cdef int _refuse(Client c, Record record) except -1:
    """Clients try EVALSHA first, and send the script when it is not known."""
    record.failed += 1
    _errors.count(_NO_SCRIPT)
    write_error(&c.out, PyBytes_AS_STRING(_NO_SCRIPT), PyBytes_GET_SIZE(_NO_SCRIPT))
    return 1


cdef int _eval(Client c, Batch* b, Request* r) except -1:
    return _script(c, b, r, _scripts.by_body, False)


cdef int _eval_ro(Client c, Batch* b, Request* r) except -1:
    return _script(c, b, r, _scripts.by_body, True)


cdef int _evalsha(Client c, Batch* b, Request* r) except -1:
    return _script(c, b, r, _scripts.cached, False)


cdef int _evalsha_ro(Client c, Batch* b, Request* r) except -1:
    return _script(c, b, r, _scripts.cached, True)


cdef class LastFunction:
    """The function that was called last, and what it says of itself, which does not change."""
    cdef object function
    cdef bytes name
    cdef int flags, number


cdef LastFunction _last_function = LastFunction()


cdef int _function(Client c, Batch* b, Request* r, bint read_only) except -1:
    cdef int64_t keys
    cdef int flags
    cdef Run run
    cdef dict functions
    cdef bytes name
    if not _plain(c, r, b, &keys):
        return 0
    functions = _functions.functions
    name = PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))
    function = functions.get(name)     # keys are in small letters
    if function is None:
        function = functions.get(name.lower())
        if function is None:
            return 0
    if function is not _last_function.function:
        _last_function.function, _last_function.flags = function, function.flags
        _last_function.number, _last_function.name = function.number, function.name
    flags = _last_function.flags
    if (flags & ~(_NO_WRITES | _ALLOW_OOM)
            or (not flags & _NO_WRITES and (read_only or state.writes & ~<uint32_t>WRITES_ASKED))):
        return 0
    clock_refresh()                    # what the script sees all along
    run = Run.__new__(Run)
    run.begin(_server, _executor, _propagation, _client, c, _last_function.name, False, flags & _NO_WRITES != 0,
              flags & _ALLOW_OOM != 0)
    if state.all & SLOW_CLUSTER:
        run.keep_to_slot(PyBytes_FromStringAndSize(arg_at(b, r, 3), arg_length(b, r, 3)) if keys else None)
    _run(c, b, r, _functions.interpreter, _last_function.number, run, <uint32_t>keys)
    return 1


cdef int _fcall(Client c, Batch* b, Request* r) except -1:
    return _function(c, b, r, False)


cdef int _fcall_ro(Client c, Batch* b, Request* r) except -1:
    return _function(c, b, r, True)


cdef int _run(Client c, Batch* b, Request* r, Interpreter where, int function, Run run, uint32_t keys) except -1:
    """Run it, and write its reply."""
    cdef Record record = <Record>r.record
    cdef uint64_t start = ticks()
    run.batch, run.request = b, r
    c.command = record.command
    begin_run(run)
    if _propagation.depth == 0:
        _propagation.loose = False
    _propagation.depth += 1
    try:
        reply = where.call_request(function, run.name, b, r, keys, run.eval, _count_error)
    finally:
        begin_run(None)
        _propagation.leave()
        if _propagation.wanted and run.wrote:
            c.written = _propagation.end()
        if run.timed_out:
            _scripting.end_busy(run)
        if <double>(ticks() - start) > LONG_US * clock_state().ticks_per_us:
            clock_refresh()            # the next command shall not see the script's time
    if isinstance(reply, Exception):
        record.failed += 1
        _count_error(reply)
    c.write(reply)
    if _executor.ready_keys:
        _executor.serve_ready_keys()
    return 0


cdef int _give(dict records, str name, fast_t fast) except -1:
    if name in records:                # else rename-command took it away
        (<Record>records[name]).fast = fast
    return 0


# ---- SCRIPT EXISTS
cdef int64_t _exists(Op* op) except -1:
    """A SHA1 is given in any case."""
    cdef dict cached
    cdef bytes sha
    cdef uint32_t at
    if _scripts is None:
        return DECLINED
    cached = _scripts.cached
    write_header(op.out, c'*', op.r.arg_count - 2)
    for at in range(2, op.r.arg_count):
        sha = PyBytes_FromStringAndSize(word_at(op, at), length_at(op, at))
        write_integer(op.out, sha in cached or sha.lower() in cached)
    return 0


row("script|exists", FREE | UNKEYED, ANY_TYPE, _exists)


# ---- FUNCTION LIST, STATS, DUMP
cdef list _ABOUT = [b"LIST", b"STATS", b"DUMP"]


cdef int64_t _told(Op* op) except -1:
    """What the definition said before, while it is true."""
    cdef object wire
    if _functions is None or op.r.arg_count != 2 or is_running():
        return DECLINED
    wire = (<dict>_functions.kept).get((_ABOUT[op.how], (<Client>op.client).resp))
    if wire is None:
        return DECLINED
    write_raw(op.out, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire))
    return 0


row("function|list", FREE | UNKEYED, ANY_TYPE, _told, "", 0)
row("function|stats", FREE | UNKEYED, ANY_TYPE, _told, "", 1)
row("function|dump", FREE | UNKEYED, ANY_TYPE, _told, "", 2)


def attach(server, scripting, client, dict records) -> None:
    """Give the commands that run scripts these fast paths."""
    global _scripting, _scripts, _functions, _server, _executor, _propagation, _client, _count_error, _errors
    _server, _scripting, _client = server, scripting, client
    _scripts, _functions = scripting.scripts, scripting.functions
    _executor, _propagation = server.executor, server.propagation
    _count_error, _errors = server.stats.count_error, server.stats.error_counts
    _give(records, "eval", _eval)
    _give(records, "eval_ro", _eval_ro)
    _give(records, "evalsha", _evalsha)
    _give(records, "evalsha_ro", _evalsha_ro)
    _give(records, "fcall", _fcall)
    _give(records, "fcall_ro", _fcall_ro)
