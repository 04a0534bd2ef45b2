"""The source's link of one atomic migration: the keys of its slots, slice by slice, and what is written meanwhile.

    a slot                  in the stream of commands     in the link
    not begun               passed over                   nothing
    being copied            keys that change are noted    its keys, some at a time (persistence.slot_writer)
    ... all were visited    the same                      the noted ones once more, as they are now, until none is left
    copied                  passed on                     its commands, as they came

Between noting and passing on no command runs, so each change is in an image of its key or passed on, never both. No
child is forked: a fork would hold the loop for longer than a slice, and copies would be kept for as long as it lives.
"""

from collections import deque
from collections.abc import Callable, Iterator

from iothreads.connect import LinkProtocol
from iothreads.link import Link
from server.cluster import slots
from server.cluster.atomic_export import Export
from server.dispatch.slot_stream import SlotStream
from server.observe.debug_settings import settings
from server.persistence.slot_writer import SlotWriter
from server.registry.clock import monotonic_now_us
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING
from server.replication.handshake import authentication

if TYPE_CHECKING:
    from server.dispatch.connector import Attempt
    from server.server import Server

SLICE_US = 1500             # of copying between two turns of the loop
WINDOW = 1 << 20            # bytes that wait for the socket, behind which copying waits
PIECE = 64 << 10            # bytes handed to the link at once
CONNECT_MS = 5000


class Sending(LinkProtocol):
    """One link. It tells of `connected`, `replied(error)`, `copied`, `moved_on(bytes on their way)`, `lost(why)` and
    `failed(why)` by calling `tell(name, *arguments)`, and nothing behind `leave`."""

    def __init__(self, server: "Server", job: Export, tell: Callable[..., None]) -> None:
        self._server = server
        self.job = job
        self._tell = tell
        self._link: Link | None = None
        self._attempt: Attempt | None = None
        self._left = False
        self._preface = 0                       # replies to AUTH that are still to come
        self._said: deque[int] = deque()        # for each word not answered: bytes written before it
        self._written = 0                       # bytes of keys and commands
        self._answered = 0                      # ... before the last word that was answered
        self._stream: SlotStream | None = None
        self._writer: SlotWriter = SlotWriter(server.keyspace.databases[0])
        self._slots: Iterator[int] = iter(())
        self._slot = -1                         # being copied
        self._walking = False                   # its keys were not all visited
        self._again: list[bytes] = []           # its keys that have changed since they were visited
        self._copying = False

    # ---- the link
    def reach(self, host: str, port: int) -> None:
        """Begin to connect."""
        server = self._server
        self._attempt = server.connector.connect(
            host, port, self, source=server.config.bind_source_addr or "", timeout_ms=CONNECT_MS,
            tls=server.tls.for_cluster())

    def connection_made(self, link: Link) -> None:
        """It is open."""
        config = self._server.config
        self._link, self._attempt = link, None
        for words in authentication(config.masteruser or "", config.masterauth or b""):
            link.command(*words)
            self._preface += 1
        self._tell("connected")

    def reply_received(self, link: Link, value: object) -> None:
        """An answer."""
        error = str(value) if isinstance(value, CommandError) else ""
        if self._preface:
            self._preface -= 1
            if not error:
                return
        elif self._said:
            self._answered = self._said.popleft()
        if not self._left:
            self._tell("replied", error)

    def connection_lost(self, link: Link | None, reason: str) -> None:
        """It is gone, or could not be opened."""
        if not self._left:
            self.leave()
            self._tell("lost", reason)

    def say(self, *words: str) -> None:
        """A word of the inner protocol, behind all that was written to the slots so far."""
        if self._link is not None:
            self.pass_on()
            self._said.append(self._written)
            self._link.command(b"CLUSTER", b"SYNCSLOTS", *[word.encode() for word in words])

    def leave(self) -> None:
        """End it; nothing is told any more."""
        self._left = True
        self._server.loop.attend(self.turn, False)
        if self._stream is not None:
            self._server.propagation.unsubscribe(self._stream)
            self._stream = None
        if self._attempt is not None:
            self._attempt.abort()
            self._attempt = None
        if self._link is not None:
            self._link.close()
            self._link = None

    # ---- keys and commands
    @property
    def unsent(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._link.unsent if self._link is not None else 0

    @property
    def keys(self) -> int:
        """Keys that were written so far, some of them more than once."""
        return self._writer.keys

    def copy(self) -> None:
        """Begin."""
        self._stream = SlotStream()
        self._server.propagation.subscribe(self._stream)
        self._slots = slots.each(self.job.slots)
        self._copying = True
        self._server.loop.attend(self.turn)

    def turn(self) -> bool:
        """Once a turn of the loop; True when it must not wait. A script that serves others meanwhile is let finish:
        what it has done so far is not in the stream yet."""
        if self._server.propagation.depth:
            return False
        self.pass_on()
        if self._is_over_limit():
            self._tell("failed", "The target takes less than is written: see client-output-buffer-limit replica")
            return False
        if self._copying:
            if self.unsent >= WINDOW:
                return False
            if self._copy_some():
                return True
            self._copying = False
            self._tell("copied")
        elif not self._left and not settings.prevent_migration_pause:
            self._tell("moved_on", self._written - self._answered)
        return False

    def pass_on(self) -> None:
        """All that was written so far is in the link, if it is of slots that were copied."""
        if self._stream is not None:
            self._server.propagation.flush()
            self._stream.drain()
            self._write(self._stream.take())

    def _write(self, data: bytes) -> None:
        if data and self._link is not None:
            self._written += len(data)
            self._link.write(data)

    def _is_over_limit(self) -> bool:
        hard = self._server.config.client_output_buffer_limit["replica"][0]
        return bool(hard and self.unsent > hard)

    def _copy_some(self) -> bool:
        """For a slice of time; False: all is copied."""
        writer, end = self._writer, monotonic_now_us() + SLICE_US
        more = True
        while more and self.unsent < WINDOW:
            more = self._copy_step()
            if writer.waiting >= PIECE:
                self._write(writer.take())
            if monotonic_now_us() >= end:
                break
        self._write(writer.take())
        return more

    def _copy_step(self) -> bool:
        """A page of keys, or one key, or on to the next slot; False: there is none."""
        stream, writer = self._stream, self._writer
        assert stream is not None
        if self._walking:
            self._walking = writer.step()
        elif self._again:
            writer.image(self._again.pop())
        elif self._slot >= 0:
            self._again = stream.take_noted()
            if not self._again:
                stream.pass_on(self._slot)
                self._slot = -1
        else:
            self._slot = next(self._slots, -1)
            if self._slot < 0:
                return False
            stream.note(self._slot)
            writer.begin(self._slot)
            self._walking = True
        return True
