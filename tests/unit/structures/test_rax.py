"""The ordered map of stream IDs by examples."""

import random

import pytest

from server.structures.rax import RaxProbe

MOST = 2**64 - 1


def rax_of(keys: list[tuple[int, int]]) -> RaxProbe:
    rax = RaxProbe()
    for i, key in enumerate(keys):
        assert rax.insert(key, i + 1) is None
    rax.check()
    return rax


def test_order_is_milliseconds_then_sequence() -> None:
    keys = [(1, 5), (MOST, MOST), (0, 0), (1, MOST), (2**63, 1), (1, 0), (2**63 - 1, 9)]
    assert [key for key, _ in rax_of(keys).walk()] == sorted(keys)
    assert [key for key, _ in rax_of(keys).walk(backwards=True)] == sorted(keys, reverse=True)


def test_an_empty_map_answers_everything() -> None:
    rax = rax_of([])
    assert rax.find((0, 0)) is None
    assert rax.remove((0, 0)) is None
    assert [rax.seek((5, 5), where) for where in (">=", ">", "<=", "<")] == [None] * 4
    assert rax.walk() == rax.walk(backwards=True) == []
    assert rax.nodes() == 1


def test_a_second_insert_replaces_the_value() -> None:
    rax = rax_of([(1, 1)])
    assert rax.insert((1, 1), 77) == 1
    assert rax.find((1, 1)) == 77
    assert len(rax) == 1
    assert rax.remove((1, 1)) == 77
    assert rax.remove((1, 1)) is None


def test_seeking_from_every_side() -> None:
    rax = rax_of([(n, 0) for n in range(0, 2000, 2)])
    for n in range(2, 1990, 2):
        assert rax.seek((n, 0), ">=") == rax.seek((n, 0), "<=") == ((n, 0), n // 2 + 1)
        assert rax.seek((n, 0), ">") == rax.seek((n + 1, 0), ">=") == ((n + 2, 0), n // 2 + 2)
        assert rax.seek((n, 0), "<") == rax.seek((n - 1, 5), "<=") == ((n - 2, 0), n // 2)
    assert rax.seek((0, 0), "<") is None
    assert rax.seek((1998, 0), ">") is None
    assert rax.seek((MOST, MOST), ">=") is None


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
@pytest.mark.parametrize("count", [1, 2, 42, 43, 44, 3000])
def test_filled_and_emptied_in_any_order(order: str, count: int) -> None:
    keys = [(n // 3, n % 3) for n in range(count)]
    ordered = keys[:]
    if order == "descending":
        keys.reverse()
    elif order == "random":
        random.Random(count).shuffle(keys)
    rax = rax_of(keys)
    assert [key for key, _ in rax.walk()] == ordered
    for i, key in enumerate(keys):
        assert rax.find(key) == i + 1
        assert rax.remove(key) == i + 1
        if i % 61 == 0:
            rax.check()
    assert len(rax) == 0
    rax.check()


def test_a_pending_list_that_is_acknowledged_in_order_stays_small() -> None:
    rax = rax_of([(n, 0) for n in range(100)])
    before = rax.memory()
    for n in range(100, 5000):
        rax.insert((n, 0), n)
        assert rax.remove((n - 100, 0)) is not None
    rax.check()
    assert rax.memory() < 2 * before


def test_it_is_compact() -> None:
    assert rax_of([(n, 0) for n in range(20000)]).memory() / 20000 < 27
    assert rax_of([(1, 1)]).memory() <= 64


def test_nodes_are_those_of_a_radix_tree() -> None:
    """Counted by hand: runs of bytes, places where keys part, and ends of keys."""
    assert rax_of([(7, 7)]).nodes() == 2  # 16 bytes; end
    assert rax_of([(0, 1), (0, 2)]).nodes() == 4  # 15 bytes; parting; two ends
    assert rax_of([(0, 1), (0, 256)]).nodes() == 6  # 14 bytes; parting; twice one byte and an end
    assert rax_of([(0, 0), (2**63, 0)]).nodes() == 5  # parting; twice 15 bytes and an end
    assert rax_of([(0, 1), (0, 2), (0, 3)]).nodes() == 5


def test_values_are_freed_in_steps() -> None:
    rax = rax_of([(n, 0) for n in range(1000)])
    steps, freed = rax.free_in_steps(100)
    assert steps > 4
    assert sorted(freed) == list(range(1, 1001))
    assert len(rax) == 0
