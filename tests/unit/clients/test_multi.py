"""WATCH: who is told of which change. A state machine against a model, and the cases of expired keys."""

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.clients import multi
from server.clients.client import DIRTY_CAS, DIRTY_EXEC, IN_MULTI, Client
from server.dispatch.record import Record
from server.keyspace.database import Keyspace
from server.registry import clock
from server.registry.command import READONLY, WRITE, Command

KEYS = st.sampled_from([b"a", b"b", b"c"])
WHO = st.integers(0, 2)


class Watching(RuleBasedStateMachine):
    """Three clients, one database, changes reported as Effects does."""

    def __init__(self):
        super().__init__()
        self.db = Keyspace(1).databases[0]
        self.clients = [Client(i, self.db) for i in range(3)]
        self.watched = [set() for _ in range(3)]
        self.dirty = [False] * 3

    @rule(who=WHO, key=KEYS)
    def watch(self, who, key):
        if not self.dirty[who]:
            multi.watch(self.clients[who], key)
            self.watched[who].add(key)

    @rule(who=WHO)
    def discard(self, who):
        multi.discard(self.clients[who])
        self.watched[who].clear()
        self.dirty[who] = False

    @rule(key=KEYS)
    def change(self, key):
        multi.changed(self.db, key)
        for who in range(3):
            if key in self.watched[who]:
                self.dirty[who] = True
                self.watched[who].clear()

    @rule()
    def set_and_flush(self):
        self.db.set(b"a", b"1") if hasattr(self.db, "set") else None
        multi.all_changed(self.db)
        for who in range(3):
            if self.db.has_entry(b"a") and b"a" in self.watched[who]:
                self.dirty[who] = True
        self.db.flush(False)

    @invariant()
    def agrees(self):
        for who, client in enumerate(self.clients):
            assert client.has(DIRTY_CAS) == self.dirty[who]
        for key, watchers in self.db.watched.items():
            assert watchers and all(w in w.client.watching and w.key == key for w in watchers)

    def teardown(self):
        for client in self.clients:
            multi.discard(client)


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.fixture
def client():
    client = Client(1, Keyspace(2).databases[0])
    yield client
    multi.discard(client)


def test_the_first_and_the_last_watch_are_told(client, monkeypatch):
    told = []
    monkeypatch.setattr(multi, "when_watched", told.append)
    multi.watch(client, b"a")
    multi.watch(client, b"a")
    multi.watch(client, b"b")
    assert told == [True]
    multi.unwatch(client)
    assert told == [True, False] and client.db.watched == {}


def expired_key(db, key):
    db.set_range(key, 0, b"v")
    db.set_expire(key, clock.unix_ms() - 10)


def test_a_key_that_had_expired_is_absent(client):
    expired_key(client.db, b"k")
    multi.watch(client, b"k")
    assert not multi.watched_expired(client)
    client.db.flush(False)
    multi.changed(client.db, b"k")
    assert not client.has(DIRTY_CAS), "deleting it is no change"
    multi.changed(client.db, b"k")
    assert client.has(DIRTY_CAS), "what comes after is"


def test_a_key_that_expires_is_a_change(client):
    client.db.set_range(b"k", 0, b"v")
    multi.watch(client, b"k")
    assert not multi.watched_expired(client)
    client.db.set_expire(b"k", clock.unix_ms() - 10)
    assert multi.watched_expired(client)


class TestSwap:
    @pytest.fixture
    def other(self, client):
        return client.db.keyspace.databases[1]

    def test_a_live_key_on_either_side(self, client, other):
        other.set_range(b"k", 0, b"v")
        multi.watch(client, b"k")
        multi.all_changed(client.db, other)
        assert client.has(DIRTY_CAS)

    def test_absent_on_both_sides(self, client, other):
        multi.watch(client, b"k")
        multi.all_changed(client.db, other)
        assert not client.has(DIRTY_CAS)

    def test_absent_replaced_by_expired(self, client, other):
        expired_key(other, b"k")
        multi.watch(client, b"k")
        multi.all_changed(client.db, other)
        assert not client.has(DIRTY_CAS) and client.watching[0].expired

    def test_expired_replaced_by_expired(self, client, other):
        expired_key(other, b"k")
        expired_key(client.db, b"k")
        multi.watch(client, b"k")
        multi.all_changed(client.db, other)
        assert not client.has(DIRTY_CAS) and client.watching[0].expired

    def test_expired_replaced_by_live(self, client, other):
        other.set_range(b"k", 0, b"v")
        expired_key(client.db, b"k")
        multi.watch(client, b"k")
        multi.all_changed(client.db, other)
        assert client.has(DIRTY_CAS)


def declared(*args, **flags):
    command = Command(*args, **flags)
    command.record = Record(command)
    return command


def test_a_transaction_collects(client):
    multi.begin(client)
    read = declared("get", None, 2, "string", flags=READONLY)
    write = declared("set", None, -3, "string", flags=WRITE)
    client.transaction.queue(client, read, [b"GET", b"k"], False)
    assert not client.transaction.spreads
    client.transaction.queue(client, write, [b"SET", b"k", b"v"])
    assert client.transaction.spreads
    assert client.transaction.flags == READONLY | WRITE
    assert not client.transaction.every_flag
    assert client.transaction.memory == len(b"GETkSETkv") + 8 * 5
    assert client.transaction.commands == [(read, [b"GET", b"k"]), (write, [b"SET", b"k", b"v"])]
    multi.spoil(client)
    client.transaction.queue(client, read, [b"GET", b"k"])
    assert len(client.transaction) == 2 and client.has(DIRTY_EXEC)
    assert client.slow & IN_MULTI
    multi.discard(client)
    assert client.transaction is None and not client.has(DIRTY_EXEC) and not client.slow & IN_MULTI


def test_the_next_transaction_finds_nothing_of_the_last(client):
    command = declared("set", None, -3, "string", flags=WRITE)
    for turn in range(3):
        multi.begin(client)
        assert len(client.transaction) == 0 and client.transaction.memory == 0
        small = client.transaction.overhead
        words = [[b"SET", b"k%d" % n, b"v" * n * turn] for n in range(100)]
        for argv in words:
            client.transaction.queue(client, command, argv)
        assert client.transaction.commands == [(command, argv) for argv in words]
        assert client.transaction.overhead > client.transaction.memory >= small - 70000
        multi.discard(client)
