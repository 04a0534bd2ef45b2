"""One history: clients and faults on a trio of its own, and what is wrong with what was seen."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.consistency import lists, registers
from tests.consistency.clients import Load, load_on
from tests.consistency.history import Anomaly, Outcome
from tests.consistency.nemesis import Nemesis
from tests.consistency.trio import Trio
from tests.support.resp import Connection


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
    promised_lost: int = 0
    replica_reads: int = 0
    stale: int = 0
    anomalies: list[Anomaly] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        faults = ", ".join(f"{times} {name}" for name, times in sorted(self.faults.items()))
        return (f"{self.histories} histories, {self.transactions} transactions and {self.visits} visits of registers "
                f"({self.unknown} unknown, {self.failed} failed, {self.promised} promised by WAIT), "
                f"{sum(self.faults.values())} faults ({faults}); of {self.window} transactions that were answered but "
                f"not promised by a master that was lost {self.lost} are gone, of {self.promised_window} that were "
                f"promised {self.promised_lost}; {self.stale} of {self.replica_reads} reads from replicas were stale; "
                f"{len(self.anomalies)} anomalies")  # fmt: skip


def play(folder: Path, seed: int, faults: int, **directives: Any) -> Figures:
    """So many faults, in an order that the seed says; what clients do between them is up to the machine."""
    trio = Trio(folder, **directives)
    try:
        trio.start()
        load = load_on(trio, seed)
        nemesis = Nemesis(trio, load, seed)
        load.start()
        try:
            nemesis.meanwhile()
            for _ in range(faults):
                nemesis.strike()
        finally:
            trio.heal()
            load.stop()
        trio.wait_in_step()
        return _judge(load, nemesis, _final(trio), trio.forks)
    finally:
        trio.close()


def _final(trio: Trio) -> lists.Lists:
    """All lists, read from all nodes: they are the same, as their digests were."""
    assert trio.master is not None
    with Connection(trio.master.server.port) as c:
        keys = c("KEYS", "list*")
        return {key.decode(): tuple(map(int, c("LRANGE", key, 0, -1))) for key in keys}


def _judge(load: Load, nemesis: Nemesis, final: lists.Lists, forks: list[int]) -> Figures:
    history = load.history
    about_lists = lists.check(history.transactions, final, forks)
    about_registers = registers.check(history.visits)
    outcomes = Counter(one.outcome for one in history.transactions) + Counter(one.outcome for one in history.visits)
    return Figures(
        histories=1,
        transactions=len(history.transactions),
        visits=len(history.visits),
        unknown=outcomes[Outcome.UNKNOWN],
        failed=outcomes[Outcome.FAILED],
        promised=sum(one.promised for one in history.transactions),
        faults=nemesis.done,
        window=about_lists.window,
        lost=about_lists.lost,
        replica_reads=about_registers.replica_reads,
        stale=about_registers.stale,
        anomalies=about_lists.anomalies + about_registers.anomalies,
    )
