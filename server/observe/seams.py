"""What the account of memory asks of the rooms above it, as protocols."""

from server.registry.light import NamedTuple, Protocol


class Replication(NamedTuple):
    """Memory of replication, bytes."""

    buffers: int                       # all that waits for replicas, the backlog among it
    backlog: int                       # repl-backlog-size, 0 as long as there is no backlog
    places: int                        # what finds a place in it
    replicas: int                      # replicas that are connected


NO_REPLICATION = Replication(0, 0, 0, 0)


class ClientSums(Protocol):
    """What clients cost, by class, each as it was seen last."""

    memory_by_class: dict[str, int]
    partial_accounted: int              # of that, what half-read requests held


class Texts(Protocol):
    """Scripts and functions: what their texts cost."""

    @property
    def memory(self) -> int:
        """Of both."""

    def texts(self) -> tuple[int, int]:
        """Of the cache of scripts, of function libraries."""
