"""One server's place in replication: its history, who follows it, whom it follows, and who waits for either.

Rooms above fill the hooks: what a change of role means for commands and keys, and how a snapshot takes the place of the
data (dispatch.replicating).
"""

from collections.abc import Callable

from iothreads.listen import unread_bytes
from iothreads.tls import TlsContext
from server.clients.client import Client
from server.config.config import Config
from server.observe.log import Log
from server.observe.stats import Stats
from server.persistence.child import Child
from server.persistence.snapshot import Snapshots
from server.replication.failover import Failover
from server.replication.following import Following
from server.replication.full_sync import WRITE, FullSync
from server.replication.history import History
from server.replication.master import Master, seconds
from server.replication.seams import ConnectorSeam, DataSeam, LoopSeam, PropagationSeam, Refuses, RunReceived
from server.replication.state import SHOWN, State
from server.replication.tally import Tally
from server.replication.waiting import Waiting
from server.structures.block_stream import ALL, AOF


class Node:
    """`following` is None on a master."""

    def __init__(self, config: Config, log: Log, stats: Stats, propagation: PropagationSeam, loop: LoopSeam,
                 connector: ConnectorSeam, snapshots: Snapshots, child: Child, write: WRITE) -> None:
        self.config = config
        self.log = log
        self.loop = loop
        self.propagation = propagation
        self.stream = propagation.stream
        self.connector = connector
        self.history = History()
        self.tally = Tally()
        self.master = Master(config, log, stats, self.history, propagation, loop, self.tally)
        self.full_sync = FullSync(self.master, snapshots, child, write)
        self.following: Following | None = None
        self.applied_db = 0                # database of the last command that came from a master
        self.master.stream_db = self._stream_db
        self.tls: Callable[[], TlsContext | None] = lambda: None   # how the link to the master is enciphered
        self.on_role: Callable[[], None] = lambda: None            # we are a replica now, or no longer
        self.on_link: Callable[[], None] = lambda: None            # the link to the master came or went
        self.make_master_client: Callable[[str, int], Client]      # (address, database)
        self.run_received: RunReceived     # for that client, while it has no connection
        self.data: DataSeam                # ours, as a full sync replaces them
        self.refuses_snapshot: Refuses = lambda history, data, whole: False
        self.synced_offset: Callable[[], int] = lambda: -1         # how far our AOF is on disk; -1: there is none
        self.pause_writes: Callable[[bool], None] = lambda yes: None
        self.starts_as_replica: Callable[[], bool] = lambda: bool(config.replicaof)
        self.waiting = Waiting(self.master, lambda: self.synced_offset())
        self.failover = Failover(self, lambda yes: self.pause_writes(yes))

    @property
    def port(self) -> int:
        """Where we listen, as our master is told."""
        config = self.config
        return int(config.tls_port if config.tls_replication and config.tls_port else config.port)

    # ---- bytes
    @property
    def received_bytes(self) -> int:
        """total_net_repl_input_bytes: snapshots and stream."""
        return self.tally.received + (self.following.received if self.following is not None else 0)

    @property
    def sent_bytes(self) -> int:
        """total_net_repl_output_bytes. Complexity: O(replicas)."""
        replicas = self.master.replicas
        return self.tally.sent + (sum([replica.sent for replica in replicas.values()]) if replicas else 0)

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT: count from what connections have carried so far."""
        self.tally.reset()
        self.tally.received = -(self.following.received if self.following is not None else 0)
        for replica in self.master.replicas.values():
            replica.sent_before = replica.client.bytes_out

    def is_replica(self) -> bool:
        """Whether we follow somebody."""
        return self.following is not None

    # ---- roles
    def follow(self, host: str, port: int, *, failover: bool = False,
               on_failover: Callable[[bool], None] = lambda well: None) -> None:
        """Be a replica of that server. failover: its master, ours so far, hands over to it; on_failover(well) hears how
        that ended."""
        before = self.following
        if before is not None:
            self.following = None
            before.stop()
        else:
            self.log.notice("Before turning into a replica, using my own master parameters to synthesize a cached "
                            "master: I may be able to synchronize with the new master with just a partial transfer.")
            self.propagation.flush()
        self.following = Following(self, host, port, failover=failover, on_failover=on_failover)
        self.propagation.address(AOF)
        self.on_role()
        self.log.notice("Connecting to MASTER %s:%d", host, port)
        self.following.connect()

    def stop_following(self) -> None:
        """Be a master, of a history that goes on from here under its own id: replicas come again and hear of it."""
        following = self.following
        if following is None:
            return
        self.following = None
        following.stop()
        self.master.drop_all()
        self.history.shift(self.stream.offset)
        self.log.notice("Setting secondary replication ID to %s, valid up to offset: %d. New replication ID is %s",
                        self.history.second_id, self.history.second_offset, self.history.id)
        self.propagation.address(ALL)
        self.on_role()

    def leave_history(self) -> None:
        """Our data are of no history any more: replicas come again and ask."""
        self.master.drop_all()
        self.master.free_backlog()

    def begin_history(self, id: str, offset: int) -> None:
        """Our data are those of that history, from a snapshot; id "": of none that anybody knows."""
        self.leave_history()
        if id:
            self.history.adopt(id)
        else:
            self.history.begin()
        self.stream.begin_history(offset)
        self.master.create_backlog()

    def restored(self, fields: dict[str, bytes]) -> None:
        """The data come from a file that says so much of its history: go on with it."""
        id, offset = fields.get("repl-id", b"").decode("latin-1"), fields.get("repl-offset", b"")
        if len(id) != 40 or not offset.isdigit():
            return
        database = fields.get("repl-stream-db", b"0")
        self.applied_db = int(database) if database.isdigit() else 0
        self.stream.begin_history(int(offset))
        if self.starts_as_replica():
            self.history.adopt(id)
            return
        self.history.second_id, self.history.second_offset = id, int(offset) + 1
        self.master.create_backlog()

    def fields(self) -> list[tuple[bytes, bytes]]:
        """What a snapshot says of the history it is in."""
        if self.master.backlog is None and self.following is None:
            return []
        return [(b"repl-stream-db", b"%d" % self._stream_db()), (b"repl-id", self.history.id.encode()),
                (b"repl-offset", b"%d" % self.stream.offset)]

    def _stream_db(self) -> int:
        """Which database the stream is in."""
        return self.applied_db if self.following is not None else max(0, self.propagation.selected_for_replicas)

    @property
    def read_offset(self) -> int:
        """slave_read_repl_offset: what has come of our master's stream, applied or not: a transaction that is not over,
        what CLIENT PAUSE holds (we read no further then, and the master keeps what our socket does not take), the
        beginning of a command."""
        following = self.following
        if following is None or following.client is None:
            return int(self.stream.offset)
        return (int(self.stream.offset) + len(self.loop.unapplied) + self.loop.unexecuted_of(following.client)
                + following.ahead_bytes + self._unread_of(following))

    def _unread_of(self, following: Following) -> int:
        """Bytes that wait in our socket; of what is enciphered nobody can tell before it is read: 0."""
        carries = following.client if following.client is not None and following.client.fd >= 0 else following.link
        return unread_bytes(carries.fd) if carries is not None and not following.enciphered else 0

    def link_changed(self) -> None:
        """The stream from our master began, or ended."""
        self.on_link()

    # ---- turns and ticks
    def applied(self, database: int) -> bool:
        """Commands of our master were applied, and their bytes are in the stream."""
        self.applied_db = database
        self.master.end_turn()
        if self.following is not None and self.following.asked:
            self.following.acknowledge()
        return False

    def tick(self) -> None:
        """Once a second."""
        if self.following is not None:
            self.following.tick()
        self.master.tick()
        self.full_sync.tick()

    def lagging(self) -> bool:
        """Whether a replica that is online has not acknowledged everything (SHUTDOWN waits)."""
        offset = self.master.offset
        return any(replica.acknowledged < offset for replica in self.master.online())

    def log_lagging(self) -> None:
        """The server ends: whether replicas have everything."""
        master = self.master
        offset, replicas = master.offset, master.connected()
        behind = [one for one in replicas if one.state != State.ONLINE or one.acknowledged != offset]
        for replica in behind:
            silent = int(seconds() - replica.heard) if replica.state == State.ONLINE and replica.heard else 0
            self.log.notice("Lagging replica %s reported offset %d behind master, lag=%d, state=%s.", replica.name,
                            offset - replica.acknowledged, silent, SHOWN.get(replica.state, "???"))
        if replicas:
            self.log.notice("%d of %d replicas are in sync when shutting down.", len(replicas) - len(behind),
                            len(replicas))

    def forget(self, client: Client) -> None:
        """The client is gone."""
        self.master.forget(client)
        self.waiting.forget(client)
        following = self.following
        if following is not None and following.client is client:
            following.lost()
