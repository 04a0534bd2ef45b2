"""What replication asks of the rooms above it. They are given at its making; nothing here imports upwards."""

from collections.abc import Callable
from typing import Any, Protocol

from server.structures.block_stream import Sink, Stream


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

    timers: Any
    stopping: bool
    unapplied: bytes                   # of the stream of our master: a transaction that is not over

    def attend(self, hook: Callable[[], Any], yes: bool = True) -> None:
        """Call a hook each turn; it returns True when the loop must not wait."""

    def unexecuted_of(self, client: Any) -> int:
        """Bytes that a client has sent and that have not been executed."""

    def resume(self, client: Any) -> None:
        """A client that waited goes on."""
