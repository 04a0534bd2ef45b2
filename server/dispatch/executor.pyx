# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.blocking cimport above
from server.clients.client cimport (CLIENT_BLOCKED, CLIENT_MONITOR, CLIENT_MULTI, CLIENT_NO_TOUCH, CLIENT_PAUSED, CLIENT_REPLY_OFF,
                                    CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT, SLOW_ASKING, SLOW_NO_TOUCH, SLOW_REPLY_MODE,
                                    SLOW_TRACKING, Client)
from server.clients.tracking cimport speaker
from server.clients.transaction cimport Transaction
from server.cluster.slot_table cimport SLOT_UNKNOWN
from server.dispatch.call cimport Call, new_call
from server.dispatch.conditions cimport SLOW_CLUSTER, SLOW_MONITORS, SLOW_WATCHED, state
from server.dispatch.door cimport SOCKET, WAKING, fits, is_slow, may_pass, passed, serves_words, ungated
from server.dispatch.long_names cimport names_too_long
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport (RULE_LOOSE, RULE_NOT_QUEUED, RULE_REMEMBERED, RULE_SKIP_MONITOR, RULE_SPREADS,
                                     Record, record_of)
from server.dispatch.refusals cimport unknown_command
from server.dispatch.tracked cimport after_command, remember_words
from server.observe.crash_handler cimport CrashContext, crash_context
from server.registry.clock cimport clock_refresh, clock_state, ticks
from server.registry.command_error cimport CommandError

from server.clients.cross_protocol import CrossProtocol, is_http
from server.clients.multi import discard, spoil
from server.clients.pause import spreads
from server.dispatch.gates import Postponed
from server.observe.internal_errors import internal_errors
from server.registry.command import COMMANDS
from server.registry.command import find as find_command
from server.registry.errors import NAME_TOO_LONG, unknown_subcommand_text, wrong_arity
from server.registry.reply import QUEUED

cdef extern from "Python.h":
    bint PyExceptionInstance_Check(object value)

cdef extern from *:
    """
    /* The exception just raised, as a value: without its traceback, whose frames know the call that will keep it. */
    static PyObject* remus_raised(void) {
        PyObject *type, *value, *frames;
        PyErr_Fetch(&type, &value, &frames);
        PyErr_NormalizeException(&type, &value, &frames);
        PyException_SetTraceback(value, Py_None);
        PyException_SetContext(value, NULL);
        PyException_SetCause(value, NULL);
        Py_XDECREF(type);
        Py_XDECREF(frames);
        return value;
    }

    /* Call a command's definition: (call, argv[skip], argv[skip + 1] ...). Arguments are held while it runs, for a command
       may take its words out of argv (passwords). What it raises of class `error` is its reply. */
    static PyObject* remus_define(PyObject* function, PyObject* call, PyObject* argv, Py_ssize_t skip, PyObject* error) {
        enum { FEW = 16 };
        PyObject* few[FEW + 1];
        PyObject** args = few;
        PyObject* reply;
        Py_ssize_t i, count = PyList_GET_SIZE(argv) - skip;
        if (count > FEW && (args = PyMem_Malloc((count + 1) * sizeof(PyObject*))) == NULL) return PyErr_NoMemory();
        args[0] = call;
        for (i = 1; i <= count; i++) {
            args[i] = PyList_GET_ITEM(argv, i + skip - 1);
            Py_INCREF(args[i]);
        }
        reply = PyObject_Vectorcall(function, args, count + 1, NULL);
        for (i = 1; i <= count; i++) Py_DECREF(args[i]);
        if (args != few) PyMem_Free(args);
        return reply == NULL && PyErr_ExceptionMatches(error) ? remus_raised() : reply;
    }
    """
    object define "remus_define"(object function, object call, object argv, Py_ssize_t skip, object error)

cdef enum:
    UNGATED_CLIENT = SLOW_NO_TOUCH
    FRESH_US = 20                      # commands that follow each other so closely share one reading of the clock

cdef uint64_t _read_at = 0             # ticks() at the last reading for a command
cdef CrashContext* _crash = crash_context()
cdef object _CommandError = CommandError
cdef object _Postponed = Postponed
cdef dict _COMMANDS = COMMANDS
cdef object _QUEUED = QUEUED


cdef inline void refresh_if_old() noexcept:
    """A command is about to begin: it shall see the time."""
    global _read_at
    cdef uint64_t now = ticks()
    if <double>(now - _read_at) > FRESH_US * clock_state().ticks_per_us:
        clock_refresh()
        _read_at = now


cdef inline bint takes_from_others(Client client, Batch* b, Request* r) noexcept:
    """Whether a command that had waited may take its fast path, others waiting too or not: those are served next."""
    return (r.record != NULL and (<Record>r.record).wish != NULL and not state.writes & SLOW_WATCHED
            and may_pass(<PyObject*>r.record, client, b, r, WAKING))


cdef list words_of_request(Client client):
    """Those of the request under way."""
    cdef Batch* b = client.batch
    cdef Request* r = &b.commands[b.next - 1]
    cdef uint32_t i
    return [PyBytes_FromStringAndSize(arg_at(b, r, i), arg_length(b, r, i)) for i in range(r.arg_count)]


cdef int _run_again(object executor, Client client, list argv) except -1:
    return (<Executor?>executor).run_again(client, argv)


above.run_again = _run_again


cdef class Executor:
    """One per server. `process` serves a client's command; `run` executes a command that has passed (EXEC, scripts, AOF)."""

    def __cinit__(self, server, Propagation propagation):
        self.server = server
        self.propagation = propagation
        self.errors = server.stats.error_counts
        self.ready_keys = ()
        self.cross_protocol = CrossProtocol(server.log)

    def find(self, list argv):
        """The registry Command that argv names. Errors: unknown command or subcommand, wrong arity."""
        cdef bytes name = argv[0]
        command = _COMMANDS.get(name.decode("latin-1").lower())
        if command is None:
            raise _CommandError(unknown_command(argv))
        if command.subcommands and len(argv) > 1:
            sub = command.subcommands.get((<bytes>argv[1]).decode("latin-1").lower())
            if sub is None and command.function is None:
                raise _CommandError(unknown_subcommand_text(argv[1], command.name))
            command = command if sub is None else sub
        if not command.arity_fits(len(argv)):
            raise wrong_arity(command.name)
        return command

    cdef int process(self, Client client, list argv, void* known) except -1:
        """Serve one command of a client: its reply is written, or it is queued, or postponed (CLIENT_PAUSED set)."""
        cdef Record record, sub
        cdef Call call
        cdef bytes name = argv[0]
        cdef int count = <int>len(argv)
        if known == NULL:
            known = record_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
            if names_too_long(argv):
                return self._reject(client, find_command(argv), _CommandError(NAME_TOO_LONG))
        if known == NULL:
            return self._process_gated(client, argv)
        record = <Record>known
        if record.subcommands is not None and count > 1:
            sub = record.subcommands.get(argv[1])      # nearly always spelled in one case
            if sub is None:
                sub = record.subcommands.get((<bytes>argv[1]).lower())
            if sub is not None:
                record = sub
        if record.function is not None and not fits(<PyObject*>record, count) and not client.slow & SLOW_ASKING:
            return self._reject(client, record.command, wrong_arity(record.command.name))
        if (record.function is None or not ungated(record, client, UNGATED_CLIENT)
                or (state.all & SLOW_CLUSTER and not serves_words(record, client, argv))
                or (state.max_memory and not self.server.make_room())):
            return self._process_gated(client, argv)
        client.command = record.command
        call = new_call(client, self.server, record, argv)
        return self._run_for_client(call, record)

    cdef int _process_gated(self, Client client, list argv) except -1:
        """The same when something may refuse it, or it may have to be queued. ASKING is good for the command behind it, or
        the transaction."""
        self._process_carefully(client, argv)
        if client.slow & SLOW_ASKING and not client.state & (CLIENT_MULTI | CLIENT_PAUSED | CLIENT_BLOCKED):
            command = find_command(argv)
            if command is None or command.name != "asking":
                client.slow &= ~<uint32_t>SLOW_ASKING
        return 0

    cdef int _process_carefully(self, Client client, list argv) except -1:
        cdef Call call
        cdef Record record
        command = None
        try:
            command = self.find(argv)
            client.command = command
            record = <Record>command.record
            call = new_call(client, self.server, record, argv)
            for check in command.gates:
                check(call)
            if client.state & CLIENT_MULTI and not record.rules & RULE_NOT_QUEUED:
                (<Transaction>client.transaction).queue(client, command, argv, spreads(call))
                self._write_or_skip(client, _QUEUED)
                return 0
        except _Postponed:
            client.state |= CLIENT_PAUSED
            return 0
        except _CommandError as error:
            if command is None:
                if is_http(argv):
                    self.cross_protocol.abort(client)
                    return 0
                command = find_command(argv)       # a wrong number of words counts as its rejection
            self._reject(client, command, error.bare())
            return 0
        if client.state & (CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP | CLIENT_REPLY_OFF):
            self._run_quietly(call, record)
            if self.ready_keys:
                self.serve_ready_keys()
            return 0
        return self._run_for_client(call, record)

    cdef int _run_for_client(self, Call call, Record record) except -1:
        """Run it, write its reply, and serve those who waited for what it made."""
        cdef Client client = call.client
        if client.subscriptions is None and not client.state & (CLIENT_MULTI | CLIENT_MONITOR):
            client.write(self.call(call, record, True))
        else:
            self._run_holding_pushes(call, record)
        if self.ready_keys:
            self.serve_ready_keys()
        return 0

    cdef int _run_holding_pushes(self, Call call, Record record) except -1:
        """What the client publishes to itself, or is shown of itself, comes after the reply."""
        call.client.hold_pushes()
        try:
            call.client.write(self.call(call, record, True))
        finally:
            call.client.release_pushes()
        return 0

    cdef int run_again(self, Client client, list argv) except -1:
        """A command that had waited runs once more, from the start, maybe within another client's. argv None: it is the
        request that the client still holds."""
        cdef PyObject* other = speaker.client
        speaker.client = <PyObject*>client
        try:
            if argv is None:
                self._fast_again(client) or self.process(client, words_of_request(client), NULL)
            elif not self._fast_in_other_words(client, argv):
                self.process(client, argv, NULL)
        finally:
            speaker.client = other
        if client.slow & SLOW_TRACKING:
            after_command(client, NULL)
        return 0

    cdef bint _fast_again(self, Client client) except -1:
        cdef Batch* b = client.batch
        return b != NULL and b.next != 0 and self._fast_once_more(client, b, &b.commands[b.next - 1])

    cdef bint _fast_in_other_words(self, Client client, list argv) except -1:
        """The words get the form of a request in a queue of their own."""
        cdef Transaction words = Transaction.__new__(Transaction)
        words.queue(client, find_command(argv), argv)
        if words.batch.command_count != 1:
            return False
        words.batch.next = 1
        words.batch.commands[0].slot = SLOT_UNKNOWN        # no lane has seen it
        return self._fast_once_more(client, &words.batch, &words.batch.commands[0])

    cdef bint _fast_once_more(self, Client client, Batch* b, Request* r) except -1:
        cdef size_t written = client.out.bytes
        cdef uint64_t before = ticks()
        if (not (takes_from_others(client, b, r) or may_pass(<PyObject*>r.record, client, b, r, SOCKET))
                or not (<Record>r.record).fast(client, b, r)):
            return False
        passed(<PyObject*>r.record, client, b, r, &before, r.bytes_length + client.out.bytes - written, True)
        return True

    cdef int _run_quietly(self, Call call, Record record) except -1:
        """CLIENT REPLY OFF and SKIP: SKIP covers exactly the command after it."""
        cdef Client client = call.client
        cdef bint skip = client.state & CLIENT_REPLY_SKIP_NEXT
        if skip:
            client.state = (client.state & ~<uint64_t>CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP
        if client.state & CLIENT_MONITOR:
            self._run_holding_pushes(call, record)
        else:
            client.write(self.call(call, record, True))
        if client.state & CLIENT_BLOCKED:
            return 0                   # SKIP is for what will be said when the waiting is over
        client.state &= ~<uint64_t>CLIENT_REPLY_SKIP
        if not client.state & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT):
            client.slow &= ~<uint32_t>SLOW_REPLY_MODE
        return 0

    cdef int _reject(self, Client client, command, error) except -1:
        if command is not None:
            (<Record>command.record).rejected += 1
        if client.state & CLIENT_MULTI:
            if command is not None and command.name == "exec":
                discard(client)
                error = _CommandError(b"EXECABORT Transaction discarded because of: " + error.text[4:]
                                      if error.text.startswith(b"ERR ") else
                                      b"EXECABORT Transaction discarded because of: " + error.text)
            else:
                spoil(client)
        self.errors.count((<CommandError>error).text)
        return self._write_or_skip(client, error)

    cdef int _write_or_skip(self, Client client, reply) except -1:
        """A reply without a call: CLIENT REPLY SKIP covers it like any other."""
        if client.state & (CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP):        # the latter: of one that had waited
            client.state &= ~<uint64_t>(CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP)
            if not client.state & CLIENT_REPLY_OFF:
                client.slow &= ~<uint32_t>SLOW_REPLY_MODE
            return 0
        return client.write(reply)

    def run(self, Client client, command, list argv, bint count_errors=True):
        """Execute a command that was looked up and passed its gates: its reply value, a CommandError included."""
        cdef Record record = <Record>command.record
        return self.call(new_call(client, self.server, record, argv), record, count_errors)

    cdef object call(self, Call call, Record record, bint count_errors):
        """Run the definition, and do what is done about every command: statistics, monitors, slow log, propagation."""
        cdef uint64_t start, ns
        cdef bint blocked
        cdef CrashContext running
        cdef Client client = call.client
        cdef bint untouching = client.state & CLIENT_NO_TOUCH != 0     # CLIENT NO-TOUCH OFF, too, ends with what it began with
        cdef list argv = call.argv
        cdef Propagation propagation = self.propagation
        cdef int64_t written = propagation.end()
        if propagation.depth == 0:
            refresh_if_old()
            propagation.loose = record.rules & RULE_LOOSE
        propagation.depth += 1
        if untouching:
            self.server.keyspace.no_touch = call.command.name != "touch"
        running = _crash[0]
        if client.spelled is None:
            client.named()
        _crash.argv, _crash.address = <PyObject*>argv, <PyObject*>client.spelled
        _crash.client_id, _crash.db = client.id, client.db.index
        start = ticks()
        try:
            try:
                reply = define(record.function, call, argv, record.name_words, _CommandError)
            except Exception:
                reply = internal_errors.note(f"Command '{call.command.name}'", argv)
            ns = <uint64_t>(<double>(ticks() - start) * 1000.0 / clock_state().ticks_per_us)
            blocked = client.state & CLIENT_BLOCKED != 0
            if not blocked:                # who waits is accounted when that is over
                record.account(ns, state.track_latency)
            if client.slow & SLOW_TRACKING and record.rules & RULE_REMEMBERED:
                remember_words(client, record, argv)
            if PyExceptionInstance_Check(reply):       # a few instructions, and nearly never
                record.failed += 1
                if count_errors and not reply.counted:
                    self.errors.count((<CommandError>reply).text)
            if state.all & SLOW_MONITORS and not record.rules & RULE_SKIP_MONITOR:
                self.server.feed_monitors(call)        # now that it had its chance to hide passwords
            if call.dirty or call.propagated is not None:
                self.dirty += call.dirty
                if propagation.wanted:
                    self._propagate(call, record)
        finally:
            _crash[0] = running
            if untouching:
                self.server.keyspace.no_touch = False
            propagation.depth -= 1
            if propagation.depth == 0:
                propagation.depth = 1
                propagation.leave()
                if propagation.end() != written:
                    client.written = propagation.end()
        if blocked:
            return reply
        self.commands += 1
        if is_slow(ns):
            self.server.note_slow(client, call.command, argv, ns // 1000)
        if ns > 1000000:
            clock_refresh()
        return reply

    cdef int _propagate(self, Call call, Record record) except -1:
        if call.propagated is None:
            if record.rules & RULE_SPREADS:
                self.propagation.also(call.db, call.argv)
            return 0
        for argv in call.propagated:
            self.propagation.also(call.db, argv)
        return 0
