"""Keys by slot against a dict of sets: whatever comes, goes, moves or expires, a database knows each slot's keys."""

import gc

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.keyspace import by_slot
from server.keyspace.database import Keyspace
from server.registry import clock
from server.structures import memory
from server.structures.crc16 import hash_slot
from tests.support.moving import Mover

KEYS = st.one_of(
    st.integers(0, 30).map(lambda i: b"k%d" % i),
    st.integers(0, 600).map(lambda i: b"{one}%d" % i),
    st.binary(max_size=12),
)
SIZES = st.sampled_from((0, 1, 30, 190, 300))


class BySlotAgainstSets(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        gc.collect()                   # what other tests left behind must not be freed while this one counts
        self.before = memory.used()
        self.keyspace = Keyspace(1, True)
        self.db = self.keyspace.databases[0]
        self.mover = Mover(self.keyspace)
        self.keys = set()
        self.hidden = set()
        self.timed = set()             # keys with an expire

    def shown(self):
        return {key for key in self.keys if hash_slot(key) not in self.hidden}

    def of(self, slot):
        return {key for key in self.keys if hash_slot(key) == slot}

    @rule(key=KEYS, size=SIZES)
    def store(self, key, size):
        self.db.set(key, b"v" * size)
        self.keys.add(key)
        self.timed.discard(key)

    @rule(start=st.integers(0, 600), count=st.integers(1, 400), tag=st.sampled_from((b"{one}", b"")))
    def store_many(self, start, count, tag):
        for i in range(start, start + count):
            self.store(b"%s%d" % (tag, i), i % 40)

    @rule(key=KEYS, lazy=st.booleans())
    def delete(self, key, lazy):
        assert (self.db.unlink if lazy else self.db.delete)(key) == (key in self.keys)
        self.keys.discard(key)
        self.timed.discard(key)

    @rule(start=st.integers(0, 600), count=st.integers(1, 600), tag=st.sampled_from((b"{one}", b"")))
    def delete_many(self, start, count, tag):
        for i in range(start, start + count):
            self.delete(b"%s%d" % (tag, i), False)

    @rule(key=KEYS, to=KEYS)
    def rename(self, key, to):
        if key in self.keys and to not in self.keys:
            self.db.put(to, self.db.take(key))
            self.keys.remove(key)
            self.keys.add(to)
            if key in self.timed:
                self.timed.remove(key)
                self.timed.add(to)

    @rule(key=KEYS, when=st.booleans())
    def expire(self, key, when):
        """A time gives the entry another shape; it is counted until it goes."""
        if when:
            self.db.set_expire(key, clock.unix_ms() + 1_000_000)
            self.timed |= {key} & self.keys
        else:
            self.db.persist(key)
            self.timed.discard(key)

    @rule(keys=st.lists(KEYS, max_size=5))
    def expire_now(self, keys):
        for key in keys:
            self.db.set_expire(key, 1)
        looked, expired, _ = self.db.expired_sample(1 << 40, 1 << 40)
        assert set(expired) == set(keys) & self.shown() and looked >= len(expired)
        for key in set(keys) - self.shown():       # those that are hidden stay, whatever their time is
            self.db.set_expire(key, clock.unix_ms() + 1_000_000)  # first: PERSIST would delete what is expired
            self.db.persist(key)
        for key in expired:
            self.db.drop_expired(key)
            self.keys.remove(key)
        self.timed -= set(keys)

    @rule(lazy=st.booleans())
    def flush(self, lazy):
        self.db.flush(lazy)
        self.keys.clear()
        self.timed.clear()

    @rule()
    def loaded_aside(self):
        """What a full sync does: others' keys take the place of ours, in a keyspace that knows slots, too."""
        other = self.keyspace.beside()
        for key in (b"{one}new", b"new"):
            other.databases[0].set(key, b"v")
        self.keyspace.take_over(other)
        self.keyspace.discard(other)
        self.keys = {b"{one}new", b"new"}
        self.hidden.clear()
        self.timed.clear()

    @rule(keys=st.lists(KEYS, max_size=3), yes=st.booleans())
    def hide(self, keys, yes):
        slots = {hash_slot(key) for key in keys}
        (by_slot.hide if yes else by_slot.show)(self.db, slots)
        self.hidden = self.hidden | slots if yes else self.hidden - slots

    @rule(key=KEYS, effort=st.integers(1, 300))
    def all_of_a_slot_in_steps(self, key, effort):
        """Whether hidden or not; keys that go meanwhile are not in the way."""
        slot = hash_slot(key)
        found, page = by_slot.some_keys(self.db, slot, 0, effort)
        while page:
            more, page = by_slot.some_keys(self.db, slot, page, effort)
            found += more
        assert sorted(found) == sorted(self.of(slot))

    @rule(microseconds=st.integers(1, 200))
    def rehash(self, microseconds):
        self.keyspace.rehash(microseconds)

    @rule(key=KEYS, limit=st.integers(0, 700))
    def some_of_a_slot(self, key, limit):
        slot = hash_slot(key)
        found = by_slot.keys_in_slot(self.db, slot, limit)
        there = self.of(slot) & self.shown()
        assert len(found) == len(set(found)) == min(limit, len(there))
        assert set(found) <= there

    @rule(most=st.integers(1, 6))
    def move(self, most):
        """As active defragmentation does: entries of hidden slots, too."""
        self.mover.piece(most)

    @invariant()
    def agrees(self):
        for slot in {hash_slot(key) for key in self.keys} | {hash_slot(b"one"), hash_slot(b"k1")}:
            there = self.of(slot) & self.shown()
            assert by_slot.count_in_slot(self.db, slot) == len(there)
            assert sorted(by_slot.keys_in_slot(self.db, slot)) == sorted(there)
            assert by_slot.is_hidden(self.db, slot) == (slot in self.hidden)
            assert by_slot.hidden_count(self.db, slot) == len(self.of(slot) - there)

    @invariant()
    def shows(self):
        """Walks of the keyspace, and its count, know what is not hidden."""
        shown = self.shown()
        assert len(self.db) == len(shown)
        assert self.db.expires == self.keyspace.expires_total() == len(self.timed & shown)
        found, cursor = set(), -1
        while cursor:
            cursor, some = self.db.scan(max(cursor, 0), 100)
            found |= set(some)
        assert found == shown == set(self.db.all_keys())
        chosen = self.db.random_key()
        assert chosen in shown if shown else chosen is None

    def teardown(self):
        by_slot.check(self.db)
        by_slot.show(self.db, self.hidden)
        assert sum(by_slot.counts(self.db)) == len(self.keys) == len(self.db)
        self.keyspace.flush(False)
        while self.keyspace.lazyfree.run(1_000_000):
            pass
        self.db = self.keyspace = self.mover = None
        gc.collect()
        assert memory.used() == self.before


TestBySlot = BySlotAgainstSets.TestCase
TestBySlot.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


def test_only_a_keyspace_of_a_cluster_knows_slots():
    db = Keyspace(1).databases[0]
    db.set(b"k", b"v")
    assert by_slot.count_in_slot(db, hash_slot(b"k")) == 0
    assert by_slot.keys_in_slot(db, hash_slot(b"k")) == []


def test_many_keys_of_one_slot_cost_what_they_cost_of_all():
    """Bytes a key, beside a database without slots: 3 of its hash, and what is spare."""
    costs = []
    for tag in (b"", b"{one}"):
        sizes = []
        for indexed in (False, True):
            keyspace = Keyspace(1, indexed)
            db = keyspace.databases[0]
            for i in range(200_000):
                db.set(b"%skey:%06d" % (tag, i), b"v")
            sizes.append(db.memory())
            keyspace.flush(False)
        costs.append((sizes[1] - sizes[0]) / 200_000)
    assert all(3 < cost < 5.5 for cost in costs), costs
