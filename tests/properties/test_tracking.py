"""No stale read is possible to a client that follows the protocol of client-side caching, whatever happens to its keys.

The machine has a server, somebody who changes keys, and a cache: a client that keeps what it has read and drops what it
is told to drop. After each step what the cache still has must be what the server has.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.resp import Connection, Push
from tests.support.server import Server, wait_until

NAMES = [b"a", b"b", b"x:1", b"x:2", b"l"]
KEYS = st.sampled_from(NAMES)
VALUES = st.integers(0, 99).map(lambda n: b"%d" % n)
MODES = {
    "default": (), "no loop": ("NOLOOP",), "opt in": ("OPTIN",), "opt out": ("OPTOUT",), "broadcast": ("BCAST",),
    "prefix": ("BCAST", "PREFIX", "x:"), "prefixes, no loop": ("BCAST", "PREFIX", "x:", "PREFIX", "a", "NOLOOP"),
}  # fmt: skip
WRITES = st.one_of(
    st.tuples(st.just(b"SET"), KEYS, VALUES),
    st.tuples(st.just(b"SET"), KEYS, VALUES, st.just(b"PX"), st.sampled_from([b"1", b"3", b"100000"])),
    st.tuples(st.sampled_from([b"DEL", b"UNLINK", b"INCR", b"GETDEL", b"PERSIST"]), KEYS),
    st.tuples(st.sampled_from([b"APPEND", b"RPUSH", b"SADD", b"GETSET", b"SETNX"]), KEYS, VALUES),
    st.tuples(st.just(b"PEXPIRE"), KEYS, st.sampled_from([b"0", b"1", b"100000"])),
    st.tuples(st.sampled_from([b"RENAME", b"COPY", b"SMOVE"]), KEYS, KEYS).map(
        lambda words: (*words, b"1") if words[0] == b"SMOVE" else words),
    st.tuples(st.just(b"MSET"), KEYS, VALUES, KEYS, VALUES),
    st.tuples(st.sampled_from([b"FLUSHALL", b"FLUSHDB"]), st.sampled_from([b"SYNC", b"ASYNC"])),
)  # fmt: skip
SCRIPT = b"return redis.pcall(unpack(ARGV))"


class Cache:
    """A client that follows the protocol. receiver: the connection that is told, which may be its own."""

    def __init__(self, server: Server, mode: str, redirects: bool) -> None:
        self.mode = mode
        self.data = server.connect(protocol=2 if redirects else 3)
        self.receiver = server.connect(protocol=3) if redirects else self.data
        to = ("REDIRECT", self.receiver("CLIENT", "ID")) if redirects else ()
        self.data.ok("CLIENT", "TRACKING", "ON", *MODES[mode], *to)
        self.kept: dict[bytes, Any] = {}
        self.dropped: set[bytes] | None = set()         # since a reading began; None: all

    def may_keep(self, key: bytes) -> bool:
        prefixes = [word.encode() for word in MODES[self.mode] if word in ("x:", "a")]
        return not prefixes or key.startswith(tuple(prefixes))

    def hear(self) -> None:
        """Drop what it has been told to drop, everything that was caused before included."""
        assert self.receiver("ECHO", "fence") == b"fence"
        pushes, self.receiver.pushes = self.receiver.pushes, []
        for push in pushes:
            assert isinstance(push, Push) and push[0] == b"invalidate"
            if push[1] is None:
                self.kept, self.dropped = {}, None
            for key in push[1] or ():
                self.kept.pop(key, None)
                if self.dropped is not None:
                    self.dropped.add(key)

    def read(self, key: bytes, wanted: bool) -> None:
        """Take the value from here if it is kept; else ask, and keep it unless it was invalidated on the way."""
        self.hear()
        if key in self.kept:
            return
        if wanted and self.mode == "opt in":
            self.data.ok("CLIENT", "CACHING", "YES")
        if not wanted and self.mode == "opt out":
            self.data.ok("CLIENT", "CACHING", "NO")
        self.dropped = set()
        value = self.data("GET", key)
        if self.receiver is self.data:
            before, self.receiver.pushes = self.receiver.pushes, []     # what came before the reply is older
            self.kept = {} if any(push[1] is None for push in before) else self.kept
            for push in before:
                for other in push[1] or ():
                    self.kept.pop(other, None)
        if wanted and self.may_keep(key):
            self.kept[key] = value
        self.hear()

    def write(self, words: tuple[bytes, ...], how: str) -> None:
        """Its own change: with NOLOOP it knows itself what to drop."""
        if how == "exec":
            self.data.pipeline([("MULTI",), words, ("EXEC",)])
        elif how == "script":
            self.data("EVAL", SCRIPT, 0, *words)
        else:
            self.data(*words)
        if "no loop" in self.mode:
            for word in words[1:]:
                self.kept.pop(word, None)
        self.hear()

    def close(self) -> None:
        self.data.close()
        self.receiver.close()


class Caching(RuleBasedStateMachine):
    server: Server
    other: Connection

    def __init__(self) -> None:
        super().__init__()
        self.cache: Cache | None = None
        self.other.ok("FLUSHALL")

    @initialize(mode=st.sampled_from(sorted(MODES)), redirects=st.booleans(), fast=st.booleans(),
                limit=st.sampled_from([0, 1, 2, 1000]))
    def begin(self, mode: str, redirects: bool, fast: bool, limit: int) -> None:
        self.other.ok("CONFIG", "SET", "tracking-table-max-keys", limit)
        self.other.ok("DEBUG", "FAST-PATHS", "yes" if fast else "no")
        self.cache = Cache(self.server, mode, redirects)

    @rule(key=KEYS, wanted=st.sampled_from([True, True, False]))
    def read(self, key: bytes, wanted: bool) -> None:
        self.cache.read(key, wanted)

    @rule(words=WRITES, how=st.sampled_from(["plain", "exec", "script"]))
    def somebody_writes(self, words: tuple[bytes, ...], how: str) -> None:
        if how == "exec":
            self.other.pipeline([("MULTI",), words, ("GET", words[1]), ("EXEC",)])
        elif how == "script":
            self.other("EVAL", SCRIPT, 0, *words)
        else:
            self.other(*words)

    @rule(words=WRITES, how=st.sampled_from(["plain", "exec", "script"]))
    def it_writes(self, words: tuple[bytes, ...], how: str) -> None:
        self.cache.write(words, how)

    @rule()
    def some_are_evicted(self) -> None:
        self.other.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", 1)
        self.other("SET", "a", "no room")
        self.other.ok("CONFIG", "SET", "maxmemory", 0)

    @rule(times=st.integers(1, 3))
    def time_passes(self, times: int) -> None:
        for _ in range(times):
            self.other("DEBUG", "SLEEP", "0.001")

    @rule()
    def it_reads_in_a_transaction(self) -> None:
        """Without keeping: what it is told for that is not needed, but may come."""
        self.cache.data.pipeline([("MULTI",), *(("TYPE", key) for key in NAMES), ("EXEC",)])

    @invariant()
    def nothing_kept_is_stale(self) -> None:
        if self.cache is None:
            return
        truth = {key: self.other("GET", key) for key in NAMES}      # lets go what has expired, and tells it
        self.cache.hear()
        for key, value in self.cache.kept.items():
            assert value == truth[key], (key, self.cache.mode)

    def teardown(self) -> None:
        if self.cache is not None:
            self.cache.close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Caching]]:
    with Server(tmp_path_factory.mktemp("server")) as server, server.connect() as other:
        Caching.server, Caching.other = server, other
        yield Caching
        with server.connect() as c:
            wait_until(lambda: b"tracking_clients:0\r" in c("INFO", "clients"), "everybody to be gone")
            c.ok("FLUSHALL")
            assert b"tracking_total_keys:0\r" in c("INFO", "stats")


def test_no_stale_read(machine: type[Caching]) -> None:
    """Random expiry, eviction, transactions, scripts, flushes, a table that is too small; every mode, with and without
    redirection, on the fast paths and off them."""
    run_state_machine_as_test(machine, settings=settings(
        max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)))
