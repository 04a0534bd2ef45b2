"""Pages that are to be emptied: which they are, and that moving their blocks gives them back."""

import os
import random

import pytest
from hypothesis import given, settings, strategies as st

from server.structures import memory
from server.structures.defrag_plan import PagePlan, moved
from server.structures.memory_probe import MemoryProbe

pytestmark = [
    pytest.mark.usefixtures("exact_memory"),
    pytest.mark.skipif("REMUS_SANITIZED" in os.environ, reason="every block is malloc's there, in no page of ours"),
]
MiB = 1 << 20


def wasted() -> int:
    figures = memory.info()
    return figures["active"] - figures["allocated"]


def planned() -> PagePlan:
    plan = PagePlan()
    while not plan.step(1):
        memory.check()
    memory.check()
    return plan


@pytest.fixture
def probe():
    memory.purge()
    probe = MemoryProbe()
    yield probe
    probe.free_all()
    memory.check()


def sparse(probe: MemoryProbe, size: int, count: int) -> list[int]:
    """So many blocks, of which one of ten is left, anywhere."""
    handles = [probe.alloc(size) for _ in range(count)]
    random.Random(size).shuffle(handles)
    left = len(handles) // 10
    for handle in handles[left:]:
        probe.free(handle)
    return handles[:left]


@pytest.mark.parametrize("size", [16, 40, 200, 300, 1500, 3000, 9000, 20_000])
def test_what_is_left_of_ten_blocks_in_one_goes_into_a_tenth_of_the_pages(probe, size):
    before = wasted()
    count = min(50_000, 20 * MiB // size)
    left = sparse(probe, size, count)
    waste = wasted() - before
    assert waste > count * size * 8 // 10 or size > 2048, "few long blocks in a page: some pages are empty by chance"
    assert planned().pages > 0
    assert sum(probe.move_out(handle) for handle in left) > 0
    memory.check()
    assert wasted() - before < 2 * 65_536
    assert not any(probe.move_out(handle) for handle in left), "a second time nothing has to go"


def test_pages_that_are_full_stay(probe):
    left_by_others = planned().pages       # the allocator is the process's: tests before may have left a sparse page
    for size in (40, 300, 3000):
        for _ in range(4 * MiB // size):
            probe.alloc(size)
    assert planned().pages <= left_by_others


def test_what_is_well_filled_stays(probe):
    handles = [probe.alloc(64) for _ in range(4 * MiB // 64)]
    random.Random(1).shuffle(handles)
    for handle in handles[:len(handles) // 50]:
        probe.free(handle)
    assert planned().pages <= 4


def test_the_emptiest_go_first(probe):
    """Of two halves of the pages one has a tenth of its blocks left, the other nine of ten."""
    handles = [probe.alloc(512) for _ in range(16 * MiB // 512)]
    handles.sort(key=lambda handle: probe.address(handle) >> 16)
    half = len(handles) // 2
    thin, thick = handles[:half], handles[half:]
    for chosen, freed in ((thin, 9), (thick, 1)):
        for at, handle in enumerate(chosen):
            if at % 10 < freed:
                probe.free(handle)
    planned()
    assert [probe.move_out(handle) for handle in thin[9::10]].count(True) > half // 11
    assert [probe.move_out(handle) for handle in thick[9::10]].count(True) < half // 100


def test_a_page_that_leaves_is_used_before_a_new_one_is_taken(probe):
    sparse(probe, 256, 8 * MiB // 256)
    planned()
    resident = memory.info()["resident"]
    for _ in range(6 * MiB // 256):
        probe.alloc(256)
    assert memory.info()["resident"] <= resident
    memory.check()


def test_an_old_plan_is_taken_back_by_the_next(probe):
    left = sparse(probe, 256, 8 * MiB // 256)
    assert planned().pages > 0
    more = [probe.alloc(256) for _ in range(7 * MiB // 256)]
    assert planned().pages <= 4
    moves = moved()[0]
    assert sum(probe.move_out(handle) for handle in left + more) == moved()[0] - moves <= 4 * 256


STEPS = st.lists(
    st.tuples(st.sampled_from(["fill", "thin out", "plan", "move", "purge"]),
              st.sampled_from([8, 24, 100, 1000, 2500, 7000, 33_000, 70_000]), st.integers(1, 1 << 30)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_blocks_keep_their_bytes_whatever_comes_between_the_steps_of_a_plan(steps):
    probe, live, before = MemoryProbe(), [], memory.used()
    plan = PagePlan()
    for step, size, pick in steps:
        if step == "fill":
            live += [probe.alloc(size) for _ in range(min(pick % 700, 300_000 // size))]
        elif step == "thin out":
            chance = random.Random(pick)
            gone = {handle for handle in live if chance.random() < 0.8}
            for handle in gone:
                probe.free(handle)
            live = [handle for handle in live if handle not in gone]
        elif step == "plan":
            if plan.step(pick % 3) and pick % 2:
                plan.begin()
        elif step == "move":
            for handle in live:
                probe.move_out(handle)
        else:
            memory.purge()
        memory.check()
    probe.free_all()
    memory.check()
    assert memory.used() == before
