"""The checkers find what is wrong with histories that are known to be, and nothing in those that are not."""

from typing import Any

import pytest

from tests.consistency import lists, registers
from tests.consistency.cycles import RW, WR, WW, Graph
from tests.consistency.history import Append, Outcome, Read, Step, Transaction, Visit

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def a(key: str, *values: int) -> list[Step]:
    return [Append(key, value) for value in values]


def r(key: str, *found: int) -> list[Step]:
    return [Read(key, found)]


def did(*parts: list[Step], outcome: Outcome = OK, branch: int = 0, promised: bool = False) -> Transaction:
    return Transaction([step for part in parts for step in part], outcome, branch, promised)


def check(history: list[Transaction], final: lists.Lists, may_lose: tuple[int, ...] = (), **more: Any) -> lists.Verdict:
    """With an end that was read from the last branch, unless `more` says another."""
    last = {max((one.branch for one in history), default=0)}
    return lists.check(history, lists.End(final, may_lose=may_lose, **{"branches": last, **more}))


def kinds(history: list[Transaction], final: lists.Lists, may_lose: tuple[int, ...] = (), **more: Any) -> set[str]:
    return {anomaly.kind for anomaly in check(history, final, may_lose, **more).anomalies}


Known = dict[str, tuple[list[Transaction], lists.Lists]]
GOOD: Known = {
    "nothing": ([], {}),
    "reads of all ages": ([did(a("x", 1)), did(r("x")), did(a("x", 2)), did(r("x", 1)), did(r("x", 1, 2)), did(r("x"))],
                          {"x": (1, 2)}),
    "own appends": ([did(a("x", 1), r("x", 1), a("x", 2), r("x", 1, 2))], {"x": (1, 2)}),
    "unknown, and there": ([did(a("x", 1), outcome=UNKNOWN)], {"x": (1,)}),
    "unknown, and not": ([did(a("x", 1), outcome=UNKNOWN)], {}),
    "failed": ([did(a("x", 1), outcome=FAILED)], {}),
    "two lists at once": ([did(a("x", 1), a("y", 2)), did(r("x"), r("y")), did(r("x", 1), r("y", 2))],
                          {"x": (1,), "y": (2,)}),
    "a fork": ([did(a("x", 1)), did(a("x", 2), outcome=UNKNOWN), did(r("x", 1, 2)), did(a("x", 3), branch=1),
                did(r("x", 1, 3), branch=1)], {"x": (1, 3)}),
    "between branches": ([did(a("x", 1)), did(a("x", 2), outcome=UNKNOWN), did(r("x", 1, 2), branch=-1),
                          did(a("x", 3), branch=1)], {"x": (1, 3)}),
}  # fmt: skip
BAD: Known = {
    "G0": ([did(a("x", 1), a("y", 2)), did(a("x", 3), a("y", 4))], {"x": (1, 3), "y": (4, 2)}),
    "G1a": ([did(a("x", 1), outcome=FAILED), did(r("x", 1))], {"x": (1,)}),
    "G1b": ([did(a("x", 1, 2)), did(r("x", 1))], {"x": (1, 2)}),
    "G1c": ([did(a("x", 1), r("y", 2)), did(a("y", 2), r("x", 1))], {"x": (1,), "y": (2,)}),
    "G-single": ([did(a("x", 1), a("y", 2)), did(r("x", 1), r("y"))], {"x": (1,), "y": (2,)}),
    "G2": ([did(r("x"), a("y", 2)), did(r("y"), a("x", 1))], {"x": (1,), "y": (2,)}),
    "wrong read": ([did(r("x", 9))], {"x": (9,)}),
    "doubled": ([did(a("x", 1)), did(r("x", 1, 1))], {"x": (1, 1)}),
    "contradiction": ([did(a("x", 1)), did(a("x", 2)), did(r("x", 1)), did(r("x", 2, 1))], {"x": (2, 1)}),
    "blind": ([did(a("x", 1)), did(a("x", 2), r("x", 1))], {"x": (1, 2)}),
    "torn": ([did(a("x", 1), a("y", 2), outcome=UNKNOWN)], {"x": (1,)}),
    "lost": ([did(a("x", 1)), did(a("x", 2))], {"x": (1,)}),
    "hole": ([did(a("x", 1), outcome=UNKNOWN), did(a("x", 2)), did(r("x", 1, 2)), did(r("x", 2), branch=1)],
             {"x": (2,)}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history(name: str) -> None:
    assert check(*GOOD[name], may_lose=(0,)).anomalies == []


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_history(kind: str) -> None:
    assert kind in kinds(*BAD[kind])


@pytest.mark.parametrize("kind", ["G0", "G1c", "G-single", "G2", "torn", "blind", "lost"])
def test_nothing_else_is_seen_in_it(kind: str) -> None:
    assert kinds(*BAD[kind]) == {kind}


def test_what_may_be_lost_is_what_nobody_promised() -> None:
    history = [did(a("x", 1), promised=True), did(a("x", 2)), did(a("x", 3), branch=1)]
    verdict = check(history, {"x": (1, 3)}, may_lose=(0,))
    assert (verdict.anomalies, verdict.lost, verdict.window) == ([], 1, 1)
    assert kinds(history, {"x": (3,)}, (0,)) == {"lost"}
    assert kinds(history, {"x": (1,)}, (0,)) == {"lost"}


def test_where_promises_may_go_they_are_counted() -> None:
    history = [did(a("x", 1), promised=True), did(a("x", 2), promised=True), did(a("x", 3), promised=True, branch=1)]
    verdict = check(history, {"x": (1, 3)}, may_lose=(0,), promises_hold=False, causes={0: "a death", 1: "nothing"})
    assert (verdict.anomalies, verdict.promised, verdict.promised_lost, verdict.window) == ([], 2, {"a death": 1}, 0)
    assert kinds(history, {"x": (1,)}, (0,), promises_hold=False) == {"lost"}


def test_what_all_servers_had_stays_in_any_branch() -> None:
    history = [did(a("x", 1)), did(a("x", 2), outcome=UNKNOWN), did(a("x", 3), branch=1)]
    assert kinds(history, {"x": (1, 3)}, (0,), kept={1}) == set()
    assert kinds(history, {"x": (3,)}, (0,)) == set()
    assert kinds(history, {"x": (3,)}, (0,), kept={1}) == {"lost"}
    assert kinds(history, {"x": (1, 3)}, (0,), kept={1, 2}) == {"lost"}


def test_an_end_of_several_branches_and_one_that_nobody_was_in() -> None:
    history = [did(r("x", 1), a("y", 2)), did(a("x", 1), r("y", 2), branch=1), did(r("z", 3), branch=2),
               did(a("z", 3), outcome=UNKNOWN)]  # fmt: skip
    final: lists.Lists = {"x": (1,), "y": (2,)}
    assert kinds(history, final, branches={0, 1}) == set()
    assert kinds(history, final, branches={0, 1, 2}) == {"contradiction"}
    assert kinds(history, final, branches={3}) == set()


def test_a_list_that_vanished_after_it_was_read() -> None:
    assert kinds([did(a("x", 1), outcome=UNKNOWN), did(r("x", 1))], {}) == {"contradiction"}


def test_long_cycles_and_their_knots() -> None:
    graph = Graph()
    for number in range(5000):
        graph.add(number, (number + 1) % 5000, WW)
    graph.add(6000, 6001, WR)
    graph.add(6001, 6002, RW)
    assert [(name, len(path)) for name, path in graph.anomalies()] == [("G0", 5000)]
    graph.add(6002, 6000, WW)
    assert sorted(name for name, _ in graph.anomalies()) == ["G-single", "G0"]


def w(value: int, start: float, end: float, outcome: Outcome = OK, branch: int = 0) -> Visit:
    return Visit("r", True, value, start, end, outcome, branch)


def got(value: int | None, start: float, end: float, *, replica: bool = False, branch: int = 0) -> Visit:
    return Visit("r", False, value, start, end, OK, branch, replica)


LINEAR = {
    "in turn": [got(None, 0, 1), w(1, 2, 3), got(1, 4, 5), w(2, 6, 7), got(2, 8, 9)],
    "at the same time": [w(1, 0, 10), w(2, 0, 10), got(2, 11, 12), got(2, 13, 14)],
    "either may be first": [w(1, 0, 10), got(1, 2, 3), w(2, 0, 10), got(2, 4, 5), got(2, 11, 12)],
    "unknown, later": [w(1, 0, 1), w(2, 2, 3, UNKNOWN), got(1, 4, 5), got(2, 6, 7)],
    "unknown, never": [w(1, 0, 1), w(2, 2, 3, UNKNOWN), got(1, 4, 5)],
    "failed": [w(1, 0, 1), w(2, 2, 3, FAILED), got(1, 4, 5)],
    "a fork": [w(1, 0, 1), w(2, 2, 3), got(2, 4, 5), got(1, 6, 7, branch=1), w(3, 8, 9, branch=1),
               got(3, 10, 11, branch=1)],
}  # fmt: skip
NOT_LINEAR = {
    "an old value": [w(1, 0, 1), w(2, 2, 3), got(1, 4, 5)],
    "nothing any more": [w(1, 0, 1), got(None, 2, 3)],
    "back and forth": [w(1, 0, 10), w(2, 0, 10), got(1, 1, 2), got(2, 3, 4), got(1, 5, 6)],
    "unknown, undone": [w(1, 0, 1), w(2, 2, 3, UNKNOWN), got(2, 4, 5), got(1, 6, 7)],
    "a write in the midst of another's reads": [w(1, 0, 1), got(1, 2, 3), w(2, 4, 5), got(1, 6, 7)],
    "of no write": [got(7, 0, 1)],
    "of the future": [got(1, 0, 1), w(1, 2, 3)],
    "of a failed write": [w(1, 0, 1, FAILED), got(1, 2, 3)],
    "both sides of a fork": [w(1, 0, 1), w(2, 2, 3), got(1, 4, 5, branch=1), got(2, 6, 7, branch=1),
                             got(1, 8, 9, branch=1)],
}  # fmt: skip


@pytest.mark.parametrize("name", LINEAR)
def test_registers_that_some_moments_explain(name: str) -> None:
    assert registers.check(LINEAR[name]).anomalies == []


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_registers_that_nothing_explains(name: str) -> None:
    assert registers.check(NOT_LINEAR[name]).anomalies != []


def test_stale_reads_are_counted() -> None:
    verdict = registers.check([w(1, 0, 1), w(2, 2, 3), got(1, 2, 4, replica=True), got(1, 4, 5, replica=True),
                               got(2, 6, 7, replica=True), got(None, 8, 9, replica=True)])  # fmt: skip
    assert (verdict.anomalies, verdict.replica_reads, verdict.stale) == ([], 4, 2)
