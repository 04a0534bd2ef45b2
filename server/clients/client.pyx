# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from iothreads.ends cimport end_is_local, end_of_peer, spelled_end, spelled_own
from iothreads.message cimport Output, output_clear, output_cut
from iothreads.resp_writer cimport write_header, write_raw
from server.keyspace.database cimport Database
from server.registry.clock cimport monotonic_us
from server.registry.reply_writer cimport write_reply

from server.observe.internal_errors import internal_errors
from server.registry.reply import NO_REPLY, Encoded, Streamed

cdef enum:                             # of Client.state: what nobody else knows about the client
    ITS_OWN = (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSE_ASAP | CLIENT_UNIX_SOCKET | CLIENT_NO_EVICT | CLIENT_NO_TOUCH
               | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP | CLIENT_READONLY)

cdef object _Streamed = Streamed
cdef tuple _LOOPBACK = ("127.", "[::1]", "::1:", "[::ffff:127.")
cdef object _NoReply = NO_REPLY
cdef object _replica_replied = None    # (client, reply): a replica asked for something that has a reply

MULTI = CLIENT_MULTI
DIRTY_CAS = CLIENT_DIRTY_CAS
DIRTY_EXEC = CLIENT_DIRTY_EXEC
BLOCKED = CLIENT_BLOCKED
MONITOR = CLIENT_MONITOR
REPLICA = CLIENT_REPLICA
MASTER = CLIENT_MASTER
CLOSE_AFTER_REPLY = CLIENT_CLOSE_AFTER_REPLY
CLOSE_ASAP = CLIENT_CLOSE_ASAP
UNIX_SOCKET = CLIENT_UNIX_SOCKET
NO_EVICT = CLIENT_NO_EVICT
NO_TOUCH = CLIENT_NO_TOUCH
REPLY_OFF = CLIENT_REPLY_OFF
REPLY_SKIP_NEXT = CLIENT_REPLY_SKIP_NEXT
REPLY_SKIP = CLIENT_REPLY_SKIP
TRACKING = CLIENT_TRACKING
DENY_BLOCKING = CLIENT_DENY_BLOCKING
READONLY = CLIENT_READONLY
PAUSED = CLIENT_PAUSED
SCRIPT = CLIENT_SCRIPT
FAKE = CLIENT_FAKE
IMPORTS = CLIENT_IMPORTS
KEPT = CLIENT_KEPT
STRANGER = SLOW_STRANGER
IN_MULTI = SLOW_MULTI
SUBSCRIBED = SLOW_SUBSCRIBED
REPLY_MODE = SLOW_REPLY_MODE
RESTRICTED = SLOW_RESTRICTED
LINK = SLOW_LINK
CLOSING = SLOW_CLOSING
ASKING = SLOW_ASKING
UNTOUCHING = SLOW_NO_TOUCH


def when_replica_replies(hook) -> None:
    """Have `hook(client, reply)` called in place of a reply to a replica, whose connection carries the stream."""
    global _replica_replied
    _replica_replied = hook


cdef int _write_streamed(Client client, object reply) except -1:
    """A huge array, as long as the client may have it."""
    write_header(&client.out, c'*', reply.length)
    for piece in reply.pieces:
        for value in piece:
            write_reply(&client.out, value, client.resp)
        if client.loop is not None and client.out.bytes + client.in_flight >= <uint64_t>client.loop.output_watermark:
            client.loop.on_output(client)
            if client.state & CLIENT_CLOSE_ASAP:
                output_clear(&client.out)
                break
    return 0


cdef class Client:
    """A client. `loop` is told when there is output; a pretended client (scripts, AOF loading) has none."""

    def __cinit__(self, id, Database db, loop=None):
        self.id = id
        self.db = db
        self.loop = loop
        self.resp = 2
        self.fd = -1
        self.name = self.library_name = self.library_version = b""
        self.spelled = self.own_spelled = ""
        self.created_us = self.active_us = monotonic_us()
        self.rests_at = NO_REST

    def __dealloc__(self):
        output_clear(&self.out)

    # ---- where it is
    def comes_from(self, int fd) -> None:
        """Its socket."""
        self.fd = fd
        end_of_peer(fd, &self.peer)
        self.spelled = self.own_spelled = None

    cdef str named(self):
        if self.spelled is None:
            self.spelled = spelled_end(&self.peer)
        return self.spelled

    cdef void named_as(self, Client other):
        self.peer, self.spelled = other.peer, other.spelled

    @property
    def address(self) -> str:
        """`host:port` of the peer, or the unix socket's path + ":0"."""
        return self.named()

    @address.setter
    def address(self, str address):
        self.spelled = address

    @property
    def local_address(self) -> str:
        """The same of this end."""
        if self.own_spelled is None:
            self.own_spelled = spelled_own(self.fd if self.connection else -1)
        return self.own_spelled

    @local_address.setter
    def local_address(self, str address):
        self.own_spelled = address

    def is_local(self) -> bool:
        """Whether the peer is on this machine: a unix socket or the loopback interface."""
        if self.state & CLIENT_UNIX_SOCKET:
            return True
        return end_is_local(&self.peer) if self.spelled is None else self.spelled.startswith(_LOOPBACK)

    # ---- replies
    cdef int write(self, object value) except -1:
        cdef size_t before
        if self.state & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_CLOSE_ASAP) and not self.state & CLIENT_PUSHING:
            if (self.state & (CLIENT_REPLICA | CLIENT_MONITOR | CLIENT_CLOSE_ASAP) == CLIENT_REPLICA
                    and value is not _NoReply and _replica_replied is not None):
                _replica_replied(self, value)
            return 0
        before = self.out.bytes
        try:
            if type(value) is _Streamed:
                _write_streamed(self, value)
            else:
                write_reply(&self.out, value, self.resp)
        except Exception:              # never a part of a reply: what is written so far goes, an error comes in its place
            output_cut(&self.out, before)
            write_reply(&self.out, internal_errors.note("Writing a reply"), self.resp)
        if not self.queued:
            self.has_output()
        return 0

    cdef void has_output(self):
        if self.loop is not None:
            self.queued = True
            self.loop.to_flush.append(self)

    def reply(self, value) -> None:
        """Write one reply (see registry.reply), unless CLIENT REPLY says no."""
        self.write(value)

    def waited(self) -> None:
        """The reply is said that a blocked client waited for: ASKING and CLIENT REPLY SKIP were for that command."""
        self.slow &= ~<uint32_t>SLOW_ASKING
        if self.state & CLIENT_REPLY_SKIP:
            self.state &= ~<uint64_t>CLIENT_REPLY_SKIP
            if not self.state & CLIENT_REPLY_OFF:
                self.slow &= ~<uint32_t>SLOW_REPLY_MODE

    def push(self, value) -> None:
        """Write an out-of-band message; also when replies are off."""
        cdef uint64_t before = self.state
        if before & CLIENT_CLOSE_ASAP:
            return
        if self.held is not None:
            self.held.append(value)
            return
        self.state |= CLIENT_PUSHING
        try:
            self.write(value)
        finally:
            self.state = (self.state & ~<uint64_t>CLIENT_PUSHING) | (before & CLIENT_PUSHING)

    def push_encoded(self, bytes wire) -> None:
        """`push` of RESP bytes that were made for many."""
        if self.held is not None:
            self.held.append(Encoded(wire))
        elif not self.state & CLIENT_CLOSE_ASAP:
            write_raw(&self.out, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire))
            if not self.queued:
                self.has_output()

    def hold_pushes(self) -> None:
        """Keep pushes back while this client's own command runs: they come after its reply."""
        self.held = []

    def release_pushes(self) -> None:
        """Write what was kept back."""
        cdef list held = self.held
        self.held = None
        for value in held:
            self.push(value)

    @property
    def query_bytes(self) -> int:
        """Bytes in the query buffer, those of the batch being executed included (qbuf of CLIENT LIST)."""
        return self.batch.used if self.batch != NULL else self.query_used

    @property
    def output_bytes(self) -> int:
        """Reply bytes that wait: here and at the lane."""
        return self.out.bytes + self.in_flight

    @property
    def output_memory(self) -> int:
        """Memory of the replies that wait. Complexity: O(1)."""
        return self.out.memory + self.in_flight

    @property
    def obeyed(self) -> bool:
        return is_obeyed(self.state)

    def rewind(self) -> None:
        """The command executed last runs once more when the client goes on."""
        if self.batch != NULL and self.batch.next:
            self.batch.next -= 1

    # ---- state
    def become(self, user, bint authenticated, bint stranger) -> None:
        """It is that user, and what is asked of it follows from that. stranger: it must say first who it is."""
        self.user, self.authenticated = user, authenticated
        self.permissions = None if user is None else user.permissions
        self.slow = ((self.slow & ~<uint32_t>(SLOW_RESTRICTED | SLOW_STRANGER))
                     | (SLOW_RESTRICTED if self.permissions is not None else 0) | (SLOW_STRANGER if stranger else 0))

    def is_bare(self) -> bool:
        """Whether nobody but the table of clients and the sums of the limits knows of it: it is in no transaction, does not
        wait, listens to nothing, is no replica ..."""
        return not (self.state & ~<uint64_t>ITS_OWN or self.transaction is not None or self.watching is not None
                    or self.subscriptions is not None or self.blocked is not None or self.tracking is not None
                    or self.replica is not None)

    def select(self, Database db) -> None:
        """SELECT."""
        self.db = db

    def set(self, uint64_t bits) -> None:
        """Set CLIENT_ bits."""
        self.state |= bits

    def clear(self, uint64_t bits) -> None:
        """Clear CLIENT_ bits."""
        self.state &= ~bits

    def has(self, uint64_t bits) -> bool:
        """Whether any of these CLIENT_ bits is set."""
        return (self.state & bits) != 0

    def slow_because(self, uint32_t bits, bint yes=True) -> None:
        """Say (or take back) why fast paths must decline for this client."""
        self.slow = self.slow | bits if yes else self.slow & ~bits

    def close(self, bint after_reply=False) -> None:
        """Have the connection closed: now, or once what was written is sent."""
        if self.loop is None:
            return
        self.slow |= SLOW_CLOSING
        self.state |= CLIENT_CLOSE_AFTER_REPLY if after_reply else CLIENT_CLOSE_ASAP
        self.loop.to_close.append(self)
