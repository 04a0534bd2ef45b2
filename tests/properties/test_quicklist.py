"""The quicklist does what a Python list does, whatever its limits."""

from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from server.structures.quicklist_probe import QuicklistProbe, set_packed_threshold

VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n),
    st.binary(max_size=12),
    st.sampled_from([b"a", b"b", b"word" * 20, b"z" * 99, b"g" * 100, b"g" * 5000]),
)
INDEXES = st.one_of(st.integers(-70, 70), st.integers(-900, 900))
RUN_MAX = 1500


class QuicklistMachine(RuleBasedStateMachine):
    @initialize(
        fill=st.sampled_from([-1, -2, -5, 0, 1, 2, 3, 7, 100]),
        compress=st.sampled_from([0, 0, 1, 2]),
        threshold=st.sampled_from([0, 0, 100]),
    )
    def start(self, fill: int, compress: int, threshold: int) -> None:
        set_packed_threshold(threshold)
        self.fill, self.compress = fill, compress
        self.list = QuicklistProbe(fill, compress)
        self.oracle: list[bytes] = []

    def teardown(self) -> None:
        set_packed_threshold(0)

    @rule(values=st.lists(VALUES, max_size=20), end=st.integers(0, 1))
    def push(self, values: list[bytes], end: int) -> None:
        self.push_all(values, end)

    def push_all(self, values: list[bytes], end: int) -> None:
        self.list.push_many(values, end)
        self.oracle = self.oracle + values if end else values[::-1] + self.oracle

    @precondition(lambda self: len(self.oracle) < RUN_MAX)
    @rule(kind=st.sampled_from(["run:%06d", "%x", "%d"]), count=st.integers(100, 600), end=st.integers(0, 1))
    def push_run(self, kind: str, count: int, end: int) -> None:
        """Nodes that are worth packing away."""
        scattered = (n * 2654435761 % 2**40 for n in range(len(self.oracle), len(self.oracle) + count))
        self.push_all([(kind % n).encode() for n in scattered], end)

    @rule(direction=st.integers(0, 1))
    def walk(self, direction: int) -> None:
        assert self.list.items(direction) == self.oracle[:: -1 if direction else 1]

    @rule(end=st.integers(0, 1), times=st.integers(1, 15))
    def pop(self, end: int, times: int) -> None:
        for _ in range(times):
            expected = self.oracle.pop(-end) if self.oracle else None
            assert self.list.pop(end) == expected

    @rule(index=INDEXES, value=VALUES, after=st.booleans())
    def insert(self, index: int, value: bytes, after: bool) -> None:
        place = index if index >= 0 else index + len(self.oracle)
        inside = 0 <= place < len(self.oracle)
        assert self.list.insert(index, value, after) == inside
        if inside:
            self.oracle.insert(place + after, value)

    @rule(data=st.data(), value=VALUES, after=st.booleans())
    def insert_beside(self, data: Any, value: bytes, after: bool) -> None:
        if self.oracle:
            pivot = data.draw(st.sampled_from(self.oracle))
            assert self.list.insert_beside(pivot, value, after)
            self.oracle.insert(self.oracle.index(pivot) + after, value)

    @rule(index=INDEXES, value=VALUES)
    def replace(self, index: int, value: bytes) -> None:
        inside = -len(self.oracle) <= index < len(self.oracle)
        assert self.list.replace(index, value) == inside
        if inside:
            self.oracle[index] = value

    @rule(value=VALUES, limit=st.integers(0, 3), direction=st.integers(0, 1))
    def delete_equal(self, value: bytes, limit: int, direction: int) -> None:
        order = self.oracle if direction == 0 else self.oracle[::-1]
        left, gone = [], 0
        for item in order:
            if item == value and (limit == 0 or gone < limit):
                gone += 1
            else:
                left.append(item)
        assert self.list.delete_equal(value, limit, direction) == gone
        self.oracle = left if direction == 0 else left[::-1]

    @rule(start=INDEXES, count=st.one_of(st.integers(0, 40), st.integers(0, 900)))
    def delete_range(self, start: int, count: int) -> None:
        place = start if start >= 0 else start + len(self.oracle)
        inside = 0 <= place < len(self.oracle)
        assert self.list.delete_range(start, count) == (inside and count > 0)
        if inside:
            del self.oracle[place : place + count]

    @rule()
    def copy(self) -> None:
        self.list = self.list.copy()

    @rule()
    def through_a_listpack(self) -> None:
        data = self.list.take_listpack()
        if data is not None:
            self.list = QuicklistProbe.from_listpack(data, self.fill, self.compress)

    @rule(index=INDEXES, direction=st.integers(0, 1))
    def walk_from(self, index: int, direction: int) -> None:
        place = index if index >= 0 else index + len(self.oracle)
        if 0 <= place < len(self.oracle):
            expected = self.oracle[: place + 1][::-1] if direction else self.oracle[place:]
            assert self.list.items_at(index, direction) == expected
            assert self.list.get(index) == self.oracle[index]
        else:
            assert self.list.items_at(index, direction) is None
            assert self.list.get(index) is None

    @invariant()
    def same(self) -> None:
        if hasattr(self, "list"):
            self.list.check()
            copy = self.list.copy()  # reading brings back what is packed away: not in the list itself
            assert copy.items() == self.oracle
            assert copy.items(1) == self.oracle[::-1]
            assert len(self.list) == len(self.oracle)
            copy.check()
            if self.list.nodes() and not self.compress:
                assert b"LZF" not in self.list.repr()


TestQuicklist = QuicklistMachine.TestCase
TestQuicklist.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
