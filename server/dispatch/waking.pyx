# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Who waits, and who wakes: what the door, or the fast path, says no to, so that the others need not look for it.

`waiting_step`: BLPOP and its kin where there is nothing. Their files say what they wait for (`shapes.waits`); the client
stands in its queues at once, without a definition that would run to find the same.

`waking_step`: what makes a key that somebody waits for have elements, LPUSH, ZADD, XADD and their like. It runs here, where it is known
what follows: who waits is served at once, before the next command."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Contains, PyDict_Size
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.blocking cimport Blocking
from server.clients.client cimport Client
from server.dispatch.conditions cimport state
from server.dispatch.door cimport WAKING, may_pass, passed, sampling_
from server.dispatch.record cimport Op, Record, Wish
from server.dispatch.shapes cimport WAKES, begin_op, run_awaited
from server.registry.clock cimport ticks


cdef Blocking _blocking = None


def use(Blocking blocking) -> None:
    """Tell where clients wait."""
    global _blocking
    _blocking = blocking


cdef tuple _keys(Batch* b, Request* r, const Wish* wish):
    """Each once."""
    cdef uint32_t i
    if wish.end == wish.first + 1:
        return (PyBytes_FromStringAndSize(arg_at(b, r, wish.first), arg_length(b, r, wish.first)),)
    return tuple(dict.fromkeys([PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i))
                                for i in range(wish.first, wish.end)]))


cdef bint waiting_step(Client client, Batch* b, Request* r) except -1:
    """It changes nothing, so whoever watches, or waits, does not mind."""
    cdef Op op
    cdef Wish wish
    cdef list words
    if (r.record == NULL or (<Record>r.record).wish == NULL or client.subscriptions is not None
            or not may_pass(<PyObject*>r.record, client, b, r, WAKING)):
        return False
    words = []
    wish.on_no_key = False
    begin_op(&op, client, b, r)
    if not (<Record>r.record).wish(&op, &wish, words):
        return False
    client.command = (<Record>r.record).command
    _blocking.begin(client, client.command, wish.type, _keys(b, r, &wish), wish.ms, wish.on_no_key, words or None)
    return True


cdef bint waking_step(Client client, Batch* b, Request* r) except -1:
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
        _blocking.wake(client.db, key)
    return True
