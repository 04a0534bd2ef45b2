# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What replicas say to us all the time: REPLCONF ACK. The door is shut for them, whose connection carries the stream and
no replies, so the loop asks here before it takes the way through Python."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.dict cimport PyDict_GetItem
from cpython.ref cimport PyObject

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport SLOW_RESTRICTED, Client
from server.dispatch.conditions cimport SLOW_CLUSTER, SLOW_EXPIRED_KEPT, state
from server.dispatch.door cimport is_slow
from server.dispatch.executor cimport Executor
from server.dispatch.record cimport Record
from server.registry.clock cimport Clock, clock_state, monotonic_us, ticks
from server.replication.standing cimport Standing
from server.replication.waiting cimport waiting_

cdef Clock* _clock = clock_state()


cdef inline bint _is(Batch* b, Request* r, uint32_t at, const char* lower, size_t length) noexcept:
    cdef const char* word = arg_at(b, r, at)
    cdef size_t i
    if arg_length(b, r, at) != length:
        return False
    for i in range(length):
        if word[i] | 32 != lower[i]:
            return False
    return True


cdef int acknowledgement_step(Executor executor, Client client, Batch* b, Request* r) except -1:
    """Of a replica that has been here for a while; the first one of a sync, and what is odd, is the definition's."""
    cdef uint64_t start = ticks(), ns
    cdef PyObject* found
    cdef Standing standing
    cdef Record record
    cdef int64_t offset, synced = -1
    if (client.slow & SLOW_RESTRICTED or state.all & ~<uint32_t>(SLOW_EXPIRED_KEPT | SLOW_CLUSTER) or r.record == NULL
            or not (r.arg_count == 3 or (r.arg_count == 5 and _is(b, r, 3, "fack", 4)
                                         and parse_int64(arg_at(b, r, 4), arg_length(b, r, 4), &synced)))
            or not _is(b, r, 1, "ack", 3) or not parse_int64(arg_at(b, r, 2), arg_length(b, r, 2), &offset)):
        return 0
    record = <Record>r.record
    found = PyDict_GetItem(waiting_.standings, client)
    if record.command.name != "replconf" or found == NULL or not (<Standing>found).is_settled():
        return 0
    standing = <Standing>found
    standing.acknowledged = max(standing.acknowledged, offset)
    standing.synced = max(standing.synced, synced)
    standing.heard = monotonic_us() / 1e6
    waiting_.look()
    client.command = record.command
    ns = <uint64_t>(<double>(ticks() - start) * 1000.0 / _clock.ticks_per_us)
    record.account(ns, state.track_latency)
    executor.commands += 1
    if is_slow(ns):
        executor.server.note_slow(client, record.command, [b"REPLCONF", b"ACK", b"%d" % offset], ns // 1000)
    return 1
