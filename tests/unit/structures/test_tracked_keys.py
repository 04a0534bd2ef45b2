"""Which clients may remember which keys: a state machine against a dict of sets, and what it costs."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.structures import memory
from server.structures.tracked_keys import TrackedKeys

KEYS = st.sampled_from([b"", b"a", b"key:1", b"k" * 300, *(b"n%d" % i for i in range(40))])
IDS = st.one_of(st.integers(1, 12), st.sampled_from([1 << 40, (1 << 63) + 1, (1 << 64) - 1]))


class Remembering(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.tracked = TrackedKeys()
        self.model = {}

    @rule(key=KEYS, client=IDS)
    def add(self, key, client):
        assert self.tracked.add(key, client) == (key not in self.model)
        self.model.setdefault(key, set()).add(client)

    @rule(key=KEYS, clients=st.lists(IDS, max_size=30))
    def add_many(self, key, clients):
        for client in clients:
            self.add(key, client)

    @rule(key=KEYS)
    def pop(self, key):
        assert self.tracked.pop(key) == sorted(self.model.pop(key, ()))

    @rule()
    def pop_any(self):
        key = self.tracked.random_key()
        assert (key is None) == (not self.model)
        if key is not None:
            self.pop(key)

    @rule()
    def clear(self):
        self.tracked.clear()
        self.model = {}

    @rule()
    def tend(self):
        self.tracked.tend(100)

    @invariant()
    def agrees(self):
        self.tracked.check()
        assert len(self.tracked) == len(self.model)
        assert self.tracked.items == sum(map(len, self.model.values()))


Remembering.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRemembering = Remembering.TestCase


def test_many_keys_grow_and_shrink():
    before = memory.info()["allocated"]
    tracked = TrackedKeys()
    for i in range(20_000):
        tracked.add(b"key:%d" % i, 1 + i % 3)
        tracked.add(b"key:%d" % i, 7)
    tracked.check()
    for i in range(20_000):
        assert tracked.pop(b"key:%d" % i) == [1 + i % 3, 7]
    while tracked.random_key() is not None:
        raise AssertionError("not empty")
    tracked.clear()
    del tracked
    assert memory.info()["allocated"] <= before + 4096


def test_a_key_with_one_reader_costs_little():
    before = memory.info()["allocated"]
    tracked = TrackedKeys()
    for i in range(10_000):
        tracked.add(b"key:%012d" % i, 5)
    cost = (memory.info()["allocated"] - before) / 10_000
    assert cost <= 72               # 16 bytes of name, 24 of entry, two buckets and rounding
