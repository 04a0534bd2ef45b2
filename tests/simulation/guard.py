"""A sentinel in the network: its protocol, its file, and what it has promised."""

from typing import Any

from server.config.reader import Statement
from server.config.rewrite import Rewrite
from server.registry.quoting import split_args
from server.sentinel import conf_lines
from server.sentinel.actions import Close, Event, Open, Send
from server.sentinel.hello import CHANNEL
from server.sentinel.instance import Wire
from server.sentinel.names import spelled_out
from server.sentinel.protocol import Protocol
from server.sentinel.settings import Timings
from server.sentinel.state import State
from tests.simulation.network import Network
from tests.simulation.promises import Broken
from tests.simulation.simulated import Simulated
from tests.simulation.store import Connection, host_of, number_of

NAME = "m"
# Everything sooner than by default, so that a run is short.
TIMINGS = Timings(info_period=1000, ping_period=300, ask_period=300, publish_period=500, tilt_period=2000,
                  min_link_reconnect_period=3000, election_timeout=2000, slave_reconf_timeout=2000)


class Spelled:
    """There are no names."""

    def look_up(self, host: str, *, numeric: bool) -> str | None:
        return spelled_out(host)


class Pledges:
    """What must hold, whatever the network does.

    one leader of an epoch, one replica promoted in it, one address of a configuration epoch; one vote of a sentinel in
    an epoch; no epoch of a sentinel goes back, not even by a crash"""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}
        self.promoted: dict[int, str] = {}
        self.addresses: dict[int, tuple[str, int]] = {}
        self.votes: dict[tuple[int, int], str] = {}
        self.epochs: dict[int, tuple[int, int]] = {}

    def same(self, what: str, table: dict[Any, Any], key: Any, value: Any) -> None:
        if table.setdefault(key, value) != value:
            raise Broken(f"{what} {key}: {table[key]} and {value}")

    def after(self, guard: "Guard") -> None:
        state = guard.protocol.state
        master = state.masters[NAME]
        now = state.current_epoch, master.config_epoch
        before = self.epochs.get(guard.number, (0, 0))
        if now[0] < before[0] or now[1] < before[1]:
            raise Broken(f"{guard.number}: epochs {before} went back to {now}")
        self.epochs[guard.number] = now
        if master.config_epoch:
            at = master.current_address
            self.same("configuration epoch", self.addresses, master.config_epoch, (at.ip, at.port))
        state.check()


class Guard(Simulated):
    """One sentinel. number: its name in the network; skew: by how much its clock is wrong, ms. conf: its file."""

    def __init__(self, number: int, network: Network, pledges: Pledges, conf: str, skew: int) -> None:
        super().__init__(number, network, number, skew)
        self.pledges = pledges
        self.conf = conf
        self.protocol: Protocol

    # ---- the process
    def start(self) -> None:
        self.begin_life()
        state = State(Spelled(), self.rng, self.now)
        for name in Timings.__slots__:
            setattr(state.settings.timings, name, getattr(TIMINGS, name))
        lines = self.conf.splitlines()
        conf_lines.Reader(state).read([Statement(tuple(split_args(line) or ()), n, line)
                                       for n, line in enumerate(lines, 1) if line.startswith("sentinel")])
        self.protocol = Protocol(state)
        self.protocol.links.announce_port = 26379
        self.protocol.start(self.now)
        self.turn()
        self.network.later(self.rng.randrange(100), self.tick, self.life)

    def has_died(self, power: bool) -> None:
        """Its file is written before it says anything."""

    # ---- what comes in
    def tick(self, life: int) -> None:
        if life != self.life or not self.up:
            return
        self.network.later(1000 // (10 + self.rng.randrange(10)), self.tick, life)
        if not self.stopped:
            self.protocol.tick(self.now)
            self.turn()

    def accept(self, _: Any) -> Connection:
        return Connection()

    def receive(self, link: Any, message: Any) -> None:
        if self.holds(self.receive, link, message) or link not in self.wires:
            return
        if isinstance(link, Wire):
            self.protocol.received(link, message, self.now)
            self.turn()
        else:
            reply = self.reply(message)
            self.turn()                                          # what is kept is kept before it is told
            self.network.send(self, link, reply)

    def reply(self, words: tuple[bytes, ...]) -> Any:
        if words[0] == b"PING":
            return "PONG"
        if words[0] == b"PUBLISH":
            assert words[1] == CHANNEL
            self.protocol.hello(words[2], self.now)
            return 1
        if words[0] == b"SENTINEL":
            host, port, epoch, candidate = words[2:]
            down, leader, at = self.protocol.is_master_down(host.decode(), int(port), int(epoch), candidate.decode(),
                                                            self.now)
            if leader != "*":
                self.pledges.same("vote of (sentinel, epoch)", self.pledges.votes, (self.number, at), leader)
            return [int(down), leader.encode(), at]
        return "OK"

    def opened(self, link: Wire) -> None:
        if not self.holds(self.opened, link):
            self.protocol.opened(link, host_of(self.number), self.now)
            self.turn()

    def lost(self, link: Any) -> None:
        if isinstance(link, Wire) and not self.holds(self.lost, link):
            self.protocol.lost(link, self.now)
            self.turn()

    # ---- a turn
    def turn(self) -> None:
        state = self.protocol.state
        while state.outbox:
            save, actions = state.outbox.take()
            if save:
                rewrite = Rewrite(self.conf, sentinel_mode=True)
                conf_lines.write(state, rewrite)
                self.conf = rewrite.text()
            for action in actions:
                self._do(action)
        self.pledges.after(self)

    def _do(self, action: Any) -> None:
        if isinstance(action, Send):
            self.network.send(self, action.wire, action.words)
        elif isinstance(action, Open):
            self.network.connect(self, action.wire, number_of(action.host))
        elif isinstance(action, Close):
            self.network.close(self, action.wire)
        elif isinstance(action, Event):
            self._note(action)

    def _note(self, event: Event) -> None:
        epoch = self.protocol.state.masters[NAME].failover_epoch
        if event.name == "+elected-leader":
            self.pledges.same("leader of epoch", self.pledges.leaders, epoch, self.number)
        elif event.name == "+selected-slave":
            self.pledges.same("promoted in epoch", self.pledges.promoted, epoch, event.text.split()[1])
