"""One node's protocol, and others that say what a test wants them to say.

    one = OneNode(masters=3, replicas=1)        # we are number 0, a master; 3 is our replica, 1 and 2 are masters
    one.say(1, Type.PING)                       # actions; what number 1 says of itself is what we know of it
    one.say(1, Type.PING, slots=0, config_epoch=9)
    one.pass_time(500)                          # ticks; all actions
    one.sent(actions, Type.FAIL)                # messages

All links are there from the beginning. Time stands still between calls.
"""

from collections.abc import Iterable
from random import Random
from typing import Any

from server.cluster.actions import Action, Note, Send
from server.cluster.conf_format import view_of
from server.cluster.messages import Body, Gossip, Heartbeat, Message, Type
from server.cluster.node import Link, Node
from server.cluster.protocol import Protocol
from server.cluster.settings import Settings
from server.registry.dataclass import replace
from tests.simulation.world import confs

START = 1_700_000_000_000
TICK_MS = 100
TIMEOUT_MS = 2000


class OneNode:
    """me: our number. The rest are settings."""

    def __init__(self, *, masters: int = 3, replicas: int = 1, me: int = 0, **settings: Any) -> None:
        self.now = START
        self.settings = Settings(**{"node_timeout": TIMEOUT_MS, "port": me, "bus_port": 10_000 + me, **settings})
        self.written = 1000
        self.age = 0
        self.keys: dict[int, int] = {}
        conf = confs(masters, replicas, acquainted=True)[me]
        self.names = [record.name for record in conf.records]
        self.view = view_of(conf, self.now, Random(5))
        self.protocol = Protocol(self.view, lambda: self.settings, self, Random(6))
        for number in range(len(self.names)):
            if number != me:
                self._link(number)
        self.protocol.before_sleep(self.now)

    def _link(self, number: int) -> None:
        node = self.node(number)
        node.link = Link(node, self.now, f"10.0.0.{number}", "10.0.0.0")
        node.inbound_link = Link(None, self.now, f"10.0.0.{number}", "10.0.0.0")
        node.inbound_link.node = node
        node.pong_received = node.data_received = self.now

    def node(self, number: int) -> Node:
        return self.view.nodes[self.names[number]]

    @property
    def operator(self) -> Any:
        return self.protocol.operator

    # ---- what the protocol asks its own server
    def offset(self) -> int:
        return self.written

    def data_age(self, now: int) -> int:
        return self.age

    def keys_in(self, slot: int) -> int:
        return self.keys.get(slot, 0)

    def is_empty(self) -> bool:
        return not self.keys

    # ---- what happens
    def change(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)

    def message(self, number: int, kind: Type, body: Body = None, **header: Any) -> Message:
        """As that node would say it, if it saw what we see."""
        node = self.node(number)
        if body is None and kind <= Type.MEET:
            body = Heartbeat(hostname=node.hostname, nodename=node.nodename, shard_id=node.shard_id)
        shown = node.master or node
        known: dict[str, Any] = {
            "current_epoch": self.view.current_epoch, "config_epoch": shown.config_epoch, "offset": node.offset,
            "slots": shown.slots, "master": node.master.name if node.master else "", "port": node.port,
            "bus_port": node.bus_port, "flags": node.flags, "body": body}
        return Message(kind, node.name, **{**known, **header})

    def say(self, number: int, kind: Type, body: Body = None, **header: Any) -> list[Action]:
        """It says something: a PONG by our link to it, all else by its own to us."""
        node = self.node(number)
        link = node.link if kind == Type.PONG else node.inbound_link
        assert link is not None
        actions = self.protocol.receive(link, self.message(number, kind, body, **header), self.now)
        return actions + self.protocol.before_sleep(self.now)

    def gossip(self, number: int, about: int, flags: int, **changes: Any) -> list[Action]:
        """It tells of another in a PING."""
        node = self.node(about)
        entry = Gossip(node.name, 0, 0, node.ip, node.port, node.bus_port, flags, 0)._replace(**changes)
        return self.say(number, Type.PING, Heartbeat([entry], shard_id=self.node(number).shard_id))

    def do(self, work: Any, *arguments: Any, **named: Any) -> list[Action]:
        """What an operator asks."""
        work(*arguments, **named)
        return self.protocol.before_sleep(self.now)

    def pass_time(self, ms: int, *, answering: Iterable[int] = ()) -> list[Action]:
        """Ticks. answering: nodes that answer each ping at once; the others are silent."""
        actions: list[Action] = []
        alive = set(answering)
        for _ in range(ms // TICK_MS):
            self.now += TICK_MS
            actions += self.protocol.tick(self.now)
            actions += self.protocol.before_sleep(self.now)
            for number in alive:
                node = self.node(number)
                if node.ping_sent and node.link is not None:
                    actions += self.say(number, Type.PONG)
        return actions

    # ---- what came of it
    def sent(self, actions: Iterable[Action], kind: Type, to: int | None = None) -> list[Message]:
        """The messages of a type, to a node or to all."""
        return [action.message for action in actions if isinstance(action, Send) and action.message.type == kind and (
            to is None or action.link.node is self.node(to))]


def only(actions: Iterable[Action], kind: type) -> list[Any]:
    """The actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def notes(actions: Iterable[Action]) -> str:
    """What the log is told."""
    return "\n".join(note.text for note in only(actions, Note))
