"""Time, and links between machines: what is sent arrives in order or not at all."""

import heapq
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from server.cluster.bus_format import decode, encode, size
from server.cluster.messages import Message
from server.cluster.node import Link

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.simulated import Simulated

START = 1_700_000_000_000


class Wire:
    """A connection: two ends, each a machine and the link it knows; the second is there once it is open."""

    __slots__ = ("a", "b", "closed", "last", "waiting")

    def __init__(self, a: "Machine", link: Link) -> None:
        self.a: tuple[Machine, Link] = (a, link)
        self.b: tuple[Machine, Link] | None = None
        self.closed = False
        self.last = {True: 0, False: 0}         # when the last message of each direction arrives
        self.waiting: list[Message] = []        # sent before it was open

    def other(self, link: Link) -> "tuple[Machine, Link] | None":
        return self.b if link is self.a[1] else self.a


class Network:
    """now: ms. loss: of messages, 0 to 1; latency: ms, from and to; apart: pairs of machines, from and to, between
    which nothing gets through. through_bytes: messages go as their bytes."""

    def __init__(self, rng: Random) -> None:
        self.now = START
        self.rng = rng
        self.loss = 0.0
        self.latency = (1, 4)
        self.apart: set[tuple[int, int]] = set()
        self.through_bytes = False
        self.counting = False
        self.bytes = 0
        self.messages = 0
        self.machines: dict[int, Any] = {}              # by bus port: nodes, or what stands in for one
        self._events: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0

    # ---- time
    def at(self, time: int, work: Callable[..., None], *arguments: Any) -> None:
        self._order += 1
        heapq.heappush(self._events, (time, self._order, work, arguments))

    def later(self, delay: int, work: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + delay, work, *arguments)

    def run(self, until: int) -> None:
        """All that happens until then."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, work, arguments = heapq.heappop(events)
            work(*arguments)
        self.now = until

    def delay(self) -> int:
        return self.rng.randint(*self.latency)

    # ---- links
    def reaches(self, a: "Machine", b: "Machine") -> bool:
        return (a.number, b.number) not in self.apart

    def connect(self, a: "Machine", link: Link, port: int) -> None:
        wire = a.wires[link] = Wire(a, link)
        self.later(self.delay(), self._accept, wire, port)

    def _accept(self, wire: Wire, port: int) -> None:
        a, link = wire.a
        b = self.machines.get(port)
        if wire.closed:
            return
        if b is None or not b.up and not b.silent:
            self.close(a, link)
            a.lost(link)                                # refused
            return
        if b.silent or not self.reaches(a, b) or not self.reaches(b, a):
            return                                      # it hangs until somebody gives up
        wire.b = (b, b.accept(a))
        b.wires[wire.b[1]] = wire
        a.opened(link)
        waiting, wire.waiting = wire.waiting, []
        for message in waiting:
            self.send(a, link, message)

    def send(self, a: "Machine", link: Link, message: Message) -> None:
        wire = a.wires.get(link)
        if wire is None or wire.closed:
            return
        if wire.b is None:
            wire.waiting.append(message)
            return
        if self.counting:
            self.messages += 1
            self.bytes += size(message)
        if self.loss and self.rng.random() < self.loss:
            return
        first = link is wire.a[1]
        time = wire.last[first] = max(wire.last[first], self.now + self.delay())
        self.at(time, self._arrive, wire, first, message)

    def _arrive(self, wire: Wire, first: bool, message: Message) -> None:
        if wire.closed or wire.b is None:
            return
        (a, _), (b, link) = (wire.a, wire.b) if first else (wire.b, wire.a)
        if self.reaches(a, b):
            b.receive(link, decode(encode(message)) if self.through_bytes else message)

    def close(self, a: "Simulated", link: Link) -> None:
        """One end closes it; the other hears of it, if it can."""
        wire = a.wires.pop(link, None)
        if wire is None or wire.closed:
            return
        wire.closed = True
        other = wire.other(link)
        if other is not None:
            b, its = other
            b.wires.pop(its, None)
            self.later(self.delay(), b.lost, its)
