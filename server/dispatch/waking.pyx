# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A push to a list that somebody waits for: its fast path declines, so that the others need not look for what follows a
command, and runs here, where that is known: who waits is served at once, before the next command."""
from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Size
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport Client
from server.dispatch.door cimport SOCKET, may_pass, passed, sampling_
from server.dispatch.executor cimport Executor
from server.dispatch.record cimport Record
from server.dispatch.shapes cimport WAKES, run_awaited
from server.registry.clock cimport ticks


cdef bint waking_step(Executor executor, Client client, Batch* b, Request* r) except -1:
    cdef size_t written = client.out.bytes
    cdef uint64_t before
    if (r.record == NULL or PyDict_Size(client.db.blocking) == 0 or not (<Record>r.record).row.shape & WAKES
            or client.subscriptions is not None or not may_pass(<PyObject*>r.record, client, b, r, SOCKET)):
        return False
    before = ticks()
    if not run_awaited(client, b, r):
        return False
    client.command = (<Record>r.record).command
    passed(<PyObject*>r.record, client, b, r, &before, r.bytes_length + client.out.bytes - written, True)
    sampling_.left += 1                # the loop counts it, too
    executor.note_ready_key(client.db, PyBytes_FromStringAndSize(arg_at(b, r, 1), arg_length(b, r, 1)))
    executor.serve_ready_keys()
    return True
