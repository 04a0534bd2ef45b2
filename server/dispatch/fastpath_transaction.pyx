# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The fast paths of MULTI, WATCH, UNWATCH, DISCARD and EXEC, and of what is queued between them.

Inside MULTI the door is shut (SLOW_MULTI), so the loop asks `transaction_step` before it takes the way through Python.
A command is queued here when no gate could refuse it, and when it is of a kind that cannot change how
the client is answered (RULE_QUEUED): one that can (CLIENT REPLY, HELLO ...) is queued by the executor, and such a
transaction is not `plain`: its EXEC is the definition's.

EXEC, native or not, runs the queue in `_run_all`: each command by its fast path, if it has one that does not decline,
else by its definition. No gate is asked again, as in Redis: they have passed. Only what the user may do may have changed.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Output, Request, arg_at, arg_length, output_cut
from iothreads.resp_writer cimport write_header, write_raw
from server.clients.client cimport (CLIENT_DENY_BLOCKING, CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_FAKE, CLIENT_MULTI,
                                    SLOW_MULTI, SLOW_RESTRICTED, SLOW_TRACKING, Client)
from server.clients.multi cimport unwatch, watch, watched_expired
from server.clients.transaction cimport Transaction, begin_transaction, end_transaction
from server.dispatch.call cimport Call, new_call
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.door cimport (GATED_WRITES, IN_EXEC, NO_SLOT, door, fits, is_permitted, is_slow, may_pass, passed,
                                   serves, ungated)
from server.dispatch.evicting cimport has_room
from server.dispatch.executor cimport Executor
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport RULE_EXEC, RULE_QUEUED, RULE_SPREADS, Record
from server.dispatch.shapes cimport by_hand
from server.dispatch.tracked cimport after_fast
from server.registry.clock cimport Clock, clock_refresh, clock_state, ticks
from server.registry.reply_writer cimport WrittenReply, write_reply


from server.dispatch.gates import forbidden_by_now
from server.observe.internal_errors import internal_errors

cdef Clock* _clock = clock_state()


cdef inline uint64_t _ns_since(uint64_t start) noexcept:
    return <uint64_t>(<double><int64_t>(ticks() - start) * 1000.0 / _clock.ticks_per_us)


# ---- MULTI and what follows
cdef int _multi(Client c, Batch* b, Request* r) except -1:
    if c.state & CLIENT_FAKE:          # a script may not, and a file is replayed by its own rules
        return 0
    begin_transaction(c)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _watch(Client c, Batch* b, Request* r) except -1:
    cdef uint32_t i
    if c.state & CLIENT_FAKE:
        return 0
    if not c.state & CLIENT_DIRTY_CAS:
        for i in range(1, r.arg_count):
            watch(c, PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i)))
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _unwatch(Client c, Batch* b, Request* r) except -1:
    if c.state & CLIENT_FAKE:
        return 0
    if c.watching is not None:
        unwatch(c)
    c.state &= ~<uint64_t>CLIENT_DIRTY_CAS
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _discard(Client c, Batch* b, Request* r) except -1:
    if not c.state & CLIENT_MULTI or c.state & CLIENT_FAKE:
        return 0
    end_transaction(c)
    if c.watching is not None:
        unwatch(c)
    write_raw(&c.out, "+OK\r\n", 5)
    return 1


cdef int _discard_now(Executor executor, Client client, Batch* b, Request* r, Record record) except -1:
    cdef uint64_t start = ticks()
    client.command = record.command
    if not _discard(client, b, r):
        return 0
    record.account(_ns_since(start), state.track_latency)
    executor.commands += 1
    return 1


cdef int transaction_step(Executor executor, Client client, Batch* b, Request* r) except -1:
    cdef Record record
    cdef Transaction queued
    if r.record == NULL or state.all & ~<uint32_t>SLOW_CLUSTER or not has_room() or not fits(<PyObject*>r.record, r.arg_count):
        return 0
    record = <Record>r.record
    if record.rules & RULE_EXEC and is_permitted(<PyObject*>record, client, b, r):
        return _exec(executor, client, r, record)
    if record.fast == _discard and is_permitted(<PyObject*>record, client, b, r):
        return _discard_now(executor, client, b, r, record)
    if (not record.rules & RULE_QUEUED or not ungated(record, client, SLOW_MULTI | SLOW_RESTRICTED)
            or not is_permitted(<PyObject*>record, client, b, r)
            or (state.all and not serves(<PyObject*>record, client, b, r))):
        return 0
    if not client.state & (CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC):
        queued = <Transaction>client.transaction
        queued.add(b, r)
        queued.writes |= record.write
        queued.slow |= record.fast == NULL
        queued.spreads |= record.rules & RULE_SPREADS != 0
    client.command = record.command
    write_raw(&client.out, "+QUEUED\r\n", 9)
    return 1


# ---- EXEC
cdef int _exec(Executor executor, Client client, Request* r, Record record) except -1:
    """Where nothing forbids it; every other end of a transaction is the definition's."""
    cdef Transaction queued = <Transaction>client.transaction
    cdef Propagation propagation = executor.propagation
    cdef bint could_block = not client.state & CLIENT_DENY_BLOCKING
    cdef bint subscribed = client.subscriptions is not None
    cdef uint64_t start, ns
    if (r.arg_count != 1 or not queued.plain or client.state & (CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC)
            or (queued.writes and state.writes & GATED_WRITES) or propagation.depth
            or (state.all and not _serves_all(client, queued))):
        return 0
    if client.watching is not None:
        if watched_expired(client):
            return 0
        unwatch(client)                # early: our own writes need not look for us
    if queued.slow:
        clock_refresh()
    client.command = record.command
    client.state |= CLIENT_DENY_BLOCKING
    propagation.loose = False
    propagation.depth = 1
    if subscribed:
        client.hold_pushes()           # what it publishes to itself comes after the reply
    start = ticks()
    try:
        _run_all(executor, client, queued, &client.out)
    finally:
        if could_block:
            client.state &= ~<uint64_t>CLIENT_DENY_BLOCKING
        end_transaction(client)
        propagation.leave()
        if propagation.wanted:
            client.written = propagation.end()
        if subscribed:
            client.release_pushes()
    ns = _ns_since(start)
    record.account(ns, state.track_latency)
    executor.commands += 1
    if is_slow(ns):
        executor.server.note_slow(client, record.command, [b"EXEC"], ns // 1000)
    if ns > 1000000:
        clock_refresh()
    if executor.ready_keys:
        executor.serve_ready_keys()
    return 1


cdef bint _serves_all(Client client, Transaction queued) noexcept:
    """Of a cluster: whether the keys of all that is queued are of one slot, which this node serves."""
    cdef Request* r = queued.batch.commands
    cdef uint32_t i
    cdef int slot = NO_SLOT
    for i in range(queued.batch.command_count):
        if r[i].record == NULL or not serves(<PyObject*>r[i].record, client, &queued.batch, &r[i]):
            return False
        if door.slot != NO_SLOT and slot != NO_SLOT and door.slot != slot:
            return False
        if door.slot != NO_SLOT:
            slot = door.slot
    door.slot = slot
    return True


cdef inline void _swap(Output* one, Output* other) noexcept:
    cdef Output kept = one[0]
    one[0] = other[0]
    other[0] = kept


cdef bint _run_fast(Client client, Batch* b, Request* r, Output* to, bint aside) except -1:
    """Fast paths write to the client: what it has there waits meanwhile."""
    if aside:
        _swap(to, &client.out)
    try:
        return (<Record>r.record).fast(client, b, r)
    finally:
        if aside:
            _swap(to, &client.out)


cdef int _run_one(Executor executor, Client client, Transaction queued, uint32_t i, Output* to, bint aside,
                  uint64_t* start) except -1:
    """One queued command, its reply included; `start` is when it began, and becomes when it ended."""
    cdef Request* r = &queued.batch.commands[i]
    cdef Record record = <Record>r.record
    cdef size_t before = to.bytes
    cdef Call call
    queued.batch.next = i + 1
    if (may_pass(<PyObject*>record, client, &queued.batch, r, IN_EXEC) and record.rules & RULE_QUEUED
            and _run_fast(client, &queued.batch, r, to, aside)):
        passed(<PyObject*>record, client, &queued.batch, r, start, r.bytes_length + to.bytes - before, True)
        return after_fast(client, &queued.batch, r) if client.slow & SLOW_TRACKING else 0
    call = new_call(client, executor.server, record, queued.words(i))
    refusal = forbidden_by_now(call) if client.slow & SLOW_RESTRICTED else None
    write_reply(to, executor.call(call, record, True) if refusal is None else refusal, client.resp)
    start[0] = ticks()
    return 0


cdef int _run_all(Executor executor, Client client, Transaction queued, Output* to) except -1:
    """Run what is queued, and write the array of replies."""
    cdef uint32_t i
    cdef bint aside = to != &client.out
    cdef size_t before
    cdef uint64_t start
    if executor.propagation.depth:
        executor.propagation.gather()
    write_header(to, c'*', queued.batch.command_count)
    start = ticks()
    for i in range(queued.batch.command_count):
        before = to.bytes
        try:
            _run_one(executor, client, queued, i, to, aside, &start)
        except Exception:              # the array keeps its length, and the others run
            output_cut(to, before)
            write_reply(to, internal_errors.note("A command of a transaction", queued.words(i)), client.resp)
            start = ticks()
    return 0


def run_queued(Executor executor, Client client):
    """For EXEC's definition, inside its unit of propagation: run what is queued. The replies were made when the commands
    ran, each in the protocol that was spoken then (HELLO)."""
    cdef WrittenReply reply = WrittenReply.__new__(WrittenReply)
    _run_all(executor, client, <Transaction>client.transaction, &reply.output)
    return reply


by_hand("multi", _multi, False)      # EXEC has its own entrance
by_hand("watch", _watch)
by_hand("unwatch", _unwatch, False)
by_hand("discard", _discard, False)
