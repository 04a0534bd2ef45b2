"""What gossip costs a node of a large cluster, and how long a failover takes there when half of the masters die, less
one.

The first is measured on one node that believes itself among so many, and hears from each as often as it would: so
also a thousand are quick. The second is a whole simulated cluster, whose time grows with the cube of its size.
"""

import time
from dataclasses import dataclass
from statistics import median

from server.cluster.actions import Action, Save, Send
from server.cluster.bus_format import decode, encode
from server.cluster.messages import Gossip, Heartbeat, Message, Type
from tests.simulation.machine import Machine
from tests.simulation.world import Plan, World
from tests.support.one_node import OneNode

TICK_MS = 100
SETTLE_TICKS, MEASURE_TICKS = 150, 150
WAIT_MS = 165_000         # after cluster-replica-validity-factor timeouts nobody may take over any more, as in Redis
STEP_MS = 200


@dataclass
class Cost:
    """Of one node and a second: bytes and messages that it sends (it hears as many), and ms of processor time: of the
    protocol, and of making and reading the bytes."""

    nodes: int
    bytes: float
    messages: float
    protocol_ms: float
    format_ms: float

    def __str__(self) -> str:
        return (f"{self.nodes} nodes: {self.bytes / 1024:.0f} KB and {self.messages:.0f} messages sent a second and "
                f"node; processor time {self.protocol_ms:.1f} ms of the protocol, {self.format_ms:.1f} ms of its bytes")


def cost(nodes: int, timeout: int = 15_000) -> Cost:
    """Half are masters. timeout: cluster-node-timeout, ms."""
    one = OneNode(masters=nodes // 2, replicas=1, node_timeout=timeout)
    told = [Gossip(node.name, 0, one.now // 1000, node.ip, node.port, node.bus_port, node.flags, 0)
            for node in list(one.view.nodes.values())[:max(3, nodes // 10)]]
    numbers = {name: number for number, name in enumerate(one.names)}
    clocks = [0.0, 0.0]
    sent = [0, 0]
    counting = False

    def hear(number: int, kind: Type) -> list[Action]:
        body = Heartbeat(told, shard_id=one.node(number).shard_id)
        raw = encode(one.message(number, kind, body))
        link = one.node(number).link if kind == Type.PONG else one.node(number).inbound_link
        assert link is not None
        began = time.process_time()
        message = decode(raw)
        read = time.process_time()
        actions = one.protocol.receive(link, message, one.now) + one.protocol.before_sleep(one.now)
        if counting:
            clocks[1] += read - began
            clocks[0] += time.process_time() - read
        return actions

    def leave(actions: list[Action]) -> list[Message]:
        messages = [action.message for action in actions if isinstance(action, Send)]
        began = time.process_time()
        raw = [encode(message) for message in messages]
        if counting:
            clocks[1] += time.process_time() - began
            sent[0] += len(raw)
            sent[1] += sum(map(len, raw))
        return messages

    due = 0.0
    caller = 0
    for tick in range(SETTLE_TICKS + MEASURE_TICKS):
        counting = tick >= SETTLE_TICKS
        one.now += TICK_MS
        began = time.process_time()
        actions = one.protocol.tick(one.now) + one.protocol.before_sleep(one.now)
        if counting:
            clocks[0] += time.process_time() - began
        pinged = [action.link.node for action in actions if isinstance(action, Send) and action.link.node is not None]
        leave(actions)
        for node in pinged:
            leave(hear(numbers[node.name], Type.PONG))
        due += nodes * TICK_MS / (timeout / 2)
        while due >= 1:
            due -= 1
            caller = caller % (len(numbers) - 1) + 1
            leave(hear(caller, Type.PING))
    seconds = MEASURE_TICKS * TICK_MS / 1000
    return Cost(nodes, sent[1] / seconds, sent[0] / seconds, 1000 * clocks[0] / seconds, 1000 * clocks[1] / seconds)


@dataclass
class Failover:
    """ms from the deaths, the first, the median and the last: until all survivors knew a FAIL, and until a new master
    served. never: how many were not replaced in time."""

    nodes: int
    dead: int
    known: list[int]
    won: list[int]
    never: int

    def __str__(self) -> str:
        def three(times: list[int]) -> str:
            return f"{min(times)} / {median(times):.0f} / {max(times)} ms" if times else "never"
        return (f"{self.nodes} nodes, {self.dead} masters die: FAIL known to all after {three(self.known)}, a new "
                f"master after {three(self.won)}; {self.never} without one after {WAIT_MS // 1000} s")


class Diskless(Machine):
    """One that never comes back needs no file, whose records are as many as the nodes, at each change of each."""

    def save(self, action: Save) -> None:
        """Nothing is kept."""


def failover(nodes: int, timeout: int = 15_000) -> Failover:
    """Half are masters, each with a replica; of the masters all but the smallest majority lose their power."""
    masters = nodes // 2
    world = World(1, Plan(masters=masters, replicas=1, timeout=timeout, faults=0), Diskless)
    world.network.run(world.network.now + 2 * timeout // 3)
    dead = world.machines[:(masters - 1) // 2]
    names = {machine.protocol.view.myself.name for machine in dead}
    heirs = {machine.number + masters: world.machines[machine.number + masters] for machine in dead}
    for machine in dead:
        machine.kill(power=True)
        world.promises.stopped(machine)
    start = world.network.now
    known: list[int] = []
    won: list[int] = []
    while (names or heirs) and world.network.now < start + WAIT_MS:
        world.network.run(world.network.now + STEP_MS)
        passed = world.network.now - start
        views = [machine.protocol.view for machine in world.up()]
        for name in [name for name in names if all(view.nodes[name].failed for view in views)]:
            names.remove(name)
            known.append(passed)
        for number in [number for number, heir in heirs.items() if heir.protocol.view.myself.is_master]:
            del heirs[number]
            won.append(passed)
    return Failover(nodes, len(dead), known, won, len(heirs))
