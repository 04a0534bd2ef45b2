"""One replica, as its master sees it: what it told about itself, how far its sync is, and what it acknowledged."""


from server.clients.client import Client
from server.clients.client_list import PEER_UNKNOWN, peer_of
from server.registry.dataclass import dataclass, field
from server.replication.feed import Feed
from server.replication.standing import Standing
from server.replication.state import State


@dataclass(eq=False)
class Replica(Standing):
    """What its master knows of a replica. Offsets in bytes of the history, times in monotonic seconds."""

    client: Client
    port: int = 0                      # REPLCONF listening-port
    announced_ip: str = ""             # REPLCONF ip-address
    eof: bool = False                  # understands a snapshot of unknown length
    psync2: bool = False               # understands +CONTINUE with an id
    dual_channel: bool = False         # would take its snapshot by a second connection
    second: bool = False               # is that second connection (REPLCONF rdb-channel)
    snapshot_by: int = 0               # is the first one: client id of the second (REPLCONF set-rdb-client-id)
    old_sync: bool = False             # SYNC: sends no acknowledgements
    rdb_only: bool = False             # REPLCONF rdb-only
    functions_only: bool = False       # REPLCONF rdb-filter-only functions
    since: float = 0.0                 # when it asked for its sync
    wrote: float = 0.0                 # when its socket last took some of the snapshot
    sent_before: int = 0               # bytes of its connection before it asked for its sync
    start: int = 0                     # offset that its snapshot stands for
    feed: Feed | None = field(default=None, repr=False)

    @property
    def ip(self) -> str:
        """Its address."""
        return self.announced_ip or peer_of(self.client)[0]

    @property
    def name(self) -> str:
        """How the log calls it."""
        ip = peer_of(self.client)[0]
        if self.announced_ip:
            ip = self.announced_ip
        elif ip == PEER_UNKNOWN:
            return f"client id #{self.client.id}"
        return f"{ip}:{self.port}" if self.port else f"{ip}:<unknown-replica-port>"

    @property
    def has(self) -> int:
        """The offset up to which it has the data, as far as we know."""
        return max(self.acknowledged, self.start)

    @property
    def sent(self) -> int:
        """Bytes of snapshot and stream that its connection has taken."""
        return self.client.bytes_out - self.sent_before

    @property
    def waiting(self) -> int:
        """Bytes of the stream that have not been handed to its connection: they count as its output."""
        return self.feed.pending if self.feed is not None and self.feed.stream is not None else 0

    @property
    def good(self) -> bool:
        """Whether it gets the stream."""
        return self.state == State.LOADING or (self.state == State.ONLINE and not self.stream_on_ack)

    @property
    def channel(self) -> str:
        """Which connection of a sync over two this is, as INFO says it; "" for what is none."""
        return "rdb-channel" if self.second else "main-channel" if self.state == State.LOADING else ""
