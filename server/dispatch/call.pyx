# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
cimport cython

from server.clients.client cimport CLIENT_DENY_BLOCKING, CLIENT_SCRIPT, Client
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record
from server.registry.clock cimport clock_state


cdef Call new_call(Client client, object server, Record record, list argv):
    """What Call(client, server, command, argv) makes, without a tuple of arguments."""
    cdef Call call = Call.__new__(Call)
    call.client = client
    call.server = server
    call.command = record.command
    call.argv = argv
    call.db = client.db
    return call


@cython.freelist(16)
cdef class Call:
    """What a command's function gets first. A command reports, the server spreads: `changed` is the only duty."""

    def __init__(self, Client client, server, command, list argv):
        self.client = client
        self.server = server
        self.command = command
        self.argv = argv
        self.db = client.db

    @property
    def now_ms(self) -> int:
        """Unix time in milliseconds, the same for the whole command."""
        return clock_state().unix_ms

    @property
    def config(self):
        """The configuration values (config.maxmemory ...)."""
        return self.server.config

    @property
    def may_block(self) -> bool:
        """False inside EXEC or a script: a blocking command then answers at once."""
        return not self.client.state & (CLIENT_DENY_BLOCKING | CLIENT_SCRIPT)

    @property
    def may_stream(self) -> bool:
        """Whether the reply may be made while it is written: not inside EXEC or a script, where commands follow first."""
        return self.may_block

    # ---- what changed
    def changed(self, bytes key, str event=None, *, int by=1, Database db=None) -> None:
        """Report that a key was changed: `by` is how many elements (rdb_changes_since_last_save); `event` is the keyspace
        event's name (its class follows from it), None for none. Spreads to WATCH, tracking, notifications, blocked
        clients and, once the command is over, to AOF and replicas."""
        self.dirty += by
        self.server.effects.changed(self.db if db is None else db, key, event, self.client.id)

    def deleted(self, bytes key, str event="del", *, int by=1, Database db=None) -> None:
        """The same for a key that is gone."""
        self.dirty += by
        self.server.effects.changed(self.db if db is None else db, key, event, self.client.id)

    def delete_expired(self, bytes key) -> None:
        """The expire that a key is to have has passed: the key goes now, and AOF and replicas hear of a deletion."""
        cdef bint lazy = self.server.config.lazyfree_lazy_expire
        if lazy:
            self.db.unlink(key)
        else:
            self.db.delete(key)
        self.deleted(key)
        self.propagate_as(b"UNLINK" if lazy else b"DEL", key)

    def notify(self, str event, bytes key, *, Database db=None) -> None:
        """Only the keyspace event."""
        self.server.effects.notify(self.db if db is None else db, event, key)

    # ---- what AOF and replicas are told
    @property
    def is_heard(self) -> bool:
        """Whether they hear anything: what tells them in other words need not be made for nobody."""
        return (<Propagation>self.server.propagation).wanted

    def propagate_as(self, *argv) -> None:
        """Tell AOF and replicas this command instead of the one that was called (may be called several times: all of
        them, as one transaction)."""
        if self.propagated is None:
            self.propagated = []
        self.propagated.append(list(argv))

    def propagate_nothing(self) -> None:
        """Tell them nothing of this call."""
        self.propagated = []

    def propagate_also(self, *argv, Database db=None) -> None:
        """Tell them this one too, before the command itself (in one transaction with it)."""
        self.server.propagation.also(self.db if db is None else db, list(argv))
