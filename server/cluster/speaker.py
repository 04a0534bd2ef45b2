"""Says things: makes messages of what we know and hands them to links."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.cluster.actions import Outbox, Send
from server.cluster.manual import ManualFailover
from server.cluster.messages import (
    FORCE_ACK,
    HANDSHAKE,
    MYSELF,
    NOADDR,
    PAUSED,
    PFAIL,
    Body,
    Failing,
    Forgotten,
    Gossip,
    Heartbeat,
    Message,
    Published,
    Type,
    Update,
)
from server.cluster.node import Link, Node
from server.cluster.settings import Local, Settings
from server.cluster.view import View
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

GOSSIP_MIN = 3


class Speaker:
    """The mouth of one node. sent: how many messages of each type."""

    def __init__(self, view: View, settings: Callable[[], Settings], local: Local, manual: ManualFailover, rng: Random,
                 out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._local = local
        self._manual = manual
        self._rng = rng
        self._out = out
        self.sent = [0] * len(Type)
        self.failing = 0        # nodes that we cannot reach, as the last tick found: all are gossip

    # ---- headers and links
    def message(self, kind: Type, body: Body = None, marks: int = 0) -> Message:
        """A message, with what it says of ourselves."""
        view, settings = self._view, self._settings()
        me = view.myself
        shown = me.master if me.is_replica and me.master is not None else me
        if me.is_master and self._manual.active:
            marks |= PAUSED
        ports = (settings.tls_port, settings.port) if settings.tls else (settings.port, settings.tls_port)
        return Message(
            kind, me.name, view.current_epoch, shown.config_epoch, self._local.offset(), shown.slots,
            me.master.name if me.master is not None else "", settings.announce_ip, *ports, settings.bus_port, me.flags,
            view.ok, marks, body)

    def send(self, link: Link | None, message: Message) -> None:
        """To one link; to nobody when there is none."""
        if link is not None:
            self.sent[message.type] += 1
            self._out.add(Send(link, message))

    def _tell(self, nodes: Iterable[Node], message: Message) -> None:
        for node in nodes:
            if not node.flags & (MYSELF | HANDSHAKE):
                self.send(node.link, message)

    def broadcast(self, message: Message) -> None:
        """To all whose names we know."""
        self._tell(self._view.nodes.values(), message)

    # ---- heartbeats
    def heartbeat(self, link: Link, kind: Type, now: int) -> None:
        """PING, PONG or MEET with gossip about a tenth of the nodes, and about all that we cannot reach."""
        if kind == Type.PING and not link.inbound and link.node is not None:
            link.node.ping_sent = now
        me, view = self._view.myself, self._view
        forgotten = [Forgotten(name, (until - now) // 1000) for name, until in view.blacklist.items() if until >= now]
        body = Heartbeat(self._gossip(), me.hostname, me.nodename, forgotten, me.shard_id)
        self.send(link, self.message(kind, body))

    def _gossip(self) -> list[Gossip]:
        nodes = list(self._view.nodes.values())
        rest = len(nodes) - 2
        wanted = min(max(len(nodes) // 10, GOSSIP_MIN), rest)
        told: dict[str, Gossip] = {}
        tls = self._settings().tls
        if wanted > 0:
            for node in self._rng.choices(nodes, k=wanted * 3):
                flags = node.flags
                if flags & (MYSELF | PFAIL) or node.name in told:
                    continue
                if flags & (HANDSHAKE | NOADDR) or node.link is None and not node.slots:
                    rest -= 1
                    if rest <= 0:
                        break
                    continue
                told[node.name] = _about(node, tls)
                if len(told) >= min(wanted, rest):
                    break
        if self.failing:
            for node in nodes:
                if node.flags & PFAIL and not node.flags & (HANDSHAKE | NOADDR):
                    told[node.name] = _about(node, tls)
        return list(told.values())

    def pong_all(self, now: int) -> None:
        """Tell everybody now what a heartbeat tells."""
        self._pong(self._view.nodes.values(), now)

    def pong_siblings(self, now: int) -> None:
        """Tell the replicas of our master, and our own."""
        me = self._view.myself
        self._pong([node for node in self._view.nodes.values() if node.is_replica and node.master is not None
                    and (node.master is me or node.master is me.master)], now)

    def _pong(self, nodes: Iterable[Node], now: int) -> None:
        for node in nodes:
            if node.link is not None and not node.flags & (MYSELF | HANDSHAKE):
                self.heartbeat(node.link, Type.PONG, now)

    # ---- the rest
    def fail(self, node: Node) -> None:
        """The majority cannot reach it: all are to know."""
        self.broadcast(self.message(Type.FAIL, Failing(node.name)))

    def update(self, to: Node, about: Node) -> None:
        """Which slots a node serves: to one who claims them with an older epoch."""
        served = about.slots & ~self._view.unclaimed
        self.send(to.link, self.message(Type.UPDATE, Update(about.config_epoch, about.name, served)))

    def ask_for_votes(self) -> None:
        """All masters are asked; a manual failover asks them to vote although the master is up."""
        marks = FORCE_ACK if self._manual.active else 0
        self.broadcast(self.message(Type.FAILOVER_AUTH_REQUEST, None, marks))

    def vote(self, node: Node) -> None:
        """For a replica."""
        self.send(node.link, self.message(Type.FAILOVER_AUTH_ACK))

    def start_manual(self, master: Node) -> None:
        """A replica asks its master to hold its writers."""
        self.send(master.link, self.message(Type.MFSTART))

    def publish(self, channel: bytes, payload: bytes, *, sharded: bool) -> None:
        """To all nodes, or to those of our shard."""
        kind = Type.PUBLISHSHARD if sharded else Type.PUBLISH
        view = self._view
        nodes = view.shard_of(view.myself) if sharded else view.nodes.values()
        self._tell(nodes, self.message(kind, Published(channel, payload)))


def _about(node: Node, tls: bool) -> Gossip:
    port, pport = (node.tls_port, node.port) if tls else (node.port, node.tls_port)
    return Gossip(node.name, node.ping_sent // 1000, node.pong_received // 1000, node.ip, port, node.bus_port,
    node.flags, pport)
