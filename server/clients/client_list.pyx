# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""How a client is shown (CLIENT LIST, CLIENT INFO, log lines), what it costs, and what it may call itself.

A line is `name=value` pairs with single spaces, so no value may contain a space. Ages are whole seconds, sizes bytes.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen

from server.clients.client cimport (
    CLIENT_BLOCKED, CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_ASAP, CLIENT_DIRTY_CAS, CLIENT_MASTER, CLIENT_MONITOR,
    CLIENT_MULTI, CLIENT_NO_EVICT, CLIENT_NO_TOUCH, CLIENT_PAUSED, CLIENT_READONLY, CLIENT_REPLICA, CLIENT_TRACKING,
    CLIENT_UNIX_SOCKET, Client)
from server.clients.transaction cimport Transaction
from server.registry.clock cimport monotonic_us
from server.registry.text_writer cimport (Text, text_add, text_add_bytes, text_add_number, text_add_value, text_begin,
                                          text_end, text_made)

from server.registry.errors import CommandError

cdef enum:
    CLIENT_BYTES = 1536        # a Client, its strings and its place in the tables, about
    WATCH_BYTES = 180          # one watched key: less if many watch the same, more if it is this client's own

SUPERUSER = "(superuser)"      # who has no user: our master, a file
BAD_NAME = "Client names cannot contain spaces, newlines or special characters."

cdef enum:
    FLAGS = 10

cdef char* _LETTERS = b"xbtdcAUreT"    # of `flags=`, behind O, S, P and M
cdef uint64_t[FLAGS] _FLAGS = [CLIENT_MULTI, CLIENT_BLOCKED | CLIENT_PAUSED, CLIENT_TRACKING, CLIENT_DIRTY_CAS,
                               CLIENT_CLOSE_AFTER_REPLY, CLIENT_CLOSE_ASAP, CLIENT_UNIX_SOCKET, CLIENT_READONLY,
                               CLIENT_NO_EVICT, CLIENT_NO_TOUCH]


# ---- names
def printable(bytes text) -> bool:
    """Whether a value may stand in CLIENT LIST: ASCII from ! to ~ only."""
    cdef unsigned char byte
    for byte in text:
        if not 33 <= byte <= 126:
            return False
    return True


def check_name(bytes name) -> None:
    """A connection name; empty takes it away. Errors: spaces, newlines or special characters."""
    if not printable(name):
        raise CommandError(f"ERR {BAD_NAME}")


# ---- costs
cdef size_t _multi_bytes(Client client) except? 0:
    """What MULTI and WATCH cost this client."""
    cdef size_t queued = client.transaction.overhead if client.transaction is not None else 0
    return queued + (WATCH_BYTES * len(client.watching) if client.watching is not None else 0)


def query_of(Client client) -> tuple[int, int]:
    """Query buffer, bytes: what it holds (qbuf + qbuf-free), how much of that is filled (qbuf). Complexity: O(1)."""
    return client.loop.query_of(client) if client.loop is not None else (0, 0)


cdef inline size_t _waiting(Client client) noexcept:
    """Reply bytes that wait."""
    return client.out.bytes + client.in_flight


cdef inline size_t _list_bytes(Client client) noexcept:
    """omem: memory of waiting replies beyond the static buffer."""
    return client.out.memory + client.in_flight if _waiting(client) > STATIC_REPLY_BYTES else 0


cpdef size_t unread_bytes(Client client) except? 0:
    """What of its replies waits beyond the static buffer, and what waits in the stream for a replica (where it stands once
    for all): output limits look at it. Complexity: O(1)."""
    cdef size_t waiting = 0
    if client.state & CLIENT_REPLICA and client.replica is not None:
        waiting = client.replica.waiting
    return _list_bytes(client) + waiting


cpdef size_t memory_of(Client client, size_t argv_bytes=0) except? 0:
    """tot-mem: everything a client costs, bytes. The buffer that qbuf-free shows between requests is not in it: other
    clients use it meanwhile. Complexity: O(1)."""
    cdef size_t total = CLIENT_BYTES + len(client.name) + argv_bytes + _multi_bytes(client)
    if client.batch != NULL:
        total += client.batch.memory
    elif client.loop is not None:
        total += client.loop.query_memory_of(client)
    total += _list_bytes(client) or _waiting(client)
    if client.subscriptions is not None:
        total += client.subscriptions.overhead
    if client.tracking is not None:
        total += client.tracking.memory
    return total


# ---- lines
def user_of(Client client) -> str:
    """The name of its user, as far as it has one."""
    return SUPERUSER if client.user is None else client.user.name.decode("utf-8", "surrogateescape")


cdef int _add_flags(Text* text, Client client) except -1:
    """The letters of `flags=`. Behind the t of who tracks: R, its redirection is broken; B, it is told of prefixes."""
    cdef uint64_t state = client.state
    cdef size_t before = text.used
    cdef bint linked = state & (CLIENT_REPLICA | CLIENT_MONITOR) != 0
    cdef int i
    if linked:
        text_add(text, "O" if state & CLIENT_MONITOR else "S", 1)
    if state & CLIENT_MASTER and not linked:
        text_add(text, "M", 1)
    if client.subscriptions is not None and client.subscriptions:
        text_add(text, "P", 1)
    if state & CLIENT_MASTER and linked:
        text_add(text, "M", 1)
    for i in range(FLAGS):
        if state & _FLAGS[i]:
            text_add(text, &_LETTERS[i], 1)
            if _FLAGS[i] == CLIENT_TRACKING and client.tracking is not None:
                text_add_value(text, client.tracking.letters)
    if text.used == before:
        text_add(text, "N", 1)
    return 0


cdef inline int _say(Text* text, const char* name) except -1:
    return text_add(text, name, strlen(name))


cdef inline int _number(Text* text, const char* name, int64_t value) except -1:
    text_add(text, name, strlen(name))
    return text_add_number(text, value)


cdef int _add_identity(Text* text, Client client, int64_t now) except -1:
    """Up to where it stands."""
    cdef int64_t idle = now - client.active_us
    _number(text, "id=", client.id)
    _say(text, " addr=")
    text_add_value(text, client.named())
    _say(text, " laddr=")
    text_add_value(text, client.local_address)
    _say(text, " fd=")
    text_add_value(text, client.fd)
    _say(text, " name=")
    text_add_bytes(text, client.name)
    _number(text, " age=", (now - client.created_us) // 1000000)
    _number(text, " idle=", idle // 1000000 if idle > 0 else 0)
    _say(text, " flags=")
    _add_flags(text, client)
    return _number(text, " db=", client.db.index)


cdef int _add_doings(Text* text, Client client) except -1:
    """What it listens to, and what it has queued."""
    cdef Transaction transaction = client.transaction
    listening = client.subscriptions
    _number(text, " sub=", len(listening.channels) if listening is not None else 0)
    _number(text, " psub=", len(listening.patterns) if listening is not None else 0)
    _number(text, " ssub=", len(listening.shard_channels) if listening is not None else 0)
    return _number(text, " multi=", -1 if transaction is None else <int64_t>len(transaction))


cdef int _add_buffers(Text* text, Client client, size_t argv_bytes) except -1:
    cdef Transaction transaction = client.transaction
    cdef size_t waiting = _waiting(client), in_list = unread_bytes(client)
    cdef size_t held, query
    if client.batch != NULL:
        held, query = client.batch.memory, client.batch.used
    else:
        held, query = query_of(client)
    _number(text, " qbuf=", query)
    _number(text, " qbuf-free=", held - query if held > query else 0)
    _number(text, " argv-mem=", argv_bytes)
    _number(text, " multi-mem=", 0 if transaction is None else transaction.memory)
    _number(text, " rbs=", client.reply_buffer or STATIC_REPLY_BYTES)
    _number(text, " rbp=", waiting if waiting < STATIC_REPLY_BYTES else STATIC_REPLY_BYTES)
    _number(text, " obl=", 0 if in_list else waiting)
    _number(text, " oll=", (waiting + STATIC_REPLY_BYTES - 1) // STATIC_REPLY_BYTES if in_list else 0)
    _number(text, " omem=", in_list)
    _number(text, " tot-mem=", memory_of(client, argv_bytes))
    _say(text, " events=")
    if client.loop is not None:
        _say(text, "r")
    return _say(text, "w") if waiting else 0


cdef int add_line(Text* text, Client client, size_t argv_bytes, int64_t now) except -1:
    _add_identity(text, client, now)
    _add_doings(text, client)
    _add_buffers(text, client, argv_bytes)
    _say(text, " cmd=")
    if client.command is None:
        _say(text, "NULL")
    else:
        text_add_value(text, client.command.name)
    _say(text, " user=")
    if client.user is None:
        text_add_value(text, SUPERUSER)
    else:
        text_add_bytes(text, client.user.name)
    _number(text, " redir=", -1 if client.tracking is None else <int64_t>client.tracking.redirect)
    _number(text, " resp=", client.resp)
    _say(text, " lib-name=")
    text_add_bytes(text, client.library_name)
    _say(text, " lib-ver=")
    return text_add_bytes(text, client.library_version)


def listing(clients, Client speaker=None, argv=()) -> bytes:
    """A line of each, in the order and with the names of Redis 7.2. `argv` is what `speaker` is running at the moment.
    Complexity: O(clients)."""
    cdef Text text
    cdef Client client
    cdef int64_t now = monotonic_us()
    text_begin(&text)
    try:
        for client in clients:
            add_line(&text, client, sum(map(len, argv)) if client is speaker else 0, now)
            _say(&text, "\n")
        return text_made(&text)
    finally:
        text_end(&text)


cpdef bytes line_of(Client client):
    """One client, without the end of the line."""
    cdef Text text
    text_begin(&text)
    try:
        add_line(&text, client, 0, monotonic_us())
        return text_made(&text)
    finally:
        text_end(&text)


def line(Client client) -> str:
    """One client, for the log."""
    return line_of(client).decode("utf-8", "surrogateescape")


# ---- where it is
PEER_UNKNOWN = "?"


def peer_of(Client client) -> tuple[str, int]:
    """Address and port of the other end; (PEER_UNKNOWN, 0) for a unix socket and for what has no connection."""
    if client.state & CLIENT_UNIX_SOCKET or ":" not in client.address:
        return PEER_UNKNOWN, 0
    ip, _, port = client.address.rpartition(":")
    return ip.strip("[]"), int(port) if port.isdigit() else 0
