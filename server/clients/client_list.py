"""How a client is shown (CLIENT LIST, CLIENT INFO, log lines), what it costs, and what it may call itself.

A line is `name=value` pairs with single spaces, so no value may contain a space. Ages are whole seconds, sizes bytes.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from server.clients import client as c
from server.clients.client import Client
from server.observe.debug_settings import settings
from server.registry.clock import monotonic_now_us
from server.registry.errors import CommandError

STATIC_REPLY_BYTES = 16384     # waiting replies up to this are the client's own buffer (obl), beyond a list (oll, omem)
IDLE_REPLY_BYTES = 1024        # what Redis leaves of that buffer when little is written
CLIENT_BYTES = 1536            # a Client, its strings and its place in the tables, about
WATCH_BYTES = 180              # one watched key: less if many watch the same, more if it is this client's own
BAD_NAME = "Client names cannot contain spaces, newlines or special characters."

_TRACKS = "t"                  # and R, its redirection is broken; B, it is told of prefixes
_FLAGS = ((c.MASTER, "M"), (c.MULTI, "x"), (c.BLOCKED | c.PAUSED, "b"), (c.TRACKING, _TRACKS), (c.DIRTY_CAS, "d"),
          (c.CLOSE_AFTER_REPLY, "c"), (c.CLOSE_ASAP, "A"), (c.UNIX_SOCKET, "U"), (c.READONLY, "r"), (c.NO_EVICT, "e"),
          (c.NO_TOUCH, "T"))
_SHOWN = reduce(or_, [bit for bit, _ in _FLAGS], c.REPLICA | c.MONITOR)
_NO_REPLY_BUFFER = (STATIC_REPLY_BYTES,)


# ---- names
def printable(text: bytes) -> bool:
    """Whether a value may stand in CLIENT LIST: ASCII from ! to ~ only."""
    return all(33 <= byte <= 126 for byte in text)


def check_name(name: bytes) -> None:
    """A connection name; empty takes it away. Errors: spaces, newlines or special characters."""
    if not printable(name):
        raise CommandError(f"ERR {BAD_NAME}")


# ---- costs
def multi_bytes(client: Client) -> int:
    """What MULTI and WATCH cost this client."""
    queued = client.transaction.overhead if client.transaction is not None else 0
    return queued + WATCH_BYTES * len(client.watching or ())


def query_of(client: Client) -> tuple[int, int]:
    """Query buffer, bytes: what it holds (qbuf + qbuf-free), how much of that is filled (qbuf). Complexity: O(1)."""
    held: tuple[int, int] = client.loop.query_of(client) if client.loop is not None else (0, 0)
    return held


def list_bytes(client: Client) -> int:
    """omem: memory of waiting replies beyond the static buffer. Complexity: O(1)."""
    return client.output_memory if client.output_bytes > STATIC_REPLY_BYTES else 0


def unread_bytes(client: Client) -> int:
    """The same, and what waits in the stream for a replica (where it stands once for all): output limits look at it."""
    waiting: int = client.extra["replica"].waiting if client.has(c.REPLICA) and "replica" in client.extra else 0
    return list_bytes(client) + waiting


def memory_of(client: Client, argv_bytes: int = 0) -> int:
    """tot-mem: everything a client costs, bytes. The buffer that qbuf-free shows between requests is not in it: other
    clients use it meanwhile. Complexity: O(1)."""
    total = CLIENT_BYTES + len(client.name) + argv_bytes + multi_bytes(client)
    if client.loop is not None:
        total += client.loop.query_memory_of(client)
    total += list_bytes(client) or client.output_bytes
    if client.subscriptions is not None:
        total += client.subscriptions.overhead
    if client.tracking is not None:
        total += client.tracking.memory
    return total


def note_replies(client: Client, now_us: int) -> int:
    """Look at what a client was sent since the last look: rbs= is the buffer that Redis would have sized after it.
    It grows with the first reply that needs it, and shrinks when none did for a while (DEBUG REPLYBUFFER). The result
    is by how much it changed."""
    size: int
    size, sent, needed_us = client.extra.get("reply_buffer", (STATIC_REPLY_BYTES, client.bytes_out, now_us))
    before = size
    if client.bytes_out - sent > IDLE_REPLY_BYTES:
        size, needed_us = STATIC_REPLY_BYTES, now_us
    elif 0 <= settings.reply_buffer_peak_reset_ms <= (now_us - needed_us) // 1000 and settings.reply_buffer_resizing:
        size = IDLE_REPLY_BYTES
    client.extra["reply_buffer"] = (size, client.bytes_out, needed_us)
    return size - before


# ---- lines
def user_of(client: Client) -> str:
    """The name of its user, as far as it has one."""
    return "(superuser)" if client.user is None else client.user.name.decode("utf-8", "surrogateescape")


def flags_of(client: Client) -> str:
    """The letters of `flags=`."""
    if not (client.state & _SHOWN or client.subscriptions or client.tracking):
        return "N"
    letters = ""
    if client.has(c.REPLICA | c.MONITOR):
        letters = "O" if client.has(c.MONITOR) else "S"
    if client.subscriptions:
        letters += "P"
    letters += "".join(letter for bit, letter in _FLAGS if client.has(bit))
    if client.tracking is not None:
        letters = letters.replace(_TRACKS, _TRACKS + client.tracking.letters, 1)
    if letters.startswith("PM"):
        letters = "MP" + letters[2:]
    return letters or "N"


def line(client: Client, argv: Iterable[bytes] = ()) -> str:
    """One client in the order and with the names of Redis 7.2. `argv` is what it is running at the moment."""
    now = monotonic_now_us()
    idle = now - client.active_us
    waiting, in_list = client.output_bytes, unread_bytes(client)
    argv_bytes = sum(map(len, argv)) if argv else 0
    held, query = query_of(client)
    listening, transaction, tracking = client.subscriptions, client.transaction, client.tracking
    command = client.command
    channels, patterns, shards = (
        (len(listening.channels), len(listening.patterns), len(listening.shard_channels)) if listening else (0, 0, 0))
    return (
        f"id={client.id} addr={client.address} laddr={client.local_address} fd={client.fd}"
        f" name={client.name.decode('ascii')} age={(now - client.created_us) // 1000000}"
        f" idle={idle // 1000000 if idle > 0 else 0} flags={flags_of(client)} db={client.db.index}"
        f" sub={channels} psub={patterns} ssub={shards} multi={-1 if transaction is None else len(transaction)}"
        f" qbuf={query} qbuf-free={held - query if held > query else 0} argv-mem={argv_bytes}"
        f" multi-mem={0 if transaction is None else transaction.memory}"
        f" rbs={client.extra.get('reply_buffer', _NO_REPLY_BUFFER)[0]}"
        f" rbp={waiting if waiting < STATIC_REPLY_BYTES else STATIC_REPLY_BYTES} obl={0 if in_list else waiting}"
        f" oll={(waiting + STATIC_REPLY_BYTES - 1) // STATIC_REPLY_BYTES if in_list else 0} omem={in_list}"
        f" tot-mem={memory_of(client, argv_bytes)}"
        f" events={'r' if client.loop is not None else ''}{'w' if waiting else ''}"
        f" cmd={'NULL' if command is None else command.name} user={user_of(client)}"
        f" redir={-1 if tracking is None else tracking.redirect} resp={client.resp}"
        f" lib-name={client.library_name.decode('ascii')} lib-ver={client.library_version.decode('ascii')}"
    )


# ---- where it is
PEER_UNKNOWN = "?"


def peer_of(client: Client) -> tuple[str, int]:
    """Address and port of the other end; (PEER_UNKNOWN, 0) for a unix socket and for what has no connection."""
    if client.has(c.UNIX_SOCKET) or ":" not in client.address:
        return PEER_UNKNOWN, 0
    ip, _, port = client.address.rpartition(":")
    return ip.strip("[]"), int(port) if port.isdigit() else 0
