"""What gossip costs in a large cluster, and how long a failover takes there when half of the masters die, less one."""

import time
from dataclasses import dataclass
from typing import Any

from tests.simulation.machine import Machine
from tests.simulation.world import Plan, World

SETTLE_MS = 10_000
MEASURE_MS = 10_000
WAIT_MS = 60_000
STEP_MS = 100


@dataclass
class Figures:
    """Of a node and a second: bytes and messages sent, processor time; then ms from the deaths to the first and the
    last FAIL that all survivors know, and to the last new master."""

    nodes: int
    bytes: float
    messages: float
    processor_ms: float
    fail_ms: tuple[int, int]
    master_ms: tuple[int, int]

    def __str__(self) -> str:
        return (f"{self.nodes} nodes: {self.bytes / 1024:.1f} KB and {self.messages:.1f} messages a second and node, "
                f"{self.processor_ms:.1f} ms of processor time (with the simulation's own); FAIL known to all after "
                f"{self.fail_ms[0]} to {self.fail_ms[1]} ms, new masters after {self.master_ms[0]} to "
                f"{self.master_ms[1]} ms")


def measure(nodes: int, timeout: int = 15_000) -> Figures:
    """Half are masters. timeout: cluster-node-timeout, ms."""
    masters = nodes // 2
    world = World(1, Plan(masters=masters, replicas=1, timeout=timeout, faults=0))
    network = world.network
    network.run(network.now + SETTLE_MS)
    network.counting = True
    began = time.process_time()
    network.run(network.now + MEASURE_MS)
    used = time.process_time() - began
    network.counting = False
    per = nodes * MEASURE_MS / 1000
    fails, wins = _failover(world, masters)
    return Figures(nodes, network.bytes / per, network.messages / per, 1000 * used / per, fails, wins)


def _failover(world: World, masters: int) -> tuple[tuple[int, int], tuple[int, int]]:
    dead = world.machines[:(masters - 1) // 2]
    names = [machine.protocol.view.myself.name for machine in dead]
    heirs = [world.machines[machine.number + masters] for machine in dead]
    for machine in dead:
        machine.kill(power=True)
        world.promises.stopped(machine)
    start = world.network.now
    known: dict[str, int] = {}
    won: dict[int, int] = {}
    while world.network.now < start + WAIT_MS and (len(known) < len(dead) or len(won) < len(dead)):
        world.network.run(world.network.now + STEP_MS)
        views: list[Any] = [machine.protocol.view for machine in world.up()]
        for name in names:
            if name not in known and all(view.nodes[name].failed for view in views):
                known[name] = world.network.now - start
        for heir in heirs:
            if heir.number not in won and _leads(heir):
                won[heir.number] = world.network.now - start
    missing = WAIT_MS if len(known) < len(dead) or len(won) < len(dead) else 0
    return (min(known.values(), default=0), max(*known.values(), missing)), (
        min(won.values(), default=0), max(*won.values(), missing))


def _leads(machine: Machine) -> bool:
    return machine.protocol.view.myself.is_master
