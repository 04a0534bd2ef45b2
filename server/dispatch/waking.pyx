# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What makes a key that somebody waits for have elements, LPUSH, ZADD, XADD and their like: the door, or the fast path,
says no, so that the others need not look for what follows a command, and it runs here, where that is known: who waits
is served at once, before the next command."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Contains, PyDict_Size
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport Client
from server.dispatch.conditions cimport state
from server.dispatch.door cimport WAKING, may_pass, passed, sampling_
from server.dispatch.executor cimport Executor
from server.dispatch.record cimport Record
from server.dispatch.shapes cimport WAKES, run_awaited
from server.registry.clock cimport ticks


cdef bint waking_step(Executor executor, Client client, Batch* b, Request* r) except -1:
    cdef size_t written = client.out.bytes
    cdef int64_t dirty = state.dirty
    cdef uint64_t before
    cdef bytes key
    if (r.record == NULL or PyDict_Size(client.db.blocking) == 0 or not (<Record>r.record).row.shape & WAKES
            or r.arg_count < 2 or client.subscriptions is not None):
        return False
    key = PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1))
    if PyDict_Contains(client.db.watched, key) or not may_pass(<PyObject*>r.record, client, b, r, WAKING):
        return False
    before = ticks()
    if not run_awaited(client, b, r):
        return False
    client.command = (<Record>r.record).command
    passed(<PyObject*>r.record, client, b, r, &before, r.bytes_length + client.out.bytes - written, True)
    sampling_.left += 1                # the loop counts it, too
    if state.dirty != dirty:
        executor.server.blocking.wake(client.db, key)
    return True
