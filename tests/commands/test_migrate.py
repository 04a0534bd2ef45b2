"""MIGRATE: to and from real servers, when the other side does not do its part, and what is heard of it here."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bad_peer import BadPeer, close, deaf, hang, reset, say
from tests.support.differential import Pair
from tests.support.every_type import fill
from tests.support.pace import wait_until
from tests.support.peer import Peer
from tests.support.resp import Connection, NullArray, RespError
from tests.support.server import Server, free_port

OK = b"+OK\r\n"
READING = RespError("IOERR error or timeout reading to target instance")
WRITING = RespError("IOERR error or timeout writing to target instance")
CONNECTING = RespError("IOERR error or timeout connecting to the client")


@pytest.fixture
def target(new_server: Callable[..., Server]) -> Server:
    """Another server of ours, on which things may be changed."""
    return new_server()


def migrate(
    c: Connection, to: Any, *keys: str, timeout: int = 20000, db: int = 0, options: tuple[Any, ...] = ()
) -> Any:
    """MIGRATE one key, or several with KEYS."""
    if len(keys) == 1:
        return c("MIGRATE", to.host, to.port, keys[0], db, timeout, *options)
    return c("MIGRATE", to.host, to.port, "", db, timeout, *options, "KEYS", *keys)


# ---- to and from real servers


def test_every_type_there_and_back(raw: Connection, server: Server, peer: Peer, configure: Callable[..., None]) -> None:
    configure("rdb-version", 10 if peer.version < (7, 2) else 11)
    fill(raw)
    raw.ok("PEXPIREAT", "list1", 4102444800000)
    raw.ok("SETEX", "string0", 5000, "")
    digest, keys = raw("DEBUG", "DIGEST"), [key.decode() for key in raw("KEYS", "*")]
    with peer.connect() as theirs:
        assert migrate(raw, peer, *keys) == "OK"
        assert raw("DBSIZE") == 0
        assert theirs("DEBUG", "DIGEST") == digest
        assert 0 <= theirs("PEXPIRETIME", "list1") - 4102444800000 < 60_000
        assert 4900 < theirs("TTL", "string0") <= 5000
        assert migrate(theirs, server, *keys) == "OK"
        assert theirs("DBSIZE") == 0
    assert raw("DEBUG", "DIGEST") == digest
    assert 0 <= raw("PEXPIRETIME", "list1") - 4102444800000 < 60_000


def test_many_keys_and_large_ones(raw: Connection, target: Server) -> None:
    """More than the sockets hold, so that replies come while it still writes."""
    raw.pipeline([("SET", f"k{n}", f"value{n}") for n in range(5000)])
    raw.ok("SET", "large", "x" * 20_000_000)
    digest = raw("DEBUG", "DIGEST")
    assert migrate(raw, target, "large", *(f"k{n}" for n in range(5000))) == "OK"
    assert raw("DBSIZE") == 0
    assert target.connect()("DEBUG", "DIGEST") == digest


@pytest.mark.parametrize(
    "words",
    [
        ("k", 0, 100, "NONSENSE"),
        ("k", 0, 100, "AUTH"),
        ("k", 0, 100, "AUTH2", "user"),
        ("k", 0, 100, "COPY", "replace", "KEYS", "k"),
        ("k", "zero", 100),
        ("k", 0, "soon"),
        ("k", "zero", "soon", "NONSENSE"),
        ("k", 0, 100, "AUTH", "keys", "KEYS", "k"),
        ("", 0, 100, "KEYS"),
        ("", 0, 100, "KEYS", "nothing", "there"),
        ("nothing", 0, 100, "COPY", "REPLACE"),
        ("nothing", "zero", 100),
        ("k", 0, 100),
        ("k",),
    ],
)
def test_words(both: Pair, words: tuple[Any, ...]) -> None:
    """Nobody listens at that port, so that a right one ends in IOERR."""
    port = free_port()
    both("SET", "k", "v")
    both("MIGRATE", "127.0.0.1", port, *words)
    both("MIGRATE", "no-such-name.invalid", port, *words)


@pytest.mark.parametrize(
    "words",
    [
        "h 1 k 0 10", 'h 1 "" 0 10 KEYS a b', "h 1 k 0 10 KEYS a", "h 1 k 0 10 AUTH keys", "h 1 k 0 10 AUTH2 keys keys",
        'h 1 "" 0 10 AUTH keys KEYS a', 'h 1 "" 0 10 KEYS', "h 1 k 0 10 COPY REPLACE",
    ],
)  # fmt: skip
def test_where_its_keys_are(both: Pair, words: str) -> None:
    both("COMMAND", "GETKEYS", "MIGRATE", *(word.strip('"') for word in words.split()))
    both("COMMAND", "GETKEYSANDFLAGS", "MIGRATE", *(word.strip('"') for word in words.split()))


@pytest.mark.parametrize(
    "options", [(), ("COPY",), ("REPLACE",), ("COPY", "REPLACE"), ("AUTH", "x"), ("AUTH2", "default", "x")]
)
def test_as_a_real_server_does_it(both: Pair, target: Server, options: tuple[str, ...]) -> None:
    """Each into a database of its own; `b` is there before."""
    there = target.connect()
    for keys in (("a",), ("a", "b", "none"), ("b",)):
        both("MSET", "a", "1", "b", "2")
        replies = []
        for connection, db in ((both.ours, 3), (both.theirs, 4)):
            there.ok("SELECT", db)
            there.ok("FLUSHDB")
            there.ok("SET", "b", "there")
            replies.append(migrate(connection, target, *keys, db=db, options=options))
        assert replies[0] == replies[1]
        both.same_keyspace()
        theirs = there("MGET", "a", "b")
        there.ok("SELECT", 3)
        assert there("MGET", "a", "b") == theirs


# ---- options


def test_copy_and_replace(raw: Connection, target: Server) -> None:
    there = target.connect()
    raw.ok("SET", "k", "new")
    there.ok("SET", "k", "old")
    busy = RespError("ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    assert migrate(raw, target, "k") == busy
    assert (raw("GET", "k"), there("GET", "k")) == (b"new", b"old")
    assert migrate(raw, target, "k", options=("COPY", "REPLACE")) == "OK"
    assert (raw("GET", "k"), there("GET", "k")) == (b"new", b"new")
    assert migrate(raw, target, "k", options=("REPLACE",)) == "OK"
    assert (raw("GET", "k"), there("GET", "k")) == (None, b"new")


def test_what_was_refused_stays_and_the_others_go(raw: Connection, target: Server) -> None:
    there = target.connect()
    raw.pipeline([("SET", key, "new") for key in "abcd"])
    there.ok("SET", "b", "old")
    there.ok("SET", "d", "old")
    reply = migrate(raw, target, "a", "none", "b", "c", "d")
    assert reply == RespError("ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    assert sorted(raw("KEYS", "*")) == [b"b", b"d"]
    assert sorted(there("KEYS", "*")) == [b"a", b"b", b"c", b"d"]


def test_another_database_is_selected_once(raw: Connection) -> None:
    with BadPeer(say(*[OK] * 20)) as peer:
        for db in (2, 2, 0):
            raw.ok("SET", "k", "v")
            assert migrate(raw, peer, "k", db=db) == "OK"
        assert [words[:2] for words in peer.commands(0)] == [
            [b"SELECT", b"2"], [b"RESTORE", b"k"], [b"RESTORE", b"k"], [b"SELECT", b"0"], [b"RESTORE", b"k"],
        ]  # fmt: skip


def test_a_database_that_is_not_there(raw: Connection, target: Server) -> None:
    raw.ok("SET", "k", "v")
    error = RespError("ERR Target instance replied with error: ERR DB index is out of range")
    assert migrate(raw, target, "k", db=99) == error
    assert migrate(raw, target, "k", db=99) == error
    assert raw("GET", "k") == b"v"
    assert migrate(raw, target, "k", options=("REPLACE",)) == "OK"
    assert target.connect()("GET", "k") == b"v"


def test_passwords(raw: Connection, new_server: Callable[..., Server]) -> None:
    target = new_server(requirepass="secret")
    with target.connect() as there:
        there.ok("AUTH", "secret")
        raw.ok("SET", "k", "v")
        assert migrate(raw, target, "k").code == "ERR"
        wrong = migrate(raw, target, "k", options=("AUTH", "guess"))
        assert str(wrong).startswith("ERR Target instance replied with error: WRONGPASS")
        assert raw("EXISTS", "k") == 1
        assert migrate(raw, target, "k", options=("AUTH", "secret")) == "OK"
        raw.ok("SET", "k2", "v")
        assert migrate(raw, target, "k2", options=("AUTH2", "default", "secret")) == "OK"
        assert there("DBSIZE") == 2


def test_passwords_are_not_shown(raw: Connection, configure: Callable[..., None]) -> None:
    configure("slowlog-log-slower-than", 0)
    raw.ok("SLOWLOG", "RESET")
    raw("MIGRATE", "127.0.0.1", 1, "none", 0, 10, "AUTH", "secret", "COPY", "AUTH2", "somebody", "secret2")
    shown = [entry[3] for entry in raw("SLOWLOG", "GET") if entry[3][0] == b"MIGRATE"]
    assert shown[0][6:] == [b"AUTH", b"(redacted)", b"COPY", b"AUTH2", b"(redacted)", b"(redacted)"]


def test_an_expired_key_is_none(raw: Connection, target: Server) -> None:
    raw.ok("SET", "k", "v", "PX", 1)
    wait_until(lambda: raw("EXISTS", "k") == 0)
    assert migrate(raw, target, "k") == "NOKEY"


# ---- who hears of it


def test_it_is_a_del_to_everybody_else(raw: Connection, another: Callable[..., Connection], target: Server,
                                       configure: Callable[..., None]) -> None:  # fmt: skip
    configure("notify-keyspace-events", "KA")
    listener = another()
    listener("PSUBSCRIBE", "__key*")
    raw.pipeline([("SET", key, "v") for key in "ab"])
    listener.read_many(2)
    dirty = int(field(raw, "rdb_changes_since_last_save"))
    watching = another()
    watching.ok("WATCH", "b")
    assert migrate(raw, target, "a", "none", "b") == "OK"
    assert [message[2:] for message in listener.read_many(2)] == [
        [b"__keyspace@0__:a", b"del"],
        [b"__keyspace@0__:b", b"del"],
    ]
    assert int(field(raw, "rdb_changes_since_last_save")) == dirty + 2
    watching("MULTI")
    assert watching("EXEC") is NullArray
    raw.ok("SET", "a", "v")
    assert migrate(raw, target, "a", options=("COPY", "REPLACE")) == "OK"
    assert int(field(raw, "rdb_changes_since_last_save")) == dirty + 3


def field(c: Connection, name: str) -> str:
    """Of INFO."""
    text = c("INFO", "everything").decode()
    return next(line.split(":", 1)[1] for line in text.splitlines() if line.startswith(name + ":"))


def test_the_append_only_file_gets_a_del(new_server: Callable[..., Server], target: Server) -> None:
    source = new_server(appendonly=True, appendfsync="always")
    c = source.connect()
    c.pipeline([("SET", key, "v") for key in "abc"])
    target.connect().ok("SET", "b", "old")
    assert migrate(c, target, "a", "b", "none", "c").code == "ERR"
    aof = b"".join(path.read_bytes() for path in sorted((source.folder / "appendonlydir").glob("*.incr.aof")))
    assert aof.endswith(b"*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nc\r\n")
    source.restart()
    assert source.connect()("KEYS", "*") == [b"b"]


def test_in_a_transaction_and_in_a_script(raw: Connection, target: Server) -> None:
    raw.pipeline([("SET", key, "v") for key in "ab"])
    raw("MULTI")
    migrate(raw, target, "a")
    raw("EXISTS", "a")
    assert raw("EXEC") == ["OK", 0]
    script = "return redis.call('MIGRATE', ARGV[1], ARGV[2], KEYS[1], 0, 5000)"
    assert raw("EVAL", script, 1, "b", target.host, target.port) == "OK"
    assert target.connect()("DBSIZE") == 2


def test_nobody_is_served_meanwhile_and_everybody_after(raw: Connection, another: Callable[..., Connection]) -> None:
    raw.ok("SET", "k", "v")
    others = [another() for _ in range(20)]
    with BadPeer(hang) as peer:
        raw.send("MIGRATE", peer.host, peer.port, "k", 0, 300)
        wait_until(lambda: peer.heard)
        for other in others:
            other.send("EXISTS", "k")
        assert raw.read() == READING
        assert [other.read() for other in others] == [1] * 20


# ---- what the other side may do


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (hang, READING),
        (say(b"+O"), READING),
        (say(OK), READING),
        (say(OK, b"$5\r\nab"), READING),
    ],
    ids=["says nothing", "half a reply", "one reply", "half a bulk"],
)
def test_silence(raw: Connection, behaviour: Any, error: RespError) -> None:
    """Such a one is asked once: it may have the key by now."""
    raw.ok("SET", "k", "v")
    with BadPeer(behaviour) as peer:
        assert migrate(raw, peer, "k", timeout=50) == error
        assert raw("GET", "k") == b"v"
        assert len(peer.heard) == 1
    assert raw("PING") == "PONG"


def test_who_does_not_read(raw: Connection) -> None:
    raw.ok("SET", "k", os.urandom(40_000_000))
    with BadPeer(deaf) as peer:
        assert migrate(raw, peer, "k", timeout=50) == WRITING
        assert len(peer.heard) == 1
    assert raw("STRLEN", "k") == 40_000_000


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*1\r\n+OK\r\n", b":1\r\n", b"$2\r\nOK\r\n", b"\0\0\0\0\r\n",
    b"*99999999\r\n",
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage(raw: Connection, garbage: bytes) -> None:
    raw.ok("SET", "k", "v")
    with BadPeer(say(OK, garbage), say(garbage)) as peer:
        assert migrate(raw, peer, "k", timeout=200) == READING
        assert raw("GET", "k") == b"v"


@pytest.mark.parametrize("behaviour", [close, reset, say(OK, then=close)], ids=["at once", "reset", "before the key"])
def test_who_goes_is_asked_once_more(raw: Connection, behaviour: Any) -> None:
    raw.ok("SET", "k", "v")
    with BadPeer(behaviour) as peer:
        assert migrate(raw, peer, "k").code == "IOERR"
        assert raw("GET", "k") == b"v"
        assert len(peer.heard) == 2
    with BadPeer(behaviour, say(OK, OK)) as peer:
        assert migrate(raw, peer, "k") == "OK"
        assert raw("EXISTS", "k") == 0


def test_who_goes_after_some_replies_has_those_keys(raw: Connection) -> None:
    """No second time: what was sent behind the answered ones may have been restored as well."""
    raw.pipeline([("SET", key, "v") for key in "abcd"])
    with BadPeer(say(OK, OK, b"-BUSYKEY no\r\n", OK, then=close)) as peer:
        error = RespError("ERR Target instance replied with error: BUSYKEY no")
        assert migrate(raw, peer, "a", "b", "c", "d") == error
        assert sorted(raw("KEYS", "*")) == [b"b", b"d"]
        assert len(peer.heard) == 1
    with BadPeer(say(OK, OK, then=close)) as peer:
        assert migrate(raw, peer, "b", "d") == READING
        assert raw("KEYS", "*") == [b"d"]
        assert len(peer.heard) == 1


def test_an_error_to_select_concerns_all_keys(raw: Connection) -> None:
    raw.pipeline([("SET", key, "v") for key in "ab"])
    with BadPeer(say(b"-ERR no such place\r\n", OK, OK)) as peer:
        assert migrate(raw, peer, "a", "b") == RespError("ERR Target instance replied with error: ERR no such place")
        assert raw("DBSIZE") == 2


# ---- connections are kept


def test_a_connection_serves_several_times(raw: Connection) -> None:
    with BadPeer(say(*[OK] * 50)) as peer:
        for _ in range(5):
            raw.ok("SET", "k", "v")
            assert migrate(raw, peer, "k") == "OK"
        assert len(peer.heard) == 1
        assert len(raw("CLIENT", "LIST").splitlines()) == int(field(raw, "connected_clients"))


def test_one_that_went_meanwhile_is_replaced(raw: Connection, new_server: Callable[..., Server]) -> None:
    target = new_server()
    for _ in range(2):
        raw.ok("SET", "k", "v")
        assert migrate(raw, target, "k", options=("REPLACE",)) == "OK"
        assert target.connect()("GET", "k") == b"v"
        target.restart()


def test_they_are_counted_and_end(raw: Connection, server: Server) -> None:
    with BadPeer(say(OK, OK)) as peer:
        before = int(field(raw, "migrate_cached_sockets"))
        raw.ok("SET", "k", "v")
        assert migrate(raw, peer, "k") == "OK"
        assert int(field(raw, "migrate_cached_sockets")) == before + 1
    wait_until(lambda: int(field(raw, "migrate_cached_sockets")) <= before)


def test_no_more_than_64_are_kept(raw: Connection) -> None:
    peers = [BadPeer(say(OK, OK)) for _ in range(70)]
    for peer in peers:
        peer.__enter__()
    for peer in peers:
        raw.ok("SET", "k", "v")
        assert migrate(raw, peer, "k") == "OK"
    assert int(field(raw, "migrate_cached_sockets")) == 64
    for peer in peers:
        peer.__exit__()


def test_to_itself_it_waits_in_vain(raw: Connection, server: Server) -> None:
    raw.ok("SET", "k", "v")
    assert migrate(raw, server, "k", timeout=50) == READING
    assert raw("GET", "k") == b"v"


def test_by_name_and_to_a_unix_socket_by_nobody(raw: Connection, target: Server) -> None:
    raw.ok("SET", "k", "v")
    assert raw("MIGRATE", "localhost", target.port, "k", 0, 5000) == "OK"
    assert target.connect()("GET", "k") == b"v"


def test_shut_down_meanwhile(new_server: Callable[..., Server]) -> None:
    source = new_server()
    c = source.connect()
    c.ok("SET", "k", "v")
    with BadPeer(hang) as peer:
        c.send("MIGRATE", peer.host, peer.port, "k", 0, 300)
        wait_until(lambda: peer.heard)
        assert source.stop() == 0
