"""A cluster, what befalls it, and whether all agree when it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from server.cluster import slots
from server.cluster.conf_format import Conf, Record
from server.cluster.messages import FAIL, HANDSHAKE, MASTER, MYSELF, NOADDR, PFAIL, REPLICA
from server.cluster.settings import Settings
from server.registry.errors import CommandError
from tests.simulation.machine import BUS_PORT, Machine
from tests.simulation.network import Network
from tests.simulation.promises import Broken, Promises
from tests.simulation.simulated import heal

FAULTS_FROM_MS = 5000
SLACK_MS = 5000
LOOK_MS = 500


@dataclass(frozen=True)
class Plan:
    """What a run is made of: by default small and short. faults: how many, one every `pace` ms; agree_ms: within which
    all are to agree after the last one."""

    masters: int = 3
    replicas: int = 1
    timeout: int = 2000
    faults: int = 8
    pace: int = 2500
    agree_ms: int = 90_000
    by_meet: bool = False
    through_bytes: bool = False


@dataclass
class Outcome:
    """agreed_ms: after the last fault was over. winners: masters that are not those of the beginning."""

    agreed_ms: int
    verdicts: int
    winners: int


def plan_of(seed: int) -> Plan:
    """The small run of a seed."""
    rng = Random(seed)
    return Plan(masters=rng.choice((3, 3, 3, 4, 5)), replicas=rng.choice((0, 1, 1, 1, 2)), by_meet=rng.random() < 0.2,
                through_bytes=rng.random() < 0.1, faults=rng.randint(3, 9), pace=rng.choice((800, 1500, 2500, 4000)))


def confs(masters: int, replicas: int, *, acquainted: bool) -> list[Conf]:
    """nodes.conf of each node, masters first. acquainted: they know each other; else each knows itself alone."""
    count = masters * (1 + replicas)
    names = [f"{Random(number).getrandbits(160):040x}" for number in range(count)]

    def record(number: int, me: int) -> Record:
        master = number % masters
        mine = number == me
        flags = (MASTER if number < masters else REPLICA) | (MYSELF if mine else 0)
        share = slots.span(slots.COUNT * master // masters, slots.COUNT * (master + 1) // masters - 1)
        return Record(names[number], f"10.0.0.{number}", number, BUS_PORT + number, flags,
                      "" if number < masters else names[master], config_epoch=master + 1,
                      slots=share if number < masters else 0, shard_id=names[master])

    def alone(number: int) -> Record:
        own = record(number, number)
        own.master = ""
        own.flags = MASTER | MYSELF
        own.config_epoch = number + 1
        own.shard_id = names[number]
        return own

    if not acquainted:
        return [Conf([alone(me)], me + 1) for me in range(count)]
    others = [record(number, -1) for number in range(count)]
    return [Conf([*others[:me], record(me, me), *others[me + 1:]], masters) for me in range(count)]


class World:
    """One cluster."""

    def __init__(self, seed: int, plan: Plan, kind: type[Machine] = Machine) -> None:
        self.plan = plan
        self.rng = Random(seed)
        self.network = Network(self.rng)
        self.network.through_bytes = plan.through_bytes
        self.promises = Promises(SLACK_MS)
        self.acts: list[str] = []           # what befell it, for whoever looks at a broken seed
        self.machines = []
        for number, conf in enumerate(confs(plan.masters, plan.replicas, acquainted=not plan.by_meet)):
            settings = Settings(node_timeout=plan.timeout, port=number, bus_port=BUS_PORT + number)
            self.machines.append(kind(number, self.network, conf, settings, self.promises,
                                      skew=self.rng.randint(-200, 200)))
        for machine in self.machines:
            machine.start()

    # ---- by name
    def up(self) -> list[Machine]:
        return [machine for machine in self.machines if machine.up]

    def masters(self) -> list[Machine]:
        """Those that serve slots, as they think."""
        return [machine for machine in self.up()
                if machine.protocol.view.myself.is_master and machine.protocol.view.myself.slots]

    # ---- a run
    def run(self) -> Outcome:
        first = {machine.number for machine in self.masters()}
        self.form()
        for _ in range(self.plan.faults):
            self.break_something()
            self.network.run(self.network.now + self.rng.randint(1, 2 * self.plan.pace))
        self.heal()
        agreed = self.agree(self.plan.agree_ms)
        winners = {machine.number for machine in self.masters()}
        return Outcome(agreed, self.promises.verdicts, len(winners - first))

    def form(self) -> None:
        """All know each other, and serve."""
        if self.plan.by_meet:
            for machine in self.machines[1:]:
                machine.ask(machine.protocol.operator.meet, "10.0.0.0", 1, BUS_PORT, machine.now)
            self.agree(60_000, roles=False)
            for machine in self.machines[self.plan.masters:]:
                master = self.machines[machine.number % self.plan.masters]
                machine.ask(machine.protocol.operator.replicate, master.protocol.view.myself.name)
        self.agree(60_000)

    def heal(self) -> None:
        """No more faults, and none that lasts."""
        heal(self.network, self.machines)
        self.acts.append(f"{self.network.now}: healed")

    # ---- agreement
    def agree(self, within: int, *, roles: bool = True) -> int:
        """Until all agree. Returns the ms that it took; raises Broken if they do not in time."""
        start = self.network.now
        why = "nothing was looked at"
        while self.network.now - start < within:
            self.network.run(self.network.now + LOOK_MS)
            why = self.disagreement(roles=roles)
            if not why:
                for machine in self.up():
                    machine.protocol.view.check()
                return self.network.now - start
        raise Broken(f"no agreement in {within} ms: {why}")

    def disagreement(self, *, roles: bool = True) -> str:
        """What one node sees otherwise than another, or sees that is not right; "" if nothing."""
        reference: list[tuple[str, int, int, str | None, int]] | None = None
        for machine in self.up():
            view = machine.protocol.view
            if len(view.nodes) != len(self.machines):
                return f"{machine.number} knows {len(view.nodes)} nodes"
            bad = [node for node in view.nodes.values() if node.flags & (FAIL | PFAIL | HANDSHAKE | NOADDR)]
            if bad:
                return f"{machine.number} sees {bad}"
            if roles and not view.ok:
                return f"{machine.number} does not serve"
            seen = [(name, node.flags & (MASTER | REPLICA), node.slots,
                     node.master.name if node.master else None,
                     node.config_epoch if node.is_master else 0) for name, node in sorted(view.nodes.items())]
            if reference is None:
                reference = seen
                epochs = [epoch for _, _, owned, _, epoch in seen if owned]
                if len(set(epochs)) != len(epochs):
                    return "masters have one config epoch"
                if roles and view.assigned != slots.ALL:
                    return f"{slots.COUNT - view.assigned.bit_count()} slots are nobody's"
            elif seen != reference:
                other = next(a for a, b in zip(seen, reference) if a != b)
                return f"{machine.number} sees {view.nodes[other[0]]} otherwise than the first"
        return ""

    # ---- faults
    def break_something(self) -> None:
        """One fault by chance; some end by themselves after a while."""
        faults: list[Callable[[], str]] = [
            self.part, self.part, self.cut_one_way, self.kill, self.kill, self.kill, self.stop, self.lose, self.slow,
            self.reset_links, self.failover, self.failover, self.force, self.reshard, self.reshard]
        self.acts.append(f"{self.network.now}: {self.rng.choice(faults)()}")

    def _for_a_while(self, undo: Callable[[], None]) -> int:
        while_ = self.rng.choice((300, 1500, 4000, 9000))
        self.network.later(while_, undo)
        return while_

    def _cut(self, pairs: set[tuple[int, int]]) -> int:
        self.network.apart |= pairs

        def undo() -> None:
            self.network.apart -= pairs
        return self._for_a_while(undo)

    def part(self) -> str:
        """Two halves that do not hear each other."""
        numbers = [machine.number for machine in self.machines]
        some = set(self.rng.sample(numbers, self.rng.randint(1, max(1, len(numbers) // 2))))
        pairs = {(a, b) for a in numbers for b in numbers if (a in some) != (b in some)}
        return f"parted {sorted(some)} for {self._cut(pairs)}"

    def cut_one_way(self) -> str:
        """One is not heard by some, and hears them."""
        a, *others = self.rng.sample([machine.number for machine in self.machines], min(4, len(self.machines)))
        return f"{others} do not hear {a} for {self._cut({(a, b) for b in others})}"

    def kill(self) -> str:
        machine = self.rng.choice(self.machines)
        power = self.rng.random() < 0.4
        machine.kill(power=power)
        self.promises.stopped(machine)

        def undo() -> None:
            if not machine.up:
                machine.start()
        return f"killed {machine.number} for {self._for_a_while(undo)}{', by its power' if power else ''}"

    def stop(self) -> str:
        machine = self.rng.choice(self.machines)
        machine.stop()
        return f"stopped {machine.number} for {self._for_a_while(machine.go_on)}"

    def lose(self) -> str:
        self.network.loss = self.rng.choice((0.05, 0.2, 0.5))

        def undo() -> None:
            self.network.loss = 0.0
        return f"loses {self.network.loss} for {self._for_a_while(undo)}"

    def slow(self) -> str:
        self.network.latency = self.rng.choice(((20, 80), (100, 900), (0, 2500)))

        def undo() -> None:
            self.network.latency = (1, 4)
        return f"latency {self.network.latency} for {self._for_a_while(undo)}"

    def reset_links(self) -> str:
        machine = self.rng.choice(self.machines)
        for link in list(machine.wires):
            self.network.close(machine, link)
            machine.lost(link)
        return f"links of {machine.number} are reset"

    def failover(self, *, force: bool = False) -> str:
        replicas = [machine for machine in self.up()
                    if machine.protocol.view.myself.is_replica and not machine.stopped]
        if not replicas:
            return "no failover: no replica"
        machine = self.rng.choice(replicas)
        try:
            machine.ask(machine.protocol.operator.failover, machine.now, force=force)
        except CommandError as error:
            return f"no failover of {machine.number}: {error}"
        return f"failover of {machine.number}{', forced' if force else ''}"

    def reshard(self) -> str:
        """Some slots go from one master to another, as redis-cli moves them: the one that gets them closes them first,
        and only in a cluster whose nodes agree and hear each other. (The one takes an epoch for which nobody was asked,
        as in Redis: an election among those who do not hear of it could take the same.)"""
        if len(self.up()) < len(self.machines) or self.network.apart or self.disagreement():
            return "no resharding"
        source, target = self.rng.sample(self.masters(), 2)
        moved = list(slots.each(source.protocol.view.myself.slots))[:self.rng.choice((1, 3, 20))]
        try:
            for slot in moved:
                self._move(slot, source, target)
        except CommandError as error:
            return f"no resharding of {source.number} to {target.number}: {error}"
        return f"{len(moved)} slots of {source.number} go to {target.number}"

    def _move(self, slot: int, source: Machine, target: Machine) -> None:
        giver, taker = source.protocol, target.protocol
        name = taker.view.myself.name
        target.ask(taker.operator.importing, slot, giver.view.myself.name)
        source.ask(giver.operator.migrating, slot, name)
        target.ask(taker.operator.set_owner, slot, name, target.now)
        source.ask(giver.operator.set_owner, slot, name, source.now)

    def force(self) -> str:
        return self.failover(force=True)


def play(seed: int, plan: Plan | None = None) -> Outcome:
    """The run of a seed. Raises Broken, with what befell the cluster."""
    world = World(seed, plan or plan_of(seed))
    try:
        return world.run()
    except AssertionError as error:
        raise Broken("\n".join((f"seed {seed}, {world.plan}: {error}", *world.acts))) from error
