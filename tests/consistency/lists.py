"""What is wrong with a history of appends and reads of whole lists.

A list that only grows tells the order of its appends, so everything can be inferred from what was read:

    wrong read      a value that nobody appended, or that one appended whose transaction failed (G1a)
    doubled         a value twice in a list
    contradiction   two reads of one list of which neither begins with the other: no order of the appends explains both
    torn            a part of a transaction (G1b: between two appends of one transaction; or a part of it is gone)
    blind           a transaction that does not see its own append
    cycles          see `cycles`
    lost            an append that was answered and is gone in the end
    hole            something is gone that was older than something that stayed

Reads may be as old as they like, for replicas are behind; they may not be wrong. Each branch is looked at by itself:
its reads, with the appends of all branches. What was read at the end (`End`) is the truth about what was lost.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from tests.consistency.cycles import RW, WR, WW, Graph
from tests.consistency.history import BETWEEN, Anomaly, Append, Outcome, Read, Transaction

Lists = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class End:
    """What was there when all was over, and what that says of the history.

    lists: all of them, as they were read. branches: that they were read from. may_lose: branches whose master was lost,
    so that appends that were answered but not promised may be gone; promises_hold: no others. kept: values that all
    servers had at some time: none may be gone. causes: what was done to masters, by their branches."""

    lists: Lists
    branches: Collection[int]
    may_lose: Collection[int] = ()
    promises_hold: bool = True
    kept: Collection[int] = ()
    causes: Mapping[int, str] = field(default_factory=dict)

    def values(self) -> set[int]:
        return {value for values in self.lists.values() for value in values}


@dataclass
class Verdict:
    """lost: answered, not promised, and gone: what asynchronous replication may lose when a master dies. window: what
    was answered without a promise, at all. promised, promised_lost: the same of promises, where these may go; the
    latter by what was done to the master."""

    anomalies: list[Anomaly] = field(default_factory=list)
    lost: int = 0
    window: int = 0
    promised: int = 0
    promised_lost: Counter[str] = field(default_factory=Counter)


def check(transactions: list[Transaction], end: End) -> Verdict:
    verdict = Verdict()
    writers = {step.value: number for number, one in enumerate(transactions) for step in one.appends()}
    found = verdict.anomalies
    found += _wrong_values(transactions, writers, end.lists)
    found += _blind(transactions)
    branches = sorted({one.branch for one in transactions} - {BETWEEN})
    orders = {branch: _order_of(transactions, branch, found) for branch in branches}
    for branch in set(end.branches) & set(branches):
        _prefer(orders[branch], end.lists, found)
    for branch in branches:
        found += _intermediate(transactions, writers, orders[branch], branch)
        found += _cycles(transactions, writers, orders[branch], branch)
    there = end.values()
    found += _torn(transactions, there)
    found += _holes(orders, there)
    found += _not_kept(transactions, writers, end.kept, there)
    _count_lost(transactions, end, there, verdict)
    return verdict


def _wrong_values(transactions: list[Transaction], writers: dict[int, int], final: Lists) -> Iterator[Anomaly]:
    reads = [(one.by, read) for one in transactions for read in one.reads()]
    for by, read in [*reads, *(("the end", Read(key, values)) for key, values in final.items())]:
        for value, times in Counter(read.found).items():
            if times > 1:
                yield Anomaly("doubled", f"{value} is {times} times in {read.key} ({by})")
            if value not in writers:
                yield Anomaly("wrong read", f"{value} in {read.key} was never appended ({by})")
            elif transactions[writers[value]].outcome is Outcome.FAILED:
                yield Anomaly("G1a", f"{value} in {read.key} is of a transaction that failed ({by})")


def _blind(transactions: list[Transaction]) -> Iterator[Anomaly]:
    for one in transactions:
        own: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for step in one.steps if one.outcome is Outcome.OK else ():
            if isinstance(step, Append):
                own[step.key] += (step.value,)
            elif own[step.key] and step.found[-len(own[step.key]) :] != own[step.key]:
                yield Anomaly("blind", f"{step.key} read as {_end(step.found)} behind own appends {own[step.key]}")


def _order_of(transactions: list[Transaction], branch: int, found: list[Anomaly]) -> Lists:
    """The longest read of each list in this branch, with which all others must agree."""
    reads = [(one.by, read) for one in transactions if one.branch == branch for read in one.reads()]
    longest: Lists = {}
    for _, read in reads:
        if len(read.found) > len(longest.get(read.key, ())):
            longest[read.key] = read.found
    for by, read in reads:
        whole = longest.get(read.key, ())
        if whole[: len(read.found)] != read.found:
            found.append(Anomaly("contradiction", f"{read.key} in branch {branch}: {_end(read.found)} ({by}), and "
                                                  f"{_end(whole[: len(read.found) + 1])}"))  # fmt: skip
    return longest


def _prefer(order: Lists, final: Lists, found: list[Anomaly]) -> None:
    """The end belongs to a branch that it was read from."""
    for key, values in order.items():
        if final.get(key, ())[: len(values)] != values:
            found.append(Anomaly("contradiction", f"{key}: {_end(values)} was read, and in the end it is "
                                                  f"{_end(final.get(key, ())[: len(values) + 1])}"))  # fmt: skip
    order.update(final)


def _intermediate(transactions: list[Transaction], writers: dict[int, int], order: Lists,
                  branch: int) -> Iterator[Anomaly]:  # fmt: skip
    for number, one in enumerate(transactions):
        for read in one.reads() if one.branch == branch else ():
            writer = writers.get(read.found[-1]) if read.found else None
            whole, length = order.get(read.key, ()), len(read.found)
            if writer is None or writer == number or len(whole) <= length:
                continue
            if writers.get(whole[length]) == writer:
                yield Anomaly("G1b", f"{read.key} read as {_end(read.found)}, amid a transaction ({one.by})")


def _cycles(transactions: list[Transaction], writers: dict[int, int], order: Lists, branch: int) -> Iterator[Anomaly]:
    graph = Graph()
    places = {(key, value): place for key, values in order.items() for place, value in enumerate(values)}
    for values in order.values():
        for before, after in zip(values, values[1:]):
            if before in writers and after in writers:
                graph.add(writers[before], writers[after], WW)
    for number, one in enumerate(transactions):
        for read in one.reads() if one.branch == branch else ():
            whole, next_place = order.get(read.key, ()), 0
            if read.found:
                if (read.key, read.found[-1]) not in places or read.found[-1] not in writers:
                    continue
                graph.add(writers[read.found[-1]], number, WR)
                next_place = places[read.key, read.found[-1]] + 1
            if next_place < len(whole) and whole[next_place] in writers:
                graph.add(number, writers[whole[next_place]], RW)
    for name, numbers in graph.anomalies():
        told = "; ".join(_told(transactions[number]) for number in numbers[:4])
        yield Anomaly(name, f"{len(numbers)} transactions of branch {branch}: {told}")


def _torn(transactions: list[Transaction], there: set[int]) -> Iterator[Anomaly]:
    for one in transactions:
        values = {step.value for step in one.appends()}
        if values & there and values - there:
            yield Anomaly("torn", f"{sorted(values & there)} stayed, {sorted(values - there)} of the same transaction "
                                  "did not")  # fmt: skip


def _holes(orders: dict[int, Lists], there: set[int]) -> Iterator[Anomaly]:
    """What a branch leaves to the next ones is its beginning."""
    for branch, order in orders.items():
        for key, values in order.items():
            gone = [place for place, value in enumerate(values) if value not in there]
            if gone and any(value in there for value in values[gone[0] :]):
                went = [values[place] for place in gone[:5]]
                yield Anomaly("hole", f"{key} of branch {branch}: {went} went, younger ones did not")


def _not_kept(transactions: list[Transaction], writers: dict[int, int], kept: Collection[int],
              there: set[int]) -> Iterator[Anomaly]:  # fmt: skip
    gone = sorted(set(kept) - there)
    if gone:
        by = transactions[writers[gone[0]]].by if gone[0] in writers else "nobody"
        yield Anomaly("lost", f"{len(gone)} values that all servers had; the first is {gone[0]} ({by})")


def _count_lost(transactions: list[Transaction], end: End, there: set[int], verdict: Verdict) -> None:
    for one in transactions:
        if one.outcome is not Outcome.OK or not one.appends():
            continue
        gone = [step.value for step in one.appends() if step.value not in there]
        may_go = one.branch in end.may_lose
        verdict.window += may_go and not one.promised
        verdict.promised += may_go and one.promised
        if gone and may_go and not one.promised:
            verdict.lost += 1
        elif gone and may_go and not end.promises_hold:
            verdict.promised_lost[end.causes.get(one.branch, "nothing")] += 1
        elif gone:
            how = "promised" if one.promised else "answered"
            verdict.anomalies.append(Anomaly("lost", f"{gone} of branch {one.branch}, which was {how} ({one.by})"))


def _told(one: Transaction) -> str:
    steps = (f"append {step.key} {step.value}" if isinstance(step, Append) else f"read {step.key} {_end(step.found)}"
             for step in one.steps)  # fmt: skip
    return f"{one.by} [{', '.join(steps)}]"


def _end(values: tuple[int, ...]) -> str:
    return f"({'... ' if len(values) > 4 else ''}{' '.join(map(str, values[-4:]))})"
