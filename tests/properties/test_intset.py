"""The intset does what a sorted set of integers does."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sortedcontainers import SortedSet

from server.structures.intset import IntsetProbe

NUMBERS = st.one_of(
    st.integers(-20, 20), st.integers(-(2**15), 2**15), st.integers(-(2**31), 2**31), st.integers(-(2**63), 2**63 - 1)
)


class IntsetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.set = IntsetProbe()
        self.oracle: SortedSet[int] = SortedSet()
        self.widest = 2

    @rule(numbers=st.lists(NUMBERS, max_size=10))
    def add(self, numbers: list[int]) -> None:
        for number in numbers:
            assert self.set.add(number) == (number not in self.oracle)
            self.oracle.add(number)
            bits = (number if number >= 0 else ~number).bit_length()
            self.widest = max(self.widest, 2 if bits < 16 else 4 if bits < 32 else 8)

    @rule(number=NUMBERS)
    def remove(self, number: int) -> None:
        assert self.set.remove(number) == (number in self.oracle)
        self.oracle.discard(number)

    @rule(number=NUMBERS)
    def contains(self, number: int) -> None:
        assert (number in self.set) == (number in self.oracle)

    @rule()
    def ends(self) -> None:
        if self.oracle:
            assert (self.set.min(), self.set.max()) == (self.oracle[0], self.oracle[-1])
            assert self.set.random() in self.oracle

    @invariant()
    def same(self) -> None:
        self.set.check()
        assert list(self.set) == list(self.oracle)
        assert self.set.width() == self.widest


TestIntset = IntsetMachine.TestCase
TestIntset.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
