"""MULTI, what is queued and EXEC with fast paths on and off: the same replies, keyspace, counters and propagation.
And what takes the fast way although somebody watches keys, or waits for some."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.properties.test_fast_paths import (
    CLOCKED,
    COMMANDS,
    Way,
    comparable,
    is_stream_payload,
    key,
    outcome,
    taken,
    value,
    words,
)
from tests.support.resp import Connection
from tests.support.server import Server, wait_until

PLAIN = COMMANDS.filter(lambda command: command[0] not in CLOCKED)
QUEUED = st.one_of(
    PLAIN,
    PLAIN,
    PLAIN,
    words(b"SUNIONSTORE", key, key, key),
    words(b"SELECT", st.sampled_from([b"0", b"1", b"x"])),
    words(b"NOSUCH", key),
    words(b"CLIENT", st.sampled_from([b"GETNAME", b"NOSUCH"])),
    words(b"EVAL", b"return redis.call('incr', KEYS[1])", b"1", key),
    words(b"MULTI"),
    words(b"DISCARD"),
    words(b"WATCH", key),
    words(b"SUBSCRIBE", b"channel"),
    words(b"KEYS", b"*k*"),
    words(b"FLUSHDB"),
)
TRANSACTION = st.tuples(
    st.lists(words(b"WATCH", key), max_size=1),
    st.lists(words(b"SET", key, value), max_size=1),
    st.lists(QUEUED, max_size=8),
    st.sampled_from([b"EXEC", b"EXEC", b"exec", b"DISCARD"]),
).map(lambda parts: [*parts[0], *parts[1], (b"MULTI",), *parts[2], (parts[3],), (b"UNSUBSCRIBE",), (b"UNWATCH",)])
ROUNDS = st.lists(st.one_of(TRANSACTION, TRANSACTION, COMMANDS.map(lambda command: [command])), min_size=1, max_size=6)
Pair = tuple[Connection, Connection]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """One with fast paths, one without; one hash seed, so that their tables have one order."""
    seed = {"REMUS_HASH_SEED": "7"}
    with (
        Server(tmp_path_factory.mktemp("fast"), env=seed) as fast,
        Server(tmp_path_factory.mktemp("plain"), env=seed) as plain,
    ):
        with plain.connect() as c:
            assert c("DEBUG", "FAST-PATHS", "no") == "OK"
        yield fast, plain


@pytest.fixture
def two(servers: tuple[Server, Server]) -> Iterator[Pair]:
    """A connection to each."""
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


@pytest.fixture
def others(servers: tuple[Server, Server]) -> Iterator[Pair]:
    """Another connection to each."""
    with servers[0].connect() as fast, servers[1].connect() as plain:
        yield fast, plain


def executed(commands: list[tuple[bytes, ...]], replies: list[object]) -> list[object]:
    """The replies, those within EXEC compared as if their commands had come alone."""
    seen: list[object] = []
    queued: list[tuple[bytes, ...]] = []
    for command, reply in zip(commands, replies, strict=True):
        name = command[0].upper()
        if name == b"EXEC" and isinstance(reply, list):
            reply = [comparable(one, its) for one, its in zip(queued, reply, strict=True)]
        if reply == "QUEUED":
            queued.append(command)
        elif name in (b"EXEC", b"DISCARD"):
            queued = []
        seen.append(nameless(reply))
    return seen


def nameless(reply: object) -> object:
    """Stream IDs are of the moment."""
    if isinstance(reply, list):
        return [nameless(one) for one in reply]
    if is_stream_payload(reply):
        return b"PAYLOAD"
    return b"ID" if isinstance(reply, bytes) and re.fullmatch(rb"\d{13}-\d+", reply) else reply


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROUNDS, st.booleans(), st.lists(key, max_size=2))
def test_transactions_agree(
    two: Pair, others: Pair, rounds: list[list[tuple[bytes, ...]]], pipelined: bool, watched: list[bytes]
) -> None:
    """Also while others watch keys, which keeps fast paths of writes from these."""
    commands = [command for one in rounds for command in one]
    seen = []
    for c, other in zip(two, others, strict=True):
        for db in ("1", "0"):
            other("SELECT", db)
            for name in watched:
                other("WATCH", name)
        replies, *rest = outcome(c, commands, Way("pipelined" if pipelined else "one by one"))
        for db in ("1", "0"):
            c("SELECT", db)
            rest.append(sorted(c("KEYS", "*")))
        seen.append((executed(commands, replies), *rest, other("MULTI"), other("EXEC")))
    for fast, plain in zip(*seen, strict=True):
        assert fast == plain


def test_transactions_are_taken(two: Pair) -> None:
    """MULTI, WATCH and the commands that EXEC runs count as fast; EXEC itself does not."""
    queued = [("SET", "a", "1"), ("INCR", "a"), ("LCS", "a", "a"), ("GET", "a")]
    for c, expected in zip(two, (5, 0), strict=True):
        before = taken(c)
        c.pipeline([("WATCH", "a"), ("MULTI",), *queued, ("EXEC",)])
        assert taken(c) - before == expected


def test_a_key_that_nobody_watches_is_written_fast(two: Pair, others: Pair) -> None:
    """A watched key costs the writes of others nothing, and its own go through the definition."""
    for c, other, expected in zip(two, others, (3, 0), strict=True):
        c("DEL", "a", "b", "c")
        other("WATCH", "a")
        before = taken(c)
        c.pipeline([("SET", "b", "1"), ("MSET", "b", "1", "c", "2"), ("MSET", "b", "1", "a", "2")])
        assert c("INCR", "c") == 3
        assert taken(c) - before == expected
        other("MULTI")
        assert other("EXEC") == None  # noqa: E711


def test_a_key_that_nobody_waits_for_is_written_fast(two: Pair, others: Pair) -> None:
    """The same for keys that blocked clients wait for; who serves and who is served take the fast way, too."""
    for c, other, expected in zip(two, others, (5, 0), strict=True):
        c("FLUSHALL")
        other.send("BZPOPMIN", "queue", "0")
        wait_until(lambda: b"blocked_clients:1" in c("INFO", "clients"))  # noqa: B023
        before = taken(c)
        c.pipeline([("SET", "b", "1"), ("ZADD", "elsewhere", "1", "m"), ("ZADD", "queue", "1", "m"), ("INCR", "b")])
        assert other.read() == [b"queue", b"m", b"1"]
        assert taken(c) - before == expected
