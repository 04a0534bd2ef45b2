"""A full sync over two connections, as the replica goes through it: the part of `following` that is about nothing else.

    begun     the second connection asks for the snapshot
    joined    $ENDOFF came: the first one asks for the stream behind the snapshot, and what comes of it waits in `ahead`
    loaded    the client of the master executes what waits, in slices, and gets the first connection when nothing does

The first connection may be lost once it brings the stream (a master drops a replica that is too far behind): the
snapshot goes on, what came is executed, and the next attempt asks for what is behind that: not all begins anew.
Without all of the snapshot the attempt has failed.
"""

from iothreads.connect import LinkProtocol
from iothreads.link import RAW, Link
from server.clients.client import CLOSE_ASAP
from server.registry.light import TYPE_CHECKING
from server.replication.ahead import Ahead
from server.replication.handshake import FullSync
from server.replication.second_connection import Announced, SecondConnection

if TYPE_CHECKING:
    from server.replication.following import Following


class TwoConnections:
    """One such sync of `following`, which ends it by close()."""

    def __init__(self, following: "Following") -> None:
        self._of = following
        self._parts = following.parts
        self._log = following.parts.log
        self._ahead: Ahead | None = None
        self._second: SecondConnection | None = SecondConnection(
            following.parts, following.host, following.port, self._announced, following.snapshot_received, self._lost)
        self._log.notice("The snapshot is to come by a second connection.")

    @property
    def joined(self) -> bool:
        """Whether the snapshot was announced."""
        return self._ahead is not None

    @property
    def flows(self) -> bool:
        """Whether the master sends the stream."""
        return self._ahead is not None and self._ahead.flows

    @property
    def waiting_bytes(self) -> int:
        """Of the stream, that wait for the snapshot or to be executed behind it."""
        return self._ahead.size if self._ahead is not None else 0

    @property
    def link(self) -> Link | None:
        """The second connection; None when it is gone, or not there yet."""
        return self._second.link if self._second is not None else None

    @property
    def goes_on(self) -> bool:
        """Whether the first connection is not needed any more: it has brought something, and of the snapshot all has
        come, or still comes."""
        payload = self._of.payload
        whole = self._of.client is not None or (payload is not None and payload.done)
        return self.flows and (whole or self._second is not None)

    def close_second(self) -> None:
        """It has brought what it was there for, or nobody wants that any more."""
        second, self._second = self._second, None
        if second is not None:
            second.close()

    def close(self) -> None:
        """The sync is over."""
        self.close_second()
        self._ahead = None

    # ---- the second connection
    def _announced(self, announced: Announced) -> None:
        self._log.notice("Full resync from master, by two connections: %s:%d", announced.history, announced.offset)
        limit = self._parts.config.client_output_buffer_limit["replica"].hard_limit_bytes
        if self._of.begin_arrival(FullSync(announced.history, announced.offset)):
            self._ahead = Ahead(limit)
            self._of.join(announced.client_id, announced.history, announced.offset)

    def _lost(self, reason: str) -> None:
        second, payload = self._second, self._of.payload
        if second is not None and not (payload is not None and payload.done):
            self._of.may_use_two = not second.refused
            self._of.abort(f"second connection: {reason}")

    # ---- the stream
    def begin_stream(self, link: Link) -> None:
        """The master sends it from the next byte on."""
        assert self._ahead is not None
        self._log.notice("The stream comes while the snapshot is received.")
        self._ahead.flows = True
        link.read_as(RAW)

    def stream_received(self, link: Link, data: bytes) -> int:
        """More of it. A sender who is too fast waits: its own limits are looked at then."""
        ahead, of = self._ahead, self._of
        if ahead is None:
            return len(data)
        if of.client is None:
            ahead.take(data)
            of.ahead_peak = max(of.ahead_peak, ahead.size)
            if ahead.full:
                link.hold()
            return len(data)
        return self._hand_over(ahead, link, data)

    def _hand_over(self, ahead: Ahead, link: Link, data: bytes) -> int:
        """The link becomes the client's where a command begins."""
        client, parts = self._of.client, self._parts
        assert client is not None
        if ahead.waiting or parts.loop.holds_commands(client):
            link.hold()
            return 0
        taken = ahead.hand_over(parts.run_received, client, data)
        if taken < 0:
            return len(data)
        if parts.loop.holds_commands(client):
            link.hold()
            return taken
        self._of.end_two()
        parts.loop.make_client(link, client)
        self._log.notice("What came of the stream meanwhile is executed.")
        self._of.acknowledge()
        return taken

    def run(self) -> bool:
        """A hook of the loop once the snapshot is ours: execute a slice of what waits; True when there is more."""
        ahead, client, link = self._ahead, self._of.client, self._of.link
        if ahead is None or client is None:
            return False
        if client.has(CLOSE_ASAP) or (link is None and self._all_done()):
            self._of.end_two()
            if link is not None:
                link.set_protocol(LinkProtocol())      # the next attempt shall not hear of its end
                link.close()
            client.close()
        elif ahead.run(self._parts.run_received, client):
            return True
        elif link is not None and self._all_done():
            link.resume()              # if it is held; else its next bytes are the client's
        return False

    def _all_done(self) -> bool:
        ahead, client = self._ahead, self._of.client
        return (ahead is not None and not ahead.waiting and client is not None
                and not self._parts.loop.holds_commands(client))
