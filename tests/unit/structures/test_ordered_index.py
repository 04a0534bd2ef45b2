"""The ordered index by examples: order, ranks, ranges, growth at both ends, memory and step-wise freeing."""

import math
import random

import pytest

from server.structures.ordered_index import OrderedIndexProbe


def index_of(pairs: list[tuple[float, bytes]]) -> OrderedIndexProbe:
    index = OrderedIndexProbe()
    for score, member in pairs:
        index.insert(score, member)
    index.check()
    return index


def members(index: OrderedIndexProbe) -> list[bytes]:
    return [member for _, _, member in index.walk(0)]


def test_order_is_score_then_bytes_then_length() -> None:
    pairs = [(1.0, b"b"), (1.0, b"a"), (-math.inf, b"z"), (1.0, b"a\x00"), (1.0, b""), (math.inf, b"y"), (1.0, b"\xff")]
    assert members(index_of(pairs)) == [b"z", b"", b"a", b"a\x00", b"b", b"\xff", b"y"]


def test_an_empty_index_answers_everything() -> None:
    index = index_of([])
    assert index.at(0) is None
    assert index.pop_min() is None
    assert index.pop_max() is None
    assert index.walk(0) == []
    assert index.walk(0, backwards=True) == []
    assert index.score_range(-math.inf, False, math.inf, False) == (0, 0)
    assert index.lex_range(b"-", b"+") == (0, 0)
    assert index.delete_range(0, 10) == []


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
@pytest.mark.parametrize("count", [1, 3, 4, 63, 64, 65, 5000])
def test_filled_and_emptied_in_any_order(order: str, count: int) -> None:
    numbers = list(range(count))
    if order == "descending":
        numbers.reverse()
    elif order == "random":
        random.Random(count).shuffle(numbers)
    index = index_of([(float(n), b"member:%d" % n) for n in numbers])
    assert [score for _, score, _ in index.walk(0)] == [float(n) for n in range(count)]
    assert [rank for rank, _, _ in index.walk(count - 1, backwards=True)] == list(range(count - 1, -1, -1))
    for n in range(0, count, 7):
        assert index.rank(b"member:%d" % n) == n
        assert index.at(n) == (float(n), b"member:%d" % n)
    for i, n in enumerate(numbers):
        index.delete(b"member:%d" % n)
        if i % 97 == 0:
            index.check()
    index.check()
    assert len(index) == 0


def test_one_score_for_all_is_a_dictionary_of_words() -> None:
    words = sorted(b"word:%d" % n for n in range(3000))
    shuffled = words[:]
    random.Random(1).shuffle(shuffled)
    index = index_of([(0.0, word) for word in shuffled])
    assert members(index) == words
    assert index.lex_range(b"[" + words[10], b"(" + words[20]) == (10, 20)
    assert index.lex_range(b"(" + words[10], b"[" + words[20]) == (11, 21)
    assert index.lex_range(b"-", b"+") == (0, 3000)
    assert index.lex_range(b"+", b"-") == (3000, 3000)
    assert index.lex_range(b"[" + words[20], b"[" + words[10]) == (20, 20)
    assert index.score_range(0, True, 1, False) == (3000, 3000)
    assert index.score_range(0, False, 0, False) == (0, 3000)


def test_score_ranges_include_and_exclude() -> None:
    index = index_of([(float(n // 10), b"%04d" % n) for n in range(1000)])
    assert index.score_range(5, False, 7, False) == (50, 80)
    assert index.score_range(5, True, 7, True) == (60, 70)
    assert index.score_range(7, False, 5, False) == (70, 70)
    assert index.score_range(-math.inf, False, math.inf, False) == (0, 1000)
    assert index.score_range(5, True, 5, False) == (60, 60)


def test_minus_zero_and_zero_are_one_score() -> None:
    index = index_of([(0.0, b"b"), (-0.0, b"a"), (0.0, b"c")])
    assert members(index) == [b"a", b"b", b"c"]
    index.delete(b"a")
    assert index.score_range(-0.0, False, 0.0, False) == (0, 2)


def test_a_score_changes_in_place_and_across_leaves() -> None:
    index = index_of([(float(n), b"%d" % n) for n in range(500)])
    index.update(b"100", 100.5)
    assert index.rank(b"100") == 100
    index.update(b"100", 400.5)
    assert index.rank(b"100") == 400
    index.update(b"0", -1.0)
    index.update(b"499", 0.0)
    assert index.rank(b"499") == 1
    index.check()


def test_a_range_of_ranks_is_deleted_in_order() -> None:
    index = index_of([(float(n), b"%d" % n) for n in range(2000)])
    assert index.delete_range(100, 1900) == [(float(n), b"%d" % n) for n in range(100, 1900)]
    index.check()
    assert len(index) == 200
    assert index.delete_range(190, 10**9) == [(float(n), b"%d" % n) for n in range(1990, 2000)]
    index.check()


def test_a_queue_stays_small() -> None:
    """ZADD with growing scores and ZPOPMIN: nodes at the low end go as they come at the high end."""
    index = index_of([(float(n), b"%d" % n) for n in range(200)])
    before = index.memory()
    for n in range(200, 5000):
        index.insert(float(n), b"%d" % n)
        assert index.pop_min() == (float(n - 200), b"%d" % (n - 200))
    index.check()
    assert index.memory() < 2 * before
    assert index.pop_max() == (4999.0, b"4999")


def test_it_is_compact() -> None:
    numbers = list(range(20000))
    random.Random(2).shuffle(numbers)
    assert index_of([(float(n), b"%d" % n) for n in numbers]).memory() / 20000 < 21
    assert index_of([(float(n), b"%d" % n) for n in range(20000)]).memory() / 20000 < 18
    assert index_of([(0.0, b"alone")]).memory() < 128


def test_it_is_freed_in_steps() -> None:
    index = index_of([(float(n), b"%d" % n) for n in range(3000)])
    assert index.free_in_steps(10) > 4
    assert len(index) == 0
    index.insert(1.0, b"again")
    index.check()
