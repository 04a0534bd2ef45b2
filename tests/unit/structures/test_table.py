"""The keyspace table: entries in all layouts, growth and shrinking, SCAN's guarantee, random picks, expires, memory."""

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from server.structures import memory
from server.structures.blob_probe import BlobProbe
from server.structures.table import TableProbe, resize_limit

REPEATABLE = "from server.structures.table import TableProbe; print(TableProbe.hash(b'key'))"


def keys(count, prefix=b"key:%d"):
    return [prefix % i for i in range(count)]


def filled(count, value=b"value"):
    table = TableProbe()
    for key in keys(count):
        table.set(key, value)
    return table


def full_scan(table, between=lambda: None):
    """All keys that a SCAN from 0 to 0 returns; `between` runs between the calls."""
    seen, cursor = [], 0
    while True:
        cursor, found = table.scan(cursor)
        seen += found
        if cursor == 0:
            return seen
        between()


def finish(table):
    while table.rehash(100):
        pass


@pytest.fixture(autouse=True)
def no_leak(exact_memory):
    before = memory.used()
    yield
    memory.check()
    assert memory.used() == before


@pytest.mark.parametrize("length", [*range(0, 20), 63, 64, 65, 200, 2000, 2049, 70_000])
def test_keys_of_any_length_and_nearly_equal_ones(length):
    table, key = TableProbe(), bytes(i * 7 & 255 for i in range(length))
    near = [key[:i] + bytes([key[i] ^ 1]) + key[i + 1 :] for i in range(0, length, max(1, length // 40))]
    for number, k in enumerate([key, *near, key + b"x"]):
        assert table.set_word(k, number)
    table.check()
    for number, k in enumerate([key, *near, key + b"x"]):
        assert table.get(k) == number


def test_an_entry_goes_through_every_layout():
    table = TableProbe()
    assert table.add(b"k") and not table.add(b"k")
    assert table.get(b"k") is True
    table.set_meta(b"k", 4, 3)
    for when in (None, 12345):
        if when:
            table.set_expire(b"k", when)
        for value in (b"", b"x", 7, b"y" * 8, b"z" * 255, -1, -(1 << 63), b"a", b"abcdefgh", 3):
            if isinstance(value, int):
                table.set_word(b"k", value)
            else:
                table.set(b"k", value)
            assert table.get(b"k") == value
            assert table.expire(b"k") == (when or -1)
            assert table.meta(b"k") == (4, 3)
            table.check()
    assert table.persist(b"k") and not table.persist(b"k")
    assert table.get(b"k") == 3 and table.expire(b"k") == -1
    table.check()


@pytest.mark.parametrize("value", [None, 77, b"", b"12345678", b"v" * 200])
def test_expire_and_persist_keep_the_value(value):
    table = TableProbe()
    if value is None:
        table.add(b"some key")
    elif isinstance(value, int):
        table.set_word(b"some key", value)
    else:
        table.set(b"some key", value)
    expected = True if value is None else value
    assert table.set_expire(b"some key", 5) and table.set_expire(b"some key", 1 << 60)
    assert (table.get(b"some key"), table.expire(b"some key"), table.state["expires"]) == (expected, 1 << 60, 1)
    table.check()
    assert table.persist(b"some key")
    assert (table.get(b"some key"), table.expire(b"some key"), table.state["expires"]) == (expected, -1, 0)
    table.check()


def test_pop_and_delete():
    table = filled(100)
    assert table.pop(b"key:5") == b"value"
    assert table.pop(b"key:5") is None
    assert table.delete(b"key:6") and not table.delete(b"key:6")
    assert len(table) == 98
    table.check()


def test_growth_moves_one_bucket_per_operation():
    table = filled(1024)
    finish(table)
    assert table.state["buckets"] == (1024, 0)
    table.set(b"one more", b"")
    assert table.state["buckets"] == (1024, 2048)
    moved = []
    while (index := table.state["rehash_index"]) >= 0:
        moved.append(index)
        table.get(b"key:1")
    assert all(1 <= b - a <= 11 for a, b in zip(moved, moved[1:], strict=False))
    assert table.state["buckets"] == (2048, 0)
    table.check()


def test_shrinks_only_below_ten_percent_and_to_four_at_least():
    table = filled(2000)
    finish(table)
    for key in keys(2000)[205:]:
        table.delete(key)
    assert table.state["buckets"] == (2048, 0) and not table.shrink_if_sparse()
    table.delete(b"key:204")
    assert table.shrink_if_sparse() and not table.shrink_if_sparse()
    assert table.state["buckets"] == (2048, 256)
    table.check()
    finish(table)
    assert table.state["buckets"] == (256, 0)
    table.check()
    for key in keys(204):
        table.delete(key)
    assert table.shrink_if_sparse()
    assert table.state["buckets"] == (4, 0)


def test_pause_stops_rehashing_and_the_start_of_a_resize():
    table = filled(1024)
    finish(table)
    table.pause(1)
    for key in keys(3000):
        table.set(key, b"other")
    assert table.state["buckets"] == (1024, 0) and not table.rehash(5) and table.rehash_us(100) == 0
    assert not table.shrink_if_sparse() and not table.resize_hint(1 << 20)
    table.check()
    table.pause(-1)
    table.set(b"one more", b"")
    assert table.state["buckets"] == (1024, 4096)
    table.pause(1)
    index = table.state["rehash_index"]
    for key in keys(100):
        table.get(key)
    assert table.state["rehash_index"] == index
    table.pause(-1)
    assert table.rehash_us(10_000_000) > 0
    table.check()


def test_a_resize_that_would_pass_the_memory_limit_waits_until_the_table_is_well_overfull():
    table = filled(1024)
    finish(table)
    try:
        resize_limit(memory.used() + 1000)
        for key in keys(1024 + 600, b"more:%d"):
            table.set(key, b"")
            if table.state["buckets"] != (1024, 0):
                break
        assert 1024 * 1618 // 1000 <= len(table) - 1 <= 1024 * 1619 // 1000 + 1
    finally:
        resize_limit(0)
    table.check()


def test_resize_hint_spares_the_steps():
    table = TableProbe()
    assert table.resize_hint(1000) and not table.resize_hint(1000)
    assert table.state["buckets"] == (1024, 0)
    for key in keys(1000):
        table.set(key, b"")
        assert table.state["rehash_index"] == -1
    assert table.resize_hint(5000)
    assert table.state["buckets"] == (1024, 8192)


def test_scan_of_a_still_table_returns_every_key_once():
    table = filled(1000)
    finish(table)
    assert Counter(full_scan(table)) == Counter(keys(1000))


def test_scan_of_a_rehashing_table_returns_every_key():
    for steps in (1, 100, 500):
        table = filled(1024)
        finish(table)
        table.set(b"one more", b"")
        table.rehash(steps)
        assert table.state["rehash_index"] >= 0
        table.pause(1)
        assert Counter(full_scan(table)) == Counter([*keys(1024), b"one more"])
        table.pause(-1)


@pytest.mark.parametrize("seed", range(6))
def test_scan_misses_nothing_while_the_table_grows_and_shrinks(seed):
    rng = random.Random(seed)
    table, steady, passing = filled(30), set(keys(30)), 0

    def change():
        nonlocal passing
        action = rng.random()
        if action < 0.2:
            for _ in range(rng.randrange(400)):
                table.set(b"passing:%d" % passing, b"")
                passing += 1
        elif action < 0.4:
            for key in keys(passing, b"passing:%d"):
                table.delete(key)
            passing = 0
            table.shrink_if_sparse()
        elif action < 0.8:
            table.rehash(rng.randrange(1, 60))
        else:
            finish(table)

    for _ in range(5):
        assert steady <= set(full_scan(table, change))
        table.check()


def test_scan_visit_may_delete_its_entry():
    table, cursor, seen = filled(3000), 0, []
    while True:
        cursor, found = table.scan(cursor, delete=True)
        seen += found
        if cursor == 0:
            break
    assert sorted(seen) == sorted(keys(3000)) and len(table) == 0
    table.check()


def test_scan_of_an_empty_table_ends_at_once():
    assert TableProbe().scan(0) == (0, [])
    assert TableProbe().scan(12345) == (0, [])


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize("rehashing", [False, True])
def test_random_reaches_every_key_about_equally(fair, rehashing):
    table = filled(1024 if rehashing else 700)
    if rehashing:
        finish(table)
        table.set(b"key:1024", b"")
        table.rehash(300)
        table.pause(1)
    else:
        finish(table)
    count = len(table)
    picks = Counter(table.random(fair) for _ in range(60 * count))
    assert len(picks) == count
    assert max(picks.values()) < 60 * 8
    if rehashing:
        table.pause(-1)


def test_random_in_empty_and_sparse_tables():
    assert TableProbe().random() is None and TableProbe().random(True) is None and TableProbe().sample(5) == []
    table = TableProbe()
    table.resize_hint(1 << 18)
    table.set(b"alone", b"")
    assert {table.random() for _ in range(3)} == {b"alone"}
    assert table.random(True) == b"alone"


def test_sample_returns_keys_of_the_table():
    table = filled(1024)
    for _ in range(200):
        assert set(table.sample(16)) <= set(keys(1024))
    assert sum(len(table.sample(16)) for _ in range(100)) > 1000
    assert len(TableProbe().sample(3)) == 0
    assert len(filled(3).sample(10)) <= 3


def test_expire_scan_visits_only_entries_that_expire_and_goes_round():
    table = filled(2000)
    for key in keys(2000)[::10]:
        table.set_expire(key, 100)
    for key in keys(2000)[5::10]:
        table.set_expire(key, 900)
    deleted, visited = [], 0
    for _ in range(1000):
        count, found = table.expire_scan(500, 16, 5)
        visited += count
        deleted += found
        table.check()
        if len(deleted) == 200:
            break
    assert sorted(deleted) == sorted(keys(2000)[::10])
    assert table.state["expires"] == 200 and len(table) == 1800
    count, found = table.expire_scan(0, 1 << 30, 1 << 30)
    assert (count, found) == (200, []), "one call goes round once"


def test_expire_scan_of_a_table_with_few_expires_is_cheap():
    table = filled(60_000)
    finish(table)
    table.set_expire(b"key:77", 1)
    assert table.expire_scan(500, 65536 // 64 + 4, 10) == (1, [b"key:77"])
    assert table.expire_scan(500, 100, 10) == (0, [])


def test_expire_scan_while_rehashing_up_and_down():
    table = filled(1024)
    for key in keys(1024):
        table.set_expire(key, 5)
    finish(table)
    table.set(b"one more", b"")
    table.rehash(200)
    table.check()
    visited, found = table.expire_scan(4, 1 << 30, 1 << 30)
    assert visited == 1024 and found == []
    for key in keys(1024)[60:]:
        table.delete(key)
    finish(table)
    assert table.shrink_if_sparse()
    table.rehash(3)
    table.check()
    visited, found = table.expire_scan(5, 1 << 30, 1 << 30)
    assert visited == 60 and sorted(found) == sorted(keys(60))
    table.check()
    assert len(table) == 1


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 30])
def test_a_table_is_freed_in_steps_with_its_words(step):
    table = filled(1024)
    for key in keys(40, b"word:%d"):
        table.set_word(key, 1)
    assert table.state["rehash_index"] >= 0
    steps, words = table.clear_in_steps(step)
    assert words == 40 and len(table) == 0
    assert steps >= 1064 // step
    table.check()


def test_large_arrays_are_given_back_while_the_table_shrinks():
    table = filled(70_000)
    finish(table)
    assert table.resize_hint(2_000_000)
    assert table.rehash_us(100) > 0
    table.check()
    finish(table)
    assert table.state["buckets"] == (1 << 21, 0)
    assert table.shrink_if_sparse()
    while table.rehash(50):
        pass
    table.check()
    for key in keys(70_000):
        table.delete(key)
    memory.purge()
    assert memory.info()["retired"] == 0


def test_a_small_string_key_costs_at_most_fifty_bytes_and_sixty_with_an_expire():
    table, before, count = TableProbe(), memory.used(), 1_000_000
    for i in range(count):
        table.set(b"user:%06d" % i, b"0123456789")
    assert (memory.used() - before) / count <= 50
    assert table.state["memory"] == pytest.approx(memory.used() - before, abs=1000)
    for i in range(0, count):
        table.set_expire(b"user:%06d" % i, 1_900_000_000_000)
    assert (memory.used() - before) / count <= 60


def test_hashes_differ_between_processes_unless_a_seed_is_given():
    def hash_in(environment):
        return subprocess.run(
            [sys.executable, "-c", REPEATABLE], env=environment, capture_output=True, check=True
        ).stdout

    path = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    path.pop("REMUS_HASH_SEED", None)
    assert hash_in(path) != hash_in(path)
    assert hash_in({**path, "REMUS_HASH_SEED": "1"}) == hash_in({**path, "REMUS_HASH_SEED": "1"})
    assert hash_in({**path, "REMUS_HASH_SEED": "1"}) != hash_in({**path, "REMUS_HASH_SEED": "2"})


@pytest.mark.parametrize("form", [b"%d", b"user:%06d", b"a-rather-long-prefix-of-a-key:{%d}:suffix", b"%08d" * 8])
def test_hash_spreads_sequential_keys(form):
    many = [form % ((i,) * form.count(b"%")) for i in range(1 << 14)]
    for shift in (0, 50):
        buckets = Counter(TableProbe.hash(key) >> shift & 0x3FFF for key in many)
        empty = 1 - len(buckets) / (1 << 14)
        assert 0.34 < empty < 0.40, "1/e of the buckets stay empty at load 1"
        assert max(buckets.values()) <= 12
    assert len({TableProbe.hash(key) for key in many}) == len(many)


def test_blobs_grow_are_shared_and_freed():
    blob = BlobProbe(b"hello", 10)
    blob.append(b" you")
    assert blob.data == b"hello you"
    assert blob.share() == 2
    assert blob.reserve(100_000) == 100_000
    blob.append(b"x" * 90_000)
    assert blob.data == b"hello you" + b"x" * 90_000
    assert blob.reserve(0) == 90_009
    assert blob.data == b"hello you" + b"x" * 90_000
    assert BlobProbe.try_new_fails((1 << 63) - 1)
