"""The slab allocator: size classes, alignment, reuse, and giving memory back."""

import subprocess
import sys

import pytest
from hypothesis import given, settings, strategies as st

from server.structures import memory
from server.structures.memory_probe import MemoryProbe

pytestmark = pytest.mark.usefixtures("exact_memory")
MiB = 1 << 20

SIZES = st.one_of(st.integers(0, 300), st.integers(0, 2100), st.integers(2000, 20000), st.integers(100_000, 300_000))
STEPS = st.lists(
    st.tuples(st.sampled_from(["alloc", "zalloc", "free", "realloc", "purge"]), SIZES, st.integers(0, 1 << 30)),
    max_size=120,
)


@pytest.fixture
def probe():
    before = memory.used()
    probe = MemoryProbe()
    yield probe
    probe.free_all()
    memory.check()
    assert memory.used() == before


def test_small_sizes_are_rounded_to_eight(probe):
    assert [probe.good_size(n) for n in (0, 1, 8, 9, 37, 255, 256)] == [8, 8, 8, 16, 40, 256, 256]


def test_coarser_classes_waste_at_most_a_fifth_long_ones_three_percent(probe):
    good = [probe.good_size(n) for n in range(1, 100_000)]
    assert good == sorted(good)
    assert all(size <= held for size, held in enumerate(good, 1))
    assert all(held <= size * 1.25 for size, held in enumerate(good, 1) if size > 256)
    assert memory.class_sizes()[31:36] == [256, 320, 384, 448, 512]
    assert all(held <= size * 33 / 32 for size, held in enumerate(good, 1) if size > 2048)
    assert memory.class_sizes()[43:46] == [2048, 2112, 2176]
    assert memory.class_sizes()[-1] == 65536
    assert memory.class_sizes() == sorted(set(memory.class_sizes()))
    assert all(probe.good_size(size) == size for size in memory.class_sizes())


def test_a_good_size_is_its_own_good_size(probe):
    for size in [*range(1, 5000), 131_071, 131_072, 131_073, 1_000_000]:
        assert probe.good_size(probe.good_size(size)) == probe.good_size(size)


def test_used_counts_good_sizes(probe):
    before = memory.used()
    handles = [probe.alloc(size) for size in (1, 37, 300, 2048, 2049, 1_000_000)]
    assert memory.used() - before == sum(probe.good_size(n) for n in (1, 37, 300, 2048, 2049, 1_000_000))
    for handle in handles:
        probe.free(handle)
    assert memory.used() == before


def test_realloc_stays_within_a_good_size(probe):
    handle = probe.alloc(33)
    assert not probe.realloc(handle, 40)
    assert probe.realloc(handle, 41)
    assert probe.realloc(handle, 5000)
    assert not probe.realloc(handle, probe.good_size(5000))
    assert probe.realloc(handle, 100)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_blocks_keep_their_bytes_and_never_overlap(steps):
    probe, live, before = MemoryProbe(), [], memory.used()
    for step, size, pick in steps:
        if step in ("alloc", "zalloc"):
            live.append(probe.alloc(size, step == "zalloc"))
        elif step == "purge":
            memory.purge()
        elif live and step == "free":
            probe.free(live.pop(pick % len(live)))
        elif live:
            probe.realloc(live[pick % len(live)], size)
    memory.check()
    for handle in live:
        probe.free(handle)
    memory.check()
    assert memory.used() == before


def given_back() -> None:
    """As the cron does."""
    for _ in range(16):
        memory.give_back()


def test_memory_goes_back_when_everything_is_freed(probe):
    memory.purge()
    before = memory.info()
    handles = [probe.alloc(size) for size in (24, 40, 640) for _ in range(48_000)]
    assert memory.info()["resident"] - before["resident"] >= 30 * MiB
    for handle in handles:
        probe.free(handle)
    assert memory.info()["resident"] - before["resident"] <= 17 * MiB, "no more than is kept for a moment"
    given_back()
    assert memory.info()["resident"] - before["resident"] <= 3 * MiB, "no more than is kept for long"
    memory.purge()
    assert memory.info()["resident"] <= before["resident"] + 65_536, "what is left is bookkeeping"


def test_long_blocks_go_back_as_they_are_freed(probe):
    memory.purge()
    before = memory.info()
    handles = [probe.alloc(size) for size in (2500, 8192, 40_000, 65_536) for _ in range(200)]
    resident = memory.info()["resident"] - before["resident"]
    asked = 200 * (2500 + 8192 + 40_000 + 65_536)
    assert asked <= resident <= asked * 1.06, "what no block fits in is never touched"
    for freed, handle in enumerate(handles, 1):
        probe.free(handle)
        if freed % 200 == 0:
            given_back()
            left = memory.info()
            assert left["allocated"] <= left["resident"] <= left["allocated"] + 5 * MiB
    memory.check()


def test_freed_blocks_are_used_again(probe):
    handles = [probe.alloc(48) for _ in range(5000)]
    mapped = memory.info()["mapped"]
    for _ in range(10):
        for handle in handles[::2]:
            probe.free(handle)
        handles[::2] = [probe.alloc(48) for _ in handles[::2]]
    assert memory.info()["mapped"] == mapped
    memory.check()


@pytest.mark.parametrize("size", [1, 4096, 131_071, 131_072, 1_000_000, 3 * MiB + 5])
def test_mapped_arrays_are_zero_and_go_back_in_slices(probe, size):
    before = memory.used()
    assert probe.map_round_trip(size, False) == 0
    steps = probe.map_round_trip(size, True)
    assert steps == (0 if size <= 262_144 else -(-size // 262_144))
    assert memory.used() == before


def test_an_impossible_size_from_outside_is_refused(probe):
    before = memory.used()
    assert probe.try_alloc_fails((1 << 62) + 1)
    assert probe.try_alloc_fails((1 << 64) - 1)
    assert memory.used() == before


def test_out_of_memory_ends_the_process_with_a_line():
    code = "from server.structures.memory_probe import MemoryProbe; MemoryProbe().alloc((1 << 64) - 1)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.returncode == -6
    assert "Out Of Memory allocating 18446744073709551615 bytes!" in result.stderr
