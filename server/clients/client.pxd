# cython: language_level=3
"""One connected client, as the main thread sees it."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.ends cimport End
from iothreads.message cimport Batch, Output
from server.acl.permissions cimport Permissions
from server.keyspace.database cimport Database

cdef enum:                             # Client.slow: why the fast paths must decline for this client
    SLOW_STRANGER = 1                  # must say first who it is
    SLOW_MULTI = 2                     # queueing
    SLOW_SUBSCRIBED = 4                # RESP2 subscriber
    SLOW_REPLY_MODE = 8                # CLIENT REPLY OFF or SKIP
    SLOW_TRACKING = 16                 # it tracks, or hears for who does: not slow at all, but asked about afterwards
    SLOW_RESTRICTED = 32               # its ACL user may not run everything: the door asks `permissions`
    SLOW_NO_TOUCH = 64
    SLOW_LINK = 128                    # a replica (so is who monitors) or our master
    SLOW_CLOSING = 256
    SLOW_ASKING = 512                  # of a cluster: its next command may be of a slot that is on its way here

cdef enum:                             # Client.state: what CLIENT LIST shows and what commands ask
    CLIENT_MULTI = 1
    CLIENT_DIRTY_CAS = 2               # a watched key changed
    CLIENT_DIRTY_EXEC = 4              # a queued command was refused
    CLIENT_BLOCKED = 8
    CLIENT_MONITOR = 16
    CLIENT_REPLICA = 32
    CLIENT_MASTER = 64
    CLIENT_CLOSE_AFTER_REPLY = 128
    CLIENT_CLOSE_ASAP = 256
    CLIENT_UNIX_SOCKET = 512
    CLIENT_NO_EVICT = 1024
    CLIENT_NO_TOUCH = 2048
    CLIENT_REPLY_OFF = 4096
    CLIENT_REPLY_SKIP_NEXT = 8192
    CLIENT_REPLY_SKIP = 16384
    CLIENT_TRACKING = 32768
    CLIENT_DENY_BLOCKING = 65536       # inside EXEC or a script: blocking commands answer as if timed out
    CLIENT_READONLY = 131072
    CLIENT_PAUSED = 262144             # postponed by CLIENT PAUSE
    CLIENT_SCRIPT = 524288             # the pretended client of a script
    CLIENT_PUSHING = 1048576           # a push is being written although replies are off
    CLIENT_FAKE = 2097152              # no connection at all (AOF loading, scripts)
    CLIENT_KEPT = 8388608              # a room keeps it in a table of its own, and wants to hear when it is gone
    CLIENT_IMPORTS = 4194304           # another master of the cluster, that sends us the keys of slots

cdef enum: NO_REST = 0xFFFFFFFFFFFFFFFF

cdef inline bint is_obeyed(uint64_t state) noexcept nogil:
    """Whether it is to be taken at its word: our master, who sends us slots, and what replays a file (scripts are not)."""
    return state & (CLIENT_MASTER | CLIENT_IMPORTS) or state & (CLIENT_FAKE | CLIENT_SCRIPT) == CLIENT_FAKE

cdef class Client:
    cdef Output out                    # replies of this turn that the loop has not handed over yet
    cdef Batch* batch                  # held while it executes or is blocked; NULL otherwise
    cdef readonly Database db
    cdef readonly uint64_t id          # CLIENT ID
    cdef uint64_t connection           # its lane's name for it; 0 for a pretended client
    cdef public int resp               # 2 or 3
    cdef public uint32_t slow          # SLOW_ bits; not 0 = fast paths decline
    cdef public uint64_t state         # CLIENT_ bits
    cdef bint queued                   # stands in the loop's list of clients to flush
    cdef public size_t in_flight       # bytes handed to the lane and not written yet
    cdef public size_t query_memory    # bytes of query buffer at its lane
    cdef public size_t query_used      # bytes in it that are not executed yet
    cdef public int64_t created_us     # monotonic
    cdef public int64_t active_us      # last command, monotonic
    cdef public int64_t soft_limit_us  # since when the soft output limit is exceeded, 0 = not
    cdef public int64_t written        # WAIT: offset of the stream behind its last write, or a little more
    cdef public uint64_t bytes_in, bytes_out, commands
    cdef uint64_t rests_at             # bytes_in + bytes_out when it came to rest (clients.accounts); NO_REST: it has not
    cdef uint32_t reply_buffer         # bytes of the one that Redis would have; 0: nobody has looked yet
    cdef int64_t reply_needed_us       # when it had to be large, monotonic
    cdef uint64_t replies_seen         # bytes_out at the cron's last look
    cdef size_t query_filled           # of its half-read request, then
    cdef str accounted_class           # in which sum of clients.accounts it stands, None: in none ...
    cdef readonly int64_t accounted    # ... and with so many bytes
    cdef int64_t partial_accounted     # of which a half-read request held so many
    cdef public object fd              # number for CLIENT LIST, -1 for a pretended client
    cdef End peer                      # who came ...
    cdef str spelled                   # ... as `address` shows it, and `local_address`; None: nobody has asked yet
    cdef str own_spelled
    cdef public bytes name             # b"" = none
    cdef public bytes library_name, library_version
    cdef public object user            # acl.user.User; None: nobody's, and trusted (our master, a file)
    cdef public Permissions permissions        # what its user may do; None: everything
    cdef public bint authenticated     # it has said who it is, or need not have when it came
    cdef public object command         # registry Command running or last run (cmd= of CLIENT LIST)
    cdef public object transaction     # clients.multi.Transaction or None
    cdef public object watching        # list of (db, key, expired?) or None
    cdef public object subscriptions   # clients.pubsub.Subscriptions or None
    cdef public object blocked         # clients.blocking.Blocked or None
    cdef public object tracking        # clients.tracking.Tracker or None
    cdef public list held              # pushes kept back until the reply of the command under way is written, or None
    cdef public object loop            # the loop: told when this client has output or must close
    cdef public object replica         # replication.master's Replica, or None

    cdef str named(self)               # `address`: "ip:port" of the peer, or the unix socket's path + ":0"
    cdef void named_as(self, Client other)
    cdef int write(self, object value) except -1          # a reply, honouring CLIENT REPLY
    cdef void has_output(self)
