"""The listpack does what a Python list of strings and integers does, with spare room and without."""

from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from server.structures.listpack_probe import ListpackProbe

Value = bytes | int
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-5000, 5000),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n),
    st.binary(max_size=10),
    st.sampled_from([b"", b"s" * 63, b"s" * 64, b"m" * 125, b"m" * 126, b"m" * 4095, b"l" * 4096, b"l" * 17000]),
)


def stored(value: Value) -> Value:
    """What reads back: the text of an int64 becomes the integer."""
    if isinstance(value, bytes):
        number = ListpackProbe.integer_of(value)
        return value if number is None else number
    return value


def text(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b"%d" % value


class ListpackMachine(RuleBasedStateMachine):
    @initialize(roomy=st.booleans())
    def start(self, roomy: bool) -> None:
        self.roomy = roomy
        self.listpack = ListpackProbe(roomy=roomy)
        self.oracle: list[Value] = []

    @rule(values=st.lists(VALUES, max_size=8))
    def append(self, values: list[Value]) -> None:
        for value in values:
            self.listpack.append(value)
            self.oracle.append(stored(value))

    @rule(value=VALUES)
    def prepend(self, value: Value) -> None:
        self.listpack.prepend(value)
        self.oracle.insert(0, stored(value))

    @rule(data=st.data(), value=VALUES, where=st.integers(0, 2))
    def insert(self, data: Any, value: Value, where: int) -> None:
        if not self.oracle:
            return
        index = data.draw(st.integers(-len(self.oracle), len(self.oracle) - 1))
        place = index % len(self.oracle) + (where == 1)
        assert self.listpack.insert(index, value, where) == place
        self.oracle[place : place + (where == 2)] = [stored(value)]

    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        if self.oracle:
            index = data.draw(st.integers(-len(self.oracle), len(self.oracle) - 1))
            place = index % len(self.oracle)
            del self.oracle[place]
            assert self.listpack.delete(index) == (place if place < len(self.oracle) else None)

    @rule(index=st.integers(-30, 30), count=st.integers(0, 30))
    def delete_range(self, index: int, count: int) -> None:
        place = index if index >= 0 else index + len(self.oracle)
        expected = 0
        if 0 <= place < len(self.oracle):
            expected = len(self.oracle[place : place + count])
            del self.oracle[place : place + count]
        assert self.listpack.delete_range(index, count) == expected

    @rule(data=st.data())
    def batch_delete(self, data: Any) -> None:
        chosen = data.draw(st.sets(st.integers(0, len(self.oracle) - 1))) if self.oracle else set()
        self.listpack.batch_delete(sorted(chosen))
        self.oracle = [value for place, value in enumerate(self.oracle) if place not in chosen]

    @rule(values=st.lists(VALUES, max_size=8))
    def merge(self, values: list[Value]) -> None:
        other = ListpackProbe()
        for value in values:
            other.append(value)
        assert self.listpack.merge(other)
        self.oracle += [stored(value) for value in values]

    @rule(value=VALUES, start=st.integers(0, 10), skip=st.integers(0, 2))
    def find(self, value: Value, start: int, skip: int) -> None:
        wanted = stored(value)
        places = range(start, len(self.oracle), skip + 1)
        expected = next((n for n in places if self.oracle[n] == wanted), None)
        assert self.listpack.find(text(value), start, skip) == expected

    @rule(data=st.data(), skip=st.integers(0, 1))
    def find_one_that_is_there(self, data: Any, skip: int) -> None:
        if self.oracle:
            self.find(data.draw(st.sampled_from(self.oracle)), 0, skip)

    @rule(data=st.data())
    def get(self, data: Any) -> None:
        if self.oracle:
            index = data.draw(st.integers(-len(self.oracle), len(self.oracle) - 1))
            assert self.listpack.get(index) == self.oracle[index]
            assert self.listpack.compare(index, text(self.oracle[index]))

    @invariant()
    def same(self) -> None:
        if hasattr(self, "listpack"):
            self.listpack.check()
            assert self.listpack.items() == self.oracle
            assert len(self.listpack) == len(self.oracle)

    def teardown(self) -> None:
        """However it came about, the bytes are those of a listpack made in one go."""
        if hasattr(self, "listpack"):
            again = ListpackProbe()
            for value in self.oracle:
                again.append(value)
            assert again.to_bytes() == self.listpack.to_bytes()


TestListpack = ListpackMachine.TestCase
TestListpack.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
