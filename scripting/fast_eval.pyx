# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""EVALSHA without the way through Python: the script is looked up, given its words as they came, and run.

It declines (and the definition in commands_eval runs) for a script that declares flags, with maxmemory, and while somebody
hears of changes (AOF, replicas), where scripts are units of propagation.
"""
from libc.stdint cimport int64_t, uint32_t

from cpython.bytes cimport PyBytes_FromStringAndSize

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from scripting.interpreter cimport Interpreter
from scripting.redis_api cimport Run, begin_run
from server.clients.client cimport Client
from server.dispatch.conditions cimport Conditions, conditions
from server.dispatch.executor cimport Executor
from server.dispatch.fastpath cimport attach_fast_path
from server.dispatch.propagate cimport Propagation
from server.keyspace.database cimport parse_int64
from server.registry.clock cimport clock_refresh

cdef object _scripting = None          # run.Scripting
cdef object _server = None
cdef Executor _executor = None
cdef Propagation _propagation = None
cdef Client _client = None             # pretended
cdef object _count_error = None
cdef Conditions* _conditions = conditions()


cdef int _evalsha(Client c, Batch* b, Request* r) except -1:
    cdef int64_t keys
    cdef Interpreter where
    cdef Run run
    if r.arg_count < 3 or arg_length(b, r, 1) != 40 or _propagation.wanted or _conditions.max_memory:
        return 0
    if not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &keys) or keys < 0 or keys > <int64_t>r.arg_count - 3:
        return 0
    script = _scripting.scripts.cached.get(PyBytes_FromStringAndSize(arg_at(b, r, 1), 40))
    if script is None or script.flags is not None or _scripting.run is not None:
        return 0
    where = _scripting.scripts.interpreter
    clock_refresh()
    c.command = _scripting.evalsha
    run = Run.__new__(Run, _server, _client, c, script.sha, None, True, False, False, False)
    _scripting.run = run
    begin_run(run)
    _propagation.depth += 1
    try:
        reply = where.call_request(script.function, script.sha, b, r, <uint32_t>keys, _count_error)
    finally:
        begin_run(None)
        _scripting.run = None
        _propagation.depth -= 1
        if run.timed_out:
            _scripting.end_busy(run)
    if isinstance(reply, Exception):
        _scripting.evalsha.record.failed += 1
        _count_error(reply)
    c.write(reply)
    if _executor.ready_keys:
        _executor.serve_ready_keys()
    return 1


def attach(server, scripting, client, records) -> None:
    """Give EVALSHA this fast path."""
    global _scripting, _server, _executor, _propagation, _client, _count_error
    _server, _scripting, _client = server, scripting, client
    _executor, _propagation = server.executor, server.propagation
    _count_error = server.stats.count_error
    attach_fast_path(records, "evalsha", _evalsha, False)
