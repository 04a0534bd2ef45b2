"""What everything in the network has: a name, a clock that may be wrong, wires, a process that dies or stands still."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from tests.simulation.network import Network


class Simulated(ABC):
    """number: its name; at: its place in the network; skew: by how much its clock is wrong, ms. silent: it is cut from
    power, so that nobody even hears that it is gone. life: counts its starts; what an earlier one planned is void."""

    def __init__(self, number: int, network: Network, at: int, skew: int = 0) -> None:
        self.number = number
        self.network = network
        self.skew = skew
        self.rng = Random(network.rng.random())
        self.wires: dict[Any, Any] = {}
        self.up = self.silent = self.stopped = False
        self.held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []      # what came while it stood still
        self.life = 0
        network.machines[at] = self

    @property
    def now(self) -> int:
        return self.network.now + self.skew

    def begin_life(self) -> None:
        self.life += 1
        self.up, self.silent, self.stopped = True, False, False

    def kill(self, *, power: bool = False) -> None:
        """power: what was not synced is lost, and nobody hears of it."""
        if not self.up:
            return
        self.up, self.silent, self.stopped = False, power, False
        self.held.clear()
        self.has_died(power)
        if power:
            self.wires.clear()
        for link in list(self.wires):
            self.network.close(self, link)

    @abstractmethod
    def has_died(self, power: bool) -> None:
        """What it loses of its own."""

    def stop(self) -> None:
        """As SIGSTOP."""
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False
        held, self.held = self.held, []
        for work, arguments in held:
            work(*arguments)

    def holds(self, work: Callable[..., None], *arguments: Any) -> bool:
        """Whether this is not to be done now; when it stands still it will be done later."""
        if self.stopped:
            self.held.append((work, arguments))
        return self.stopped or not self.up

    @abstractmethod
    def start(self) -> None:
        """A new life."""


def heal(network: Network, machines: Iterable[Simulated]) -> None:
    """No more faults, and none that lasts."""
    network.apart.clear()
    network.loss = 0.0
    network.latency = (1, 4)
    for machine in machines:
        if not machine.up:
            machine.start()
        if machine.stopped:
            machine.go_on()
