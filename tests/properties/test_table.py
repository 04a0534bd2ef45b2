"""The keyspace table against a dict, by hypothesis: any order of operations, rehashing forced at any moment."""

import gc

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.structures import memory
from server.structures.table import TableProbe

KEYS = st.one_of(
    st.integers(0, 400).map(lambda i: b"k%d" % i),
    st.binary(max_size=20),
    st.integers(0, 3).map(lambda i: b"long" * 600 + b"%d" % i),
)
VALUES = st.one_of(st.just(True), st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=255))


class TableAgainstDict(RuleBasedStateMachine):
    """The dict holds key -> [value, expire]; expire is -1 without one."""

    def __init__(self):
        super().__init__()
        gc.collect()                   # what other tests left behind must not be freed while this one counts
        self.before = memory.used()
        self.table = TableProbe()
        self.dict = {}
        self.pauses = 0
        self.cursor = 0
        self.steady = set()  # present since the SCAN began, and not yet returned

    @rule(key=KEYS, value=VALUES)
    def store(self, key, value):
        new = key not in self.dict
        if value is True:
            assert self.table.add(key) == new
            self.dict.setdefault(key, [True, -1])
            return
        assert (self.table.set_word if isinstance(value, int) else self.table.set)(key, value) == new
        self.dict.setdefault(key, [value, -1])[0] = value

    @rule(start=st.integers(0, 400), count=st.integers(1, 120), when=st.integers(-1, 50))
    def store_many(self, start, count, when):
        for i in range(start, start + count):
            key = b"k%d" % i
            self.store(key, i)
            if when >= 0:
                self.set_expire(key, when)

    @rule(key=KEYS)
    def get(self, key):
        value, expire = self.dict.get(key, (None, None))
        assert self.table.get(key) == value
        assert self.table.expire(key) == expire

    @rule(key=KEYS, pop=st.booleans())
    def delete(self, key, pop):
        value = self.dict.pop(key, (None,))[0]
        self.steady.discard(key)
        if pop:
            assert self.table.pop(key) == value
        else:
            assert self.table.delete(key) == (value is not None)

    @rule(start=st.integers(0, 400), count=st.integers(1, 300))
    def delete_many(self, start, count):
        for i in range(start, start + count):
            self.delete(b"k%d" % i, False)

    @rule(key=KEYS, when=st.integers(0, 50))
    def set_expire(self, key, when):
        assert self.table.set_expire(key, when) == (key in self.dict)
        if key in self.dict:
            self.dict[key][1] = when

    @rule(key=KEYS)
    def persist(self, key):
        assert self.table.persist(key) == (key in self.dict and self.dict[key][1] >= 0)
        if key in self.dict:
            self.dict[key][1] = -1

    @rule(now=st.integers(0, 50), buckets=st.integers(1, 40), entries=st.integers(1, 40))
    def expire_some(self, now, buckets, entries):
        _, gone = self.table.expire_scan(now, buckets, entries)
        for key in gone:
            assert 0 <= self.dict.pop(key)[1] <= now
            self.steady.discard(key)

    @rule(now=st.integers(0, 50))
    def expire_all(self, now):
        _, gone = self.table.expire_scan(now, 1 << 40, 1 << 40)
        assert sorted(gone) == sorted(key for key, (_, when) in self.dict.items() if 0 <= when <= now)
        for key in gone:
            del self.dict[key]
            self.steady.discard(key)

    @rule(steps=st.integers(1, 30))
    def scan_on(self, steps):
        for _ in range(steps):
            if self.cursor == 0:
                self.steady = set(self.dict)
            self.cursor, found = self.table.scan(self.cursor)
            assert set(found) <= set(self.dict)
            self.steady -= set(found)
            if self.cursor == 0:
                assert not self.steady, "present all the time and never returned"

    @rule(buckets=st.integers(1, 200))
    def rehash(self, buckets):
        self.table.rehash(buckets)

    @rule()
    def shrink(self):
        self.table.shrink_if_sparse()

    @rule(entries=st.integers(1, 2000))
    def resize_hint(self, entries):
        self.table.resize_hint(entries)

    @rule()
    def pause(self):
        self.table.pause(1)
        self.pauses += 1

    @precondition(lambda self: self.pauses)
    @rule()
    def resume(self):
        self.table.pause(-1)
        self.pauses -= 1

    @rule(fair=st.booleans())
    def random(self, fair):
        key = self.table.random(fair)
        assert key in self.dict if self.dict else key is None

    @rule(count=st.integers(1, 40))
    def sample(self, count):
        sample = self.table.sample(count)
        assert len(sample) <= count
        assert set(sample) <= set(self.dict)

    @rule(step=st.integers(1, 500))
    def clear(self, step):
        words = sum(type(value) is int for value, _ in self.dict.values())
        assert self.table.clear_in_steps(step)[1] == words
        self.dict.clear()
        self.steady.clear()
        self.pauses = self.cursor = 0

    @invariant()
    def holds(self):
        self.table.check()
        assert len(self.table) == len(self.dict)
        assert self.table.state["expires"] == sum(when >= 0 for _, when in self.dict.values())

    def teardown(self):
        for key, (value, expire) in self.dict.items():
            assert (self.table.get(key), self.table.expire(key)) == (value, expire)
        self.table = None
        memory.check()
        assert memory.used() == self.before


TestTableAgainstDict = TableAgainstDict.TestCase
TestTableAgainstDict.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
