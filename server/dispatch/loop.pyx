# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject

from iothreads.connection cimport QueryMeter
from iothreads.handoff cimport (EVENT_ACCEPTED, EVENT_BATCH, EVENT_CLOSED, EVENT_HOME, EVENT_OF_LINK, EVENT_OPENED, Event,
                                IOThreads, Start)
from iothreads.link cimport Link, Links
from iothreads.message cimport Batch, Request, arg_at, arg_length, batch_leave_buffer, output_clear, output_cut
from iothreads.ring cimport load_relaxed64
from iothreads.tls cimport tls_transport
from server.clients.blocking cimport above
from server.clients.client cimport (CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_ASAP, CLIENT_IMPORTS, CLIENT_MASTER,
                                    CLIENT_MULTI, CLIENT_PAUSED, CLIENT_REPLICA, CLIENT_UNIX_SOCKET, SLOW_MULTI,
                                    SLOW_RESTRICTED, SLOW_STRANGER, SLOW_TRACKING, Client)
from server.clients.tracking cimport speaker
from server.dispatch.conditions cimport SLOW_LOADING, SLOW_SCRIPT, state
from server.dispatch.door cimport (SOCKET, comes_again, door, may_pass, may_pass_from_master, note_sample, pass_again,
                                   passed, passed_apart, sampling_)
from server.dispatch.evicting cimport has_room, make_room
from server.dispatch.executor cimport Executor
from server.dispatch.fastpath_replica cimport acknowledgement_step
from server.dispatch.fastpath_transaction cimport transaction_step
from server.dispatch.load cimport KINDS, TURN_CLASSES, Payload, load_of
from server.dispatch.long_names cimport pass_over_long
from server.dispatch.record cimport AHEAD_KEY, Record, record_of, subcommand_pointer
from server.dispatch.refusals cimport refusal_step
from server.dispatch.sampling cimport Sampling
from server.dispatch.timers cimport Timers
from server.dispatch.tracked cimport after_command
from server.dispatch.waking cimport waiting_step, waking_step
from server.observe.histogram cimport Histogram, histogram_add
from server.registry.clock cimport Clock, clock_refresh, clock_state, monotonic_us, ticks
from server.structures.blob cimport Blob, blob_release
from server.structures.block_stream cimport TO_REPLICAS, Stream
from server.structures.table cimport (KEY_LENGTH_MASK, Table, table_hash, table_prefetch_bucket, table_prefetch_chain,
                                      table_prefetch_entry)

import os
from functools import partial

from iothreads.ends import ends_of
from server.dispatch.door import use
from server.observe.internal_errors import internal_errors
from server.registry.errors import PROTOCOL_ERRORS
from server.registry.reply_reader import read_reply


cdef enum:
    GROUP = 32                         # batches that are prefetched and executed together, at most ...
    LAZYFREE_SLICE_US = 1000           # per turn, for what UNLINK, FLUSHALL ASYNC and large values left behind
    WARM = 64                          # ... and as soon as they hold so many commands: more would push each other out

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil

cdef uint64_t _turns[TURN_CLASSES]     # turns by the bits of their microseconds
cdef Histogram _waits                  # microseconds from the hand-over of a batch to its first command
cdef Payload _payloads[KINDS]          # by Record.kind
cdef int64_t _turn_us = 0              # when this turn's work began ...
cdef uint64_t _turn_ticks = 0          # ... and what ticks() said then: batches need no clock of their own
cdef Clock* _clock = clock_state()

cdef uint64_t _HELD = CLIENT_BLOCKED | CLIENT_PAUSED | CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY


cdef inline size_t end_of(Batch* b, uint32_t i) noexcept:
    """Where in the buffer command i ends. What a master sends is RESP; only its newlines between have no bytes of theirs."""
    return b.commands[i].bytes + b.commands[i].bytes_length


cdef inline void note_turn() noexcept:
    global _turn_us, _turn_ticks
    _turn_us = _clock.monotonic_us
    _turn_ticks = ticks()


cdef inline void note_wait(Batch* b, uint64_t now) noexcept:
    """The first command of a batch is about to run. now: ticks()."""
    cdef int64_t waited = _turn_us + <int64_t>(<double>(now - _turn_ticks) / _clock.ticks_per_us) - b.ready_at
    b.ready_at = 0
    histogram_add(&_waits, <uint64_t>waited if waited > 0 else 0)


cdef inline size_t grown(Client client, size_t written) noexcept:
    """Bytes of reply since there were `written`. Fewer than those: a command served others meanwhile, and replies left."""
    return client.out.bytes - written if client.out.bytes >= written else client.out.bytes


cdef size_t note_payload(Client client, Request* r, size_t written) noexcept:
    """After a command that took the way through Python; returns how many bytes are written now."""
    cdef int kind = (<Record>r.record).kind if r.record != NULL else 2
    histogram_add(&_payloads[kind].requests, r.bytes_length)
    histogram_add(&_payloads[kind].replies, grown(client, written))
    return client.out.bytes


cdef int _answered(object loop, Client client) except -1:
    return (<Loop?>loop).answered(client)


above.resume = _answered


cdef class Loop:
    """One turn: before_sleep (expiry, propagation, then replies leave), wait, execute what came, time events."""

    def __cinit__(self, IOThreads io, server, Executor executor):
        self.io = io
        self.links = Links(io, read_reply, internal_errors.note)
        self.server = server
        self.executor = executor
        self.propagation = executor.propagation
        self.lazyfree = server.keyspace.lazyfree
        self.connected = {}
        self.load = load_of(&_waits, _payloads, _turns)
        self.to_flush = []
        self.to_close = []
        self.to_resume = []
        self.before_sleep = []
        self.gone = []
        self.secured = []
        self.timers = Timers()
        self.sampling = Sampling()
        use(server.note_slow, self.sampling)
        self.output_watermark = self.stranger_watermark = <uint64_t>-1
        self.unapplied = b""

    def run(self) -> None:
        """Serve until `stopping` is set. A mistake of ours in a turn is logged, and the server lives on."""
        cdef int64_t started = monotonic_us()
        while not self.stopping:
            try:
                started = self.turn(started, -1)
            except Exception:
                internal_errors.note("A turn of the loop")
                self.pick_up()

    cdef int pick_up(self) except -1:
        """After a turn that broke off: whoever has commands in hand goes on with them."""
        cdef Client client
        for client in self.connected.values():
            if client.batch != NULL and client not in self.to_resume:
                self.to_resume.append(client)
        return 0

    def turn_once(self, int timeout_ms) -> None:
        """One turn that waits at most so long: for code that must keep serving while it works (loading, busy scripts).
        Whose command that is may leave meanwhile, and is forgotten when it is over."""
        cdef bint unprotected = self.protected is None and speaker.client != NULL
        if unprotected:
            self.protect(<Client>speaker.client)
        try:
            self.rest_of_group()
            self.turn(monotonic_us(), timeout_ms)
        finally:
            if unprotected:
                self.protect(None)

    cdef int64_t turn(self, int64_t started, int timeout_ms) except? -1:
        """One turn; `started` is when its work began (monotonic us). Returns when the next turn's work began."""
        cdef bint busy = False
        cdef int wait_ms
        cdef int64_t now, due
        if self.before_sleep:
            for hook in list(self.before_sleep):
                if self.call_hook(hook):
                    busy = True
        if self.lazyfree.pending and self.lazyfree.run(LAZYFREE_SLICE_US):
            busy = True
        if self.propagation.out.bytes or self.propagation.gathering:
            self.propagation.flush()
        self.flush()
        now = monotonic_us()
        self.account(now - started)
        due = self.timers.next_due_us
        if busy or self.to_flush or self.to_resume or self.to_close or self.stopping or due <= now:
            wait_ms = 0
        else:
            wait_ms = <int>min(<int64_t>1000000, (due - now + 999) // 1000)
        wait_ms = min(wait_ms, timeout_ms) if timeout_ms >= 0 else wait_ms
        self.io.poll(wait_ms)
        clock_refresh()
        started = _clock.monotonic_us
        note_turn()
        PyErr_CheckSignals()
        self.handle_events()
        if self.to_resume:
            self.resume_all()
        if self.gone and self.protected is None:
            self.forget_gone()
        if _clock.monotonic_us >= due:
            self.timers.run_due(_clock.monotonic_us)
        return started

    cdef int account(self, int64_t worked_us) except -1:
        cdef int bits = 64 - __builtin_clzll(worked_us) if worked_us > 0 else 0
        _turns[bits if bits < TURN_CLASSES else TURN_CLASSES - 1] += 1
        self.cycles += 1
        self.duration_us += worked_us
        if <uint64_t>worked_us > self.longest_us:
            self.longest_us = worked_us
        return 0

    cdef bint call_hook(self, hook) except -1:
        try:
            return bool(hook())
        except Exception:
            internal_errors.note("A hook of the loop")
            return False

    def somebody_waits(self) -> bool:
        """Whether the next turn has more to do than wait: replies that must leave, or sockets and messages."""
        return bool(self.to_flush or self.to_resume or self.to_close or self.propagation.out.bytes
                    or self.io.somebody_waits())

    def attend(self, hook, bint yes=True) -> None:
        """Have `hook()` called each turn before replies leave, or no more. It returns True when the loop must not wait.
        A hook stands here only while it has something to do: every turn pays for it."""
        if yes and hook not in self.before_sleep:
            self.before_sleep.append(hook)
        elif not yes and hook in self.before_sleep:
            self.before_sleep.remove(hook)

    # ---- what came
    cdef int handle_events(self) except -1:
        cdef PyObject* group[GROUP]
        cdef int count = 0
        cdef uint32_t commands = 0
        cdef Event* event
        cdef PyObject* closed
        cdef Client client
        cdef uint64_t before = door.commands + <uint64_t>self.executor.commands
        cdef int64_t started = 0
        while True:
            event = self.io.next_event()
            if event != NULL and event.kind == EVENT_BATCH:
                client = <Client>event.client
                client.batch = event.batch
                group[count] = <PyObject*>client
                count += 1
                commands += event.batch.command_count
                if count < GROUP and commands < WARM:
                    continue
            elif event != NULL and event.kind != EVENT_CLOSED:
                self.handle_event(event)       # before the group runs: what serves others meanwhile asks for events too
                continue
            closed = NULL if event == NULL or event.kind != EVENT_CLOSED else <PyObject*>event.client
            reason = None if closed == NULL or event.reason == NULL else <bytes>event.reason
            if count:
                if started == 0:
                    started = _clock.monotonic_us
                self.execute_group(group, count)
                count = commands = 0
            if event == NULL:
                break
            if closed != NULL:
                if reason is not None:
                    self.transport_failed(<Client>closed, reason)
                self.forget(<Client>closed)
        if started:
            self.command_us += monotonic_us() - started
            before = door.commands + <uint64_t>self.executor.commands - before
            if before > self.commands_per_cycle_max and <int64_t>before > 0:       # CONFIG RESETSTAT was not among them
                self.commands_per_cycle_max = before
        return 0

    cdef int handle_event(self, Event* event) except -1:
        cdef Client client
        if event.kind & EVENT_OF_LINK:
            return self.links.event(event)
        if event.kind == EVENT_HOME:
            client = <Client>event.client
            client.in_flight -= event.bytes
            client.bytes_out += event.bytes
        elif event.kind == EVENT_ACCEPTED:
            self.accept(event.fd, event.listener, event.error)
        elif event.kind == EVENT_OPENED:
            self.on_secured(<Client>event.client)
        return 0

    cdef int transport_failed(self, Client client, bytes reason) except -1:
        self.call_hook(partial(self.on_transport_failed, client, reason.decode("utf-8", "replace")))
        return 0

    cdef int accept(self, int fd, int listener, int error) except -1:
        cdef Client client
        try:
            client = self.on_accept(fd, listener, error)
        except Exception:
            internal_errors.note("Accepting a client")
            if fd >= 0:
                os.close(fd)
            return 0
        if client is None:
            return 0
        self.connected[client.id] = client
        if listener < len(self.secured) and self.secured[listener]:
            return self.accept_secured(client, fd)
        client.connection = self.io.adopt(fd, <void*>client, not client.state & CLIENT_UNIX_SOCKET,
                                          not client.slow & SLOW_STRANGER)
        return 0

    cdef int accept_secured(self, Client client, int fd) except -1:
        """A client that has to shake hands first."""
        cdef Start start
        memset(&start, 0, sizeof(Start))
        start.authenticated = not client.slow & SLOW_STRANGER
        start.keepalive, start.peer_begins, start.transport = -1, True, tls_transport()
        if self.tls is not None:
            start.state, start.quick = self.tls.state(b""), self.tls.quick
        if start.state == NULL:
            os.close(fd)
            return self.forget(client)
        client.connection = self.io.begin(fd, <void*>client, &start)
        return 0

    def make_client(self, Link link, Client client) -> None:
        """An open link goes on as a client's connection (a replica's to its master, once it follows the stream): what comes
        behind the reply or the bytes that are being heard are the client's commands. The link's protocol hears no more.

        Errors: ValueError, when the link is not open, or in the middle of something.
        """
        client.connection = self.links.give_away(link, <void*>client)
        client.fd = link.fd
        client.local_address = ends_of(link.fd)[1]
        client.in_flight += link.in_flight
        self.connected[client.id] = client

    cdef int forget(self, Client client) except -1:
        """The connection is gone for good."""
        client.state |= CLIENT_CLOSE_ASAP
        if client is self.protected:
            self.gone.append(client)
            return 0
        if client.batch != NULL:
            self.give_back(client.batch)
            client.batch = NULL
        client.connection = 0
        output_clear(&client.out)      # a replica's refers to the stream, which would be kept for nobody
        try:
            self.on_closed(client)
        except Exception:
            internal_errors.note("Forgetting a client")
        client.loop = None
        self.connected.pop(client.id, None)
        return 0

    def protect(self, Client client) -> None:
        """Keep what belongs to this client, its output too, although its connection may go: a command of it is under way
        that serves others meanwhile (turn_once), and may take back what it writes (pass_again). None: that is over."""
        if self.protected is not None:
            self.to_flush.append(self.protected)
        if client is not None:
            if client.queued:
                self.to_flush.remove(client)
            client.queued = True       # nobody queues it meanwhile
        self.protected = client

    def forget_gone(self) -> None:
        """Forget the protected clients that went."""
        while self.gone:
            self.forget(self.gone.pop())

    def everybody(self) -> list[Client]:
        """All clients that are connected."""
        return list(self.connected.values())

    # ---- execution
    cdef int execute_group(self, PyObject** group, int count) except -1:
        cdef int i
        cdef PyObject** outer = self.group         # of the turn within which turn_once was called
        cdef int outer_count = self.group_count, outer_at = self.group_at
        for i in range(count):
            self.warm_buckets(<Client>group[i])
        for i in range(count):
            self.warm_entries(<Client>group[i])
        for i in range(count):
            self.warm_chains(<Client>group[i])
        if self.on_group is not None:
            self.on_group([<Client>group[i] for i in range(count)])
        self.group, self.group_count, self.group_at = group, count, 0
        try:
            self.rest_of_group()
        finally:                       # the array is the caller's: nobody may find it here when that is gone
            self.group, self.group_count, self.group_at = outer, outer_count, outer_at
        return 0

    cdef int rest_of_group(self) except -1:
        """Execute what of the group has not been: a command that serves others meanwhile does not let these wait."""
        cdef Client client
        while self.group_at < self.group_count:
            client = <Client>self.group[self.group_at]
            self.group_at += 1
            if client.connection != 0 and client.batch != NULL:
                self.run_batch(client)
        return 0

    cdef void warm_buckets(self, Client client) noexcept:
        """Look up the commands of a batch and prefetch the buckets of their first keys."""
        cdef Batch* b = client.batch
        cdef Request* r = b.commands
        cdef Request* end = r + b.command_count
        cdef Table* table = client.db.table
        client.bytes_in += b.input_bytes
        while r < end:
            r.record = record_of(arg_at(b, r, 0), arg_length(b, r, 0))
            r.hash = 0
            if r.record != NULL and r.arg_count > 1 and (<Record>r.record).prefetch:
                if (<Record>r.record).prefetch == AHEAD_KEY:
                    r.hash = table_hash(arg_at(b, r, 1), arg_length(b, r, 1))
                    table_prefetch_bucket(table, r.hash)
                else:
                    r.record = subcommand_pointer(r.record, arg_at(b, r, 1), arg_length(b, r, 1))
            r += 1
        if b.used > KEY_LENGTH_MASK:
            pass_over_long(b)

    cdef void warm_entries(self, Client client) noexcept:
        cdef Request* r = client.batch.commands
        cdef Request* end = r + client.batch.command_count
        cdef Table* table = client.db.table
        while r < end:
            if r.hash:
                table_prefetch_entry(table, r.hash)
            r += 1

    cdef void warm_chains(self, Client client) noexcept:
        """Prefetch what follows the first entries, which are there by now: every third key stands behind another."""
        cdef Request* r = client.batch.commands
        cdef Request* end = r + client.batch.command_count
        cdef const Table* table = client.db.table
        while r < end:
            if r.hash:
                table_prefetch_chain(table, r.hash)
            r += 1

    cdef int run_batch(self, Client client) except -1:
        """Execute the rest of a client's batch; it goes back to its lane when nothing of it is left."""
        cdef PyObject* outer = speaker.client
        speaker.client = <PyObject*>client
        try:
            return self.run_commands(client)
        except Exception:              # a fast path, or the accounting: who knows what was written
            internal_errors.note("A batch of commands")
            client.close()
            return 0 if client.batch == NULL else self.finish(client)
        finally:
            speaker.client = outer

    cdef int run_commands(self, Client client) except -1:
        cdef Batch* b = client.batch
        cdef Request* r
        cdef PyObject* said
        cdef uint64_t before, after, ns
        cdef size_t written
        cdef Payload* payload
        client.active_us = _clock.monotonic_us
        if client.state & (CLIENT_MASTER | CLIENT_IMPORTS):
            return self.run_master(client) if client.state & CLIENT_MASTER else self.run_import(self, client)
        has_room() or make_room()      # reads, too, find gone what an earlier command has left no room for
        before = ticks()
        if b.ready_at:
            note_wait(b, before)
        written = client.out.bytes
        while b.next < b.command_count:
            if client.state & _HELD:
                return self.hold(client)
            r = &b.commands[b.next]
            b.next += 1
            said = <PyObject*>r.record         # casts of a pointer, so that nothing is counted up and down for each command
            if may_pass(said, client, b, r, SOCKET) and (<Record>said).fast(client, b, r):
                passed(said, client, b, r, &before, r.bytes_length + client.out.bytes - written, True)
            elif not comes_again(client) or not pass_again(said, client, b, r, &before, written):
                self.run_slow(client, b, r)
                after = ticks()
                ns = <uint64_t>(<double>(after - before) * door.ns_per_tick)
                before = after
                sampling_.left -= 1
                if sampling_.left == 0:
                    note_sample(client, b, r, ns, r.bytes_length + grown(client, written))
                    before = ticks()
                written = note_payload(client, r, written)
                continue
            if <PyObject*>client.command != <PyObject*>(<Record>said).command:
                client.command = (<Record>said).command
            payload = &_payloads[(<Record>said).kind]
            histogram_add(&payload.requests, r.bytes_length)
            histogram_add(&payload.replies, client.out.bytes - written)
            written = client.out.bytes
        if not client.queued and client.out.bytes:
            client.queued = True
            self.to_flush.append(client)
        return self.finish(client)

    # ---- what our master says
    cdef int run_master(self, Client client) except -1:
        """Execute the stream of our master: nobody hears replies, nothing is asked that its master was asked already, and
        what was applied goes on to our replicas as it came. Inside MULTI nothing counts as applied."""
        cdef Batch* b = client.batch
        cdef Request* r
        cdef PyObject* said
        cdef uint64_t before
        cdef size_t start, done
        if state.all & (SLOW_LOADING | SLOW_SCRIPT):        # a nested turn: the stream waits for what holds us
            self.to_resume.append(client)
            return 0
        start = done = 0 if b.next == 0 else end_of(b, b.next - 1)
        before = ticks()
        client.db.keyspace.show_expired = True
        try:
            while b.next < b.command_count and not client.state & _HELD:
                r = &b.commands[b.next]
                b.next += 1
                said = <PyObject*>r.record
                if may_pass_from_master(said, client, b, r) and (<Record>said).fast(client, b, r):
                    passed_apart(said, client, b, r, &before, r.bytes_length)
                    client.command = (<Record>said).command
                else:
                    self.run_slow(client, b, r)
                    before = ticks()
                    if client.state & CLIENT_PAUSED:   # CLIENT PAUSE holds the stream, too: the same command again later
                        break
                    if client.out.bytes and client.out.head.bytes[0] == c'-':
                        self.on_master_error(client, PyBytes_FromStringAndSize(client.out.head.bytes, client.out.head.used))
                if not client.state & CLIENT_MULTI:
                    done = end_of(b, b.next - 1)
                    self.applied_db = client.db.index
                output_clear(&client.out)
        finally:
            client.db.keyspace.show_expired = False
        self.pass_on_master(client, b, start, done)
        return self.hold(client) if b.next < b.command_count else self.finish(client)

    cdef int pass_on_master(self, Client client, Batch* b, size_t start, size_t done) except -1:
        """Bytes `start` to `done` of the batch are applied, and so is what stood before them in a transaction."""
        cdef Stream stream = self.propagation.stream
        cdef size_t end = end_of(b, b.next - 1) if b.next else 0
        if done > start:
            if self.unapplied:
                stream.write(self.unapplied, TO_REPLICAS)
                self.unapplied = b""
            stream.append(b.buffer + start, done - start, TO_REPLICAS)
        if end > done:
            self.unapplied += PyBytes_FromStringAndSize(b.buffer + done, end - done)
        if done > start:
            self.on_applied(self.applied_db)
        return 0

    def holds_commands(self, Client client) -> bool:
        """Whether commands of the client wait for something (CLIENT PAUSE, a script that is busy)."""
        return client.batch != NULL

    cdef int run_slow(self, Client client, Batch* b, Request* r) except -1:
        """A command that no fast path took."""
        cdef list argv = None
        cdef uint32_t i, index = b.next - 1
        cdef size_t written = client.out.bytes
        cdef uint64_t turn = self.cycles
        client.commands += 1
        try:
            if (refusal_step(self.executor.errors, client, b, r)
                    or (client.state & CLIENT_REPLICA and acknowledgement_step(self.executor, client, b, r))
                    or waking_step(client, b, r) or waiting_step(client, b, r)):
                return 0
            if client.slow & ~<uint32_t>(SLOW_RESTRICTED | SLOW_TRACKING) == SLOW_MULTI \
                    and transaction_step(self.executor, client, b, r):
                return after_command(client, r) if client.slow & SLOW_TRACKING else 0
            argv = [PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i)) for i in range(r.arg_count)]
            self.executor.process(client, argv, r.record)
        except Exception:
            self.broke_off(client, argv, written, turn)
        if client.slow & SLOW_TRACKING:
            after_command(client, r)
        if client.state & CLIENT_PAUSED:
            b.next = index             # postponed: the same command again later
        return 0

    cdef int broke_off(self, Client client, list argv, size_t written, uint64_t turn) except -1:
        """A mistake of ours ended a command in the middle: one error is its reply, in place of what was written since the
        client had `written` bytes of replies in that turn of the loop. When those may have left, or the client already
        waits for something, it cannot be kept in step."""
        error = internal_errors.note("A command", argv if argv is not None else ())
        if self.cycles != turn or client.state & (CLIENT_BLOCKED | CLIENT_PAUSED):
            client.close()
            return 0
        output_cut(&client.out, written)
        return client.write(error)

    cdef int hold(self, Client client) except -1:
        """Blocked or postponed clients keep their batch; closing ones are done with it."""
        if not client.queued and client.out.bytes:
            client.queued = True
            self.to_flush.append(client)
        if client.state & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY):
            return self.finish(client)
        return 0

    cdef int finish(self, Client client) except -1:
        cdef Batch* b = client.batch
        cdef int error = b.error
        client.query_memory = b.memory
        client.query_used = b.buffered
        if error and not client.state & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY):
            self.server.protocol_error(client, PROTOCOL_ERRORS.get(error, "").format(chr(b.error_byte)))
        if client.state & CLIENT_BLOCKED:
            return 0
        client.batch = NULL
        b.authenticated = not client.slow & SLOW_STRANGER
        self.give_back(b)
        return 0

    cdef void give_back(self, Batch* b) noexcept:
        cdef Blob* value = <Blob*>b.holder
        if value != NULL:              # it lies in the buffer, which is its own
            batch_leave_buffer(b)
            blob_release(value)
        self.io.give_back(b)

    def resume(self, Client client) -> None:
        """Let a client that was blocked or postponed go on with its batch."""
        client.state &= ~<uint64_t>(CLIENT_BLOCKED | CLIENT_PAUSED)
        self.to_resume.append(client)

    cdef int answered(self, Client client) except -1:
        """The same for one that was answered just now."""
        client.state &= ~<uint64_t>(CLIENT_BLOCKED | CLIENT_PAUSED)
        self.to_resume.append(client)
        if not client.queued and client.out.bytes:
            client.queued = True
            self.to_flush.append(client)
        return 0

    cdef int resume_all(self) except -1:
        cdef list waiting = self.to_resume
        cdef Client client
        self.to_resume = []
        for client in waiting:
            if client.batch != NULL and not client.state & (CLIENT_BLOCKED | CLIENT_PAUSED):
                self.run_batch(client)
        return 0

    # ---- what leaves
    cdef int flush(self) except -1:
        """Hand every client's replies to its lane, then close whom we said we would."""
        cdef list clients = self.to_flush
        cdef Client client
        cdef size_t bytes, left
        if clients:
            self.to_flush = []
            for client in clients:
                client.queued = False
                if client.out.bytes + client.in_flight >= self.output_watermark:
                    self.check_output(client)
                if client.connection != 0 and client.out.bytes and not client.state & CLIENT_CLOSE_ASAP:
                    bytes = client.out.bytes
                    left = self.io.send(client.connection, &client.out)
                    client.in_flight += bytes - left
                    client.bytes_out += left
                    if left < bytes and client.slow & SLOW_STRANGER and client.in_flight >= self.stranger_watermark:
                        self.check_output(client)
        if self.links.told:
            self.links.flush()
        if self.on_flushed is not None:
            self.on_flushed(clients)
        if self.to_close:
            clients = self.to_close
            self.to_close = []
            for client in clients:
                if client.connection != 0:
                    self.io.close(client.connection, not client.state & CLIENT_CLOSE_ASAP)
                elif client.loop is not None:      # it never had one
                    self.forget(client)
        self.io.flush_wakes()
        return 0

    cdef int check_output(self, Client client) except -1:
        try:
            self.on_output(client)
        except Exception:
            internal_errors.note("Looking at a client's output")
            client.close()
        return 0

    # ---- what requests hold
    def query_of(self, Client client) -> tuple[int, int]:
        """Query buffer of a client in bytes: what it holds, and how much of that is filled. Between requests it holds
        what the last one needed, until `shrink_query`."""
        cdef QueryMeter* meter
        cdef uint64_t memory
        if client.batch != NULL:
            return client.batch.memory, client.batch.used
        meter = self.io.meter(client.connection)
        memory = 0 if meter == NULL else load_relaxed64(&meter.memory)
        if memory:
            return memory, load_relaxed64(&meter.used)
        return client.query_memory, 0

    def unexecuted_of(self, Client client) -> int:
        """Bytes that a client sent and whose commands were not executed: CLIENT PAUSE holds them, or one is not whole."""
        cdef Batch* b = client.batch
        return self.query_of(client)[1] if b == NULL else b.used - (end_of(b, b.next - 1) if b.next else 0)

    def query_memory_of(self, Client client) -> int:
        """What the requests of a client really hold, bytes: between requests its buffer serves others."""
        return client.batch.memory if client.batch != NULL else self.partial_memory_of(client)

    def partial_memory_of(self, Client client) -> int:
        """Its share of `partial_memory`, bytes."""
        cdef QueryMeter* meter = self.io.meter(client.connection) if client.batch == NULL else NULL
        return 0 if meter == NULL else load_relaxed64(&meter.memory)

    def heard_us(self, Client client) -> int:
        """When anything came from it last, monotonic us: half a request, or the newlines of a replica that loads, too."""
        cdef QueryMeter* meter = self.io.meter(client.connection)
        cdef int64_t read = 0 if meter == NULL else load_relaxed64(&meter.read_us)
        return max(client.active_us, read)

    def shrink_query(self, Client client) -> None:
        """This client has been idle: a buffer that it does not fill is let go of."""
        client.query_memory = 0
        if client.batch == NULL:
            self.io.shrink(client.connection)

    @property
    def fast_commands(self) -> int:
        """Commands that took their fast path since the start or CONFIG RESETSTAT."""
        return door.commands

    @property
    def partial_memory(self) -> int:
        """What half-read requests of all clients hold, bytes. Complexity: O(lanes)."""
        return self.io.query_memory()

    # ---- for server.server
    def listen(self, list listeners) -> None:
        """Replace the listening sockets (iothreads.listen.Listener)."""
        self.secured = [listener.kind == "tls" for listener in listeners]
        self.io.listen(listeners)
        self.io.shake_hands_away(True in self.secured)

    def resize(self, int threads) -> None:
        """CONFIG SET io-threads."""
        self.io.resize(threads)

    def lane_stats(self) -> list[dict]:
        """What each lane did (iothreads.handoff.LaneStats), lane 0 first."""
        return self.io.stats()

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.load.reset()
        self.io.reset_peaks()
        self.cycles = self.duration_us = self.command_us = self.longest_us = self.commands_per_cycle_max = 0
        door.commands = 0
