"""What this room asks of the process that it serves, as one protocol: the server fits, and small hosts of tests do."""

from collections.abc import Sequence

from iothreads.listen import Listener
from server.config.config import Config
from server.keyspace.database import Keyspace
from server.observe.latency import LatencyMonitor
from server.observe.log import Log
from server.observe.stats import Stats
from server.registry.light import TYPE_CHECKING, Protocol
from server.registry.loop_seam import LoopSeam

if TYPE_CHECKING:
    from server.persistence.aof import AppendOnlyFile
    from server.persistence.aof_rewrite import Rewriter
    from server.persistence.child import Child
    from server.persistence.loading import Loading
    from server.persistence.snapshot import Snapshots


class Sockets(Protocol):
    """The sockets of clients."""

    def after_fork_child(self) -> None:
        """In a child: nothing of them is ours."""


class ServingLoop(LoopSeam, Protocol):
    """The event loop."""

    @property
    def io(self) -> Sockets:
        """What reads and writes."""

    @property
    def stopping(self) -> bool:
        """Whether it was told to end."""


class Tells(Protocol):
    """The propagation: the commands of a turn."""

    def flush(self) -> None:
        """What was done so far goes into the stream now."""

    def say_select(self) -> None:
        """The next command names its database."""


class Counts(Protocol):
    """The executor: what it counts."""

    dirty: int                          # rdb_changes_since_last_save, without what fast paths have not handed over


class Ends(Protocol):
    """The shutdown."""

    def tick(self) -> None:
        """Do what a signal asked for."""


class Limited(Protocol):
    """The process, as the system sees it."""

    def set_oom_score(self, kind: int | None = None) -> bool:
        """oom-score-adj of a kind of process."""

    def use_cpus(self, text: str | None) -> None:
        """Only these processors."""

    def set_title(self, title: str = "") -> bool:
        """What ps shows."""


class Host(Protocol):
    """The server, as far as files are concerned."""

    loading: bool

    @property
    def config(self) -> Config: ...
    @property
    def log(self) -> Log: ...
    @property
    def keyspace(self) -> Keyspace: ...
    @property
    def stats(self) -> Stats: ...
    @property
    def latency(self) -> LatencyMonitor: ...
    @property
    def loop(self) -> ServingLoop: ...
    @property
    def process(self) -> Limited: ...
    @property
    def propagation(self) -> Tells: ...
    @property
    def executor(self) -> Counts: ...
    @property
    def shutdown(self) -> Ends: ...
    @property
    def listeners(self) -> Sequence[Listener]: ...
    @property
    def dirty(self) -> int:
        """rdb_changes_since_last_save."""

    @property
    def aof(self) -> "AppendOnlyFile": ...
    @property
    def aof_rewrite(self) -> "Rewriter": ...
    @property
    def child(self) -> "Child": ...
    @property
    def progress(self) -> "Loading": ...
    @property
    def snapshots(self) -> "Snapshots": ...
