"""A node with all that it stands on: a disk, a replication stream that is a number, and a process that can die."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from server.cluster.actions import Action, Close, Connect, Follow, Lead, Pause, Resume, Save, Send
from server.cluster.conf_format import Conf, conf_of, parse, view_of, write
from server.cluster.messages import Message
from server.cluster.node import Link
from server.cluster.protocol import Protocol
from server.cluster.settings import Settings
from tests.simulation.network import Network
from tests.simulation.simulated import Simulated

if TYPE_CHECKING:
    from tests.simulation.promises import Promises

TICK_MS = 100
BUS_PORT = 10_000


class Machine(Simulated):
    """One node. number: of its port, without the bus's."""

    def __init__(self, number: int, network: Network, conf: Conf, settings: Settings, promises: "Promises",
                 skew: int = 0) -> None:
        super().__init__(number, network, BUS_PORT + number, skew)
        self.settings = settings
        self.promises = promises
        self.disk = self.synced = conf
        self.written = 0                # offset of the stream
        self.heard = 0                  # when from the master, last
        self.paused_until = 0
        self.master_port = 0            # 0: a master
        self.protocol: Protocol

    # ---- the process
    def start(self) -> None:
        self.begin_life()
        view = view_of(parse(write(self.disk)), self.now, self.rng)
        self.protocol = Protocol(view, lambda: self.settings, self, self.rng)
        self.heard = self.now
        self.master_port = 0
        self.paused_until = 0
        self.network.later(self.rng.randrange(TICK_MS), self.tick, self.life)
        self.promises.started(self)

    def has_died(self, power: bool) -> None:
        if power:
            self.disk = self.synced

    # ---- what comes in
    def tick(self, life: int) -> None:
        if life != self.life or not self.up:
            return
        self.network.later(TICK_MS, self.tick, life)
        if not self.stopped:
            self._replicate()
            self.turn(self.protocol.tick(self.now))

    def receive(self, link: Link, message: Message) -> None:
        if not self.holds(self.receive, link, message) and link in self.wires:
            self.turn(self.protocol.receive(link, message, self.now))

    def opened(self, link: Link) -> None:
        if not self.holds(self.opened, link):
            self.turn(self.protocol.link_up(link, self.now))

    def lost(self, link: Link) -> None:
        if not self.holds(self.lost, link):
            self.turn(self.protocol.link_lost(link, self.now))

    def accept(self, a: "Machine") -> Link:
        return Link(None, self.now, f"10.0.0.{a.number}", f"10.0.0.{self.number}")

    def ask(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        """What an operator asks."""
        work(*arguments, **named)
        self.turn([])

    # ---- a turn
    def turn(self, actions: list[Action]) -> None:
        last = self.protocol.before_sleep(self.now)
        for action in last:
            if isinstance(action, Save):
                self.save(action)
        for action in (*actions, *last):
            self._do(action)
        self.promises.after(self, (*actions, *last))

    def save(self, action: Save) -> None:
        self.disk = conf_of(self.protocol.view)
        if action.fsync or action.soon:     # no power is cut in the milliseconds until then: then an operator has to
            self.synced = self.disk         # say whose the slot is, as in Redis

    def _do(self, action: Action) -> None:
        if isinstance(action, Send):
            self.network.send(self, action.link, action.message)
        elif isinstance(action, Connect):
            assert action.link.node is not None
            self.network.connect(self, action.link, action.link.node.bus_port)
        elif isinstance(action, Close):
            self.network.close(self, action.link)
        elif isinstance(action, Follow):
            self.master_port = action.port
        elif isinstance(action, Lead):
            self.master_port = 0
        elif isinstance(action, Pause):
            self.paused_until = action.until
        elif isinstance(action, Resume):
            self.paused_until = 0

    # ---- what the protocol asks its own server
    def _replicate(self) -> None:
        if not self.master_port:
            if self.paused_until < self.now:
                self.written += self.rng.randrange(100)
            return
        master = self.network.machines.get(self.master_port + BUS_PORT)
        if master is not None and master.up and not master.stopped and self.network.reaches(master, self) and (
                self.network.reaches(self, master)):
            self.written = master.written
            self.heard = self.now

    def offset(self) -> int:
        return self.written

    def data_age(self, now: int) -> int:
        return now - self.heard

    def keys_in(self, slot: int) -> int:
        return 0

    def is_empty(self) -> bool:
        return True
