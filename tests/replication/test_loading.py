"""A replica while its snapshot comes: what clients hear, what is kept when it breaks off, and what a script holds."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.replication.test_real_peers import linked
from tests.support.bad_peer import BadPeer, Behaviour, close, hang, say
from tests.support.pace import wait_until
from tests.support.resp import RespError

OURS, OTHER = b"a" * 40, b"b" * 40
GREETING = (b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n")
MARK = b"0123456789" * 4
OLD_LIBRARY = b"#!lua name=lib\nredis.register_function{function_name='f', callback=function() return 'old' end, " \
              b"flags={'no-writes'}}"  # fmt: skip
NEW_LIBRARY = OLD_LIBRARY.replace(b"old", b"new")


def string(text: bytes) -> bytes:
    return b"\x80" + len(text).to_bytes(4, "big") + text


def rdb(*libraries: bytes, database: int = 0, fields: bytes = b"", **keys: str) -> bytes:
    """A file of strings."""
    return b"".join((
        b"REDIS0011", fields, *(b"\xf5" + string(library) for library in libraries), b"\xfe", bytes([database]),
        *(b"\0" + string(name.encode()) + string(value.encode()) for name, value in keys.items()), b"\xff", bytes(8),
    ))  # fmt: skip


def full(history: bytes, data: bytes, offset: int = 7) -> bytes:
    """The answer to PSYNC, with the snapshot."""
    return b"+FULLRESYNC %s %d\r\n$%d\r\n" % (history, offset, len(data)) + data


def marked(history: bytes, data: bytes) -> bytes:
    return b"+FULLRESYNC %s 7\r\n$EOF:%s\r\n" % (history, MARK) + data + MARK


class Pause:
    """A master that stops within the snapshot, until `go` is set."""

    def __init__(self, answer: bytes, stop_at: int, then: Behaviour = hang) -> None:
        self.go = threading.Event()
        self._answer, self._at, self._then = answer, stop_at, then

    def __call__(self, sock: Any, heard: bytearray) -> None:
        def rest(sock: Any, heard: bytearray) -> None:
            self.go.wait(60)
            sock.sendall(self._answer[self._at :])
            self._then(sock, heard)

        say(*GREETING, self._answer[: self._at], then=rest)(sock, heard)


@contextmanager
def following(replica: Any, *behaviours: Behaviour) -> Iterator[BadPeer]:
    with BadPeer(*behaviours) as peer:
        with replica.connect() as c:
            c.ok("REPLICAOF", peer.host, str(peer.port))
        try:
            yield peer
        finally:
            for behaviour in behaviours:
                if isinstance(behaviour, Pause):
                    behaviour.go.set()


def persistence(server: Any, field: str) -> str:
    value: str = server.info("persistence")[field]
    return value


def refusal(c: Any, *words: str) -> str:
    reply = c(*words)
    return reply.code if isinstance(reply, RespError) else ""


@pytest.fixture
def on_empty(new_server: Callable[..., Any]) -> Any:
    return new_server(**{"repl-diskless-load": "on-empty-db"})


@pytest.fixture
def swapdb(new_server: Callable[..., Any]) -> Any:
    return new_server(**{"repl-diskless-load": "swapdb"})


OLD = say(*GREETING, full(OURS, rdb(OLD_LIBRARY, old="1", both="old")), then=close)   # a master that is gone then
BIG = {f"key{n}": "v" * 100 for n in range(2000)}


@pytest.mark.parametrize("frame", [full, marked])
def test_an_empty_replica_loads_as_it_receives(on_empty: Any, frame: Callable[[bytes, bytes], bytes]) -> None:
    answer = frame(OURS, rdb(NEW_LIBRARY, **BIG))
    master = Pause(answer, len(answer) // 2)
    with following(on_empty, master), on_empty.connect() as c:
        wait_until(lambda: persistence(on_empty, "loading") == "1", "loading")
        wait_until(lambda: int(persistence(on_empty, "loading_loaded_bytes")) > len(answer) // 3, "what has come")
        assert refusal(c, "GET", "key1") == refusal(c, "PING") == "LOADING"
        assert persistence(on_empty, "async_loading") == "0"
        assert on_empty.info("replication")["master_sync_in_progress"] == "1"
        master.go.set()
        wait_until(lambda: linked(on_empty), "a link")
        assert c("DBSIZE") == len(BIG) and c("FCALL_RO", "f", "0") == b"new"
        assert persistence(on_empty, "loading") == "0"


def test_what_breaks_off_leaves_nothing_in_place(on_empty: Any) -> None:
    answer = full(OURS, rdb(NEW_LIBRARY, **BIG))
    master = Pause(answer, len(answer) // 2)
    master._answer = answer[: len(answer) * 3 // 4]
    master._then = close
    with following(on_empty, master, hang), on_empty.connect() as c:
        wait_until(lambda: persistence(on_empty, "loading") == "1", "loading")
        master.go.set()
        wait_until(lambda: persistence(on_empty, "loading") == "0", "the end")
        assert "Internal error in RDB reading offset" in on_empty.log()
        assert c("DBSIZE") == 0 and c("FUNCTION", "LIST") == []
        c.ok("REPLICAOF", "NO", "ONE")
        c.ok("SET", "a", "1")


def test_old_data_are_read_while_new_ones_come(swapdb: Any) -> None:
    answer = marked(OURS, rdb(NEW_LIBRARY, both="new", **BIG))
    master = Pause(answer, len(answer) // 2)
    with following(swapdb, OLD, master), swapdb.connect() as c:
        wait_until(lambda: persistence(swapdb, "async_loading") == "1", "async loading", 40)
        assert persistence(swapdb, "loading") == "0"
        assert c("MGET", "old", "both", "key1") == [b"1", b"old", None]
        assert c("FCALL_RO", "f", "0") == b"old"
        assert [refusal(c, word) for word in ("SAVE", "BGSAVE", "BGREWRITEAOF")] == ["LOADING"] * 3
        assert refusal(c, "REPLICAOF", "NO", "ONE") == "LOADING"
        c.ok("WATCH", "both")
        master.go.set()
        wait_until(lambda: linked(swapdb), "a link")
        c.ok("MULTI")
        c("PING")
        assert c("EXEC") == None, "who watches a key that changed with the swap hears of it"  # noqa: E711
        assert c("MGET", "old", "both", "key1") == [None, b"new", b"v" * 100]
        assert c("FCALL_RO", "f", "0") == b"new"
        assert persistence(swapdb, "async_loading") == "0"


@pytest.mark.parametrize("history", [OURS, OTHER])
def test_old_data_stay_when_new_ones_break_off(swapdb: Any, history: bytes) -> None:
    answer = full(history, rdb(NEW_LIBRARY, both="new", **BIG))
    master = Pause(answer, len(answer) // 2, then=close)
    master._answer = answer[: len(answer) * 3 // 4]
    with following(swapdb, OLD, master, hang) as peer, swapdb.connect() as c:
        loading = "async_loading" if history == OURS else "loading"
        wait_until(lambda: len(peer.heard) > 1 and len(peer.commands(1)) == 4, "the second sync", 40)
        wait_until(lambda: persistence(swapdb, loading) == "1", "loading", 40)
        assert (refusal(c, "GET", "both") == "LOADING") == (history == OTHER)
        master.go.set()
        wait_until(lambda: persistence(swapdb, loading) == "0", "the end")
        assert c("MGET", "old", "both", "key1") == [b"1", b"old", None]
        assert c("FCALL_RO", "f", "0") == b"old"


def test_a_mark_that_comes_late_is_no_mark(swapdb: Any) -> None:
    broken = marked(OTHER, rdb(**BIG))[:-40] + b"x" * 1000 + MARK
    with following(swapdb, OLD, say(*GREETING, broken), hang) as peer:
        wait_until(lambda: len(peer.heard) >= 3, "the attempt after that", 60)
        with swapdb.connect() as c:
            assert c("GET", "old") == b"1"
        assert "Replication stream EOF marker is broken" in swapdb.log()


def test_a_file_is_loaded_while_clients_are_told_so(new_server: Callable[..., Any]) -> None:
    replica = new_server(**{"key-load-delay": 50000})
    keys = {f"key{n}": "1" for n in range(200)}
    with following(replica, say(*GREETING, full(OURS, rdb(**keys)))), replica.connect() as c:
        wait_until(lambda: persistence(replica, "loading") == "1", "loading")
        assert refusal(c, "PING") == "LOADING"
        assert replica.info("replication")["master_link_status"] == "down"
        c.ok("CONFIG", "SET", "key-load-delay", "0")
        wait_until(lambda: linked(replica), "a link")
        assert c("DBSIZE") == 200


def test_a_server_that_loads_can_be_told_to_end(new_server: Callable[..., Any]) -> None:
    replica = new_server(**{"key-load-delay": 50000})
    keys = {f"key{n}": "1" for n in range(2000)}
    with following(replica, say(*GREETING, full(OURS, rdb(**keys)))), replica.connect() as c:
        wait_until(lambda: persistence(replica, "loading") == "1", "loading")
        c.send("SHUTDOWN")
        assert replica.wait_exit() == 0


def test_the_stream_behind_a_snapshot_waits_for_it(new_server: Callable[..., Any]) -> None:
    """... in the database that the snapshot names: a replica's replica hears no SELECT."""
    fields = b"\xfa" + string(b"repl-stream-db") + string(b"3")
    stream = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    replica = new_server(**{"key-load-delay": 2000})
    keys = {f"key{n}": "1" for n in range(100)}
    with following(replica, say(*GREETING, full(OURS, rdb(fields=fields, **keys)) + stream)), replica.connect() as c:
        wait_until(lambda: linked(replica), "a link")
        c.ok("SELECT", "3")
        wait_until(lambda: c("GET", "a") == b"1", "the stream")


@pytest.mark.parametrize("how", ["disabled", "on-empty-db", "swapdb"])
def test_what_a_busy_script_holds_is_not_touched(new_server: Callable[..., Any], how: str) -> None:
    replica = new_server(**{"repl-diskless-load": how, "busy-reply-threshold": 10})
    master = Pause(full(OURS, rdb(new="1")), 0)
    with following(replica, master) as peer, replica.connect() as busy, replica.connect() as c:
        wait_until(lambda: len(peer.commands(0)) == 4 if peer.heard else False, "the greeting")
        busy.send("EVAL", "while not redis.call('GET', 'new') do end return 'it came'", "0")
        wait_until(lambda: refusal(c, "PING") == "BUSY", "a busy script")
        master.go.set()
        wait_until(lambda: "Full resync from master" in replica.log(), "the full sync")
        for _ in range(20):
            assert refusal(c, "PING") == "BUSY"
        c.ok("SCRIPT", "KILL")
        assert "Script killed" in busy.read().text
        wait_until(lambda: linked(replica), "a link")
        assert c("GET", "new") == b"1"
    assert replica.info("stats")["internal_errors"] == "0"


def test_exec_is_stale_when_anything_in_it_is(new_server: Callable[..., Any]) -> None:
    replica = new_server(**{"replica-serve-stale-data": "no"})
    with replica.connect() as c, replica.connect() as harmless, replica.connect() as another:
        for one, word in ((c, ("GET", "k")), (harmless, ("INFO", "server"))):
            one.ok("MULTI")
            one(*word)
        another.ok("REPLICAOF", "127.0.0.1", "1")
        script = "#!lua flags=allow-stale,no-writes\nreturn redis.call(ARGV[1], ARGV[2])"
        assert "Can not execute the command on a stale replica" in another("EVAL", script, "0", "GET", "k").text
        assert "MASTERDOWN" in c("EXEC").text
        assert len(harmless("EXEC")) == 1
