"""Replication by command: what replicas say to their master (PSYNC, SYNC, REPLCONF) and what clients ask of both (WAIT,
WAITAOF, REPLICAOF, ROLE, FAILOVER)."""

from server.clients.blocking import milliseconds
from server.clients.client import DENY_BLOCKING, MASTER, REPLICA
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    SENTINEL,
    STALE,
    group,
)
from server.registry.errors import NOT_AN_INTEGER, CommandError, syntax
from server.registry.light import Any
from server.registry.reply import NO_REPLY, OK, NoReply
from server.replication.waiting import NO_DISK, Waiter

command = group("server")
generic = group("generic")
_SYNC = ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI
NOT_ON_REPLICA = ("cannot be used with replica instances. Please also note that writes to replicas are just local and "
                  "are not propagated.")
WAIT_NOT_ON_REPLICA = ("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a "
                       "replica is configured to be writable (which is not the default) writes to replicas are just "
                       "local and are not propagated.")


# ---- what replicas say
@command("SYNC", arity=1, flags=_SYNC, since="1.0.0")
def sync(call: Call) -> NoReply:
    """Become a replica in the way of old: a snapshot comes, then every write.

    Complexity: O(N), N being all keys
    """
    return _sync(call, None, 0)


@command("PSYNC", arity=-3, flags=_SYNC, since="2.8.0", syntax="replicationid offset")
def psync(call: Call, id: bytes, offset: bytes, *words: bytes) -> NoReply:
    """Become a replica that knows a history up to an offset: the stream goes on from there if it can, else a snapshot
    comes first.

    Complexity: O(1), O(N) for a snapshot, N being all keys
    """
    wanted = args.parse_integer(offset)
    if wanted is None:
        call.server.replication.master.refuse_offset(call.client)
        raise CommandError(NOT_AN_INTEGER)
    if words and words[0].lower() == b"failover":
        call.server.replication.failover.taken_over(call.client, id)
        id = call.server.replication.history.id.encode()
    elif words:
        raise syntax()
    return _sync(call, id.decode("latin-1"), wanted)


def _sync(call: Call, id: str | None, offset: int) -> NoReply:
    client, replication = call.client, call.server.replication
    if client.has(REPLICA):
        return NO_REPLY
    replication.failover.check_sync()
    if replication.following is not None and not replication.following.connected:
        raise CommandError("NOMASTERLINK Can't SYNC while not connected with my master")
    if client.output_bytes:
        raise CommandError("ERR SYNC and PSYNC are invalid with pending output")
    answer = replication.master.sync(client, id, offset)
    if answer is not None:
        client.push_encoded(answer)
    return NO_REPLY


@command("REPLCONF", arity=-1, flags=ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY, since="3.0.0",
         system=True)
def replconf(call: Call, *words: bytes) -> str | NoReply:
    """Tell the master about a replica, or how far that is; ask a replica how far it is.

    Complexity: O(1)
    """
    if len(words) % 2:
        raise syntax()
    for name, value in zip(words[::2], words[1::2], strict=True):
        option = _REPLCONF.get(name.lower())
        if option is None:
            raise CommandError(f"ERR Unrecognized REPLCONF option: {name.decode('utf-8', 'surrogateescape')}")
        if option(call, value, words) is NO_REPLY:
            return NO_REPLY
    return OK


def _listening_port(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    call.server.replication.master.of(call.client).port = args.integer(value)


def _ip_address(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    if len(value) >= 46:
        raise CommandError(f"ERR REPLCONF ip-address provided by replica instance is too long: {len(value)} bytes")
    call.server.replication.master.of(call.client).announced_ip = value.decode("latin-1")


def _capa(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    replica = call.server.replication.master.of(call.client)
    if value.lower() == b"eof":
        replica.eof = True
    elif value.lower() == b"psync2":
        replica.psync2 = True
    elif value.lower() == b"dual-channel":
        replica.dual_channel = True


def _ack(call: Call, value: bytes, words: tuple[bytes, ...]) -> NoReply:
    if not call.client.has(REPLICA):
        return NO_REPLY
    offset = args.parse_integer(value)
    if offset is None:
        return NO_REPLY
    synced = args.parse_integer(words[3]) if len(words) > 3 and words[2].lower() == b"fack" else None
    call.server.replication.master.acknowledge(call.client, offset, synced)
    return NO_REPLY


def _get_ack(call: Call, value: bytes, words: tuple[bytes, ...]) -> NoReply:
    following = call.server.replication.following
    if following is not None and call.client.has(MASTER):
        following.asked = True         # now, the bytes of this batch do not count yet
    return NO_REPLY


def _rdb_only(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    call.server.replication.master.of(call.client).rdb_only = args.integer_in(value, 0, 1) == 1


def _rdb_filter_only(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    replica = call.server.replication.master.of(call.client)
    replica.functions_only = False
    for word in value.lower().split():
        if word != b"functions":
            raise CommandError(f"ERR Unsupported rdb-filter-only option: {word.decode('latin-1')}")
        replica.functions_only = True


def _rdb_channel(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    call.server.replication.master.of(call.client).second = args.integer_in(value, 0, 1) == 1


def _set_rdb_client_id(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    master, id = call.server.replication.master, args.integer(value)
    if id not in master.awaited:
        raise CommandError(f"ERR Unrecognized RDB client id {id}")
    master.of(call.client).snapshot_by = id


def _version(call: Call, value: bytes, words: tuple[bytes, ...]) -> None:
    """Valkey's replicas say theirs, and take no snapshot by a second connection from who does not listen."""


_REPLCONF = {b"listening-port": _listening_port, b"ip-address": _ip_address, b"capa": _capa, b"ack": _ack,
             b"getack": _get_ack, b"rdb-only": _rdb_only, b"rdb-filter-only": _rdb_filter_only,
             b"version": _version,
             b"rdb-channel": _rdb_channel, b"set-rdb-client-id": _set_rdb_client_id}


# ---- roles
@command("REPLICAOF", arity=3, flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, since="5.0.0",
         syntax="<host port | NO ONE>")
def replicaof(call: Call, host: bytes, port: bytes) -> str:
    """Follow another server from now on, or nobody any more.

    Complexity: O(1)
    """
    if call.config.cluster_enabled:
        raise CommandError("ERR REPLICAOF not allowed in cluster mode.")
    replication = call.server.replication
    if replication.failover.in_progress:
        raise CommandError("ERR REPLICAOF not allowed while failing over.")
    if host.lower() == b"no" and port.lower() == b"one":
        if replication.following is not None:
            replication.stop_following()
            call.server.log.notice("MASTER MODE enabled (user request from '%s')", _who(call))
        return OK
    if call.client.has(REPLICA):
        raise CommandError("ERR Command is not valid when client is a replica.")
    number = args.integer_in(port, 0, 65535, "ERR Invalid master port")
    name = host.decode("utf-8", "surrogateescape")
    following = replication.following
    if following is not None and following.host == name and following.port == number:
        call.server.log.notice("REPLICAOF would result into synchronization with the master we are already connected "
                               "with. No operation performed.")
        return "OK Already connected to specified master"
    replication.follow(name, number)
    call.server.log.notice("REPLICAOF %s:%d enabled (user request from '%s')", name, number, _who(call))
    return OK


def _who(call: Call) -> str:
    from server.clients.client_list import line

    return line(call.client)


@command("SLAVEOF", arity=3, flags=ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, since="1.0.0",
         syntax="<host port | NO ONE>", deprecated=("5.0.0", "`REPLICAOF`"))
def slaveof(call: Call, host: bytes, port: bytes) -> str:
    """Follow another server from now on, or nobody any more.

    Complexity: O(1)
    """
    return replicaof(call, host, port)


@command("ROLE", arity=1, flags=NOSCRIPT | LOADING | STALE | FAST | SENTINEL, since="2.8.12",
         acl=("admin", "dangerous"))
def role(call: Call) -> list[object]:
    """Describe the instance in replication: master with its offset and replicas, or replica with its master's address.

    Complexity: O(1)
    """
    replication = call.server.replication
    following = replication.following
    if following is not None:
        return [b"slave", following.host.encode(), following.port, following.state.encode(), following.role_offset]
    return [b"master", replication.master.shown_offset,
            [[replica.ip.encode(), b"%d" % replica.port, b"%d" % replica.acknowledged]
             for replica in replication.master.online()]]


@command("FAILOVER", arity=-1, flags=ADMIN | NOSCRIPT | STALE, since="6.2.0",
         syntax="[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]")
def failover(call: Call, *words: bytes) -> str:
    """Hand the mastership to a replica once that has everything: writes wait meanwhile.

    Complexity: O(1)
    """
    return call.server.replication.failover.command(call.config, words)


# ---- waiting
@generic("WAIT", arity=3, since="3.0.0", syntax="numreplicas timeout", acl=("connection", "-keyspace"),
         tips=("request_policy:all_shards", "response_policy:agg_min"))
def wait(call: Call, replicas: bytes, timeout: bytes) -> int | NoReply:
    """Wait until so many replicas have what this connection wrote; the reply is how many have.

    Complexity: O(1)
    """
    if call.server.replication.following is not None:
        raise CommandError(WAIT_NOT_ON_REPLICA)
    wanted = args.integer(replicas)
    patience = milliseconds(timeout)
    reply: int | NoReply = _wait(call, Waiter(call.client, call.command, _written(call), wanted), patience)
    return reply


@generic("WAITAOF", arity=4, flags=NOSCRIPT, since="7.2.0", syntax="numlocal numreplicas timeout",
         acl=("connection", "-keyspace"), tips=("request_policy:all_shards", "response_policy:agg_min"))
def waitaof(call: Call, local: bytes, replicas: bytes, timeout: bytes) -> list[int] | NoReply:
    """Wait until what this connection wrote is on our disk, and on those of so many replicas; the reply is on how many.

    Complexity: O(1)
    """
    own = args.integer_in(local, 0, 1)
    wanted = args.positive(replicas)
    patience = milliseconds(timeout)
    if call.server.replication.following is not None:
        raise CommandError(f"ERR WAITAOF {NOT_ON_REPLICA}")
    if own and not call.config.appendonly:
        raise CommandError(NO_DISK)
    waiter = Waiter(call.client, call.command, _written(call), wanted, bool(own), True)
    reply: list[int] | NoReply = _wait(call, waiter, patience)
    return reply


def _written(call: Call) -> int:
    """The offset behind the last write of this client. Only one of this turn may not be in the stream yet."""
    master, written = call.server.replication.master, call.client.written
    return int(written if written <= master.stream.offset else min(written, master.offset))


def _wait(call: Call, waiter: Waiter, patience: int) -> Any:
    waiting = call.server.replication.waiting
    if waiting.is_served(waiter) or call.client.has(DENY_BLOCKING) or not call.may_block:
        return waiting.reply(waiter)
    waiting.add(waiter, patience)
    return NO_REPLY
