"""A node of a cluster with fast paths on and off: whatever slot a key is of, ours, another's, one that leaves or one
that comes, the same commands give the same replies, keyspace, counters and stream."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from server.cluster import slots
from server.cluster.conf_format import parse, write
from server.cluster.founding import Place, founded
from server.structures.crc16 import hash_slot
from tests.properties.test_fast_paths import COMMANDS, PAYLOADS, WAYS, Way, outcome, taken
from tests.properties.test_fast_transactions import ROUNDS, executed
from tests.support.pace import wait_until
from tests.support.resp import Connection
from tests.support.server import Server

OTHERS, LEAVING, COMING = (b"b", b"set", b"hll"), (b"n", b"zset"), (b"hash", b"field")
FAR_MS = 1 << 40
PLACES = [Place("127.0.0.1", 1, 2), Place("127.0.0.1", 3, 4)]
OTHER = parse(founded(PLACES, 2, Random(7))[0], tls=False).records[1].name.encode()      # the second's name
Pair = tuple[Connection, Connection]


def node(folder: Path, *, fast: bool) -> Server:
    """One of two masters; the other is known, and never heard of."""
    server = Server(folder, start=False, env={"REMUS_HASH_SEED": "7"}, cluster_enabled="yes",
                    cluster_node_timeout=FAR_MS)
    conf = parse(founded(PLACES, 2, Random(7))[0], tls=False)
    theirs = slots.of(hash_slot(key) for key in OTHERS + COMING)
    conf.records[0].slots, conf.records[1].slots = slots.ALL & ~theirs, theirs
    (folder / "nodes.conf").write_text(write(conf))
    server.start()
    c = server.connect()
    for keys, what in ((LEAVING, "MIGRATING"), (COMING, "IMPORTING")):
        for key in keys:
            c.ok("CLUSTER", "SETSLOT", hash_slot(key), what, OTHER)
    c.ok("DEBUG", "FAST-PATHS", "yes" if fast else "no")
    wait_until(lambda: b"cluster_state:ok" in c.ok("CLUSTER", "INFO"), "it serves")
    return server


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """With fast paths, and without."""
    with node(tmp_path_factory.mktemp("fast"), fast=True) as fast, \
            node(tmp_path_factory.mktemp("plain"), fast=False) as plain:
        yield fast, plain


@pytest.fixture
def two(servers: tuple[Server, Server]) -> Iterator[Pair]:
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


@pytest.fixture
def listeners(servers: tuple[Server, Server]) -> Iterator[Pair]:
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


SETSLOT = [(b"CLUSTER", b"SETSLOT", b"%d" % hash_slot(key), *what)
           for key in LEAVING for what in ((b"STABLE",), (b"MIGRATING", OTHER))]
ASKED = st.sampled_from([(b"ASKING",), (b"READONLY",), (b"READWRITE",), *SETSLOT])


@settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(*[COMMANDS] * 5, ASKED), min_size=1, max_size=25), WAYS)
def test_on_and_off_agree(two: Pair, listeners: Pair, commands: list[tuple[bytes, ...]], way: Way) -> None:
    fast, plain = (outcome(c, commands, way, listener) for c, listener in zip(two, listeners, strict=True))
    for seen, expected in zip(fast, plain, strict=True):
        assert seen == expected


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROUNDS, st.booleans())
def test_transactions_agree(two: Pair, rounds: list[list[tuple[bytes, ...]]], pipelined: bool) -> None:
    commands = [command for one in rounds for command in one]
    seen = []
    for c in two:
        replies, *rest = outcome(c, commands, Way("pipelined" if pipelined else "one by one"))
        seen.append((executed(commands, replies), *rest))
    for fast, plain in zip(*seen, strict=True):
        assert fast == plain


def test_what_is_ours_takes_the_fast_way(two: Pair) -> None:
    """Also of a slot that leaves, as long as the keys are here; a redirect does not."""
    for c, expected in zip(two, (1, 0), strict=True):
        c.ok("FLUSHALL")
        for ours, commands in ((8, [("SET", "a", "1"), ("GET", "a"), ("MSET", "{a}1", "1", "{a}2", "2"), ("PING",),
                                    ("MGET", "{a}1", "{a}2"), ("ZMPOP", "1", "zz", "MIN"),
                                    ("XREAD", "STREAMS", "x", "0"),
                                    ("EVALSHA", c.ok("SCRIPT", "LOAD", "return 1"), "1", "a")]),
                               (0, [("GET", "b"), ("MGET", "a", "list"), ("GET", "n"), ("GET", "hash")])):
            before = taken(c)
            c.pipeline(commands)
            assert taken(c) - before == ours * expected
        before = taken(c)
        assert c.pipeline([("MULTI",), ("SET", "a", "1"), ("GET", "a"), ("EXEC",)])[-1] == ["OK", b"1"]
        assert taken(c) - before == 3 * expected
        before = taken(c)
        assert c("RESTORE-ASKING", "hash", 0, PAYLOADS[0]) == "OK" and c.ok("EXISTS", "a") == 1
        assert taken(c) - before == 2 * expected, "what MIGRATE says is served where the slot comes"
        assert str(c("RESTORE", "field", 0, PAYLOADS[0])).startswith("MOVED ")
        assert str(c("RESTORE-ASKING", "b", 0, PAYLOADS[0])).startswith("MOVED ")
        before = taken(c)
        assert c("EVAL", "return redis.call('get', 'a')", 0) == b"1"
        assert taken(c) - before == 2 * expected, "the script, and what it calls"
