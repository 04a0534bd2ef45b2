"""What replication asks of the rooms above it. They are given at its making; nothing here imports upwards."""

from collections.abc import Callable

from iothreads.connect import LinkProtocol
from iothreads.link import Link
from iothreads.tls import TlsContext
from server.clients.client import Client
from server.config.config import Config
from server.observe.log import Log
from server.persistence.rdb_peek import RdbData
from server.registry.light import TYPE_CHECKING, Any, Protocol
from server.registry.loop_seam import Timers
from server.structures.block_stream import Sink, Stream

if TYPE_CHECKING:
    from server.replication.following import Following
    from server.replication.history import History
    from server.replication.master import Master
    from server.replication.tally import Tally


class PropagationSeam(Protocol):
    """Where commands become the stream (dispatch.propagate)."""

    stream: Stream
    depth: int

    @property
    def selected_for_replicas(self) -> int:
        """Database of the last command; -1: the next one says its own."""

    def subscribe(self, sink: Sink, listener: Any = None) -> None:
        """A sink gets the commands from now on."""

    def unsubscribe(self, sink: Sink) -> None:
        """And no more."""

    def follow(self) -> None:
        """A sink came to the stream by itself, or went."""

    def address(self, audience: int) -> None:
        """For which kinds of sinks commands are."""

    def say_select(self) -> None:
        """The next command says its database."""

    def flush(self) -> None:
        """What came so far is in the stream."""


class LoopSeam(Protocol):
    """The loop (dispatch.loop)."""

    stopping: bool
    unapplied: bytes                   # of the stream of our master: a transaction that is not over

    @property
    def timers(self) -> Timers:
        """Its time events."""

    def attend(self, hook: Callable[[], Any], yes: bool = True) -> None:
        """Call a hook each turn; it returns True when the loop must not wait."""

    def make_client(self, link: Link, client: Client) -> None:
        """A link goes on as the connection of a client."""

    def holds_commands(self, client: Client) -> bool:
        """Whether commands of the client wait for something."""

    def unexecuted_of(self, client: Client) -> int:
        """Bytes that a client has sent and that have not been executed."""

    def resume(self, client: Client) -> None:
        """A client that waited goes on."""

    def heard_us(self, client: Client) -> int:
        """When anything came from it last, newlines too; monotonic us."""


class Load(Protocol):
    """A snapshot that takes the place of our data (dispatch.replacing). `aside`: not before it is whole."""

    aside: bool
    finished: bool                     # read to its end

    @property
    def position(self) -> int:
        """Bytes of it that are read."""

    @property
    def database(self) -> int:
        """Which one the stream that follows it begins in."""

    def feed(self, data: bytes) -> None:
        """Bytes of one that is loaded as it comes."""

    def whole(self) -> None:
        """There are no more."""

    def advance(self) -> bool:
        """Load for a slice of time; True when it could go on at once. Errors: BadFile, which the log has heard of."""

    def accept(self) -> None:
        """It is finished: its data are ours."""

    def abandon(self) -> None:
        """It is broken, or nobody wants it: the old data stay if it was aside, else nothing is left."""


class DataSeam(Protocol):
    """Our data, as a full sync replaces them (dispatch.replacing)."""

    @property
    def held(self) -> bool:
        """Whether a script is in the middle of using them: nothing of them may be touched."""

    def loads_as_it_comes(self) -> bool:
        """Whether the next snapshot needs no file."""

    def load_as_it_comes(self, total: int, aside: bool) -> Load:
        """Begin to load one whose bytes are fed; total: how many, 0 when nobody knows. aside: it is of our own history,
        so that the old data may be read meanwhile."""

    def load_file(self, file: int, temporary: str) -> Load:
        """Begin to load one that was written to a file, which takes the name of our own. Errors: OSError (logged)."""

    def close(self, file: int) -> None:
        """Close the file of one, be it large and without a name."""


class Attempt(Protocol):
    """A connection that is being made."""

    def abort(self, reason: str = "") -> None:
        """Give it up."""


class ConnectorSeam(Protocol):
    """Who connects to others (dispatch.connector)."""

    def connect(self, host: str, port: int, protocol: LinkProtocol, *, source: str = "", timeout_ms: int = 0,
                tls: TlsContext | None = None) -> Attempt:
        """Begin an attempt."""


# (client, bytes): execute what is whole of them for a client without a connection; how many those are. -1: not now
RunReceived = Callable[[Client, bytes], int]
# (id of the snapshot's history, its beginning, whether that is all of it): whether it must not replace our data; None:
# so much does not tell
Refuses = Callable[[str, RdbData, bool], bool | None]


class FollowingParts(Protocol):
    """What a replica's side needs of the node."""

    config: Config
    log: Log
    loop: LoopSeam
    stream: Stream
    history: "History"
    master: "Master"
    connector: ConnectorSeam
    data: DataSeam
    refuses_snapshot: Refuses
    tally: "Tally"
    tls: Callable[[], TlsContext | None]
    applied_db: int
    make_master_client: Callable[[str, int], Client]
    run_received: RunReceived
    synced_offset: Callable[[], int]

    @property
    def port(self) -> int:
        """Where we listen."""

    def link_changed(self) -> None:
        """The stream from our master began, or ended."""

    def leave_history(self) -> None:
        """Our data are of no history any more."""

    def begin_history(self, id: str, offset: int) -> None:
        """Our data are those of that history."""


class FailoverParts(Protocol):
    """What handing over the mastership needs of the node."""

    log: Log
    loop: LoopSeam
    history: "History"
    master: "Master"

    @property
    def following(self) -> "Following | None":
        """Whom we follow."""

    def follow(self, host: str, port: int, *, failover: bool = False,
               on_failover: Callable[[bool], None] = ...) -> None:
        """Be a replica of that server."""

    def stop_following(self) -> None:
        """Be a master."""
