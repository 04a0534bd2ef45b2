"""The ordered index against a SortedList of (score, member)."""

import math

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sortedcontainers import SortedList

from server.structures.ordered_index import OrderedIndexProbe

SCORES = st.one_of(st.sampled_from([0.0, 1.0, -math.inf, math.inf]), st.floats(allow_nan=False), st.integers(-9, 9))
MEMBERS = st.binary(max_size=6)


class OrderedIndexMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index = OrderedIndexProbe()
        self.order: SortedList = SortedList()
        self.scores: dict[bytes, float] = {}

    def put(self, score: float, member: bytes) -> None:
        if member in self.scores:
            self.order.remove((self.scores[member], member))
            self.index.update(member, score)
        else:
            self.index.insert(score, member)
        self.scores[member] = score
        self.order.add((score, member))

    def lose(self, pairs: list[tuple[float, bytes]]) -> None:
        for pair in pairs:
            self.order.remove(pair)
            del self.scores[pair[1]]

    @rule(score=SCORES, member=MEMBERS)
    def add(self, score: float, member: bytes) -> None:
        self.put(float(score), member)

    @rule(seed=st.integers(0, 999), count=st.integers(1, 300), step=st.sampled_from([-3, -1, 0, 1, 7, 7919]))
    def add_many(self, seed: int, count: int, step: int) -> None:
        for i in range(count):
            self.put(float((seed + i * step) % 1000), b"%d" % ((seed + i * 31) % 5000))

    @precondition(lambda self: self.order)
    @rule(where=st.floats(0, 1, exclude_max=True))
    def delete(self, where: float) -> None:
        pair = self.order[int(where * len(self.order))]
        self.index.delete(pair[1])
        self.lose([pair])

    @precondition(lambda self: self.order)
    @rule(where=st.floats(0, 1), part=st.floats(0, 1))
    def delete_range(self, where: float, part: float) -> None:
        first = int(where * len(self.order))
        end = first + int(part * (len(self.order) - first))
        expected = list(self.order[first:end])
        assert self.index.delete_range(first, end) == expected
        self.lose(expected)

    @precondition(lambda self: self.order)
    @rule(count=st.integers(1, 100), lowest=st.booleans())
    def pop(self, count: int, lowest: bool) -> None:
        for _ in range(min(count, len(self.order))):
            pair = self.order[0 if lowest else -1]
            assert (self.index.pop_min() if lowest else self.index.pop_max()) == pair
            self.lose([pair])

    @precondition(lambda self: self.order)
    @rule(where=st.floats(0, 1, exclude_max=True), backwards=st.booleans())
    def look(self, where: float, backwards: bool) -> None:
        rank = int(where * len(self.order))
        pair = self.order[rank]
        assert self.index.at(rank) == pair
        assert self.index.rank(pair[1]) == rank
        expected = list(self.order[: rank + 1])[::-1] if backwards else list(self.order[rank:])
        assert [(score, member) for _, score, member in self.index.walk(rank, backwards)] == expected

    @rule(low=SCORES, high=SCORES, low_exclusive=st.booleans(), high_exclusive=st.booleans())
    def score_range(self, low: float, high: float, low_exclusive: bool, high_exclusive: bool) -> None:
        first, end = self.index.score_range(low, low_exclusive, high, high_exclusive)
        above = [low < score if low_exclusive else low <= score for score, _ in self.order]
        below = [score < high if high_exclusive else score <= high for score, _ in self.order]
        assert first == above.count(False)
        assert end == max(first, below.count(True))

    @invariant()
    def sound(self) -> None:
        self.index.check()
        assert len(self.index) == len(self.order)


TestOrderedIndex = OrderedIndexMachine.TestCase
TestOrderedIndex.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


class LexMachine(RuleBasedStateMachine):
    """One score for all: members alone make the order."""

    def __init__(self) -> None:
        super().__init__()
        self.index = OrderedIndexProbe()
        self.members: SortedList = SortedList()

    @rule(new=st.sets(MEMBERS, max_size=200))
    def add(self, new: set[bytes]) -> None:
        for member in sorted(new.difference(self.members)):
            self.index.insert(0.0, member)
            self.members.add(member)

    @precondition(lambda self: self.members)
    @rule(where=st.floats(0, 1, exclude_max=True))
    def delete(self, where: float) -> None:
        self.index.delete(self.members.pop(int(where * len(self.members))))

    @rule(low=MEMBERS, high=MEMBERS, low_kind=st.sampled_from([b"[", b"("]), high_kind=st.sampled_from([b"[", b"("]))
    def lex_range(self, low: bytes, high: bytes, low_kind: bytes, high_kind: bytes) -> None:
        first = self.members.bisect_left(low) if low_kind == b"[" else self.members.bisect_right(low)
        end = self.members.bisect_right(high) if high_kind == b"[" else self.members.bisect_left(high)
        assert self.index.lex_range(low_kind + low, high_kind + high) == (first, max(first, end))

    @invariant()
    def sound(self) -> None:
        self.index.check()


TestLex = LexMachine.TestCase
TestLex.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
