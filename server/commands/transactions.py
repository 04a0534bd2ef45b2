"""MULTI, EXEC, DISCARD, WATCH, UNWATCH. The rules live in server.clients.multi; the queueing itself is dispatch's.

EXEC runs the queued commands one after the other; an error of one is its element of the reply and stops nothing. AOF
and replicas get what they did as one unit, because EXEC is one command to the dispatcher. Most transactions are begun,
queued and run natively (dispatch.fastpath_transaction); what is said here holds for them, too.
"""


from server.clients import multi
from server.clients.client import DENY_BLOCKING, DIRTY_CAS, DIRTY_EXEC, MULTI, Client
from server.dispatch.call import Call
from server.dispatch.fastpath_transaction import run_queued
from server.dispatch.gates import gate
from server.registry.command import ALLOW_BUSY, FAST, LOADING, NO_MULTI, NOSCRIPT, SKIP_SLOWLOG, STALE, group
from server.registry.errors import EXEC_ABORT, CommandError
from server.registry.keys import RO, every_key
from server.registry.reply import NULL_ARRAY, OK, NullArray
from server.registry.reply_writer import NativeReply

command = group("transactions")

_FLAGS = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY



@gate("no-multi", lambda command: command.has(NO_MULTI))
def no_multi(call: Call) -> None:
    """A few commands make no sense in a transaction."""
    if call.client.has(MULTI):
        raise CommandError("ERR Command not allowed inside a transaction")


@command("MULTI", arity=1, flags=_FLAGS, since="1.2.0")
def multi_(call: Call) -> str:
    """Begin a transaction: commands are queued until EXEC runs them all.

    Complexity: O(1)
    """
    if call.client.has(MULTI):
        raise CommandError("ERR MULTI calls can not be nested")
    multi.begin(call.client)
    return OK


@command("DISCARD", arity=1, flags=_FLAGS, since="2.0.0")
def discard(call: Call) -> str:
    """Drop the transaction, and watch nothing any more.

    Complexity: O(N) where N is the number of queued commands.
    """
    if not call.client.has(MULTI):
        raise CommandError("ERR DISCARD without MULTI")
    multi.discard(call.client)
    return OK


@command("EXEC", arity=1, flags=NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, since="1.2.0")
def exec_(call: Call) -> NativeReply | NullArray:
    """Run the queued commands, with nothing in between; the reply has theirs in order.

    A null array when a watched key has changed, EXECABORT when a command was refused while queueing: nothing runs then.

    Complexity: Depends on the commands in the transaction.
    """
    client = call.client
    if not client.has(MULTI):
        raise CommandError("ERR EXEC without MULTI")
    if multi.watched_expired(client):
        client.set(DIRTY_CAS)
    if client.has(DIRTY_CAS | DIRTY_EXEC):
        refused = client.has(DIRTY_EXEC)
        multi.discard(client)
        if refused:
            raise CommandError(EXEC_ABORT)
        return NULL_ARRAY
    multi.unwatch(client)                      # early: our own writes need not look for us
    could_block = not client.has(DENY_BLOCKING)
    client.set(DENY_BLOCKING)
    try:
        return run_queued(call.server.executor, client)
    finally:
        if could_block:
            client.clear(DENY_BLOCKING)
        multi.discard(client)


@command("WATCH", arity=-2, flags=_FLAGS, keys=every_key(RO), since="2.2.0", syntax="key [key ...]")
def watch(call: Call, *keys: bytes) -> str:
    """Watch keys: if one is changed before EXEC, the transaction does not run.

    Complexity: O(1) for every key.
    """
    client: Client = call.client
    if client.has(MULTI):
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    if not client.has(DIRTY_CAS):
        for key in keys:
            multi.watch(client, key)
    return OK


@command("UNWATCH", arity=1, flags=_FLAGS, since="2.2.0")
def unwatch(call: Call) -> str:
    """Watch nothing any more; changes seen so far are forgotten.

    Complexity: O(N) where N is the number of keys watched.
    """
    multi.unwatch(call.client)
    call.client.clear(DIRTY_CAS)
    return OK
