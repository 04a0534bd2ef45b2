# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What another master of the cluster sends of slots that it gives us, executed: a sibling of `Loop.run_master`.

Nothing is asked that the source was asked already, but whether it is of the slots that come; expired keys are seen, and
our replicas and files are told by ourselves. Nobody hears replies but to CLUSTER, by which the two understand each other: those leave with the turn, so that
what they promise is on the disk. Any other error ends the migration, inside EXEC too: what the source has done would be
missing here.
"""
from libc.stdint cimport int64_t, uint64_t

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Request, arg_at, arg_length, output_clear
from server.clients.client cimport (CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_ASAP, CLIENT_PAUSED, Client)
from server.dispatch.conditions cimport SLOW_LOADING, SLOW_SCRIPT, state
from server.dispatch.door cimport FROM_MASTER, fits, may_pass, passed_apart
from server.dispatch.evicting cimport has_room, make_room
from server.dispatch.loop cimport Loop
from server.dispatch.record cimport RULE_EXEC, Record
from server.registry.clock cimport clock_state, ticks
from server.structures.crc16 cimport key_hash_slot

from server.registry.errors import OUT_OF_MEMORY, CommandError

cdef enum:
    SLICE_US = 2000                    # of a turn: one batch may hold a megabyte of small keys
    LOOKS = 32                         # commands between two looks at the clock

STRAY = "ERR Only keys of the slots that it brings may come by this connection"
KEYLESS = frozenset(("cluster", "multi", "exec"))
cdef bytes IN_EXEC = b"ERR A command inside EXEC failed"
cdef uint64_t _HELD = CLIENT_BLOCKED | CLIENT_PAUSED | CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY


def run_import(on_error, brought, Loop loop, Client client) -> int:
    """A batch. on_error(client, reply): a command failed, and the connection is to be closed behind that reply.
    brought(client): the slots that come by it (cluster.slots.digits)."""
    # A nested turn: what comes waits for what holds us. Or a reply has not left: it would go with those nobody hears.
    if state.all & (SLOW_LOADING | SLOW_SCRIPT) or client.out.bytes:
        loop.to_resume.append(client)
        return 0
    if not (has_room() or make_room()):
        client.write(CommandError(OUT_OF_MEMORY))
        on_error(client, CommandError(OUT_OF_MEMORY).text)
        return loop.hold(client)
    client.db.keyspace.show_expired = True
    try:
        error = _run(loop, client, brought(client))
    finally:
        client.db.keyspace.show_expired = False
    if error is not None:
        on_error(client, error)
        return loop.hold(client)
    return loop.hold(client) if client.batch.next < client.batch.command_count else loop.finish(client)


cdef bint _is_of(Record record, Batch* b, Request* r, bytes wanted) except -1:
    """Whether all keys of a command are of these slots; without any, whether the source has a use for it. It sends what
    scripts did, no scripts: those may name one key and do anything. O(keys)."""
    cdef const char* digits = wanted
    cdef int64_t at, end
    if record.subcommands is not None and r.arg_count > 1:
        record = record.subcommands.get(_word(b, r, 1).lower(), record)
    if record.command.group == "scripting":
        return False
    at = record.first_key
    if at > 0:
        end = record.last_key if record.last_key >= 0 else <int64_t>r.arg_count + record.last_key
        while at <= end and at < r.arg_count:
            if digits[key_hash_slot(arg_at(b, r, at), arg_length(b, r, at))] != c'1':
                return False
            at += record.key_step
        return True
    if not fits(<PyObject*>record, r.arg_count):
        return True                    # refused as such: keys may be named where there are no words
    if at == 0:
        argv = [_word(b, r, i) for i in range(r.arg_count)]
        keys = [argv[reference.position] for reference in record.command.keys.references(argv) or ()]
        for key in keys:
            if digits[key_hash_slot(<bytes>key, len(<bytes>key))] != c'1':
                return False
        if keys:
            return True
    return record.command.name.partition("|")[0] in KEYLESS


cdef bytes _word(Batch* b, Request* r, int64_t at):
    return PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at))


cdef bytes _run(Loop loop, Client client, bytes wanted):
    """As far as it goes: to the end, to what has a reply, for a slice of time, or to an error, which is returned."""
    cdef Batch* b = client.batch
    cdef Request* r
    cdef PyObject* said
    cdef uint64_t before = ticks(), errors
    cdef uint64_t end = before + <uint64_t>(SLICE_US * clock_state().ticks_per_us)
    while b.next < b.command_count and not client.state & _HELD:
        if b.next % LOOKS == 0 and ticks() > end:
            loop.to_resume.append(client)
            return None
        r = &b.commands[b.next]
        b.next += 1
        said = <PyObject*>r.record
        if said != NULL and not _is_of(<Record>said, b, r, wanted):
            client.write(CommandError(STRAY))
        elif may_pass(said, client, b, r, FROM_MASTER) and (<Record>said).fast(client, b, r):
            passed_apart(said, client, b, r, &before, r.bytes_length)
            client.command = (<Record>said).command
        else:
            errors = loop.executor.errors.replies
            loop.run_slow(client, b, r)
            before = ticks()
            if loop.executor.errors.replies != errors and said != NULL and (<Record>said).rules & RULE_EXEC:
                output_clear(&client.out)
                client.write(CommandError(IN_EXEC))
                return IN_EXEC
            if client.out.bytes and said != NULL and (<Record>said).command.name in ("cluster", "cluster|syncslots"):
                loop.to_resume.append(client)
                return None
        if client.out.bytes and client.out.head.bytes[0] == c'-':
            return PyBytes_FromStringAndSize(client.out.head.bytes, client.out.head.used)
        output_clear(&client.out)
    return None
