"""One sentinel's protocol, and everybody else as a test wants them to be.

    one = OneSentinel(quorum=2)                 # it watches `m` at 10.0.0.1:6379
    one.master_with(7001)                       # it has a replica at 10.0.0.2:7001
    one.pass_time(1000)                         # ticks, and answers: `one.sent`, `one.events`
    one.meet(OTHER, epoch=3)                    # another sentinel says hello
    one.silent.add(("10.0.0.1", 6379))          # nobody answers there any more

Time stands still between calls. Everybody answers PING while they are in `one.alive`.
"""

from random import Random
from typing import Any

from server.registry.errors import CommandError
from server.sentinel.actions import Close, Event, Exit, Note, Open, Send
from server.sentinel.hello import CHANNEL
from server.sentinel.instance import INFO, IS_MASTER_DOWN, PING, SENTINEL, Instance, Master, Wire
from server.sentinel.names import spelled_out
from server.sentinel.protocol import Protocol
from server.sentinel.state import State

START = 1_700_000_000_000
TICK_MS = 100
OTHER, THIRD = "b" * 40, "c" * 40


class Spelled:
    """Names that are none."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def look_up(self, host: str, *, numeric: bool) -> str | None:
        return spelled_out(host) or (None if numeric else self.known.get(host))


class OneSentinel:
    """quorum: of `m`; down_after, timeout: its down-after-milliseconds and failover-timeout."""

    def __init__(self, quorum: int = 1, *, down_after: int = 1000, timeout: int = 10_000) -> None:
        self.now = START
        self.names = Spelled()
        self.state = State(self.names, Random(1), self.now)
        self.protocol = Protocol(self.state)
        self.state.myid = "a" * 40
        self.master = self.state.add_master("m", "10.0.0.1", 6379, quorum)
        self.state.set_down_after(self.master, down_after)
        self.master.failover_timeout = timeout
        self.protocol.links.announce_port = 26379
        self.sent: list[tuple[Wire, tuple[bytes, ...]]] = []
        self.events: list[str] = []
        self.notes: list[str] = []
        self.saves = 0
        self.status: int | None = None
        self.opened: list[Wire] = []
        self.refuses: set[tuple[str, int]] = set()      # nobody listens there
        self.silent: set[tuple[str, int]] = set()       # nobody answers there
        self.infos: dict[tuple[str, int], bytes] = {}
        self.votes: dict[str, list[Any]] = {}           # what other sentinels answer, by id
        self.protocol.start(self.now)
        self.take()

    # ---- what goes on
    def pass_time(self, ms: int) -> None:
        """In ticks; everybody answers what they can."""
        end = self.now + ms
        while self.now < end:
            self.now += TICK_MS
            self.protocol.tick(self.now)
            self.take()
            self.answer()

    def take(self) -> None:
        while self.state.outbox:
            save, actions = self.state.outbox.take()
            self.saves += save
            for action in actions:
                self._note(action)

    def _note(self, action: Any) -> None:
        if isinstance(action, Send):
            self.sent.append((action.wire, action.words))
        elif isinstance(action, Open):
            self.opened.append(action.wire)
        elif isinstance(action, Event):
            self.events.append(f"{action.name} {action.text}")
        elif isinstance(action, Note):
            self.notes.append(action.text)
        elif isinstance(action, Exit):
            self.status = self.status or action.status
        else:
            assert isinstance(action, Close)

    def answer(self) -> None:
        """What was sent and not answered yet."""
        opened, self.opened = self.opened, []
        for wire in opened:
            if self.place_of(wire) in self.refuses:
                self.protocol.lost(wire, self.now)
            else:
                self.protocol.opened(wire, "10.0.0.100", self.now)
        self.take()
        for instance in self.everybody():
            for open_wire in filter(None, (instance.link.commands, instance.link.pubsub)):
                while open_wire.expected and self.place_of(open_wire) not in self.silent:
                    kind, whom = open_wire.expected[0]
                    self.protocol.received(open_wire, self.reply(kind, whom), self.now)
        self.take()

    def reply(self, kind: int, instance: Instance) -> Any:
        if kind == PING:
            return "PONG"
        if kind == INFO:
            return self.infos.get(self.place(instance), b"")
        if kind == IS_MASTER_DOWN:
            return self.votes.get(instance.runid, [0, b"*", 0])
        return "OK"

    # ---- who is there
    def everybody(self) -> list[Instance]:
        return [one for master in self.state.masters.values() for one in master.everybody()]

    def place(self, instance: Instance) -> tuple[str, int]:
        return instance.address.ip, instance.address.port

    def place_of(self, wire: Wire) -> tuple[str, int]:
        return next((self.place(one) for one in self.everybody() if one.link is wire.link), ("", 0))

    def replica(self, port: int, host: str = "10.0.0.2") -> Instance:
        return self.master.replicas[f"{host}:{port}"]

    def commands(self, instance: Instance) -> list[bytes]:
        """What was sent to it, as lines."""
        return [b" ".join(words) for wire, words in self.sent if wire.link is instance.link]

    # ---- what others say
    def hears(self, instance: Instance, text: str) -> None:
        """A message that was published there."""
        assert instance.link.pubsub is not None
        self.protocol.received(instance.link.pubsub, [b"message", CHANNEL, text.encode()], self.now)
        self.take()

    def meet(self, runid: str, ip: str = "10.0.0.9", *, epoch: int = 0, config_epoch: int = 0,
             master: str = "10.0.0.1,6379") -> Instance:
        """Another sentinel says hello."""
        self.hears(self.master, f"{ip},26379,{runid},{epoch},m,{master},{config_epoch}")
        found = self.master.sentinels[runid]
        assert found.flags & SENTINEL
        return found

    def knows(self, place: tuple[str, int], **fields: Any) -> None:
        """INFO there, from now on."""
        self.infos[place] = info(**fields)

    def master_with(self, *replicas: int) -> Master:
        """Our master with replicas at 10.0.0.2, on these ports: all is known of them."""
        place = ("10.0.0.1", 6379)
        self.knows(place, run_id="1" * 40, role="master",
                   **{f"slave{n}": f"ip=10.0.0.2,port={port},state=online" for n, port in enumerate(replicas)})
        for port in replicas:
            self.follows(port, *place)
        self.pass_time(25_000)
        assert len(self.master.replicas) == len(replicas)
        self.events.clear()
        self.sent.clear()
        return self.master

    def follows(self, port: int, host: str, master_port: int, **more: Any) -> None:
        """The replica on that port does, as it says."""
        self.knows(("10.0.0.2", port), **{"run_id": f"{port:040}", "role": "slave", "master_host": host,
                                          "master_port": master_port, "master_link_status": "up",
                                          "slave_priority": 100, "slave_repl_offset": 100, **more})


def info(**fields: Any) -> bytes:
    """INFO's text."""
    return "".join(f"{name}:{value}\r\n" for name, value in fields.items()).encode()


def error(text: str) -> CommandError:
    return CommandError(text)
