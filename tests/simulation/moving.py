"""Atomic slot migrations among simulated nodes: each has keys (numbers in slots), clients that write, and connections
that keep order, as TCP does, or are lost.

What must hold: a number that a client was told is written is in the end at who serves its slot, and there once. Two
excuses: a target that took slots, died unheard, and was outranked by its source, for what it alone was told meanwhile;
and a source that died between its word and the answer, and comes back as any master does, serving what it served if it
hears nobody for two seconds, for what it was told then.
"""

from collections import deque
from random import Random
from typing import Any

from server.cluster import slots
from server.cluster.actions import Action, DropKeys
from server.cluster.atomic_actions import (
    Action as MoveAction,
    Copy,
    Discard,
    Dismiss,
    HandOver,
    Hide,
    Hold,
    Leave,
    LetGo,
    Outrank,
    Reach,
    Say,
    TakeOver,
)
from server.cluster.atomic_export import Export
from server.cluster.atomic_import import Import
from server.cluster.atomic_job import State
from server.cluster.atomic_moves import Limits, Moves
from server.registry.errors import CommandError
from tests.simulation.machine import Machine
from tests.simulation.network import Network
from tests.simulation.promises import Broken
from tests.simulation.world import Plan, World

RETRY_MS = 200
TRIES = 40              # then the system gives a connection up
WATCHED = 12            # slots of each master that clients write to
WRITE_MS = 15
TIMEOUT_MS = 3000       # of silence, on a migration's connection


class Pipe:
    """A connection of a source to a target."""

    def __init__(self, network: Network, a: "Mover", b: "Mover") -> None:
        self.network = network
        self.ends = (a, b)
        self.cut: set[Mover] = set()        # ends without power: nobody sends again what did not get through
        self.open = True
        self.queues: dict[Mover, deque[Any]] = {a: deque(), b: deque()}
        self.tries = 0

    def other(self, end: "Mover") -> "Mover":
        return self.ends[1] if end is self.ends[0] else self.ends[0]

    def send(self, end: "Mover", message: Any) -> None:
        to = self.other(end)
        if self.open:
            self.queues[to].append(message)
            if len(self.queues[to]) == 1:
                self.network.later(self.network.delay(), self._arrive, to)

    def _arrive(self, to: "Mover") -> None:
        queue = self.queues[to]
        if not self.open or not queue:
            return
        a = self.other(to)
        if not to.up or to.stopped or not self.network.reaches(a, to) or not self.network.reaches(to, a):
            self.tries += 1
            if self.tries > TRIES and not to.stopped or a in self.cut and not to.stopped:
                self.lose()
            else:
                self.network.later(RETRY_MS, self._arrive, to)
            return
        self.tries = 0
        message = queue.popleft()
        if queue:
            self.network.later(self.network.rng.randint(0, 2), self._arrive, to)
        to.pipe_heard(self, message)

    def lose(self) -> None:
        """Both ends hear of it."""
        if self.open:
            self.open = False
            for end in self.ends:
                self.network.later(self.network.delay(), end.pipe_lost, self, end.life)

    def close(self, end: "Mover") -> None:
        """One end closes it; the other hears that behind what was sent."""
        if self.open:
            self.send(end, ("closed",))


class Mover(Machine):
    """A node with keys."""

    world: "MovingWorld"

    def start(self) -> None:
        if not hasattr(self, "store"):
            self.store: dict[int, list[int]] = {}       # durable, as with appendfsync always
            self.hidden = self.forgotten = 0
        self.paused = False
        self.pipes: dict[Export, Pipe] = {}
        self.bringers: dict[Import, Pipe] = {}
        self.passed_on: dict[Export, int] = {}
        super().start()
        limits = Limits(timeout=TIMEOUT_MS, node_timeout=self.settings.node_timeout)
        self.moves = Moves(lambda: self.protocol.view, lambda: limits, lambda: 0, self.rng)
        for slot in slots.each(self.hidden & ~self.protocol.view.myself.slots):
            self.store.pop(slot, None)
        self.hidden = 0

    def has_died(self, power: bool) -> None:
        super().has_died(power)
        for job in self.moves.exports.values():
            self.forgotten |= job.slots if job.granted else 0
        for pipe in (*self.pipes.values(), *self.bringers.values()):
            if power:
                pipe.cut.add(self)
        if not power:
            for pipe in (*self.pipes.values(), *self.bringers.values()):
                pipe.close(self)        # behind what was sent, which the system delivers whenever it can

    # ---- turns
    def tick(self, life: int) -> None:
        super().tick(life)
        if life == self.life and self.up and not self.stopped:
            self.perform(self.moves.tick(self.now))
            for job in list(self.moves.exports.values()):
                self.perform(self.moves.moved_on(job, self.rng.choice((0, 0, 1 << 30)), self.now))

    def turn(self, actions: list[Action]) -> None:
        super().turn(actions)
        self.forgotten &= self.protocol.view.myself.slots
        if hasattr(self, "moves") and self.protocol.take_touched():
            self.perform(self.moves.looked(self.now))

    def _do(self, action: Action) -> None:
        super()._do(action)
        if isinstance(action, DropKeys):
            for slot in slots.each(action.slots):
                self.store.pop(slot, None)

    # ---- clients
    def write(self, slot: int, number: int) -> bool:
        """Whether a client is told that it is written."""
        view = self.protocol.view
        if not view.ok or view.owner[slot] is not view.myself or not view.myself.is_master or self.paused:
            return False
        if self.forgotten >> slot & 1:
            self.world.excused.add(number)
        self.store.setdefault(slot, []).append(number)
        for job, passed in self.passed_on.items():
            if passed >> slot & 1:
                self.pipes[job].send(self, ("write", slot, number))
        return True

    # ---- what the tables ask for
    def perform(self, actions: list[MoveAction]) -> None:
        for action in actions:
            if isinstance(action, Reach):
                self._reach(action.job)
            elif isinstance(action, Say):
                self.pipes[action.job].send(self, ("word", action.words))
            elif isinstance(action, Copy):
                self.passed_on[action.job] = 0
                self._copy(action.job, list(slots.each(action.job.slots)), self.life)
            elif isinstance(action, Hold):
                self.paused = self.protocol.view.keeps_epoch = True
            elif isinstance(action, LetGo):
                self.paused = self.protocol.view.keeps_epoch = False
            elif isinstance(action, Leave):
                self.passed_on.pop(action.job, None)
                pipe = self.pipes.pop(action.job, None)
                if pipe is not None:
                    pipe.close(self)
            else:
                self._do_as_target(action)

    def _do_as_target(self, action: MoveAction) -> None:
        if isinstance(action, Outrank):
            self.world.outranked += 1
            self.world.excuse()
            self.protocol.view.keeps_epoch = False
            self.protocol.operator.bump_epoch()
            self.turn([])
        elif isinstance(action, HandOver):
            self.protocol.operator.hand_over(action.slots, action.target)
            self.turn([])
        elif isinstance(action, Hide):
            self.hidden |= action.slots
        elif isinstance(action, TakeOver):
            self.protocol.operator.take_slots(action.slots, action.epoch, self.now)
            self.hidden &= ~action.slots
            self.turn([])
        elif isinstance(action, Discard):
            self.hidden &= ~action.slots
            for slot in slots.each(action.slots):
                self.store.pop(slot, None)
        elif isinstance(action, Dismiss):
            pipe = self.bringers.pop(action.job, None)
            if pipe is not None:
                pipe.close(self)

    def _reach(self, job: Export) -> None:
        target = self.world.by_name.get(job.target)
        assert target is not None
        pipe = self.pipes[job] = Pipe(self.network, self, target)
        self.network.later(self.network.delay(), self._reached, job, pipe, self.life)

    def _reached(self, job: Export, pipe: Pipe, life: int) -> None:
        target = pipe.ends[1]
        if life != self.life or not self.up or self.pipes.get(job) is not pipe:
            return
        if not target.up and not target.silent:
            pipe.lose()
        elif target.silent or not self.network.reaches(self, target) or not self.network.reaches(target, self):
            self.network.later(RETRY_MS, self._reached, job, pipe, life)
        else:
            self.perform(self.moves.connected(job, self.now))

    def _copy(self, job: Export, left: list[int], life: int) -> None:
        if life != self.life or not self.up or job not in self.passed_on:
            return
        if self.stopped:
            self.network.later(RETRY_MS, self._copy, job, left, life)
            return
        for slot in left[:4]:
            if slot in self.store:
                self.pipes[job].send(self, ("keys", slot, list(self.store[slot])))
            self.passed_on[job] |= 1 << slot
        if len(left) > 4:
            self.network.later(self.rng.randint(1, 60), self._copy, job, left[4:], life)
        else:
            self.perform(self.moves.copied(job, self.now))

    # ---- what comes by pipes
    def pipe_lost(self, pipe: Pipe, life: int) -> None:
        if life != self.life or not self.up:
            return
        if self.stopped:
            self.network.later(RETRY_MS, self.pipe_lost, pipe, life)
            return
        for job, its in list(self.pipes.items()):
            if its is pipe:
                del self.pipes[job]
                self.passed_on.pop(job, None)
                self.perform(self.moves.lost(job, "cut", self.now))
        for bringing, its in list(self.bringers.items()):
            if its is pipe:
                del self.bringers[bringing]
                self.perform(self.moves.lost(bringing, "cut", self.now))

    def pipe_heard(self, pipe: Pipe, message: Any) -> None:
        what, *rest = message
        if what == "closed":
            pipe.open = False
            self.pipe_lost(pipe, self.life)
        elif what == "reply":
            for job, its in list(self.pipes.items()):
                if its is pipe:
                    self.perform(self.moves.replied(job, rest[0], self.now))
        elif what == "word":
            pipe.send(self, ("reply", self._word(pipe, *rest[0])))
        else:
            self._data(pipe, what, *rest)

    def _brought_by(self, pipe: Pipe) -> Import | None:
        for job, its in self.bringers.items():
            if its is pipe:
                return job
        return None

    def _word(self, pipe: Pipe, word: str, *words: str) -> str:
        """The reply: "" for yes."""
        if word == "ESTABLISH":
            moving = slots.of(int(slot) for slot in _each(words[2:]))
            try:
                job, actions = self.moves.establish(words[0], words[1], moving, self.now)
            except CommandError as error:
                return str(error)
            self.bringers[job] = pipe
            self.perform(actions)
            return ""
        if word == "ABORT":
            moving = slots.of(int(slot) for slot in _each(words[1:]))
            taken, actions = self.moves.abort(words[0], moving, self.now)
            self.perform(actions)
            return "taken" if taken else ""
        bringing = self._brought_by(pipe)
        if bringing is None:
            return "nothing comes by this"
        bringing.heard(self.protocol.view, self.now)
        if word == "SNAPSHOT-EOF":
            bringing.complete(self.now)
        elif word == "TAKE":
            why, actions = self.moves.take(bringing, int(words[0]), int(words[1]), self.now)
            self.perform(actions)
            return why
        return ""

    def _data(self, pipe: Pipe, what: str, slot: int, value: Any) -> None:
        job = self._brought_by(pipe)
        if job is None:
            return
        if not self.hidden >> slot & 1:
            raise Broken(f"{self.number} is sent keys of slot {slot}, which it does not hide")
        if what == "keys":
            self.store[slot] = list(value)
        else:
            self.store.setdefault(slot, []).append(value)


def _each(words: tuple[str, ...]) -> list[int]:
    return [slot for at in range(0, len(words), 2) for slot in range(int(words[at]), int(words[at + 1]) + 1)]


class MovingWorld(World):
    """A cluster of masters alone: nothing may be lost, for nothing is replicated asynchronously."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.by_name: dict[str, Mover] = {}
        self.outranked = self.moved = self.failed = 0
        super().__init__(seed, plan, Mover)
        for machine in self.machines:
            machine.world = self
            self.by_name[machine.protocol.view.myself.name] = machine
        step = slots.COUNT // (plan.masters * WATCHED)
        self.watched = list(range(0, slots.COUNT, step))
        self.acked: dict[int, list[int]] = {slot: [] for slot in self.watched}
        self.excused: set[int] = set()
        self.numbers = 0
        self.writing = True
        self.network.later(WRITE_MS, self.write)

    # ---- clients
    def write(self) -> None:
        """A client asks one node where to write, and is redirected."""
        if not self.writing:
            return
        self.network.later(WRITE_MS, self.write)
        up = [machine for machine in self.up() if not machine.stopped]
        if not up:
            return
        slot, asked = self.rng.choice(self.watched), self.rng.choice(up)
        owner = asked.protocol.view.owner[slot]
        machine = self.by_name.get(owner.name) if owner is not None else None
        self.numbers += 1
        if machine is not None and machine.up and not machine.stopped and machine.write(slot, self.numbers):
            self.acked[slot].append(self.numbers)

    def excuse(self) -> None:
        """A dead target is outranked: what is written nowhere but there may be gone."""
        for machine in self.machines:
            if not machine.up or machine.silent:
                self.excused |= {number for numbers in machine.store.values() for number in numbers}

    # ---- what befalls it
    def migrate(self) -> str:
        """Some slots of a master, by an operator."""
        masters = [machine for machine in self.masters() if not machine.stopped]
        if not masters:
            return "no migration: no master"
        source = self.rng.choice(masters)
        target = self.rng.choice([machine for machine in self.machines if machine is not source])
        mine = [slot for slot in self.watched if source.protocol.view.myself.slots >> slot & 1]
        if len(mine) < 2:
            return "no migration: few slots"
        moving = slots.of(self.rng.sample(mine, self.rng.randint(1, len(mine) - 1)))
        name = target.protocol.view.myself.name
        try:
            source.moves.may_migrate()
            source.moves.check_target(moving, name)
            source.perform(source.moves.migrate([(moving, name)], source.now))
        except CommandError as error:
            return f"no migration: {error}"
        return f"migration of {moving.bit_count()} slots from {source.number} to {target.number}"

    def cancel(self) -> str:
        """All of one."""
        machine = self.rng.choice(self.up() or self.machines)
        try:
            machine.perform(machine.moves.cancel(machine.now))
        except CommandError as error:
            return str(error)
        return f"cancelled those of {machine.number}"

    def break_something(self) -> None:
        for _ in range(self.rng.randint(0, 2)):
            self.acts.append(f"{self.network.now}: {self.migrate()}")
            self.network.run(self.network.now + self.rng.choice((1, 20, 60, 200)))
        faults = [self.part, self.cut_one_way, self.kill, self.stop, self.slow, self.lose, self.cancel, self.cut_pipes]
        self.acts.append(f"{self.network.now}: {self.rng.choice(faults)()}")

    def cut_pipes(self) -> str:
        """All connections of migrations."""
        for machine in self.up():
            for pipe in machine.pipes.values():
                pipe.lose()
        return "the connections of migrations are cut"

    # ---- what must hold
    def check(self) -> None:
        """In the end."""
        self.writing = False
        self.network.run(self.network.now + 30_000)
        why = self.disagreement()
        if why:
            raise Broken(why)
        for machine in self.machines:
            if machine.paused or machine.hidden or machine.moves.exports or machine.moves.imports:
                raise Broken(f"{machine.number} is not done: {machine.moves.told()}")
            self.moved += machine.moves.counts["EXPORT", State.SUCCESS]
            self.failed += machine.moves.counts["EXPORT", State.FAILED]
        for slot, acked in self.acked.items():
            owner = self.machines[0].protocol.view.owner[slot]
            assert owner is not None
            held = self.by_name[owner.name].store.get(slot, [])
            if len(set(held)) != len(held):
                raise Broken(f"slot {slot}: something is there twice")
            lost = set(acked) - set(held) - self.excused
            if lost:
                raise Broken(f"slot {slot} at {self.by_name[owner.name].number} has lost {sorted(lost)[:5]}")
            for machine in self.machines:
                if machine.number != self.by_name[owner.name].number and slot in machine.store:
                    raise Broken(f"slot {slot} is at {machine.number}, too")


def play(seed: int) -> MovingWorld:
    """The run of a seed. Raises Broken."""
    rng = Random(seed)
    plan = Plan(masters=rng.choice((3, 3, 4)), replicas=0, faults=rng.randint(3, 8), pace=rng.choice((300, 800, 2000)))
    world = MovingWorld(seed, plan)
    try:
        world.form()
        world.migrate()
        for _ in range(plan.faults):
            world.break_something()
            world.network.run(world.network.now + world.rng.randint(1, 2 * plan.pace))
        world.heal()
        world.agree(plan.agree_ms)
        world.check()
    except Broken as error:
        raise Broken("\n".join([f"seed {seed}: {error}", *world.acts])) from None
    return world


