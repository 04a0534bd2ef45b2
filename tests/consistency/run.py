"""One history: clients and faults on a trio of its own, and what is wrong with what was seen."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.consistency import lists, registers
from tests.consistency.clients import Load, load_on
from tests.consistency.history import Anomaly, Outcome
from tests.consistency.nemesis import TrioNemesis
from tests.consistency.trio import Trio
from tests.support.resp import Connection

MIN_REPLICAS: dict[str, Any] = {"min_replicas_to_write": 1, "min_replicas_max_lag": 2}


@dataclass
class Figures:
    """Of one history, or of several."""

    histories: int = 0
    transactions: int = 0
    visits: int = 0
    unknown: int = 0
    failed: int = 0
    promised: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    window: int = 0
    lost: int = 0
    promised_window: int = 0
    promised_lost: Counter[str] = field(default_factory=Counter)
    replica_reads: int = 0
    stale: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        faults = ", ".join(f"{times} {name}" for name, times in sorted(self.faults.items()))
        causes = "".join(f", {times} after {name}" for name, times in sorted(self.promised_lost.items()))
        return (f"{self.histories} histories, {self.transactions} transactions and {self.visits} visits of registers "
                f"({self.unknown} unknown, {self.failed} failed, {self.promised} promised by WAIT), "
                f"{sum(self.faults.values())} faults ({faults}); of {self.window} transactions that were answered but "
                f"not promised by a master that was lost {self.lost} are gone, of {self.promised_window} that were "
                f"promised {self.promised_lost.total()}{causes}; {self.stale} of {self.replica_reads} reads from "
                f"replicas were stale; {len(self.anomalies)} anomalies")  # fmt: skip


def play(folder: Path, seed: int, faults: int, **directives: Any) -> Figures:
    """So many faults, in an order that the seed says; what clients do between them is up to the machine."""
    trio = Trio(folder, **directives)
    try:
        trio.start()
        load = load_on(trio, seed)
        nemesis = TrioNemesis(trio, load, seed)
        load.start()
        try:
            nemesis.meanwhile()
            for _ in range(faults):
                nemesis.strike()
        finally:
            trio.heal()
            load.stop()
        trio.wait_in_step()
        assert trio.master is not None
        with Connection(trio.master.server.port) as c:  # all nodes are the same, as their digests were
            final = lists_in(c, c.ok("KEYS", "list*"))
        return judge(load, nemesis.done, lists.End(final, {trio.branch}, trio.forks))
    finally:
        trio.close()


def lists_in(c: Connection, keys: Iterable[bytes]) -> lists.Lists:
    """What they hold there; RespError when that is not told."""
    return {key.decode(): tuple(map(int, c.ok("LRANGE", key, 0, -1))) for key in keys}


def judge(load: Load, faults: Counter[str], end: lists.End) -> Figures:
    """What is wrong with a history that is over."""
    history = load.history
    about_lists = lists.check(history.transactions, end)
    about_registers = registers.check(history.visits)
    outcomes = Counter(one.outcome for one in history.transactions) + Counter(one.outcome for one in history.visits)
    return Figures(
        histories=1,
        transactions=len(history.transactions),
        visits=len(history.visits),
        unknown=outcomes[Outcome.UNKNOWN],
        failed=outcomes[Outcome.FAILED],
        promised=sum(one.promised for one in history.transactions),
        faults=faults,
        window=about_lists.window,
        lost=about_lists.lost,
        promised_window=about_lists.promised,
        promised_lost=about_lists.promised_lost,
        replica_reads=about_registers.replica_reads,
        stale=about_registers.stale,
        anomalies=about_lists.anomalies + about_registers.anomalies,
    )
