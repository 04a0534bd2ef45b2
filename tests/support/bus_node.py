"""A node of ours on real sockets, with nothing behind it: server.cluster's protocol, and no server.

    nodes = BusNodes()
    ours = nodes.add(port, slots.span(0, 5000), node_timeout=2000)
    nodes.until(lambda: ours.protocol.view.ok, "the cluster serves")
    nodes.close()

What the product's own links do is not here: this is for trying the protocol on nodes that others wrote.
"""

import selectors
import socket
import time
from collections.abc import Callable
from random import Random
from typing import Any

from server.cluster.actions import Action, Close, Connect, Deliver, Save, Send
from server.cluster.bus_format import decode, encode, frame_length
from server.cluster.conf_format import conf_of, write
from server.cluster.messages import MASTER, MYSELF
from server.cluster.node import Link, Node
from server.cluster.protocol import Protocol
from server.cluster.settings import Settings
from server.cluster.view import View, random_name
from tests.support.pace import patience

TICK_SECONDS = 0.1


def wall() -> int:
    return int(time.time() * 1000)


class BusNode:
    """One node, and its sockets. offset, age: what its replication says of itself; saved: nodes.conf."""

    def __init__(self, selector: selectors.BaseSelector, port: int, owned: int, **settings: Any) -> None:
        self.port = port
        self.offset_ = 0
        self.saved = ""
        self.delivered: list[Deliver] = []
        self._selector = selector
        self._links: dict[Link, socket.socket] = {}
        self._ready: set[Link] = set()
        self._unsent: dict[Link, bytearray] = {}
        self._unread: dict[Link, bytearray] = {}
        rng = Random(port)
        me = Node(random_name(rng), random_name(rng), MASTER | MYSELF, wall())
        me.port, me.bus_port = port, port + 10000
        me.hostname = settings.get("hostname", "")
        made = Settings(port=port, bus_port=port + 10000, **settings)
        view = View(me)
        view.assign(me, owned)
        self.protocol = Protocol(view, lambda: made, self, rng)
        self._door = socket.create_server(("127.0.0.1", port + 10000))
        self._door.setblocking(False)
        selector.register(self._door, selectors.EVENT_READ, (self, None))

    @property
    def name(self) -> str:
        return self.protocol.view.myself.name

    # ---- what the protocol asks its own server
    def offset(self) -> int:
        return self.offset_

    def data_age(self, now: int) -> int:
        return 0

    def keys_in(self, slot: int) -> int:
        return 0

    def is_empty(self) -> bool:
        return True

    # ---- turns
    def ask(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What an operator asks."""
        reply = work(*arguments, **named)
        self.turn([])
        return reply

    def turn(self, actions: list[Action]) -> None:
        for action in (*actions, *self.protocol.before_sleep(wall())):
            if isinstance(action, Send):
                self._unsent.get(action.link, bytearray()).extend(encode(action.message))
                self._flush(action.link)
            elif isinstance(action, Connect):
                self._connect(action.link)
            elif isinstance(action, Close):
                self._drop(action.link)
            elif isinstance(action, Save):
                self.saved = write(conf_of(self.protocol.view))
            elif isinstance(action, Deliver):
                self.delivered.append(action)

    def tick(self) -> None:
        self.turn(self.protocol.tick(wall()))

    # ---- sockets
    def _watch(self, link: Link, connection: socket.socket, events: int) -> None:
        connection.setblocking(False)
        self._links[link] = connection
        self._unsent[link] = bytearray()
        self._unread[link] = bytearray()
        self._selector.register(connection, events, (self, link))

    def _connect(self, link: Link) -> None:
        assert link.node is not None
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex((link.node.ip, link.node.bus_port))
        self._watch(link, connection, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def accept(self) -> None:
        connection, peer = self._door.accept()
        link = Link(None, wall(), peer[0], connection.getsockname()[0])
        self._watch(link, connection, selectors.EVENT_READ)
        self._ready.add(link)

    def _drop(self, link: Link) -> bool:
        connection = self._links.pop(link, None)
        if connection is None:
            return False
        self._selector.unregister(connection)
        connection.close()
        self._ready.discard(link)
        del self._unsent[link], self._unread[link]
        return True

    def _lost(self, link: Link) -> None:
        if self._drop(link):
            self.turn(self.protocol.link_lost(link, wall()))

    def _flush(self, link: Link) -> None:
        if link in self._ready and self._unsent[link]:
            try:
                del self._unsent[link][:self._links[link].send(self._unsent[link])]
            except BlockingIOError:
                pass
            except OSError:
                self._lost(link)

    def event(self, link: Link, events: int) -> None:
        connection = self._links.get(link)
        if connection is None:
            return
        if events & selectors.EVENT_WRITE and link not in self._ready:
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._lost(link)
                return
            self._ready.add(link)
            self._selector.modify(connection, selectors.EVENT_READ, (self, link))
            link.peer_ip, link.local_ip = connection.getpeername()[0], connection.getsockname()[0]
            self.turn(self.protocol.link_up(link, wall()))
            self._flush(link)
        elif events & selectors.EVENT_READ:
            self._read(link, connection)

    def _read(self, link: Link, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(link)
            return
        self._unread[link] += data
        while link in self._links:
            unread = self._unread[link]
            length = frame_length(unread)
            if not length or len(unread) < length:
                return
            message = decode(bytes(unread[:length]))
            del unread[:length]
            self.turn(self.protocol.receive(link, message, wall()))

    def close(self) -> None:
        for link in list(self._links):
            self._drop(link)
        self._selector.unregister(self._door)
        self._door.close()


class BusNodes:
    """Nodes of ours, served by whoever waits for something."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.nodes: list[BusNode] = []
        self._next = 0.0

    def add(self, port: int, owned: int = 0, **settings: Any) -> BusNode:
        """owned: its slots; settings: of server.cluster.settings."""
        node = BusNode(self._selector, port, owned, **settings)
        self.nodes.append(node)
        return node

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
        """Serve until it is so. seconds: of a quiet machine."""
        end = time.monotonic() + patience(seconds)
        while not condition():
            assert time.monotonic() < end, f"not in time: {what}"
            for key, events in self._selector.select(0.02):
                node, link = key.data
                if link is None:
                    node.accept()
                else:
                    node.event(link, events)
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + TICK_SECONDS
                for node in self.nodes:
                    node.tick()

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        self._selector.close()
