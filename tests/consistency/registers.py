"""Whether reads and writes of registers can each be thought of as done at one moment between asking and answer.

Every value is written once, which makes the question easy (Gibbons and Korach, "Testing Shared Memories"): a write and
the reads that found its value are a cluster. From the first end to the last start in it the register must have held the
value: a zone, which runs forward when some operation began after another one had ended. Two forward zones may not
overlap, and no backward zone may lie within a forward one.

Reads from replicas may be old; how many were is told. They may not show what was never written.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from tests.consistency.history import BETWEEN, Anomaly, Outcome, Visit


@dataclass
class Verdict:
    anomalies: list[Anomaly] = field(default_factory=list)
    replica_reads: int = 0
    stale: int = 0


@dataclass
class Zone:
    """of a value: held from `first_end` to `last_start`, or, backward, at some moment between the two."""

    value: int | None
    first_end: float = inf
    last_start: float = -inf

    def widen(self, visit: Visit) -> None:
        self.first_end = min(self.first_end, visit.end)
        self.last_start = max(self.last_start, visit.start)

    @property
    def forward(self) -> bool:
        return self.first_end < self.last_start


def check(visits: list[Visit]) -> Verdict:
    verdict = Verdict()
    by_key: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_key[visit.key].append(visit)
    for key, some in by_key.items():
        writes = {visit.value: visit for visit in some if visit.writes}
        good = [visit for visit in some if _is_good(key, visit, writes, verdict)]
        for branch in sorted({visit.branch for visit in some} - {BETWEEN}):
            verdict.anomalies += _not_linear(key, branch, good, writes)
        _count_stale(some, writes, verdict)
    return verdict


def _is_good(key: str, visit: Visit, writes: dict[int | None, Visit], verdict: Verdict) -> bool:
    """Whether a read is to be placed among the others: one from the master, of something that was written."""
    if visit.writes or visit.outcome is not Outcome.OK:
        return False
    write = writes.get(visit.value)
    wrong = ""
    if visit.value is not None and write is None:
        wrong = "was never written"
    elif write is not None and write.outcome is Outcome.FAILED:
        wrong = "is of a write that failed"
    elif write is not None and write.start > visit.end:
        wrong = "was not written yet"
    if wrong:
        verdict.anomalies.append(Anomaly("wrong read", f"{key} = {visit.value} {wrong}"))
    return not (wrong or visit.replica)


def _not_linear(key: str, branch: int, reads: Iterable[Visit], writes: dict[int | None, Visit]) -> list[Anomaly]:
    zones: dict[int | None, Zone] = {}
    for value, write in writes.items():
        if write.branch == branch and write.outcome is Outcome.OK:
            zones.setdefault(value, Zone(value)).widen(write)
    for read in reads:
        if read.branch != branch:
            continue
        zone = zones.get(read.value)
        if zone is None:
            zone = zones[read.value] = Zone(read.value, -inf if read.value is None else inf)
            source = writes.get(read.value)
            if source is not None:
                zone.widen(source if source.outcome is Outcome.OK
                           else Visit(key, True, read.value, source.start, inf))  # fmt: skip
        zone.widen(read)
    forward = sorted((zone for zone in zones.values() if zone.forward), key=lambda zone: zone.first_end)
    found = []
    for before, after in zip(forward, forward[1:]):
        if after.first_end < before.last_start:
            found.append(Anomaly("not linearizable", f"{key} in branch {branch}: {before.value} was read after "
                                                     f"{after.value} must have taken its place"))  # fmt: skip
    starts = [zone.first_end for zone in forward]
    for zone in zones.values():
        place = bisect_left(starts, zone.last_start) - 1
        if not zone.forward and place >= 0 and zone.first_end < forward[place].last_start:
            found.append(Anomaly("not linearizable", f"{key} in branch {branch}: {zone.value} was there at some "
                                                     f"moment, but {forward[place].value} all the time"))  # fmt: skip
    return found


def _count_stale(visits: list[Visit], writes: dict[int | None, Visit], verdict: Verdict) -> None:
    """How many reads from replicas found a value whose successor had been answered before they were sent."""
    answered = sorted((one for one in writes.values() if one.outcome is Outcome.OK), key=lambda one: one.end)
    ends = [one.end for one in answered]
    latest_start: list[float] = []  # of the writes that had ended by then
    for one in answered:
        latest_start.append(max(one.start, latest_start[-1] if latest_start else -inf))
    for visit in visits:
        if not visit.replica or visit.writes or visit.outcome is not Outcome.OK:
            continue
        verdict.replica_reads += 1
        its_write = writes.get(visit.value)
        before = bisect_left(ends, visit.start) - 1
        if before >= 0 and latest_start[before] > (its_write.end if its_write is not None else -inf):
            verdict.stale += 1
