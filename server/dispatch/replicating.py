"""What replication needs of the loop, the gates and the keyspace, as `saving` and `appending` do for files: the room
below knows none of them. `server.wiring` fills its hooks from here."""

from collections.abc import Callable
from itertools import islice

from server.clients import client as c, pause
from server.clients.blocking import FORCED
from server.clients.client import Client
from server.clients.client_list import line
from server.config.config import Config
from server.dispatch import conditions
from server.dispatch.call import Call
from server.dispatch.gates import flags_of, gate, is_without, lacks
from server.keyspace.database import Database
from server.persistence import rdb_file
from server.persistence.rdb_peek import RdbData, holds_keys
from server.registry.command import STALE, WRITE
from server.registry.errors import MASTERDOWN, CommandError
from server.registry.light import TYPE_CHECKING
from server.replication.empty_master import REFUSED, RETRY_SECONDS, waits_for_a_person
from server.replication.node import Node

if TYPE_CHECKING:
    from server.server import Server

TICK_MS = 1000
AT_A_TICK = 1000            # own expires that a tick looks at
DISK_MS = 100               # how often the disk is asked for those who wait for it
_FOREVER_MS = 1 << 62


@gate("readonly-replica", lambda command: command.has(WRITE) or command.name == "exec")
def readonly_replica(call: Call) -> None:
    """A replica takes writes from its master only, unless it is writable."""
    if (call.server.replication.following is not None and call.config.replica_read_only
            and not call.client.obeyed and flags_of(call) & WRITE):
        raise CommandError("READONLY You can't write against a read only replica.")


@gate("stale", lacks(STALE))
def stale(call: Call) -> None:
    """A replica without its master serves what it has, unless replica-serve-stale-data says no."""
    if is_stale(call.server) and not call.client.has(c.MASTER) and is_without(call, STALE):
        if call.client.has(c.SCRIPT):
            raise CommandError("ERR Can not execute the command on a stale replica")
        raise CommandError(MASTERDOWN)


def is_stale(server: "Server") -> bool:
    """Whether data may not be served."""
    following = server.replication.following
    return following is not None and not following.connected and not server.config.replica_serve_stale_data


class OwnExpires:
    """Keys that clients of a writable replica gave an expire: no master will ever say that their time has come."""

    def __init__(self) -> None:
        self._keys: dict[tuple[Database, bytes], None] = {}

    def __len__(self) -> int:
        """slave_expires_tracked_keys."""
        return len(self._keys)

    def note(self, db: Database, key: bytes) -> None:
        """One more. Complexity: O(1)."""
        self._keys[(db, key)] = None

    def forget(self) -> None:
        """We are a master, which looks at all keys."""
        self._keys.clear()

    def tick(self) -> None:
        """From the cron: delete what has expired. Complexity: O(AT_A_TICK)."""
        for db, key in list(islice(self._keys, AT_A_TICK)):
            del self._keys[(db, key)]
            if db.is_expired(key):
                db.drop_expired(key)
            elif db.expire_at(key) >= 0:
                self._keys[(db, key)] = None


class Replicating:
    """The wiring of one server."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.own_expires: OwnExpires = OwnExpires()
        self.node = Node(server.config, server.log, server.stats, server.propagation, server.loop, server.connector,
                         server.snapshots, server.child, self.write_snapshot)

    # ---- snapshots for replicas
    def write_snapshot(self, file: int, report: Callable[[int], None], functions_only: bool) -> None:
        """In a child: write what a replica wants to a pipe."""
        rdb_file.write_to(self._server, file, report, functions_only=functions_only)

    # ---- roles
    def role_changed(self) -> None:
        """We are a replica now, or no longer."""
        server, following = self._server, self.node.following
        server.config.store("replicaof", (following.host, following.port) if following is not None else None)
        server.blocking.fail_all(CommandError(FORCED))
        server.keyspace.keep_expired_for("replica", following is not None)
        server.log.role = "S" if following is not None else "M"
        server.process.set_oom_score()
        if following is None:
            server.replacing.resume_appending()        # a full sync that failed left it off
        self.link_changed()

    def directive_changed(self, config: Config) -> None:
        """replica-read-only, replica-serve-stale-data."""
        self.link_changed()

    def link_changed(self) -> None:
        """The link to the master came or went, or a directive about it changed."""
        config, following = self._server.config, self.node.following
        writable = following is not None and not config.replica_read_only
        conditions.slow_because("readonly", following is not None)
        self._server.keyspace.writes_drop_expired = writable
        self._server.keyspace.on_expire_set = self.own_expires.note if writable else None
        if following is None:
            self.own_expires.forget()
        self._server.stale = is_stale(self._server)
        conditions.slow_because("stale", self._server.stale)
        self.good_changed(self.node.master.good_replicas)
        if self._server.cluster is not None:
            self._server.cluster.master_link_changed()

    def good_changed(self, good: int) -> None:
        """min-replicas-to-write."""
        wanted = self._server.config.min_replicas_to_write
        conditions.slow_because("few-replicas", bool(self.node.following is None and wanted
                                                     and self._server.config.min_replicas_max_lag and good < wanted))

    def pause_writes(self, yes: bool) -> None:
        """FAILOVER holds back what would change something."""
        if yes:
            self._server.pause.start(pause.BY_FAILOVER, _FOREVER_MS, pause.WRITES)
        else:
            self._server.pause.stop(pause.BY_FAILOVER)

    def make_master_client(self, address: str, database: int) -> Client:
        """Who executes what our master says. The link to that becomes its connection."""
        server = self._server
        databases = server.keyspace.databases
        client = Client(server.next_client_id, databases[database if database < len(databases) else 0], server.loop)
        server.next_client_id += 1
        client.address = address
        client.authenticated = True
        server.loop.unapplied = b""
        server.clients.add(client)
        return client

    def replica_replied(self, client: Client, reply: object) -> None:
        """A replica asked for something that has a reply, which must not stand in the stream: it is no replica."""
        if isinstance(reply, CommandError):
            self._count_error("This master is sending an error to its replica", client, reply.text)
        self._server.log.warning("Replica generated a reply to command '%s', disconnecting it: %s", _asked(client),
                                 line(client))
        client.close()

    def _count_error(self, what: str, client: Client, text: bytes) -> None:
        self._server.stats.unexpected_error_replies += 1
        self._server.log.warning("== CRITICAL == %s: '%s' after processing the command '%s'", what,
                                 text.decode("utf-8", "replace"), _asked(client))

    def master_error(self, client: Client, reply: bytes) -> None:
        """A command of our master failed here: the data may differ."""
        server = self._server
        self._count_error("This replica is sending an error to its master", client, reply[1:].split(b"\r\n")[0])
        behaviour = server.config.propagation_error_behavior
        if behaviour in ("panic", "panic-on-replicas") and server.config.replica_read_only:
            server.crash.panic("This replica panicked sending an error to its master after processing a command")

    # ---- snapshots that must not take the place of the data
    def refuses_snapshot(self, history: str, data: RdbData, whole: bool) -> bool | None:
        """replica-refuse-empty-master; the log says what may be done. history: the id of the snapshot's; data: how it
        begins, or all of it when `whole`. None: this much does not tell."""
        server, following = self._server, self.node.following
        keys, ours = server.keyspace.keys_total(), self.node.history.id
        if not server.config.replica_refuse_empty_master or following is None \
                or not waits_for_a_person(keys, ours, history, False):
            return False
        found = holds_keys(data)
        if found is None and not whole:
            return None
        if not waits_for_a_person(keys, ours, history, found):
            return False
        server.log.warning(REFUSED, following.host, following.port, keys, RETRY_SECONDS)
        return True

    # ---- disks
    def synced_offset(self) -> int:
        """How much of the history is in our append only file, on disk; -1 without one."""
        return int(self._server.aof.synced_offset) if self._server.config.appendonly else -1


def _asked(client: Client) -> str:
    return client.command.name if client.command is not None else "<unknown>"


def start(server: "Server") -> None:
    """The data of the last time are loaded: go on with their history, and follow whom the configuration names."""
    node = server.replication
    if not server.config.appendonly:
        node.restored(server.snapshots.replication_fields)
        for db, key in server.snapshots.left_out:        # replicas that go on from here still have them
            server.propagation.to_replicas(db, [b"DEL", key])
        server.propagation.flush()
    server.snapshots.left_out = []
    if server.config.replicaof is not None:
        node.follow(*server.config.replicaof)
