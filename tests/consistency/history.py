"""What clients did and what they were told.

A transaction is a list of steps: Append(key, value), or Read(key, what was found). Every value is written once, so that
whoever reads it tells which transaction wrote it. A branch is a stretch of the servers' history without a fork: when a
master dies and a replica takes its place, what only the dead one knew is gone, and the next branch begins.
"""

from dataclasses import dataclass, field
from enum import Enum
from threading import Lock

BETWEEN = -1  # a read while one branch gave way to another: of either


class Outcome(Enum):
    """What the client knows."""

    OK = "ok"
    FAILED = "failed"  # it has not happened
    UNKNOWN = "unknown"  # no answer: it may have happened, or may yet


@dataclass(frozen=True)
class Append:
    key: str
    value: int


@dataclass(frozen=True)
class Read:
    key: str
    found: tuple[int, ...] = ()


Step = Append | Read


@dataclass(eq=False)
class Transaction:
    """Steps that are done at once. promised: a replica acknowledged it (WAIT)."""

    steps: list[Step]
    outcome: Outcome = Outcome.OK
    branch: int = 0
    promised: bool = False
    by: str = ""

    def appends(self) -> list[Append]:
        return [step for step in self.steps if isinstance(step, Append)]

    def reads(self) -> list[Read]:
        return [step for step in self.steps if isinstance(step, Read)] if self.outcome is Outcome.OK else []


@dataclass(eq=False)
class Visit:
    """A read (value: what was found, None for nothing) or a write of one register, from `start` until `end`: seconds of
    a monotonic clock. replica: it was read there, where it may be old."""

    key: str
    writes: bool
    value: int | None
    start: float
    end: float
    outcome: Outcome = Outcome.OK
    branch: int = 0
    replica: bool = False


@dataclass
class History:
    """All of it; threads may add."""

    transactions: list[Transaction] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    branches: dict[str, int] = field(default_factory=dict)  # by replication ids, of servers that were asked for these
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, entry: Transaction | Visit) -> None:
        with self._lock:
            if isinstance(entry, Transaction):
                self.transactions.append(entry)
            else:
                self.visits.append(entry)

    def branch(self, replication_id: str) -> int:
        """Its number: they are counted as they are met."""
        with self._lock:
            return self.branches.setdefault(replication_id, len(self.branches))

    @property
    def count(self) -> int:
        return len(self.transactions) + len(self.visits)


@dataclass(frozen=True)
class Anomaly:
    """Something that must not be. kind: as the literature calls it, where it does."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"
