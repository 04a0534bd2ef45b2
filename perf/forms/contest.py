"""Measures cells one after the other; servers and what they hold are kept for the next one where they fit."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from perf.forms.requests import Batch, Payload, Words, set_up
from perf.forms.sides import CannotMeasure, Server, Side
from perf.forms.table import UNLIMITED, Cell, Table
from perf.results import Figure

PART, UNIT = "form", "cpu us/request"
LEAST_US = 0.02  # of a command: what is less is the clock's
Starter = Callable[[str, str, int], Server]  # start("ours", arguments, idle connections)


@dataclass(frozen=True)
class Measured:
    """A cell: microseconds of processor time per command in each pair of slices, ours first."""

    cell: Cell
    pairs: tuple[tuple[float, float], ...]
    reply_bytes: tuple[float, float]
    remark: str = ""  # what makes the figure doubtful: an error where none should be

    @property
    def ratios(self) -> list[float]:
        return [ours / peer for ours, peer in self.pairs]

    @property
    def spread(self) -> float:
        """How far the quartiles of the ratios lie apart, as a share of the median."""
        if len(self.pairs) < 2:
            return math.inf
        low, middle, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return (high - low) / middle

    @property
    def figure(self) -> Figure:
        ours, peer = (statistics.median(side) for side in zip(*self.pairs, strict=True))
        return Figure(PART, self.cell.name, UNIT, ours, peer, statistics.median(self.ratios))


@dataclass
class Contest:
    """Use it in a `with`: its servers end with it. slice_us: processor time of the cheaper side in one slice."""

    start: Starter
    table: Table
    pairs: int
    slice_us: float
    servers: list[Server] = field(default_factory=list)
    started: tuple[str, int] = ("", 0)  # arguments, idle connections
    held: object = None  # the set-up that both servers hold
    laid: tuple[object, list[Batch]] = (None, [])  # a set-up, and its batches

    def __enter__(self) -> "Contest":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
        self.servers, self.started, self.held = [], ("", 0), None

    def use(self, profile: str, idle: int) -> None:
        """Have the two servers of that profile."""
        wanted = self.table.profiles[profile], idle
        if not self.servers or self.started != wanted:
            self.stop()
            for name in ("ours", "peer"):
                self.servers.append(self.start(name, *wanted))
            self.started = wanted

    def measure(self, cell: Cell) -> Measured:
        """CannotMeasure says why not; the servers are started anew for the next one then."""
        try:
            return self.measured(cell)
        except CannotMeasure:
            self.stop()
            raise

    def measured(self, cell: Cell) -> Measured:
        form = cell.form
        self.use(form.profile, form.idle)
        wanted = form.setup, form.base, form.members
        if self.laid[0] != wanted:
            self.laid = wanted, set_up(*wanted, self.table)
        if not ("keep" in form.flags and self.held == wanted):
            for server in self.servers:
                server.prepare(self.laid[1])
        self.held = wanted
        ours, peer = self.servers
        words = Words(self.table.scripts, lambda key: peer.ask("DUMP", key))
        payload = Payload(form, 1 if "connect" in form.flags else cell.pipeline, words)
        with (
            Side(ours, form, cell.protocol, words) as our_side,
            Side(peer, form, cell.protocol, words) as peer_side,
        ):
            return self.compared(cell, payload, (our_side, peer_side))

    def compared(self, cell: Cell, payload: Payload, sides: tuple[Side, Side]) -> Measured:
        """Slices in turn, as long as the cheaper side fills its time and the dearer one five times that at most."""
        generation = 0

        def slice_of(side: Side, pipelines: int) -> tuple[float, float, int, str]:
            nonlocal generation
            if "fresh" in cell.form.flags:
                side.server.prepare(self.laid[1])
            generation += 1
            return side.slice(payload, pipelines, generation)

        rough = [max(LEAST_US, self.calibrated(slice_of, side, payload)) for side in sides]
        commands = min(self.slice_us / min(rough), 5 * self.slice_us / max(rough))
        pipelines = max(2, int(commands / payload.commands))
        if cell.form.limit < UNLIMITED:
            pipelines = min(pipelines, payload.most)
        payload.grow(pipelines)
        pairs, remark, received = [], "", [0.0, 0.0]
        for _ in range(self.pairs):
            costs = []
            for number, side in enumerate(sides):
                cost, received[number], errors, text = slice_of(side, pipelines)
                costs.append(max(LEAST_US, cost))
                if bool(errors) != ("fails" in cell.form.flags) and not cell.form.waiter:
                    remark = f"{side.server.name} says {text or 'no error'}"
            pairs.append((costs[0], costs[1]))
        return Measured(cell, tuple(pairs), (received[0], received[1]), remark)

    def calibrated(
        self, slice_of: Callable[[Side, int], tuple[float, float, int, str]], side: Side, payload: Payload
    ) -> float:
        """Microseconds per command, roughly: from longer and longer slices."""
        limited = side.form.limit < UNLIMITED
        pipelines = min(16 if "fresh" in side.form.flags else 1, payload.most)
        while True:
            payload.grow(pipelines)
            cost = slice_of(side, pipelines)[0]
            if cost * pipelines * side.commands(payload) > self.slice_us / 4 or (limited and pipelines >= payload.most):
                return cost
            pipelines *= 4
            if limited:
                pipelines = min(pipelines, payload.most)
