"""The links of the bus as connections: bytes in and messages out, and the other way round.

    Connect  --> connector.connect --> open  --> hears.link_up
    a socket of the bus port --> accept      --> messages --> hears.receive
    the peer's end, broken bytes             --> hears.link_lost;   Close ends a link, and nobody is told

What comes is taken at once and kept until a message is whole. Who is not known by name may say a little only, must say
something whole now and then and read the answers, and there are not many of them: the one that came first goes for the
next. A link that queues more than cluster-link-sendbuf-limit is dropped.
"""

from collections.abc import Callable

from iothreads.connect import LinkProtocol
from iothreads.link import RAW, Link as Wire, Links
from iothreads.tls import TlsContext
from server.cluster.bus_format import BadMessage, UnknownMessage, decode, encode, frame_length
from server.cluster.messages import Message
from server.cluster.node import Link
from server.config.config import Config
from server.observe.debug_settings import settings as debug
from server.observe.log import Log
from server.registry.clock import monotonic_now_us
from server.registry.light import Any, Protocol

STRANGERS_MESSAGE_MAX = 8 << 20     # the largest heartbeat there is has less
MESSAGE_MAX = 1 << 30               # a published message of proto-max-bulk-len, and room
STRANGERS_SILENCE_MS = 10_000       # between whole messages
STRANGERS_UNSENT_MAX = 256 << 10    # answers that one of them does not read
STRANGERS_UNREAD_MAX = 16 << 20     # halves of messages, of all of them
STRANGERS_MAX = 256
CARRIER_BYTES = 1200                # of a link, beside what waits in it: measured


class Hears(Protocol):
    """Who is told."""

    def receive(self, link: Link, message: Message) -> None:
        """A message came."""

    def link_up(self, link: Link) -> None:
        """A link that we opened is there."""

    def link_lost(self, link: Link) -> None:
        """A link ended, or could not be opened."""


class Opens(Protocol):
    """What makes connections (server.dispatch.connector)."""

    def connect(self, host: str, port: int, protocol: LinkProtocol, *, source: str, reads: int,
                tls: TlsContext | None) -> Any:
        """Begin. Returns an Attempt, which can `abort()`."""


class Carrier(LinkProtocol):
    """One link: its connection, and what waits for either end."""

    def __init__(self, bus: "Bus", link: Link) -> None:
        self.link = link
        self.wire: Wire | None = None
        self.attempt: Any = None
        self.spoke_us = monotonic_now_us()  # the last whole message; at first, when it was made
        self._bus = bus
        self._queued: list[bytes] = []      # until it is open
        self._unread = bytearray()
        self._over = False

    # ---- out
    def send(self, data: bytes) -> None:
        """Bytes of a message."""
        if self.wire is not None:
            self.wire.write(data)
        else:
            self._queued.append(data)

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return sum(map(len, self._queued)) if self.wire is None else self.wire.unsent

    @property
    def unread(self) -> int:
        """Bytes of a message that is not whole."""
        return len(self._unread)

    @property
    def memory(self) -> int:
        """Bytes that it costs."""
        return CARRIER_BYTES + self.unsent + self.unread

    def close(self) -> None:
        """End it, without telling."""
        self._over = True
        self._queued.clear()
        self._unread = bytearray()
        wire, attempt = self.wire, self.attempt
        self._let_go()
        if wire is not None:
            wire.close()
        elif attempt is not None:
            attempt.abort()

    def _let_go(self) -> None:
        """They know us: nothing of the three would ever be freed."""
        self.wire = self.attempt = None

    # ---- what the connection says
    def connection_made(self, wire: Wire) -> None:
        """It is open."""
        if self._over:
            wire.close()
            return
        self.wire = wire
        self.attempt = None
        for data in self._queued:
            wire.write(data)
        self._queued.clear()
        if not self.link.inbound:
            self._bus.opened(self.link)

    def data_received(self, wire: Wire, data: bytes) -> int:
        """Bytes: as many messages as are whole."""
        unread = self._unread
        unread += data
        at = 0
        try:
            if self.link.node is None and self.unsent > STRANGERS_UNSENT_MAX:
                raise BadMessage("answers that nobody reads")
            while not self._over:
                length = frame_length(unread[at:at + 8])
                if length > (MESSAGE_MAX if self.link.node is not None else STRANGERS_MESSAGE_MAX):
                    raise BadMessage(f"a message of {length} bytes")
                if not length or len(unread) - at < length:
                    break
                frame = bytes(unread[at:at + length])
                at += length
                self._frame(frame)
        except BadMessage as why:
            self._bus.log.warning("Closing a link of the cluster bus with %s: %s", wire.address, why)
            self._bus.lost(self)
            wire.close()
        if at:
            del unread[:at]
            self.spoke_us = monotonic_now_us()
        if unread and self.link.node is None:
            self._bus.weigh_strangers()
        return len(data)

    def _frame(self, frame: bytes) -> None:
        try:
            message = decode(frame)
        except UnknownMessage as why:
            self._bus.log.debug("Skipped from the cluster bus: %s", why)
            return
        if message.type == debug.drop_cluster_packet_filter:
            self._bus.log.warning("Packet that matches debug drop filter dropped")
            return
        self._bus.hears.receive(self.link, message)

    def connection_lost(self, wire: Wire | None, reason: str) -> None:
        """It is gone."""
        self._let_go()
        if not self._over:
            self._bus.log.debug("The link of the cluster bus %s %s is gone: %s",
                                "from" if self.link.inbound else "to", self.link.peer_ip, reason)
            self._bus.lost(self)


class Bus:
    """All links of one node. tls: how links that we open are enciphered, tls_accepting: those that others open."""

    def __init__(self, config: Config, log: Log, connector: Opens, links: Links, hears: Hears) -> None:
        self.log = log
        self.hears = hears
        self.tls: Callable[[], TlsContext | None] = lambda: None
        self.tls_accepting: Callable[[], TlsContext | None] = lambda: None
        self.over_limit = 0                 # links dropped for cluster-link-sendbuf-limit
        self._config = config
        self._connector = connector
        self._links = links
        self._carriers: dict[Link, Carrier] = {}
        self._strangers: dict[Link, Carrier] = {}   # as they came; some may have become known meanwhile

    def __len__(self) -> int:
        return len(self._carriers)

    # ---- what the protocol asks for
    def connect(self, link: Link) -> None:
        """Open a link to the bus port of its node."""
        node = link.node
        assert node is not None
        link.peer_ip = node.ip
        carrier = self._carriers[link] = Carrier(self, link)
        carrier.attempt = self._connector.connect(node.ip, node.bus_port, carrier, reads=RAW, tls=self.tls(),
                                                  source=self._config.bind_source_addr or "")

    def send(self, link: Link, message: Message) -> None:
        """A message into a link; a lost one drops it."""
        self.send_bytes(link, encode(message))

    def send_bytes(self, link: Link, data: bytes) -> None:
        """The bytes of a message, which many links may get."""
        carrier = self._carriers.get(link)
        if carrier is not None:
            carrier.send(data)

    def close(self, link: Link) -> None:
        """End a link."""
        carrier = self._carriers.pop(link, None)
        self._strangers.pop(link, None)
        if carrier is not None:
            carrier.close()

    # ---- what comes
    def accept(self, fd: int, address: str, link: Link) -> None:
        """A socket came to the bus port. address: of the peer, for the log."""
        if len(self._strangers) >= STRANGERS_MAX and len(strangers := self._still_strange()) >= STRANGERS_MAX:
            self._end_stranger(strangers[0], "too many that are not known by name")
        carrier = self._carriers[link] = self._strangers[link] = Carrier(self, link)
        carrier.wire = self._links.take(fd, address, carrier, reads=RAW, tls=self.tls_accepting())

    def opened(self, link: Link) -> None:
        """By its carrier."""
        self.hears.link_up(link)

    def lost(self, carrier: Carrier) -> None:
        """By the carrier: it ended, not by us."""
        if self._carriers.get(carrier.link) is carrier:
            del self._carriers[carrier.link]
            self._strangers.pop(carrier.link, None)
            carrier.close()
            self.hears.link_lost(carrier.link)

    # ---- who is not known by name
    def _still_strange(self) -> list[Carrier]:
        for link in [link for link in self._strangers if link.node is not None]:
            del self._strangers[link]
        return list(self._strangers.values())

    def weigh_strangers(self) -> None:
        """By the carrier of one that holds half a message: who holds most goes, if together they hold too much.

        Complexity: O(strangers).
        """
        if sum(carrier.unread for carrier in self._strangers.values()) > STRANGERS_UNREAD_MAX:
            strangers = self._still_strange()
            if sum(carrier.unread for carrier in strangers) > STRANGERS_UNREAD_MAX:
                self._end_stranger(max(strangers, key=lambda carrier: carrier.unread), "half messages of strangers")

    def _end_stranger(self, carrier: Carrier, why: str) -> None:
        self.log.warning("Closing a link of the cluster bus from %s: %s", carrier.link.peer_ip, why)
        self.lost(carrier)

    # ---- time
    def tick(self) -> None:
        """Drop links that queue too much, and strangers that say nothing. Complexity: O(links)."""
        limit = self._config.cluster_link_sendbuf_limit
        quiet_us = 1000 * max(STRANGERS_SILENCE_MS, 2 * self._config.cluster_node_timeout)
        now = monotonic_now_us()
        for carrier in list(self._carriers.values()):
            if limit and carrier.unsent > limit:
                self._drop_full(carrier, limit)
            elif carrier.link.node is None and now - carrier.spoke_us > quiet_us:
                self.lost(carrier)

    def _drop_full(self, carrier: Carrier, limit: int) -> None:
        link = carrier.link
        self.log.warning("Freeing %s cluster link to node %s, exceeded send buffer memory limit (used memory: %d, "
                         "limit: %d)", "inbound" if link.inbound else "outbound",
                         link.node.name if link.node is not None else "", carrier.unsent, limit)
        self.over_limit += 1
        self.lost(carrier)

    # ---- to look at
    def carried(self, link: Link) -> tuple[str, int]:
        """Events that a link waits for, as "rw", and the bytes that wait to be sent."""
        carrier = self._carriers.get(link)
        unsent = carrier.unsent if carrier is not None else 0
        return "rw" if unsent else "r", unsent

    @property
    def memory(self) -> int:
        """Bytes that the links cost. Complexity: O(links)."""
        return sum(carrier.memory for carrier in self._carriers.values())

    def stop(self) -> None:
        """End all links."""
        for link in list(self._carriers):
            self.close(link)
