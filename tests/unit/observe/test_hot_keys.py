"""The space-saving sketch: exact while there is a counter for each key, within its own bounds beyond that."""

from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from server.observe.hot_keys import HotKeys

NAMES = [b"", b"a", b"b" * 7, b"c" * 8, b"d" * 17, *(b"%d" % n for n in range(9))]
KEYS = st.tuples(st.integers(0, 2), st.sampled_from(NAMES))


def test_exact_with_room_for_all() -> None:
    hot = HotKeys(4)
    for db, key, weight in ((0, b"a", 3), (0, b"b", 5), (1, b"a", 1), (0, b"a", 4)):
        hot.add(db, key, weight)
    assert [(each.db, each.key, each.least, each.most) for each in hot.top(10)] == [
        (0, b"a", 7, 7), (0, b"b", 5, 5), (1, b"a", 1, 1)
    ]  # fmt: skip
    assert hot.total == 13
    assert [each.key for each in hot.top(1)] == [b"a"] and hot.top(0) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(KEYS, st.integers(1, 5)), max_size=200), st.integers(1, 12))
def test_bounds(stream: list[tuple[tuple[int, bytes], int]], capacity: int) -> None:
    """Each count lies between its bounds, and no key that has more than its share is missing."""
    hot = HotKeys(capacity)
    true: Counter[tuple[int, bytes]] = Counter()
    for (db, key), weight in stream:
        hot.add(db, key, weight)
        true[db, key] += weight
        hot.check()
    found = {(each.db, each.key): each for each in hot.top(capacity)}
    for who, each in found.items():
        assert each.least <= true[who] <= each.most <= each.least + sum(true.values()) / capacity
    assert {who for who, count in true.items() if count > sum(true.values()) / capacity} <= set(found)


def test_a_hot_key_is_found_among_many() -> None:
    hot = HotKeys(64)
    for n in range(20_000):
        hot.add(0, b"cold:%d" % n)
        if n % 10 == 0:
            hot.add(0, b"hot")
    first, second = hot.top(2)
    assert first.key == b"hot" and 1500 <= first.least <= 2000 and second.least < 400
    hot.check()


def test_age_keeps_the_order() -> None:
    hot = HotKeys(3)
    for n, key in enumerate((b"a", b"b", b"c", b"d")):
        hot.add(0, key, n + 1)
    before = hot.top(3)
    hot.age(0.5)
    hot.check()
    assert [(each.key, each.least * 2) for each in hot.top(3)] == [(each.key, each.least) for each in before]
    hot.add(0, b"new", 100)
    assert hot.top(1)[0].key == b"new"


def test_long_keys_are_kept_in_part_and_told_apart() -> None:
    hot = HotKeys(8)
    for end in (b"x", b"y", b"x"):
        hot.add(0, b"k" * 5000 + end)
    hot.add(0, b"k" * 4999)
    told = [(each.length, len(each.key), each.least) for each in hot.top(8)]
    assert told == [(5001, 512, 2), (5001, 512, 1), (4999, 512, 1)]
    assert hot.memory < 10_000
    hot.clear()
    assert hot.top(8) == [] and hot.total == 0
    hot.add(0, b"again")
    assert hot.top(8)[0].least == 1
    hot.check()


def test_capacity() -> None:
    with pytest.raises(ValueError):
        HotKeys(0)
