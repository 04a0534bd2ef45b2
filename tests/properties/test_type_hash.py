"""A hash does what a dict does, in the encoding that Redis 7.2 would have chosen."""

from types import SimpleNamespace
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from server.keyspace.database import Keyspace
from server.types.hash import Hash, set_limits
from tests.support.moving import Mover

FIELDS = st.one_of(st.sampled_from([b"a", b"b", b"", b"12", b"-1"]), st.binary(max_size=3), st.just(b"f" * 20))
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(lambda n: b"%d" % n),
    st.binary(max_size=12),
    st.sampled_from([b"v" * 192, b"v" * 193, b"v" * 3000]),
)


def follow(entries: int, value: int) -> None:
    set_limits(SimpleNamespace(hash_max_listpack_entries=entries, hash_max_listpack_value=value))


class HashMachine(RuleBasedStateMachine):
    """One key of an in-process database; the key goes with its last field, as the commands see to."""

    @initialize(entries=st.sampled_from([0, 1, 5, 20, 128]), value=st.sampled_from([0, 8, 64, 5000]))
    def start(self, entries: int, value: int) -> None:
        follow(entries, value)
        self.entries, self.value = entries, value
        self.db: Any = Keyspace(1).databases[0]
        self.mover = Mover(self.db.keyspace)
        self.oracle: dict[bytes, bytes] = {}
        self.table = False

    def teardown(self) -> None:
        follow(128, 64)

    def view(self) -> Any:
        return self.db.lookup_write(b"k", Hash, create=True)

    @rule(pairs=st.lists(st.tuples(FIELDS, VALUES), min_size=1, max_size=30))
    def set(self, pairs: list[tuple[bytes, bytes]]) -> None:
        view = self.view()
        view.grow([text for pair in pairs for text in pair])
        self.table |= len(pairs) > self.entries
        for field, value in pairs:
            assert view.set(field, value) == (field not in self.oracle)
            self.oracle[field] = value
            self.table |= len(self.oracle) > self.entries or max(len(field), len(value)) > self.value

    @rule(data=st.data(), count=st.integers(1, 20))
    def delete(self, data: Any, count: int) -> None:
        for _ in range(count):
            if self.oracle:
                field = data.draw(st.one_of(st.sampled_from(sorted(self.oracle)), FIELDS))
                assert self.view().delete(field) == (self.oracle.pop(field, None) is not None)
                self.gone_if_empty()

    def gone_if_empty(self) -> None:
        if not self.oracle:
            self.db.delete(b"k")
            self.table = False

    @rule(field=FIELDS)
    def read(self, field: bytes) -> None:
        if self.oracle:
            view = self.view()
            assert view.get(field) == self.oracle.get(field)
            assert (field in view) == (field in self.oracle)
            assert view.value_length(field) == len(self.oracle.get(field, b""))

    @rule(count=st.integers(1, 40))
    def chance(self, count: int) -> None:
        if self.oracle:
            view = self.view()
            assert view.random() in self.oracle
            drawn, distinct = view.draw(count), view.draw_distinct(count)
            assert len(drawn) == count
            assert len(dict(distinct)) == len(distinct) == min(count, len(self.oracle))
            assert all(self.oracle[field] == value for field, value in drawn + distinct)

    @rule(count=st.integers(1, 10))
    def scan(self, count: int) -> None:
        if self.oracle:
            cursor, found = self.view().scan(0, count, None)
            while cursor:
                cursor, more = self.view().scan(cursor, count, None)
                found += more
            assert dict(zip(*[iter(found)] * 2, strict=True)) == self.oracle

    @rule()
    def copy(self) -> None:
        if self.oracle:
            value = self.db.duplicate(b"k")
            self.db.delete(b"k")
            self.db.put(b"k", value)

    @rule(most=st.integers(1, 6))
    def move(self, most: int) -> None:
        """As active defragmentation does, a piece at a time."""
        self.mover.piece(most)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "db") or not self.oracle:
            return
        view = self.view()
        assert len(view) == len(self.oracle)
        assert dict(view.items()) == self.oracle
        assert view.encoding_name() == ("hashtable" if self.table else "listpack")
        assert self.db.memory_usage(b"k") > 0


HashMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestHash = HashMachine.TestCase
