"""Whose slot a command is for: ours and a real node, each one of two in a cluster of its own kind, answer the same."""

from collections.abc import Iterator
from typing import Any

import pytest

from server.structures.crc16 import hash_slot
from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.peer import Peer, peer_path, peer_version
from tests.support.resp import Connection, RespError
from tests.support.server import Server

# Slots: bar 5061, hello 866 and the tags are the first node's (0-8191), foo 12182 the second's.
BAR, HELLO, FOO = 5061, 866, 12182
GET_FOO = "return redis.call('get', 'foo')"
GET_BAR = "return redis.call('get', 'bar')"
GET_TWO = "redis.call('get', 'bar') return redis.call('get', 'hello')"
LIBRARY = """#!lua name=l
redis.register_function('two', function(keys) return redis.call('mget', 'bar') and redis.call('get', 'hello') end)
redis.register_function{function_name='crossing', flags={'allow-cross-slot-keys'},
    callback=function(keys) redis.call('set', 'bar', 1) return redis.call('get', 'hello') end}
redis.register_function{function_name='away', flags={'no-writes', 'allow-cross-slot-keys'},
    callback=function(keys) return redis.call('get', 'foo') end}
redis.register_function{function_name='never', flags={'no-cluster'}, callback=function(keys) return 1 end}
"""


class Side:
    """One cluster, seen from its first node; what it says of the second one's port is said of `other`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.c: Connection = cluster[0].connect()

    def __call__(self, *words: Any) -> Any:
        return self.plain(self.c.command(*words))

    def plain(self, reply: Any) -> Any:
        if isinstance(reply, list):
            return [self.plain(one) for one in reply]
        if isinstance(reply, RespError):
            return RespError(str(reply).replace(f":{self.cluster[1].port}", ":other"))
        return reply


class Sides:
    """The same to both: ours answers, theirs agree."""

    def __init__(self, ours: Side, theirs: Side | None) -> None:
        self.ours, self.theirs = ours, theirs

    def __call__(self, *words: Any, peer_says: Any = None) -> Any:
        ours = self.ours(*words)
        if self.theirs is not None:
            theirs = self.theirs(*words)
            assert theirs == (ours if peer_says is None else peer_says), f"{words}: ours {ours!r}, theirs {theirs!r}"
        return str(ours) if isinstance(ours, RespError) else ours

    def setslot(self, slot: int, what: str, number: int = 0) -> None:
        for side in (self.ours, self.theirs):
            if side is not None:
                name = [] if what == "STABLE" else [side.cluster.names[number]]
                assert side("CLUSTER", "SETSLOT", slot, what, *name) == "OK"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cluster]]:
    with Cluster(tmp_path_factory.mktemp("ours"), masters=2, kinds=[Server] * 2) as ours:
        if peer_path() is None:
            yield [ours]
            return
        with Cluster(tmp_path_factory.mktemp("theirs"), masters=2, kinds=[Peer] * 2) as theirs:
            yield [ours, theirs]


@pytest.fixture
def both(clusters: list[Cluster]) -> Sides:
    sides = [Side(cluster) for cluster in clusters]
    for side in sides:
        side("FLUSHALL")
    return Sides(sides[0], sides[1] if len(sides) > 1 else None)


def moved(slot: int) -> str:
    return f"MOVED {slot} 127.0.0.1:other"


CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"
TRY_AGAIN = "TRYAGAIN Multiple keys request during rehashing of slot"


# ---- plain commands
@pytest.mark.parametrize("words", [
    ("GET", "foo"), ("SET", "foo", "1"), ("DEL", "foo"), ("MGET", "foo", "foo"), ("LPUSH", "foo", "a"),
    ("SORT", "foo"), ("XREAD", "STREAMS", "foo", "0"), ("ZUNION", "1", "foo"), ("OBJECT", "ENCODING", "foo"),
    ("EVAL", "return 1", "1", "foo"), ("BLPOP", "foo", "0"), ("BITFIELD", "foo", "GET", "u8", "0"),
    ("MEMORY", "USAGE", "foo"), ("XINFO", "STREAM", "foo"), ("SSUBSCRIBE", "foo"), ("SPUBLISH", "foo", "m"),
    ("GEORADIUS", "foo", "1", "1", "1", "m", "STORE", "foo"), ("DUMP", "foo"), ("WATCH", "foo"),
    ("RESTORE", "foo", "0", "x"),
    ("RESTORE-ASKING", "foo", "0", "x"), ("MIGRATE", "127.0.0.1", "1", "foo", "0", "10"),
])
def test_another_nodes_slot(both, words):
    assert both(*words) == moved(FOO)


@pytest.mark.parametrize("words", [
    ("MGET", "bar", "foo"), ("MGET", "foo", "bar"), ("MSET", "bar", "1", "hello", "2"), ("RENAME", "bar", "hello"),
    ("SINTER", "bar", "hello"), ("XREAD", "STREAMS", "bar", "hello", "0", "0"), ("ZUNION", "2", "bar", "hello"),
    ("EVAL", "return 1", "2", "bar", "hello"), ("BLPOP", "bar", "hello", "0"), ("SORT", "bar", "STORE", "hello"),
    ("SSUBSCRIBE", "bar", "hello"), ("DEL", "bar", "foo"), ("WATCH", "bar", "hello"), ("PFCOUNT", "bar", "hello"),
])
def test_keys_of_several_slots(both, words):
    assert both(*words) == CROSS_SLOT


@pytest.mark.parametrize("threads", [1, 2])
def test_keys_of_every_length_in_one_batch(clusters, threads):
    """Who parses a batch finds the slots of its keys, and need not know where a command has them."""
    node = clusters[0][0]
    keys = [f"{begin}{'k' * more}{number}" for begin in ("", "{", "{}", "{x}", "{ab", "}") for number in range(3)
            for more in (0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15, 16, 30, 250, 260, 2000)]
    words: list[tuple[Any, ...]] = []
    wanted: list[Any] = []
    for key in keys:
        slot = hash_slot(key.encode())
        elsewhere = None if slot < 8192 else f"MOVED {slot} {clusters[0].place(1)}"
        words += [("INCR", key), ("PING", key), ("OBJECT", "ENCODING", key), ("GET",), ("EVAL", "return 1", 1, key),
                  ("PING",)]
        wanted += [elsewhere or 1, key.encode(), elsewhere or b"int",
                   "ERR wrong number of arguments for 'get' command", elsewhere or 1, "PONG"]
    with node.connect() as c:
        c.ok("FLUSHALL")
        before = c.ok("CONFIG", "GET", "io-threads")[1]
        c.ok("CONFIG", "SET", "io-threads", threads)    # tests have them always active
        try:
            with node.connect() as other:
                replies = other.pipeline(words)
        finally:
            c.ok("CONFIG", "SET", "io-threads", before)
    assert [str(reply) if isinstance(reply, RespError) else reply for reply in replies] == wanted


def test_our_own_slots(both):
    assert both("SET", "bar", "1") == "OK"
    assert both("MSET", "{bar}1", "1", "{bar}2", "2") == "OK"
    assert both("MGET", "bar", "{bar}1", "{bar}2", "{bar}3") == [b"1", b"1", b"2", None]
    assert both("EVAL", "return redis.call('mget', KEYS[1], KEYS[2])", "2", "bar", "{bar}2") == [b"1", b"2"]
    assert both("CLUSTER", "COUNTKEYSINSLOT", BAR) == 3
    assert both("DBSIZE") == 3
    both("XREAD", "STREAMS", "{bar}s", "0")
    assert both("PING") == "PONG"


@pytest.mark.parametrize("words", [
    ("MGET",), ("EVAL", "return 1", "x", "foo"), ("ZUNION", "0", "foo"), ("XREAD", "STREAMS"),
    ("EVAL", "return 1", "-1", "foo"), ("EVAL", "return 1", "0", "foo"), ("BITOP", "AND"), ("SET", "foo"),
])
def test_words_that_name_no_keys_are_judged_by_the_command(both, words):
    both(*words)


def test_a_slot_that_nobody_serves(both):
    both("CONFIG", "SET", "cluster-require-full-coverage", "no")
    try:
        assert both("CLUSTER", "DELSLOTS", HELLO) == "OK"
        assert both("GET", "hello") == "CLUSTERDOWN Hash slot not served"
        assert both("MGET", "hello", "bar") == "CLUSTERDOWN Hash slot not served"
        assert both("GET", "bar") is None
    finally:
        assert both("CLUSTER", "ADDSLOTS", HELLO) == "OK"
        both("CONFIG", "SET", "cluster-require-full-coverage", "yes")


# ---- MULTI
def test_what_a_transaction_holds(both):
    for words, reply in ((("MULTI",), "OK"), (("SET", "bar", "1"), "QUEUED"), (("GET", "foo"), moved(FOO)),
                         (("EXEC",), "EXECABORT Transaction discarded because of previous errors."),
                         (("MULTI",), "OK"), (("SET", "bar", "1"), "QUEUED"), (("GET", "hello"), "QUEUED"),
                         (("EXEC",), CROSS_SLOT), (("EXEC",), "ERR EXEC without MULTI"), (("GET", "bar"), None),
                         (("MULTI",), "OK"), (("SET", "bar", "1"), "QUEUED"), (("GET", "{bar}"), "QUEUED"),
                         (("PING",), "QUEUED"), (("EVAL", GET_BAR, "1", "bar"), "QUEUED"),
                         (("EXEC",), ["OK", None, "PONG", b"1"])):
        assert both(*words) == reply


# ---- scripts and functions
def test_scripts(both):
    both("SET", "bar", "1")
    foreign = "ERR Script attempted to access a non local key in a cluster node"
    crossing = "ERR Script attempted to access keys that do not hash to the same slot"
    for words, error in (
            (("EVAL", GET_FOO, 0), foreign), (("EVAL", GET_FOO, 1, "bar"), foreign),
            (("EVAL", "#!lua\n" + GET_FOO, 0), foreign),
            (("EVAL", "#!lua flags=allow-cross-slot-keys\n" + GET_FOO, 0), foreign),
            (("EVAL", "#!lua\n" + GET_TWO, 0), crossing), (("EVAL", "#!lua\n" + GET_BAR, 1, "hello"), crossing),
            (("EVAL", "return redis.call('mget', 'bar', 'hello')", 0), foreign),
            (("EVAL", "return redis.call('xread', 'streams', 'foo', '0')", 0), foreign)):
        assert _says(both, error, *words)
    assert both("EVAL", GET_TWO, 0) is None
    assert both("EVAL", "#!lua flags=allow-cross-slot-keys\n" + GET_TWO, 0) is None
    assert both("EVAL", "#!lua\n" + GET_BAR, 1, "bar") == b"1"
    assert both("EVAL", "#!lua\nreturn redis.call('ping')", 1, "hello") == "PONG"
    assert both("EVAL", f"return pcall(function() {GET_FOO} end)", 0) is None
    sha = both("SCRIPT", "LOAD", GET_BAR)
    assert both("EVALSHA", sha, 1, "foo") == moved(FOO)
    assert both("EVALSHA", sha, 1, "bar") == b"1"
    assert both("EVALSHA", sha, 0) == b"1"


def _says(both: Sides, error: str, *words: Any) -> bool:
    """Where 7.0 adds the name of a script, or says it in other words, it says an error all the same."""
    ours = both.ours(*words)
    assert isinstance(ours, RespError)
    if both.theirs is not None:
        theirs = both.theirs(*words)
        assert isinstance(theirs, RespError)
        if peer_version() >= (7, 2):
            assert str(theirs) == str(ours)
    return str(ours).startswith(error)


def test_functions(both):
    both("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    assert _says(both, "ERR Script attempted to access keys that do not hash to the same slot", "FCALL", "two", 0)
    assert _says(both, "ERR Script attempted to access a non local key in a cluster node", "FCALL", "away", 0)
    assert both("FCALL", "crossing", 0) is None
    assert both("FCALL", "crossing", 1, "hello") is None
    assert both("FCALL", "crossing", 1, "foo") == moved(FOO)
    assert both("FCALL", "crossing", 2, "bar", "hello") == CROSS_SLOT
    assert _says(both, "ERR Can not run script on cluster, 'no-cluster' flag is set.", "FCALL", "never", 0)


# ---- slots on their way
def test_a_slot_that_leaves(both):
    both("SET", "bar", "1")
    both.setslot(BAR, "MIGRATING", 1)
    try:
        ask = f"ASK {BAR} 127.0.0.1:other"
        assert both("GET", "bar") == b"1"
        assert both("GET", "{bar}gone") == ask
        assert both("SET", "{bar}gone", "2") == ask
        assert both("MGET", "bar", "{bar}gone") == TRY_AGAIN
        assert both("MGET", "{bar}gone", "{bar}too") == ask
        assert both("MSET", "bar", "3", "bar", "4") == "OK"
        assert both("SPUBLISH", "{bar}channel", "m") == 0
        assert both("EVAL", GET_BAR, 1, "bar") == b"4"
        assert both("EVAL", "return 1", 2, "bar", "{bar}gone") == TRY_AGAIN
        assert _says(both, "ERR Script attempted to access a non local key in a cluster node", "EVAL",
                     "return redis.call('get', '{bar}gone')", 1, "bar")
        assert [both("MULTI"), both("GET", "bar"), both("GET", "{bar}gone")] == ["OK", "QUEUED", ask]
        assert both("DISCARD") == "OK"
        both("PEXPIRE", "bar", 1)
        both("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        both("DEBUG", "SLEEP", "0.01")
        assert both("GET", "bar") == ask
    finally:
        both("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        both.setslot(BAR, "STABLE")


def test_a_slot_that_comes(both):
    both.setslot(FOO, "IMPORTING", 1)
    try:
        assert both("SET", "foo", "1") == moved(FOO)
        assert [both("ASKING"), both("SET", "foo", "1"), both("GET", "foo")] == ["OK", "OK", moved(FOO)]
        assert [both("ASKING"), both("PING"), both("GET", "foo")] == ["OK", "PONG", moved(FOO)]
        assert [both("ASKING"), both("NOSUCH"), both("GET", "foo")][2] == moved(FOO)
        assert [both("ASKING"), both("GET"), both("GET", "foo")][2] == moved(FOO)
        assert [both("ASKING"), both("WAIT", 1, 1), both("GET", "foo")] == ["OK", 0, moved(FOO)]
        assert [both("ASKING"), both("ASKING"), both("GET", "foo")] == ["OK", "OK", b"1"]
        assert [both("ASKING"), both("MGET", "foo", "{foo}2")] == ["OK", TRY_AGAIN]
        assert [both("ASKING"), both("MGET", "foo", "foo")] == ["OK", [b"1", b"1"]]
        assert [both("ASKING"), both("MULTI"), both("GET", "foo"), both("SET", "{foo}2", "2"), both("EXEC")] == [
            "OK", "OK", "QUEUED", "QUEUED", TRY_AGAIN]
        assert [both("ASKING"), both("MULTI"), both("GET", "foo"), both("EXEC"), both("GET", "foo")] == [
            "OK", "OK", "QUEUED", [b"1"], moved(FOO)]
        assert [both("ASKING"), both("EVAL", GET_FOO, 0), both("EVAL", GET_FOO, 1, "foo")] == ["OK", b"1", moved(FOO)]
        assert [both("ASKING"), both("SPUBLISH", "foo", "m")] == ["OK", 0]
        assert [both("ASKING"), str(both("BLPOP", "{foo}list", "0.01"))] == ["OK", "NullArray"]
        assert both("GET", "foo") == moved(FOO)
        others = _others(both)
        for _, other in others:
            assert other.command("ASKING") == "OK"
            other.send("BLPOP", "{foo}list", 0)
        _wait_blocked(both)
        assert [both("ASKING"), both("RPUSH", "{foo}list", "x")] == ["OK", 1]
        assert [other.read() for _, other in others] == [[b"{foo}list", b"x"]] * len(others)
        assert [side.plain(other.command("GET", "foo")) == RespError(moved(FOO)) for side, other in others] == [
            True] * len(others)
        assert both("CLUSTER", "COUNTKEYSINSLOT", FOO) == 1
        assert both("CLUSTER", "GETKEYSINSLOT", FOO, 10) == [b"foo"]
    finally:
        for side in (both.ours, both.theirs):
            if side is not None:
                side("ASKING")
                side("DEL", "foo")
        both.setslot(FOO, "STABLE")


# ---- a cluster that is down
def _wait_for_state(both: Sides, state: bytes) -> None:
    for side in (both.ours, both.theirs):
        if side is not None:
            wait_until(lambda side=side: b"cluster_state:" + state in side("CLUSTER", "INFO"), f"it says {state!r}")


@pytest.fixture
def down(both: Sides) -> Iterator[Sides]:
    """A slot that nobody has, so that no other is served."""
    both("SET", "bar", "1")
    both("CLUSTER", "DELSLOTS", HELLO)
    _wait_for_state(both, b"fail")
    yield both
    both("CLUSTER", "ADDSLOTS", HELLO)
    _wait_for_state(both, b"ok")
    both("CONFIG", "SET", "cluster-allow-reads-when-down", "no", "cluster-allow-pubsubshard-when-down", "yes")


def test_a_cluster_that_is_down(down):
    closed = "CLUSTERDOWN The cluster is down"
    assert down("GET", "bar") == closed
    assert down("GET", "foo") == closed
    assert down("GET", "hello") == "CLUSTERDOWN Hash slot not served"
    assert down("MGET", "bar", "foo") == CROSS_SLOT
    assert down("PING") == "PONG"
    assert [down("MULTI"), down("GET", "bar")] == ["OK", closed]
    assert down("DISCARD") == "OK"
    assert _says(down, "ERR Script attempted to execute a command while the cluster is down", "EVAL", GET_BAR, 0)
    assert down("SPUBLISH", "bar", "m") == 0
    assert down("SPUBLISH", "foo", "m") == moved(FOO)


def test_a_cluster_that_is_down_but_may_be_read(down):
    for_reads = "CLUSTERDOWN The cluster is down and only accepts read commands"
    down("CONFIG", "SET", "cluster-allow-reads-when-down", "yes")
    assert down("GET", "bar") == b"1"
    assert down("SET", "bar", "2") == for_reads
    assert down("GET", "foo") == moved(FOO)
    assert down("EVAL", GET_BAR, 1, "bar") == b"1"
    assert down("EVAL", "#!lua\n" + GET_BAR, 1, "bar") == for_reads
    assert down("EVAL", "#!lua flags=no-writes\n" + GET_BAR, 1, "bar") == b"1"
    assert _says(down, "ERR Script attempted to execute a write command while the cluster is down and readonly", "EVAL",
                 "return redis.call('set', 'bar', 1)", 1, "bar")
    assert [down("MULTI"), down("GET", "bar"), down("EXEC")] == ["OK", "QUEUED", [b"1"]]


def test_shard_channels_of_a_cluster_that_is_down(down):
    down("CONFIG", "SET", "cluster-allow-pubsubshard-when-down", "no")
    assert down("SPUBLISH", "bar", "m") == "CLUSTERDOWN The cluster is down"


# ---- who waits, who listens
def _others(both: Sides) -> list[tuple[Side, Connection]]:
    return [(side, side.cluster[0].connect()) for side in (both.ours, both.theirs) if side is not None]


def _wait_blocked(both: Sides) -> None:
    for side in (both.ours, both.theirs):
        if side is not None:
            wait_until(lambda side=side: b"blocked_clients:1" in side("INFO", "clients"), "it waits")


def test_who_waits_for_a_key_is_told_when_its_slot_goes(both):
    for waiting, end, restore, reply in (
            (("BLPOP", "bar", 0), ("MIGRATING", "NODE"), "NODE", moved(BAR)),
            (("XREAD", "BLOCK", 0, "STREAMS", "bar", "$"), ("NODE",), "NODE", moved(BAR))):
        others = _others(both)
        for _, other in others:
            other.send(*waiting)
        _wait_blocked(both)
        for what in end:
            both.setslot(BAR, what, 1)
        assert [str(side.plain(other.read())) for side, other in others] == [reply] * len(others)
        both.setslot(BAR, restore)
        assert [other.command("PING") for _, other in others] == ["PONG"] * len(others)


def test_who_waits_for_a_key_is_told_when_the_cluster_is_down(both):
    others = _others(both)
    for _, other in others:
        other.send("BZPOPMIN", "bar", 0)
    _wait_blocked(both)
    both("CLUSTER", "DELSLOTS", HELLO)
    assert [str(other.read()) for _, other in others] == ["CLUSTERDOWN The cluster is down"] * len(others)
    both("CLUSTER", "ADDSLOTS", HELLO)
    _wait_for_state(both, b"ok")


def test_who_listens_to_a_shard_channel_is_told_when_its_slot_goes(both):
    others = _others(both)
    for _, other in others:
        assert other.command("SSUBSCRIBE", "bar") == [b"ssubscribe", b"bar", 1]
        assert other.command("SSUBSCRIBE", "{bar}2") == [b"ssubscribe", b"{bar}2", 2]
        assert other.command("SSUBSCRIBE", "{hello}") == [b"ssubscribe", b"{hello}", 3]
    both.setslot(BAR, "NODE", 1)
    for _, other in others:
        told = [other.read(), other.read()]
        assert sorted(words[1] for words in told) == [b"bar", b"{bar}2"]
        assert [words[::2] for words in told] == [[b"sunsubscribe", 2], [b"sunsubscribe", 1]]
        assert other.command("PING") == [b"pong", b""]          # it still listens to the third
    assert both("PUBSUB", "SHARDCHANNELS") == [b"{hello}"]
    both.setslot(BAR, "NODE")
    for _, other in others:
        other.close()


# ---- what redirects say
def test_preferred_endpoints(clusters):
    """Of the second node, which has told its name."""
    ours = clusters[0]
    first, second = ours[0].connect(), ours[1].connect()
    port = ours[1].port
    second.ok("CONFIG", "SET", "cluster-announce-hostname", "second.example.com")
    wait_until(lambda: b"second.example.com" in first.ok("CLUSTER", "NODES"), "the name is known")
    for kind, place in (("ip", f"127.0.0.1:{port}"), ("hostname", f"second.example.com:{port}"),
                        ("unknown-endpoint", f":{port}")):
        first.ok("CONFIG", "SET", "cluster-preferred-endpoint-type", kind)
        assert str(first.command("GET", "foo")) == f"MOVED {FOO} {place}"
    first.ok("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
    second.ok("CONFIG", "SET", "cluster-announce-hostname", "")
    wait_until(lambda: str(first.command("GET", "foo")) == f"MOVED {FOO} ?:{port}", "the name is gone")
    first.ok("CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")
