"""How nodes come to know each other and where they are: MEET, handshakes, links, addresses.

A node is met by an operator's CLUSTER MEET, or known by name from the gossip of one whom we know. Of one met we make
up a name until its first answer tells its own; one that does not answer in time is dropped. A message of somebody
unknown is answered, if it is a PING, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from server.cluster.actions import Close, Connect, Outbox, SlotsMoved
from server.cluster.messages import HANDSHAKE, MEET, MYSELF, NOADDR, NOFAILOVER, Message, Type, role_of
from server.cluster.node import Link, Node
from server.cluster.roles import Roles
from server.cluster.settings import Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View, random_name
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

HANDSHAKES_MAX = 1000       # that others began by MEET: so many may join in one second


class BadAddress(Exception):
    """Neither an address nor ports that anybody could have."""


class Contact:
    """Handshakes, links and addresses of one node."""

    def __init__(self, view: View, settings: Callable[[], Settings], speaker: Speaker, roles: Roles, rng: Random,
                 out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._speaker = speaker
        self._roles = roles
        self._rng = rng
        self._out = out
        self._announced_ip = ""

    # ---- handshakes
    def meet(self, ip: str, port: int, bus_port: int, now: int) -> None:
        """Begin a handshake there, unless one is under way. Raises BadAddress."""
        import ipaddress  # only who is told to meet somebody waits for it

        try:
            ip = str(ipaddress.ip_address(ip))
        except ValueError:
            raise BadAddress from None
        if not (0 < port <= 65535 and 0 < bus_port <= 65535):
            raise BadAddress
        tls = self._settings().tls
        if any((node.ip, node.client_port(tls), node.bus_port) == (ip, port, bus_port) for node in self._handshakes()):
            return
        ports = (0, port) if tls else (port, 0)
        self._stranger(ip, *ports, bus_port, HANDSHAKE | MEET, now)

    def _handshakes(self) -> list[Node]:
        return [node for node in self._view.nodes.values() if node.in_handshake]

    def _stranger(self, ip: str, port: int, tls_port: int, bus_port: int, flags: int, now: int) -> None:
        node = Node(random_name(self._rng), random_name(self._rng), flags, now)
        node.ip, node.port, node.tls_port, node.bus_port = ip, port, tls_port, bus_port
        self._view.add(node)

    def ports_of(self, port: int, pport: int) -> tuple[int, int]:
        """The plain port and the TLS port of a message's two."""
        return (pport, port) if self._settings().tls else (port, pport)

    def met(self, link: Link, message: Message, now: int) -> None:
        """Somebody unknown wants to be known: it is asked by a link of our own, in a handshake, unless it is asked
        already or too many others are. Complexity: O(nodes)."""
        ip = message.ip or link.peer_ip
        handshakes = self._handshakes()
        if len(handshakes) >= HANDSHAKES_MAX or any((node.ip, node.bus_port) == (ip, message.bus_port)
                                                    for node in handshakes):
            return
        self._stranger(ip, *self.ports_of(message.port, message.pport), message.bus_port, HANDSHAKE, now)

    def learn_own_address(self, link: Link, kind: Type) -> None:
        """Others reach us by the address that a MEET came to."""
        me = self._view.myself
        if (kind == Type.MEET or not me.ip) and not self._settings().announce_ip and link.local_ip not in ("", me.ip):
            me.ip = link.local_ip
            self._out.note("notice", f"IP address for this node updated to {me.ip}")
            self._out.changed()

    def sender_of(self, link: Link, message: Message) -> Node | None:
        """Who says it: the node of the link, or the one with the name; an unknown link is its from now on."""
        if link.node is not None and not link.node.in_handshake:
            return link.node
        sender = self._view.nodes.get(message.sender)
        if sender is not None and link.node is None and sender is not self._view.myself:
            if sender.inbound_link is not None:
                self.close(sender.inbound_link)
            link.node = sender
            sender.inbound_link = link
        return sender

    def answer_from(self, link: Link, sender: Node | None, message: Message, now: int) -> bool:
        """A heartbeat came by a link of ours: whether it is from whom we think, and the link is still there."""
        node = link.node
        assert node is not None
        if node.in_handshake:
            if sender is not None:
                self._out.note("verbose", f"Handshake: we already know node {sender.name} ({sender.nodename}), "
                                          "updating the address if needed.")
                self.update_address(sender, link, message)
                self.remove(node)
                return False
            self._view.rename(node, message.sender)
            node.flags = node.flags & ~HANDSHAKE | role_of(message.flags)
            self._out.changed()
        elif node.name != message.sender:
            self._out.note("debug", f"PONG contains mismatching sender ID. About node {node.name} added "
                                    f"{now - node.created} ms ago, having flags {node.flags}")
            node.flags |= NOADDR
            node.ip = ""
            node.port = node.tls_port = node.bus_port = 0
            self.close(link)
            self._out.changed()
            return False
        return True

    # ---- addresses
    def configured(self) -> None:
        """What others are told of ourselves may have changed: take it from the settings."""
        me, settings = self._view.myself, self._settings()
        before = (me.port, me.tls_port, me.bus_port, me.hostname, me.nodename, me.flags, self._announced_ip)
        me.port, me.tls_port, me.bus_port = settings.port, settings.tls_port, settings.bus_port
        me.hostname, me.nodename = settings.hostname, settings.nodename
        me.flags = me.flags & ~NOFAILOVER | NOFAILOVER * settings.replica_no_failover
        if settings.announce_ip != self._announced_ip:
            self._announced_ip = me.ip = settings.announce_ip       # "": until somebody has met us anew
        if before != (me.port, me.tls_port, me.bus_port, me.hostname, me.nodename, me.flags, self._announced_ip):
            self._out.changed(health=True)

    def update_address(self, node: Node, link: Link, message: Message) -> None:
        """A message came by a link that is not the one we made to where we think the node is: is it there?"""
        ip = message.ip or link.peer_ip
        if link is node.link or not ip:
            return
        self.move(node, ip, *self.ports_of(message.port, message.pport), message.bus_port)

    def move(self, node: Node, ip: str, port: int, tls_port: int, bus_port: int) -> None:
        """A node is somewhere else, maybe."""
        if (node.ip, node.port, node.tls_port, node.bus_port) == (ip, port, tls_port, bus_port):
            return
        node.ip, node.port, node.tls_port, node.bus_port = ip, port, tls_port, bus_port
        node.flags &= ~NOADDR
        if node.link is not None:
            self.close(node.link)
        self._out.note("notice", f"Address updated for node {node.name} ({node.nodename}), now {ip}:"
                                 f"{node.client_port(self._settings().tls)}")
        if self._view.myself.master is node:
            self._roles.follow_address()
        self._out.changed(health=True)

    # ---- links
    def close(self, link: Link) -> None:
        """End a link, and tell whoever carries it."""
        self.unlink(link)
        self._out.add(Close(link))

    def unlink(self, link: Link) -> None:
        """A link is not there any more."""
        node = link.node
        if node is not None:
            if node.link is link:
                node.link = None
            elif node.inbound_link is link:
                node.inbound_link = None

    def keep_linked(self, node: Node, now: int) -> bool:
        """By the tick: a link to every node. False: there is no such node any more."""
        if node.flags & (MYSELF | NOADDR):
            return True
        if node.in_handshake and now - node.created > self._settings().handshake_ms:
            self.remove(node)
            return False
        if node.link is None:
            node.link = Link(node, now)
            self._out.add(Connect(node.link))
        return True

    def opened(self, link: Link, now: int) -> None:
        """A link of ours is open: the first thing said is a heartbeat."""
        node = link.node
        if node is None or node.link is not link:
            return                      # given up meanwhile
        waiting = node.ping_sent
        self._speaker.heartbeat(link, Type.MEET if node.flags & MEET else Type.PING, now)
        node.ping_sent = waiting or now
        node.flags &= ~MEET

    def remove(self, node: Node) -> None:
        """Forget a node and its links."""
        for link in (node.link, node.inbound_link):
            if link is not None:
                self.close(link)
        lost = self._view.remove(node)
        if lost:
            self._out.add(SlotsMoved(lost))
        self._out.changed(health=True)
