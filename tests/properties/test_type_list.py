"""A list does what a Python list does, in the encoding that Redis 7.2 would have chosen."""

from types import SimpleNamespace
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from server.keyspace.database import Keyspace
from server.types.list import HEAD, TAIL, List, set_limits, set_packed_threshold
from tests.support.moving import Mover

VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n),
    st.binary(max_size=12),
    st.sampled_from([b"a", b"b", b"word" * 20, b"g" * 100, b"g" * 3000]),
)
INDEXES = st.integers(-70, 70)
ENDS = st.sampled_from([HEAD, TAIL])


def resolved(index: int, length: int) -> int:
    return index + length if index < 0 else index


class ListMachine(RuleBasedStateMachine):
    """One key of an in-process database; the key goes with its last element, as the commands see to."""

    @initialize(
        fill=st.sampled_from([-1, -2, -5, 0, 1, 2, 3, 7, 100]),
        compress=st.sampled_from([0, 0, 1, 2]),
        threshold=st.sampled_from([0, 0, 100]),
    )
    def start(self, fill: int, compress: int, threshold: int) -> None:
        set_limits(SimpleNamespace(list_max_listpack_size=fill, list_compress_depth=compress))
        set_packed_threshold(threshold)
        self.fill = fill
        self.db: Any = Keyspace(1).databases[0]
        self.mover = Mover(self.db.keyspace)
        self.oracle: list[bytes] = []

    def teardown(self) -> None:
        set_limits(SimpleNamespace(list_max_listpack_size=-2, list_compress_depth=0))
        set_packed_threshold(0)

    def view(self) -> Any:
        return self.db.lookup_write(b"k", List, create=True)

    def after_removal(self, view: Any) -> None:
        if self.oracle:
            view.shrink()
        else:
            assert len(view) == 0
            self.db.delete(b"k")

    @rule(values=st.lists(VALUES, min_size=1, max_size=20), end=ENDS)
    def push(self, values: list[bytes], end: int) -> None:
        self.oracle = self.oracle + values if end == TAIL else values[::-1] + self.oracle
        assert self.view().push(values, end) == len(self.oracle)

    @rule(end=ENDS, times=st.integers(1, 15))
    def pop(self, end: int, times: int) -> None:
        for _ in range(min(times, len(self.oracle))):
            view = self.view()
            assert view.pop(end) == self.oracle.pop(0 if end == HEAD else -1)
            self.after_removal(view)

    @rule(origin=ENDS, end=ENDS)
    def rotate(self, origin: int, end: int) -> None:
        if self.oracle:
            value = self.view().pop(origin)
            assert value == self.oracle.pop(0 if origin == HEAD else -1)
            self.view().push_popped(value, end)
            self.oracle.insert(0 if end == HEAD else len(self.oracle), value)

    @rule(index=INDEXES, value=VALUES)
    def replace(self, index: int, value: bytes) -> None:
        if self.oracle:
            inside = 0 <= resolved(index, len(self.oracle)) < len(self.oracle)
            view = self.view()
            assert view.replace(index, value) == inside
            if inside:
                self.oracle[index] = value
                view.shrink()

    @rule(data=st.data(), value=VALUES, after=st.booleans())
    def insert(self, data: Any, value: bytes, after: bool) -> None:
        if self.oracle:
            pivot = data.draw(st.sampled_from([*self.oracle, b"no such element"]))
            assert self.view().insert(pivot, value, after) == (pivot in self.oracle)
            if pivot in self.oracle:
                self.oracle.insert(self.oracle.index(pivot) + after, value)

    @rule(data=st.data(), count=st.integers(-3, 3))
    def remove(self, data: Any, count: int) -> None:
        if self.oracle:
            value = data.draw(st.sampled_from(self.oracle))
            places = [place for place, known in enumerate(self.oracle) if known == value]
            places = places[:count] if count > 0 else places[count:]
            view = self.view()
            assert view.remove(value, count) == len(places)
            self.oracle = [known for place, known in enumerate(self.oracle) if place not in places]
            self.after_removal(view)

    @rule(start=st.integers(0, 40), count=st.integers(0, 40))
    def delete_range(self, start: int, count: int) -> None:
        if self.oracle:
            view = self.view()
            view.delete_range(start, min(count, max(0, len(self.oracle) - start)))
            del self.oracle[start : start + count]
            self.after_removal(view)

    @rule()
    def copy(self) -> None:
        if self.oracle:
            before = self.view().encoding_name()
            value = self.db.duplicate(b"k")
            self.db.delete(b"k")
            self.db.put(b"k", value)
            assert self.view().encoding_name() == before

    @rule(fill=st.sampled_from([-1, -2, 2, 7, 100]))
    def settle(self, fill: int) -> None:
        self.fill = fill
        set_limits(SimpleNamespace(list_max_listpack_size=fill, list_compress_depth=0))
        if self.oracle:
            self.view().settle()

    @rule(start=INDEXES, stop=INDEXES, reverse=st.booleans())
    def read_range(self, start: int, stop: int, reverse: bool) -> None:
        if self.oracle:
            length = len(self.oracle)
            first, last = max(resolved(start, length), 0), resolved(stop, length)
            expected = self.oracle[first : last + 1] if last >= first else []
            assert self.view().range(start, stop, reverse) == (expected[::-1] if reverse else expected)

    @rule(
        data=st.data(), rank=st.integers(1, 3), count=st.integers(0, 3), longest=st.integers(0, 30), tail=st.booleans()
    )
    def find(self, data: Any, rank: int, count: int, longest: int, tail: bool) -> None:
        if self.oracle:
            value = data.draw(st.sampled_from(self.oracle))
            places = [place for place, known in enumerate(self.oracle) if known == value]
            if tail:
                places = [place for place in places[::-1] if not longest or place >= len(self.oracle) - longest]
            elif longest:
                places = [place for place in places if place < longest]
            places = places[rank - 1 :]
            assert self.view().positions(value, rank, count, longest, tail) == (places[:count] if count else places)

    @rule(most=st.integers(1, 6))
    def move(self, most: int) -> None:
        """As active defragmentation does, a piece at a time."""
        self.mover.piece(most)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "db"):
            return
        assert len(self.db) == bool(self.oracle)
        if self.oracle:
            view = self.view()
            assert len(view) == len(self.oracle)
            assert view.items() == self.oracle
            assert view.index(0) == self.oracle[0]
            assert view.index(-1) == self.oracle[-1]
            if view.encoding_name() == "quicklist":
                assert " ql_nodes:" in view.debug_object()
            assert self.db.memory_usage(b"k") > sum(map(len, self.oracle)) // 20


TestList = ListMachine.TestCase
TestList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def small_and_large(fill: int, count: int) -> tuple[str, str]:
    """Encodings before and after one more element."""
    set_limits(SimpleNamespace(list_max_listpack_size=fill, list_compress_depth=0))
    try:
        view: Any = Keyspace(1).databases[0].lookup_write(b"k", List, create=True)
        view.push([b"x"] * count, TAIL)
        before = view.encoding_name()
        view.push([b"x"], TAIL)
        return before, view.encoding_name()
    finally:
        set_limits(SimpleNamespace(list_max_listpack_size=-2, list_compress_depth=0))


def test_the_count_decides_when_the_directive_is_positive() -> None:
    assert small_and_large(5, 5) == ("listpack", "quicklist")
    assert small_and_large(0, 1) == ("listpack", "quicklist")
