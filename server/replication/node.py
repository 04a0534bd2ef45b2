"""One server's place in replication: its history, who follows it, whom it follows, and who waits for either.

Rooms above fill the hooks: what a change of role means for commands and keys, and how a snapshot takes the place of the
data (dispatch.replicating).
"""

from collections.abc import Callable
from typing import Any

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
from server.replication.master import Master
from server.replication.seams import ConnectorSeam, DataSeam, LoopSeam, PropagationSeam
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
        self.master = Master(config, log, stats, self.history, propagation, loop)
        self.full_sync = FullSync(self.master, snapshots, child, write)
        self.following: Following | None = None
        self.applied_db = 0                # database of the last command that came from a master
        self.on_role: Callable[[], None] = lambda: None            # we are a replica now, or no longer
        self.on_link: Callable[[], None] = lambda: None            # the link to the master came or went
        self.make_master_client: Callable[[Any, int], Client]      # (link, database)
        self.data: DataSeam                # ours, as a full sync replaces them
        self.synced_offset: Callable[[], int] = lambda: -1         # how far our AOF is on disk; -1: there is none
        self.pause_writes: Callable[[bool], None] = lambda yes: None
        self.waiting = Waiting(self.master, lambda: self.synced_offset())
        self.failover = Failover(self, lambda yes: self.pause_writes(yes))

    @property
    def port(self) -> int:
        """Where we listen, as our master is told."""
        return int(self.config.port)

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

    def stop_following(self, *, as_before: bool = False) -> None:
        """Be a master. as_before: of the same history, nothing of another master's was applied."""
        following = self.following
        if following is None:
            return
        self.following = None
        following.stop()
        if not as_before:
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
        if self.config.replicaof:
            self.history.adopt(id)
            return
        self.history.second_id, self.history.second_offset = id, int(offset) + 1
        self.master.create_backlog()

    def fields(self) -> list[tuple[bytes, bytes]]:
        """What a snapshot says of the history it is in."""
        if self.master.backlog is None and self.following is None:
            return []
        database = self.applied_db if self.following is not None else max(0, self.propagation.selected_for_replicas)
        return [(b"repl-stream-db", b"%d" % database), (b"repl-id", self.history.id.encode()),
                (b"repl-offset", b"%d" % self.stream.offset)]

    def unapplied(self) -> bytes:
        """Of our master's stream: a transaction that has not come to its end."""
        return self.loop.unapplied if self.following is not None else b""

    @property
    def read_offset(self) -> int:
        """How far we have read our master's stream, applied or not (CLIENT PAUSE, a transaction that is not over)."""
        master = self.following.client if self.following is not None else None
        return self.stream.offset + len(self.unapplied()) + (0 if master is None else self.loop.waiting_bytes(master))

    def link_changed(self) -> None:
        """The stream from our master began, or ended."""
        self.on_link()

    # ---- turns and ticks
    def applied(self, database: int) -> bool:
        """Commands of our master were applied, and their bytes are in the stream."""
        self.applied_db = database
        self.master.end_turn()
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

    def forget(self, client: Client) -> None:
        """The client is gone."""
        self.master.forget(client)
        self.waiting.forget(client)
        following = self.following
        if following is not None and following.client is client:
            following.lost()
