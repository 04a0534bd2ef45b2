"""A set does what a Python set does, and set algebra too."""

from types import SimpleNamespace
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from server.keyspace.database import Keyspace
from server.types import set_algebra
from server.types.set import Set, set_limits
from tests.support.moving import Mover

NAMES = st.sampled_from([b"a", b"b", b"c"])
NUMBERS = st.one_of(st.integers(-5, 40), st.integers(-(2**63), 2**63 - 1)).map(lambda n: b"%d" % n)
STRINGS = st.one_of(st.binary(max_size=3), st.sampled_from([b"", b"01", b"x" * 20, b"x" * 300]))
MEMBERS = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=30), st.lists(st.one_of(NUMBERS, STRINGS), min_size=1, max_size=30)
)


def follow(intset: int, listpack: int, value: int) -> None:
    set_limits(
        SimpleNamespace(set_max_intset_entries=intset, set_max_listpack_entries=listpack, set_max_listpack_value=value)
    )


class SetMachine(RuleBasedStateMachine):
    """Three keys of an in-process database; a key goes with its last member, as the commands see to."""

    @initialize(
        intset=st.sampled_from([0, 4, 512]), listpack=st.sampled_from([0, 6, 128]), value=st.sampled_from([3, 64])
    )
    def start(self, intset: int, listpack: int, value: int) -> None:
        follow(intset, listpack, value)
        self.limits = (intset, listpack, value)
        self.db: Any = Keyspace(1).databases[0]
        self.mover = Mover(self.db.keyspace)
        self.oracle: dict[bytes, set[bytes]] = {}

    def teardown(self) -> None:
        follow(512, 128, 64)

    def gone_if_empty(self, name: bytes) -> None:
        if name in self.oracle and not self.oracle[name]:
            assert self.db.delete(name)
            del self.oracle[name]

    @rule(name=NAMES, members=MEMBERS)
    def add(self, name: bytes, members: list[bytes]) -> None:
        view = self.db.lookup_write(name, Set, create=True)
        known = self.oracle.setdefault(name, set())
        view.grow(members)
        for member in members:
            assert view.add(member) == (member not in known)
            known.add(member)

    # Picks are drawn beforehand, as places in the order of members: `pop` takes at random, and what hypothesis draws
    # may not depend on that.
    @rule(name=NAMES, picks=st.lists(st.one_of(st.integers(0, 60), STRINGS), min_size=1, max_size=30))
    def remove(self, name: bytes, picks: list[int | bytes]) -> None:
        for pick in picks:
            if known := self.oracle.get(name):
                member = pick if isinstance(pick, bytes) else sorted(known)[pick % len(known)]
                assert self.db.lookup_write(name, Set).remove(member) == (member in known)
                known.discard(member)
                self.gone_if_empty(name)

    @rule(name=NAMES, count=st.integers(1, 60))
    def pop(self, name: bytes, count: int) -> None:
        if known := self.oracle.get(name):
            view = self.db.lookup_write(name, Set)
            popped = view.pop_many(count) if count < len(known) else [view.pop()]
            assert len(set(popped)) == len(popped) and set(popped) <= known
            known -= set(popped)
            self.gone_if_empty(name)

    @rule(name=NAMES, count=st.integers(1, 40))
    def chance(self, name: bytes, count: int) -> None:
        if known := self.oracle.get(name):
            view = self.db.lookup_read(name, Set)
            drawn, distinct = view.draw(count), view.draw_distinct(count)
            assert len(drawn) == count and set(drawn) <= known and view.random() in known
            assert len(set(distinct)) == len(distinct) == min(count, len(known)) and set(distinct) <= known

    @rule(name=NAMES, count=st.integers(1, 10))
    def scan(self, name: bytes, count: int) -> None:
        if known := self.oracle.get(name):
            cursor, found = self.db.lookup_read(name, Set).scan(0, count, None)
            while cursor:
                cursor, more = self.db.lookup_read(name, Set).scan(cursor, count, None)
                found += more
            assert set(found) == known

    @rule(to=NAMES, names=st.lists(NAMES, min_size=1, max_size=3), kind=st.sampled_from(["inter", "union", "diff"]))
    def algebra(self, to: bytes, names: list[bytes], kind: str) -> None:
        views = [self.db.lookup_read(name, Set) for name in names]
        known = [self.oracle.get(name, set()) for name in names]
        if kind == "inter":
            if None in views:
                return
            expected = set.intersection(*known)
            found = set_algebra.intersection(views)
            assert set(found) == expected and len(found) == len(expected)
            assert set_algebra.intersection_size(views, 0) == len(expected)
            assert set_algebra.intersection_size(views, 2) == min(2, len(expected))
            result = set_algebra.intersection_set(views)
        elif kind == "union":
            expected, result = set.union(*known), set_algebra.union_set(views)
        else:
            expected, result = known[0].difference(*known[1:]), set_algebra.difference_set(views)
        assert set(result.members()) == expected and len(result) == len(expected)
        if expected:
            self.db.store(to, result)
            self.oracle[to] = set(expected)

    @rule(name=NAMES)
    def copy(self, name: bytes) -> None:
        if name in self.oracle:
            value = self.db.duplicate(name)
            self.db.delete(name)
            self.db.put(name, value)

    @rule(most=st.integers(1, 6))
    def move(self, most: int) -> None:
        """As active defragmentation does, a piece at a time."""
        self.mover.piece(most)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "db"):
            return
        assert len(self.db) == len(self.oracle)
        for name, known in self.oracle.items():
            view = self.db.lookup_read(name, Set)
            members = view.members()
            assert len(members) == len(view) == len(known) and set(members) == known
            assert all(member in view for member in known)
            self.within_limits(view, members)

    def within_limits(self, view: Any, members: list[bytes]) -> None:
        intset, listpack, value = self.limits
        if view.encoding_name() == "intset":
            assert len(members) <= intset and members == sorted(members, key=int)
        elif view.encoding_name() == "listpack":
            assert len(members) <= listpack and max(map(len, members)) <= value


SetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSet = SetMachine.TestCase
