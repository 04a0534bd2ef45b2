# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport arg_at, arg_length
from server.clients.client cimport (CLIENT_DENY_BLOCKING, CLIENT_FAKE, CLIENT_READONLY, CLIENT_SCRIPT, SLOW_ASKING,
                                    SLOW_RESTRICTED, SLOW_TRACKING, Client)
from server.dispatch.conditions cimport SLOW_CLUSTER, state
from server.dispatch.door cimport NO_SLOT, door
from server.dispatch.long_names cimport names_too_long
from server.registry.clock cimport clock_state
from server.structures.block_stream cimport TO_ALL
from server.structures.crc16 cimport key_hash_slot

from server.dispatch.call import Call
from server.cluster.redirects import Refused, Why
from server.dispatch.gates import checks
from server.dispatch.slot_gate import is_keyed, slot_of
from server.observe.debug_settings import settings as debug_settings
from server.registry.command import COMMANDS, DENYOOM, MAY_REPLICATE, NOSCRIPT, WRITE
from server.registry.errors import NAME_TOO_LONG, OUT_OF_MEMORY, CommandError

cdef object _CommandError = CommandError
cdef dict _known = {}                  # command name as scripts write it -> Checked

cdef enum:
    KNOWN_MAX = 4096

_FOREIGN = {
    Why.DOWN_FOR_WRITES: "Script attempted to execute a write command while the cluster is down and readonly",
    Why.DOWN: "Script attempted to execute a command while the cluster is down",
}
_NOT_LOCAL = "Script attempted to access a non local key in a cluster node"
_OTHER_SLOT = "Script attempted to access keys that do not hash to the same slot"


cdef class Checked:
    """A command and what scripts must be checked for."""

    def __cinit__(self, command):
        self.command = command
        self.refused = command.has(NOSCRIPT)
        self.scripting = command.group == "scripting"
        self.writes = command.has(WRITE)
        self.spreads = command.has(WRITE | MAY_REPLICATE)
        self.needs_memory = command.has(DENYOOM)
        self.before = checks(command, ("stale",))
        self.permitted = checks(command, ("permitted",))
        self.writing = checks(command, ("readonly-replica", "disk", "min-replicas")) if self.writes else ()
        self.keyed = is_keyed(command)


cdef Checked find_checked(list argv):
    """The command that argv names, None when there is none."""
    cdef bytes name = argv[0]
    cdef Checked found = _known.get(name)
    if found is None:
        command = COMMANDS.get(name.decode("latin-1").lower())
        if command is None:
            return None
        if len(_known) > KNOWN_MAX:
            _known.clear()
        _known[name] = found = Checked(command)
    if found.command.subcommands and len(argv) > 1:
        sub = found.command.subcommands.get((<bytes>argv[1]).decode("latin-1").lower())
        return Checked(sub) if sub is not None else found if found.command.function is not None else None
    return found


cdef class Run:
    """One script under way: made at its start, gone at its end."""

    def __init__(self, server, Client client, Client caller, bytes name, list argv, bint eval, bint read_only,
                 bint allow_oom, bint out_of_memory):
        self.words = argv
        self.out_of_memory = out_of_memory
        self.begin(server, server.executor, server.propagation, client, caller, name, eval, read_only, allow_oom)

    cdef int begin(self, object server, Executor executor, Propagation propagation, Client client, Client caller, bytes name,
                   bint eval, bint read_only, bint allow_oom) except -1:
        self.server = server
        self.executor = executor
        self.propagation = propagation
        self.client = client
        self.caller = caller
        self.name = name
        self.eval = eval
        self.read_only = read_only
        self.allow_oom = allow_oom
        self.spread = REPL_AOF | REPL_REPLICA
        client.slow = caller.slow & (SLOW_RESTRICTED | SLOW_TRACKING | SLOW_ASKING)
        client.tracking = caller.tracking      # what the script reads is read for its caller
        self.unix_us = clock_state().unix_us
        client.db = caller.db
        client.resp = 2
        client.user, client.permissions = caller.user, caller.permissions
        client.authenticated = True
        client.named_as(caller)
        client.state = CLIENT_SCRIPT | CLIENT_FAKE | CLIENT_DENY_BLOCKING | caller.state & CLIENT_READONLY
        self.slot = ANY_SLOT
        return 0

    cpdef int keep_to_slot(self, bytes key) except -1:
        """Of a cluster: from now on keys are of the slot of this one; None: of the slot of the first that is used."""
        self.slot = NO_SLOT if key is None else key_hash_slot(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        return 0

    cdef bint is_elsewhere(self) noexcept:
        """The first key that is used says which slot it is, where none was declared."""
        if self.slot == NO_SLOT:
            self.slot = door.slot
        return self.slot != ANY_SLOT and door.slot != NO_SLOT and door.slot != self.slot

    @property
    def argv(self) -> list[bytes]:
        """The words of the caller's command. Only while the script runs."""
        cdef uint32_t i
        if self.words is None:
            self.words = [PyBytes_FromStringAndSize(arg_at(self.batch, self.request, i),
                                                    arg_length(self.batch, self.request, i))
                          for i in range(self.request.arg_count)]
        return self.words

    cdef object refuse(self, object command, str text):
        """An error before the command ran."""
        error = _CommandError(f"ERR {text}")
        self.server.stats.count_error(error)
        if command is not None:
            command.record.rejected += 1
        return error

    cdef object execute(self, list argv):
        """A command of the script: its reply, a CommandError included."""
        cdef Checked checked = find_checked(argv)
        cdef Propagation propagation
        if checked is None:
            return self.refuse(None, "Unknown Redis command called from script")
        command = checked.command
        if not command.arity_fits(len(argv)):
            return self.refuse(command, "Wrong number of args calling Redis command from script")
        if checked.refused and (checked.scripting or not debug_settings.disable_deny_scripts):
            return self.refuse(command, "This Redis command is not allowed from script")
        if names_too_long(argv):
            return self.refuse(command, NAME_TOO_LONG.removeprefix("ERR "))
        if (checked.before or checked.writing or self.read_only or checked.needs_memory
                or (checked.keyed and state.all & SLOW_CLUSTER)
                or self.client.slow & SLOW_RESTRICTED):
            refusal = self.refusal(checked, argv)
            if refusal is not None:
                return refusal
        if checked.writes:
            self.wrote = True
        executor = self.executor
        propagation = self.propagation
        propagation.spread = self.spread & propagation.audience
        try:
            reply = executor.run(self.client, command, argv)
        finally:
            propagation.spread = propagation.audience
        self.freeze_time()
        return reply

    cdef object refusal(self, Checked checked, list argv):
        """Why the command may not run, None when it may."""
        command = checked.command
        call = Call(self.client, self.server, command, argv)
        try:
            for check in checked.before:
                check(call)
            if self.client.slow & SLOW_RESTRICTED:
                for check in checked.permitted:
                    check(call)
            if self.read_only and checked.spreads:
                return self.refuse(command, "Write commands are not allowed from read-only scripts.")
            if not self.wrote and not self.caller.obeyed:      # our master has asked all this itself
                for check in checked.writing:
                    check(call)
                if checked.needs_memory and self.out_of_memory and not self.allow_oom:
                    raise _CommandError(OUT_OF_MEMORY)
            if checked.keyed and state.all & SLOW_CLUSTER and not self.caller.obeyed:
                foreign = self.foreign(call)
                if foreign is not None:
                    return self.refuse(command, foreign)
        except _CommandError as error:
            if error.text.startswith(b"NOPERM "):
                why = error.text[7:].decode("utf-8", "surrogateescape")
                return self.refuse(command, f"ACL failure in script: {why}")
            self.server.stats.count_error(error)
            command.record.rejected += 1
            return error
        return None

    cdef str foreign(self, object call):
        """Of a cluster: why the keys of a call are not for this script; None when they are."""
        try:
            door.slot = slot_of(call)
        except Refused as refused:
            return _FOREIGN.get(refused.why, _NOT_LOCAL)
        return _OTHER_SLOT if self.is_elsewhere() else None

    cdef void freeze_time(self) noexcept:
        """Scripts see the time at which they began."""
        clock_state().unix_us = self.unix_us
        clock_state().unix_ms = self.unix_us // 1000

    def see_own_time(self) -> None:
        """After others were served: the script's time again."""
        self.freeze_time()
