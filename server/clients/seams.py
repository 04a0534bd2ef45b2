"""What this room asks of those above it: the loop, the executor, a running command, as protocols.

`server.dispatch` has the classes that fit; nothing here knows them.
"""

from collections.abc import Callable

from server.registry.command import Command
from server.registry.light import TYPE_CHECKING, Any, Protocol
from server.registry.loop_seam import LoopSeam

if TYPE_CHECKING:
    from server.clients.client import Client
    from server.keyspace.database import Database


class ClientLoop(LoopSeam, Protocol):
    """The event loop, as far as it is about single clients."""

    output_watermark: int
    stranger_watermark: int
    on_group: "Callable[[list[Client]], Any] | None"
    on_flushed: "Callable[[list[Client]], Any] | None"

    @property
    def partial_memory(self) -> int:
        """Bytes that half-read requests of all clients hold."""

    def resume(self, client: "Client") -> None:
        """Have a client that waited go on with its batch."""

    def query_of(self, client: "Client") -> tuple[int, int]:
        """Its query buffer, bytes: what it holds, and how much of that is filled."""

    def query_memory_of(self, client: "Client") -> int:
        """What of that is the client's own."""

    def partial_memory_of(self, client: "Client") -> int:
        """What its half-read request holds."""

    def shrink_query(self, client: "Client") -> None:
        """Give back what is not filled."""


class CommandRunner(Protocol):
    """The executor: counts commands."""

    commands: int


class RunningCommand(Protocol):
    """A command under way."""

    @property
    def client(self) -> "Client":
        """Who called it."""

    @property
    def command(self) -> Command:
        """What was called."""

    @property
    def argv(self) -> list[bytes]:
        """All words, names included."""

    @property
    def db(self) -> "Database":
        """Where it works."""
