# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
import traceback

from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.ref cimport PyObject

from server.clients.client cimport (CLIENT_BLOCKED, CLIENT_CLOSE_ASAP, CLIENT_FAKE, CLIENT_MULTI, CLIENT_NO_TOUCH, CLIENT_PAUSED,
                                    CLIENT_REPLY_OFF, CLIENT_REPLY_SKIP, CLIENT_REPLY_SKIP_NEXT, SLOW_REPLY_MODE, Client)
from server.dispatch.call cimport Call
from server.dispatch.conditions cimport conditions
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record
from server.observe.crash_handler cimport CrashContext, crash_context
from server.registry.clock cimport clock_refresh, clock_state, ticks

from server.clients.cross_protocol import CrossProtocol, is_http
from server.clients.pause import spreads
from server.dispatch.gates import Postponed
from server.registry.command import COMMANDS, MAY_REPLICATE, SKIP_MONITOR, TOUCHES_ARBITRARY_KEYS, WRITE
from server.registry.command import find as find_command
from server.registry.errors import CommandError, wrong_arity
from server.registry.reply import NO_REPLY, QUEUED

cdef CrashContext* _crash = crash_context()
cdef object _CommandError = CommandError
cdef object _Postponed = Postponed
cdef dict _COMMANDS = COMMANDS
cdef object _WRITE = WRITE
cdef object _REPLICATED = WRITE | MAY_REPLICATE
cdef object _SKIP_MONITOR = SKIP_MONITOR
cdef object _LOOSE = TOUCHES_ARBITRARY_KEYS
cdef object _QUEUED = QUEUED
cdef object _NO_REPLY = NO_REPLY
# What is not queued inside MULTI.
cdef frozenset _IN_MULTI = frozenset({"exec", "discard", "multi", "watch", "quit", "reset"})


cdef str _shown(bytes word, int limit):
    return word[:limit].decode("utf-8", "surrogateescape")


cdef object _unknown(list argv):
    cdef str listed = ""
    for word in argv[1:]:
        if len(listed) >= 128:
            break
        listed += f"'{_shown(word, 128 - len(listed))}' "
    return _CommandError(f"ERR unknown command '{_shown(argv[0], 128)}', with args beginning with: {listed}")


cdef class Executor:
    """One per server. `process` serves a client's command; `run` executes a command that has passed (EXEC, scripts, AOF)."""

    def __cinit__(self, server, Propagation propagation):
        self.server = server
        self.propagation = propagation
        self.ready_keys = ()
        self.cross_protocol = CrossProtocol(server)

    def find(self, list argv):
        """The registry Command that argv names. Errors: unknown command or subcommand, wrong arity."""
        cdef bytes name = argv[0]
        command = _COMMANDS.get(name.decode("latin-1").lower())
        if command is None:
            raise _unknown(argv)
        if command.subcommands and len(argv) > 1:
            sub = command.subcommands.get((<bytes>argv[1]).decode("latin-1").lower())
            if sub is None and command.function is None:
                raise _CommandError(f"ERR unknown subcommand '{_shown(argv[1], 128)}'. Try {command.name.upper()} HELP.")
            command = command if sub is None else sub
        if not command.arity_fits(len(argv)):
            raise wrong_arity(command.name)
        return command

    cdef int process(self, Client client, list argv) except -1:
        """Serve one command of a client: its reply is written, or it is queued, or postponed (CLIENT_PAUSED set)."""
        cdef Call call
        command = None
        try:
            command = self.find(argv)
            client.command = command
            call = Call.__new__(Call, client, self.server, command, argv)
            for check in command.gates:
                check(call)
            if client.state & CLIENT_MULTI and command.name not in _IN_MULTI:
                client.transaction.queue(command, argv, spreads(call))
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
            self._reject(client, command, error)
            return 0
        if client.state & (CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP | CLIENT_REPLY_OFF):
            self._run_quietly(call)
        elif client.subscriptions is None and not client.state & CLIENT_MULTI:
            client.write(self._call(call))
        else:
            client.hold_pushes()           # what it publishes to itself comes after the reply
            try:
                client.write(self._call(call))
            finally:
                client.release_pushes()
        if self.ready_keys:
            self.serve_ready_keys()
        return 0

    def process_command(self, Client client, list argv) -> None:
        """`process` for callers in Python."""
        self.process(client, argv)

    cdef int _run_quietly(self, Call call) except -1:
        """CLIENT REPLY OFF and SKIP: SKIP covers exactly the command after it."""
        cdef Client client = call.client
        cdef bint skip = client.state & CLIENT_REPLY_SKIP_NEXT
        if skip:
            client.state = (client.state & ~<uint64_t>CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP
        reply = self._call(call)
        client.write(reply)
        if skip:
            client.state &= ~<uint64_t>CLIENT_REPLY_SKIP
        if not client.state & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT):
            client.slow &= ~<uint32_t>SLOW_REPLY_MODE
        return 0

    cdef int _reject(self, Client client, command, error) except -1:
        if command is not None:
            (<Record>command.record).rejected += 1
        if client.state & CLIENT_MULTI:
            if command is not None and command.name == "exec":
                client.transaction.abort(client)
                error = _CommandError(b"EXECABORT Transaction discarded because of: " + error.text[4:]
                                      if error.text.startswith(b"ERR ") else
                                      b"EXECABORT Transaction discarded because of: " + error.text)
            else:
                client.transaction.spoil()
        self.server.stats.count_error(error)
        return self._write_or_skip(client, error)

    cdef int _write_or_skip(self, Client client, reply) except -1:
        """A reply without a call: CLIENT REPLY SKIP covers it like any other."""
        if client.state & CLIENT_REPLY_SKIP_NEXT:
            client.state &= ~<uint64_t>CLIENT_REPLY_SKIP_NEXT
            if not client.state & CLIENT_REPLY_OFF:
                client.slow &= ~<uint32_t>SLOW_REPLY_MODE
            return 0
        return client.write(reply)

    def run(self, Client client, command, list argv, bint count_errors=True):
        """Execute a command that was looked up and passed its gates: its reply value, a CommandError included."""
        cdef Call call = Call.__new__(Call, client, self.server, command, argv)
        return self._call(call, count_errors)

    cdef object _call(self, Call call, bint count_errors=True):
        cdef uint64_t start, ns
        cdef bint blocked
        cdef CrashContext running
        cdef Record record = <Record>call.command.record
        cdef list argv = call.argv
        cdef Propagation propagation = self.propagation
        server = self.server
        command = call.command
        if propagation.depth == 0:
            clock_refresh()
            propagation.loose = command.has(_LOOSE)
        propagation.depth += 1
        if call.client.state & CLIENT_NO_TOUCH:
            server.keyspace.no_touch = command.name != "touch"
        running = _crash[0]
        _crash.argv, _crash.address = <PyObject*>argv, <PyObject*>call.client.address
        _crash.client_id, _crash.db = call.client.id, call.client.db.index
        start = ticks()
        try:
            try:
                reply = command.function(call, *argv[(2 if command.parent is not None else 1):])
            except _CommandError as error:
                reply = call.status = error
            except Exception:
                server.log.warning("Command '%s' failed:\n%s", command.name, traceback.format_exc())
                reply = call.status = _CommandError("ERR internal error: see the server's log")
            ns = <uint64_t>(<double>(ticks() - start) * 1000.0 / clock_state().ticks_per_us)
            blocked = call.client.state & CLIENT_BLOCKED != 0
            if not blocked:                # who waits is accounted when that is over
                record.account(ns, conditions().track_latency)
            if isinstance(reply, _CommandError):
                record.failed += 1
                if count_errors:
                    server.stats.count_error(reply)
            if server.monitors and not command.has(_SKIP_MONITOR):
                server.feed_monitors(call)     # now that it had its chance to hide passwords
            if call.dirty or call.propagated is not None:
                self.dirty += call.dirty
                if propagation.wanted:
                    self._propagate(call)
        finally:
            _crash[0] = running
            if call.client.state & CLIENT_NO_TOUCH:
                server.keyspace.no_touch = False
            propagation.depth -= 1
            if propagation.depth == 0:
                propagation.depth = 1
                propagation.leave()
        if blocked:
            return reply
        self.commands += 1
        if <int64_t>ns >= conditions().slow_log_ns and conditions().slow_log_ns >= 0:
            server.note_slow(call.client, command, argv, ns // 1000)
        if ns > 1000000:
            clock_refresh()
        return reply

    cdef int _propagate(self, Call call) except -1:
        if call.propagated is None:
            if call.command.has(_REPLICATED):
                self.propagation.also(call.db, call.argv)
            return 0
        for argv in call.propagated:
            self.propagation.also(call.db, argv)
        return 0
