"""The sorted set against a dict, with small limits so that both encodings and the step between them are met often."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.keyspace.database import Keyspace
from server.types.sorted_set import (
    ADDED,
    NAN,
    NOTHING,
    UPDATED,
    ZADD_FLAGS,
    SortedSet,
    format_score,
    set_limits,
)
from server.types.sorted_set_words import is_lex_bound, parse_score, parse_score_bound
from tests.support.moving import Mover

DEFAULT = SimpleNamespace(zset_max_listpack_entries=128, zset_max_listpack_value=64)
SMALL = SimpleNamespace(zset_max_listpack_entries=8, zset_max_listpack_value=12)
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 2.5, -math.inf, math.inf, 2.0**62, 2.0**63, 1e300]),
    st.integers(-5, 5).map(float),
    st.floats(allow_nan=False),
)
MEMBERS = st.one_of(
    st.sampled_from([b"", b"0", b"-1", b"12345", b"007", b"a", b"ab", b"b", b"a string of some length"]),
    st.binary(max_size=3),
)
KEY = b"zset"


@pytest.fixture(autouse=True, scope="module")
def _restored_limits() -> Iterator[None]:
    yield
    set_limits(DEFAULT)


def in_order(pair: tuple[bytes, float]) -> tuple[float, bytes]:
    return pair[1], pair[0]


class SortedSetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        set_limits(SMALL)
        self.db = Keyspace(1).databases[0]
        self.mover = Mover(self.db.keyspace)
        self.zset: Any = self.db.lookup_write(KEY, SortedSet, create=True)
        self.scores: dict[bytes, float] = {}

    @property
    def order(self) -> list[tuple[bytes, float]]:
        return sorted(self.scores.items(), key=in_order)

    @rule(score=SCORES, member=MEMBERS, names=st.sets(st.sampled_from(["INCR", "NX", "XX", "GT", "LT"]), max_size=2))
    def add(self, score: float, member: bytes, names: set[str]) -> None:
        if len(names & {"GT", "LT", "NX"}) > 1 or names >= {"NX", "XX"}:
            return
        known = self.scores.get(member)
        outcome, result = self.zset.add(score, member, sum(ZADD_FLAGS[name] for name in names))
        if known is None:
            if "XX" in names:
                assert outcome == NOTHING
                return
            assert (outcome, result) == (ADDED, score)
            self.scores[member] = score
            return
        wanted = known + score if "INCR" in names else score
        if "NX" in names:
            assert outcome == NOTHING
        elif math.isnan(wanted):
            assert outcome == NAN
        elif ("GT" in names and wanted <= known) or ("LT" in names and wanted >= known):
            assert outcome == NOTHING
        else:
            assert (outcome, result) == (UPDATED if wanted != known else 0, wanted)
            if wanted != known:
                self.scores[member] = wanted

    @rule(start=st.integers(0, 99), count=st.integers(1, 60), step=st.sampled_from([-1.5, 0, 1, 7]))
    def add_many(self, start: int, count: int, step: float) -> None:
        self.zset.expect(count)
        for i in range(start, start + count):
            self.zset.add(i * step, b"m%d" % i)
            self.scores[b"m%d" % i] = i * step

    @precondition(lambda self: self.scores)
    @rule(where=st.floats(0, 1, exclude_max=True))
    def remove(self, where: float) -> None:
        member = self.order[int(where * len(self.scores))][0]
        assert self.zset.remove(member)
        assert not self.zset.remove(member)
        del self.scores[member]

    @rule(start=st.integers(-70, 70), stop=st.integers(-70, 70), reverse=st.booleans())
    def rank_range(self, start: int, stop: int, reverse: bool) -> None:
        order = self.order[::-1] if reverse else self.order
        n = len(order)
        first = max(start + n, 0) if start < 0 else start
        last = stop + n if stop < 0 else stop
        expected = order[first : last + 1] if last >= 0 else []
        assert self.zset.items(*self.zset.rank_range(start, stop, reverse), reverse) == expected

    @rule(low=SCORES, low_exclusive=st.booleans(), high=SCORES, high_exclusive=st.booleans(), delete=st.booleans())
    def score_range(self, low: float, low_exclusive: bool, high: float, high_exclusive: bool, delete: bool) -> None:
        expected = [
            (member, score)
            for member, score in self.order
            if (score > low or (score == low and not low_exclusive))
            and (score < high or (score == high and not high_exclusive))
        ]
        first, end = self.zset.score_range(low, low_exclusive, high, high_exclusive)
        assert self.zset.items(first, end) == expected
        if delete and len(expected) <= 10:
            assert self.zset.delete_range(first, end) == len(expected)
            for member, _ in expected:
                del self.scores[member]

    @precondition(lambda self: self.scores)
    @rule(count=st.integers(1, 12), highest=st.booleans())
    def pop(self, count: int, highest: bool) -> None:
        expected = (self.order[::-1] if highest else self.order)[:count]
        assert self.zset.pop(count, highest) == expected
        for member, _ in expected:
            del self.scores[member]

    @rule()
    def start_again(self) -> None:
        """A new value made at once of what there is, as ZUNIONSTORE makes it."""
        if not self.scores:
            return
        self.db.delete(KEY)
        self.zset = self.db.lookup_write(KEY, SortedSet, create=True)
        self.zset.fill(list(self.scores.items()))
        compact = len(self.scores) <= 8 and max(map(len, self.scores)) <= 12
        assert self.zset.encoding_name() == ("listpack" if compact else "skiplist")

    @rule()
    def copy(self) -> None:
        self.db.put(b"copy", self.db.duplicate(KEY))
        copy = self.db.lookup_read(b"copy", SortedSet)
        copy.check()
        assert copy.items() == self.zset.items()
        self.db.unlink(b"copy")
        while self.db.keyspace.lazyfree.run(1):
            pass

    @rule()
    def scan(self) -> None:
        found, cursor = {}, 0
        while True:
            cursor, pairs = self.zset.scan(cursor, 3)
            found.update(pairs)
            if not cursor:
                break
        assert {member: float(score) for member, score in found.items()} == self.scores

    @precondition(lambda self: self.scores)
    @rule(member=MEMBERS)
    def look(self, member: bytes) -> None:
        order = [name for name, _ in self.order]
        assert self.zset.random() in self.scores
        for name in (member, order[-1]):
            score = self.scores.get(name)
            assert self.zset.score(name) == score
            assert self.zset.rank(name) == (None if score is None else (order.index(name), score))
            assert self.zset.rank(name, True) == (
                None if score is None else (len(order) - 1 - order.index(name), score)
            )

    @rule(most=st.integers(1, 6))
    def move(self, most: int) -> None:
        """As active defragmentation does, a piece at a time."""
        self.mover.piece(most)
        self.zset = self.db.lookup_write(KEY, SortedSet, create=True)

    @invariant()
    def is_the_same(self) -> None:
        self.zset.check()
        assert len(self.zset) == len(self.scores)
        assert self.zset.items() == self.order


SortedSetMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSortedSet = SortedSetMachine.TestCase

BOUNDS = st.one_of(
    st.sampled_from([b"-", b"+"]), st.tuples(st.sampled_from([b"[", b"("]), MEMBERS).map(lambda pair: pair[0] + pair[1])
)


def test_a_member_limit_needs_its_sign() -> None:
    assert all(map(is_lex_bound, (b"-", b"+", b"[", b"(a")))
    assert not any(map(is_lex_bound, (b"", b"a", b"-a", b"+-")))


def test_bounds() -> None:
    assert parse_score_bound(b"(1.5") == (1.5, True)
    assert parse_score_bound(b"-inf") == (-math.inf, False)
    assert parse_score_bound(b"") == (0.0, False)
    assert parse_score_bound(b"1x") is None
    assert parse_score_bound(b"1" * 400) == (math.inf, False)


@settings(max_examples=200, deadline=None)
@given(members=st.sets(MEMBERS, max_size=20), low=BOUNDS, high=BOUNDS)
def test_lex_ranges(members: set[bytes], low: bytes, high: bytes) -> None:
    def above(member: bytes) -> bool:
        return low == b"-" or (low != b"+" and (member > low[1:] or (low[:1] == b"[" and member == low[1:])))

    def below(member: bytes) -> bool:
        return high == b"+" or (high != b"-" and (member < high[1:] or (high[:1] == b"[" and member == high[1:])))

    set_limits(SMALL)
    db = Keyspace(1).databases[0]
    zset = db.lookup_write(KEY, SortedSet, create=True)
    for member in members:
        zset.add(1.0, member)
    found = [member for member, _ in zset.items(*zset.lex_range(low, high))]
    assert found == [member for member in sorted(members) if above(member) and below(member)]


@settings(max_examples=300, deadline=None)
@given(score=st.floats(allow_nan=False))
def test_scores_survive_their_text(score: float) -> None:
    assert parse_score(format_score(score)) == score
