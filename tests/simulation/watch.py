"""Sentinels over a master and its replicas, what befalls them, and whether all agree when it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from server.sentinel.instance import FAILOVER_IN_PROGRESS
from tests.simulation.guard import NAME, Guard, Pledges
from tests.simulation.network import Network
from tests.simulation.promises import Broken
from tests.simulation.simulated import heal
from tests.simulation.store import PORT, Store, host_of

LOOK_MS = 500
FORM_MS = 20_000


@dataclass(frozen=True)
class Plan:
    """What a run is made of. faults: how many, one every `pace` ms; agree_ms: within which all are to agree."""

    sentinels: int = 3
    stores: int = 3
    quorum: int = 2
    down_after: int = 1000
    timeout: int = 4000
    faults: int = 6
    pace: int = 2500
    agree_ms: int = 90_000


@dataclass
class Outcome:
    """agreed_ms: after the last fault was over. failovers: replicas that were promoted."""

    agreed_ms: int
    failovers: int


def plan_of(seed: int) -> Plan:
    """The run of a seed."""
    rng = Random(seed)
    sentinels = rng.choice((3, 3, 3, 4, 5))
    return Plan(sentinels=sentinels, stores=rng.choice((2, 3, 3, 4)), quorum=rng.choice((1, 2, sentinels // 2 + 1)),
                faults=rng.randint(3, 8), pace=rng.choice((800, 1500, 2500, 4000)), timeout=rng.choice((2000, 4000)))


class Watch:
    """One master with all who watch it. Machines below `stores` are servers, the others sentinels."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.plan = plan
        self.rng = Random(seed)
        self.network = Network(self.rng)
        self.pledges = Pledges()
        self.acts: list[str] = []           # what befell it, for whoever looks at a broken seed
        self.stores = [Store(number, self.network, 0 if number else None) for number in range(plan.stores)]
        conf = (f"sentinel monitor {NAME} {host_of(0)} {PORT} {plan.quorum}\n"
                f"sentinel down-after-milliseconds {NAME} {plan.down_after}\n"
                f"sentinel failover-timeout {NAME} {plan.timeout}\n")
        self.guards = [Guard(number, self.network, self.pledges,
                             f"sentinel myid {self.rng.getrandbits(160):040x}\n{conf}", self.rng.randint(-200, 200))
                       for number in range(plan.stores, plan.stores + plan.sentinels)]
        for machine in self.machines:
            machine.start()

    @property
    def machines(self) -> list[Any]:
        return [*self.stores, *self.guards]

    # ---- a run
    def run(self) -> Outcome:
        self.agree(FORM_MS)
        for _ in range(self.plan.faults):
            self.break_something()
            self.network.run(self.network.now + self.rng.randint(1, 2 * self.plan.pace))
        self.heal()
        agreed = self.agree(self.plan.agree_ms)
        return Outcome(agreed, len(self.pledges.promoted))

    def heal(self) -> None:
        """No more faults, and none that lasts."""
        heal(self.network, self.machines)
        self.acts.append(f"{self.network.now}: healed")

    # ---- agreement
    def agree(self, within: int) -> int:
        """Until all agree. Returns the ms that it took; raises Broken if they do not in time."""
        start = self.network.now
        why = "nothing was looked at"
        while self.network.now - start < within:
            self.network.run(self.network.now + LOOK_MS)
            why = self.disagreement()
            if not why:
                return self.network.now - start
        raise Broken(f"no agreement in {within} ms: {why}; {self.acts}")

    def disagreement(self) -> str:
        """"" if all name one master, which is one, and the others follow it."""
        named = {guard.protocol.state.masters[NAME].current_address.ip for guard in self.guards}
        if len(named) != 1:
            return f"masters {named}"
        for guard in self.guards:
            master = guard.protocol.state.masters[NAME]
            if master.flags & FAILOVER_IN_PROGRESS or len(master.sentinels) != len(self.guards) - 1:
                return f"{guard.number} is at {master.failover_state}, with {len(master.sentinels)} others"
            if len(master.replicas) != len(self.stores) - 1:
                return f"{guard.number} knows {list(master.replicas)}"
        number = int(named.pop().rsplit(".", 1)[1])
        for store in self.stores:
            if store.number == number and store.master is not None:
                return f"{number} is no master"
            if store.number != number and (store.master != number or not store.link_up):
                return f"{store.number} follows {store.master}, not {number}"
        return ""

    # ---- faults
    def break_something(self) -> None:
        rng = self.rng
        work: Callable[[], str] = rng.choice((self.kill, self.kill, self.kill_master, self.kill_master, self.stop,
                                              self.stop_master, self.cut, self.part, self.part, self.lose,
                                              self.slow_down, self.come_back, self.come_back, self.come_together))
        self.acts.append(f"{self.network.now}: {work()}")

    def kill(self) -> str:
        victim = self.rng.choice(self.machines)
        power = self.rng.random() < 0.5
        victim.kill(power=power)
        return f"kill {victim.number} {'power' if power else ''}"

    def kill_master(self) -> str:
        masters = [store for store in self.stores if store.up and store.master is None]
        for store in masters:
            store.kill(power=self.rng.random() < 0.5)
        return f"kill masters {[store.number for store in masters]}"

    def stop(self) -> str:
        victim = self.rng.choice(self.machines)
        if victim.up:
            victim.stop()
            self.network.later(self.rng.randint(100, 6000), self._go_on, victim, victim.life)
        return f"stop {victim.number}"

    def stop_master(self) -> str:
        for store in self.stores:
            if store.up and store.master is None:
                store.stop()
                self.network.later(self.rng.randint(100, 6000), self._go_on, store, store.life)
        return "stop masters"

    def _go_on(self, machine: Any, life: int) -> None:
        if machine.life == life and machine.stopped:
            machine.go_on()

    def cut(self) -> str:
        one, other = self.rng.sample([machine.number for machine in self.machines], 2)
        self.network.apart.add((one, other))
        return f"cut {one} -> {other}"

    def part(self) -> str:
        """Two groups that do not hear of each other."""
        numbers = [machine.number for machine in self.machines]
        group = set(self.rng.sample(numbers, self.rng.randint(1, len(numbers) - 1)))
        for one in numbers:
            for other in numbers:
                if (one in group) != (other in group):
                    self.network.apart.add((one, other))
        return f"part {sorted(group)}"

    def come_together(self) -> str:
        self.network.apart.clear()
        return "together"

    def lose(self) -> str:
        """A wire that loses messages is one that is cut: streams lose nothing in their midst."""
        for machine in self.machines:
            for link in list(machine.wires):
                if self.rng.random() < 0.3 and link in machine.wires:
                    self.network.close(machine, link)
                    machine.lost(link)
        return "wires break"

    def slow_down(self) -> str:
        self.network.latency = self.rng.choice(((1, 4), (1, 300), (200, 900)))
        return f"latency {self.network.latency}"

    def come_back(self) -> str:
        gone = [machine for machine in self.machines if not machine.up]
        for machine in gone:
            machine.start()
        return f"back {[machine.number for machine in gone]}"


def play(seed: int, plan: Plan | None = None) -> Outcome:
    """The run of a seed. Errors: Broken."""
    watch = Watch(seed, plan or plan_of(seed))
    try:
        return watch.run()
    except Broken as error:
        raise Broken(f"seed {seed}: {error}; {watch.acts}") from None
