"""A full sync over two connections: the snapshot by one, the stream beside it by the other."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.metrics.test_names import scrape, value
from tests.replication.test_loading import rdb
from tests.support.bad_peer import BadPeer, Behaviour, hang, say
from tests.support.following import PEERS_RDB, TYPES, follow, in_step, linked
from tests.support.pace import wait_until
from tests.support.proxy import Proxy
from tests.support.resp import Connection
from tests.support.server import free_port

BOTH = {"dual-channel-replication-enabled": "yes", "repl-diskless-sync-delay": 0}
MARK = b"0123456789" * 4
HISTORY = b"a" * 40
FIRST = (b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n", b"+DUALCHANNELSYNC\r\n", b"+OK\r\n")
CONTINUES = b"+CONTINUE " + HISTORY + b"\r\n"
SNAPSHOT = rdb(a="1") + MARK
HELD = 5_000_000                       # of `rdb-key-save-delay`, us: the snapshot is not over before it may be


@pytest.fixture
def server(new_server: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **options: new_server(**{**BOTH, **options})


def announced(offset: int = 7) -> bytes:
    return b"$ENDOFF:%d %s -1 42\r\n$EOF:%s\r\n" % (offset, HISTORY, MARK)


def replication(server: Any, field: str) -> str:
    value: str = server.info("replication").get(field, "")
    return value


def channels(master: Any) -> list[str]:
    """Who follows, and how: `state,type` of each connection, sorted."""
    told = master.info("replication")
    found = []
    for number in range(int(told["connected_slaves"])):
        fields = dict(pair.split("=") for pair in told[f"slave{number}"].split(","))
        found.append(f"{fields['state']},{fields.get('type', '')}")
    return sorted(found)


@pytest.mark.parametrize("load", ["disabled", "swapdb", "on-empty-db"])
def test_a_replica_gets_all(server: Any, load: str) -> None:
    master, replica = server(), server(repl_diskless_load=load)
    with master.connect() as c:
        c.pipeline(TYPES)
        follow(replica, master)
        assert "by two connections" in replica.log()
        c.pipeline([("MULTI",), ("INCR", "n"), ("SELECT", "2"), ("INCR", "n"), ("EXEC",), ("INCR", "n")])
        in_step(master, replica)
        assert c("WAIT", "1", "10000") == 1
    wait_until(lambda: channels(master) == ["online,"], "one connection")
    assert replication(master, "replicas_waiting_psync") == "0"
    stats = master.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "0")


def test_both_connections_say_who_they_are(server: Any) -> None:
    master = server(requirepass="secret")
    replica = server(masterauth="secret")
    with replica.connect() as c:
        c.ok("REPLICAOF", "127.0.0.1", str(master.port))
    wait_until(lambda: linked(replica), "a link")
    assert "by two connections" in replica.log()


def begin(master: Any, replica: Any, port: int = 0, held: int = HELD) -> None:
    """A sync whose snapshot takes its time: both connections are at work."""
    with master.connect() as c:
        c.pipeline(TYPES)
        c.ok("CONFIG", "SET", "rdb-key-save-delay", str(held))
    with replica.connect() as c:
        c.ok("REPLICAOF", "127.0.0.1", str(port or master.port))
    wait_until(lambda: channels(master) == ["bg_transfer,main-channel", "wait_bgsave,rdb-channel"], "two connections")


def hurry(master: Any) -> None:
    """The next snapshot takes no time, and the one under way breaks off."""
    with master.connect() as c:
        c.ok("CONFIG", "SET", "rdb-key-save-delay", "0")
        c("CLIENT", "KILL", "TYPE", "replica")


def test_the_replica_holds_the_stream_and_its_master_does_not(server: Any) -> None:
    above, below = free_port(), free_port()
    master, replica = server(repl_backlog_size="64kb", metrics_port=above), server(metrics_port=below)
    begin(master, replica)
    seen = lambda port, name: value(scrape(port), f"remus_{name}")  # noqa: E731
    with master.connect() as c:
        for number in range(64):
            c.ok("SET", f"key{number % 4}", "x" * 100_000)
        wait_until(lambda: int(replication(replica, "replicas_repl_buffer_size")) > 6_400_000, "the stream")
        held = lambda: int(master.info("memory")["mem_total_replication_buffers"])  # noqa: E731
        wait_until(lambda: held() < 1 << 20, "nothing held for it")
        assert seen(below, "stream_ahead_bytes") > 6_400_000 and seen(above, "replicas_waiting_psync") == 0
        assert c("WAIT", "1", "10") == 0                 # it has not applied it
    assert replication(replica, "master_sync_in_progress") == "1"
    hurry(master)
    in_step(master, replica)
    assert int(replication(replica, "replicas_repl_buffer_peak")) > 6_400_000
    assert seen(below, "stream_ahead_peak_bytes") > 6_400_000 and seen(below, "stream_ahead_bytes") == 0


def test_what_waits_is_executed_after_the_snapshot(server: Any) -> None:
    """A transaction, a command larger than what is looked at in a step, many of them: as a chain gets them, too."""
    master, replica, third = server(), server(), server()
    with master.connect() as c:
        c.pipeline([("SET", f"k{n}", "v") for n in range(20)])
        c.ok("CONFIG", "SET", "rdb-key-save-delay", "100000")
        with replica.connect() as r:
            r.ok("REPLICAOF", "127.0.0.1", str(master.port))
        wait_until(lambda: "bg_transfer,main-channel" in channels(master), "the stream")
        c.ok("SET", "large", "y" * 3_000_000)
        c.pipeline([("MULTI",), ("INCR", "n"), ("SELECT", "5"), ("LPUSH", "l", "1"), ("EXEC",)])
        c.pipeline([("RPUSH", "list", *(f"{n}-{m}" for m in range(100))) for n in range(1000)])
        wait_until(lambda: linked(replica), "a link", 60)
        in_step(master, replica)
        c.ok("CONFIG", "SET", "rdb-key-save-delay", "0")
    follow(third, replica)
    in_step(master, replica, third)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_a_master_that_dies(server: Any, load: str) -> None:
    master, replica = server(), server(repl_diskless_load=load)
    begin(master, replica)
    master.kill()
    wait_until(lambda: replication(replica, "master_sync_in_progress") == "0", "the end of the attempt")
    with replica.connect() as c:
        c.ok("REPLICAOF", "NO", "ONE")
        c.ok("SET", "x", "1")


@pytest.mark.parametrize("which", ["main-channel", "rdb-channel"])
def test_a_connection_is_lost(server: Any, which: str) -> None:
    """Without the second one the attempt has failed; without the first one the snapshot goes on."""
    master, replica = server(), server()
    begin(master, replica, held=HELD if which == "rdb-channel" else 200_000)
    with master.connect() as c:
        c.ok("CONFIG", "SET", "rdb-key-save-delay", "0")
        lines = c("CLIENT", "LIST", "TYPE", "replica").decode().splitlines()
        (line,) = (line for line in lines if ("cmd=sync" in line) == (which == "rdb-channel"))
        c("CLIENT", "KILL", "ID", line.split()[0].removeprefix("id="))
    in_step(master, replica)
    wait_until(lambda: channels(master) == ["online,"], "one connection")
    assert replication(master, "replicas_waiting_psync") == "0"
    assert master.info("stats")["sync_full"] == ("2" if which == "rdb-channel" else "1")


def test_nobody_is_followed_any_more(server: Any) -> None:
    master, replica = server(), server()
    begin(master, replica)
    with replica.connect() as c:
        c.ok("REPLICAOF", "NO", "ONE")
        c.ok("SET", "x", "1")
    wait_until(lambda: channels(master) == [], "both connections gone")
    wait_until(lambda: master.info("persistence")["rdb_bgsave_in_progress"] == "0", "the end of the snapshot")


def test_a_peer_that_does_not_know_it(server: Any, new_server: Any) -> None:
    """Either side without it: a sync as ever."""
    old_master, replica, master, old_replica = new_server(), server(), server(), new_server()
    for below, above in ((replica, old_master), (old_replica, master)):
        with above.connect() as c:
            c.pipeline(TYPES)
        follow(below, above)
        in_step(above, below)
        assert "two connections" not in below.log()


@pytest.mark.peer
def test_a_real_master_does_not_know_it(server: Any, new_peer: Any) -> None:
    master, replica = new_peer(repl_diskless_sync_delay=0), server(**PEERS_RDB)
    with master.connect() as c:
        c.pipeline(TYPES)
    follow(replica, master)
    in_step(master, replica)


# ---- a master that misbehaves
def follow_bad(replica: Any, *behaviours: Behaviour) -> BadPeer:
    peer = BadPeer(*behaviours)
    peer.__enter__()
    with replica.connect() as c:
        c.ok("SET", "mine", "1")
        c.ok("REPLICAOF", peer.host, str(peer.port))
    return peer


@pytest.mark.parametrize("answer", [b"-ERR what?\r\n", b"$ENDOFF:x\r\n", b"$EOF:" + MARK + b"\r\n", b"z" * 2000])
def test_a_second_connection_that_is_not_understood(server: Any, answer: bytes) -> None:
    """The next attempt does without."""
    replica = server()
    full = b"+FULLRESYNC %s 7\r\n$EOF:%s\r\n" % (HISTORY, MARK) + SNAPSHOT
    peer = follow_bad(replica, say(*FIRST[:4]), say(b"+OK\r\n", answer), say(*FIRST[:3], full))
    try:
        wait_until(lambda: linked(replica), "a link")
        assert b"dual-channel" in peer.heard[0] and b"dual-channel" not in peer.heard[2]
        with replica.connect() as c:
            assert c("GET", "a") == b"1"
    finally:
        peer.__exit__(None, None, None)


@pytest.mark.parametrize("answers", [(b"-ERR no such id\r\n",), (b"+OK\r\n", b"-ERR no\r\n"),
                                     (b"+OK\r\n", b"+FULLRESYNC " + HISTORY + b" 7\r\n")])  # fmt: skip
def test_connections_that_cannot_be_joined(server: Any, answers: tuple[bytes, ...]) -> None:
    """The data stay, and it is tried again."""
    replica = server(repl_diskless_load="swapdb")
    peer = follow_bad(replica, say(*FIRST[:4], *answers), say(b"+OK\r\n", announced()), hang)
    try:
        wait_until(lambda: len(peer.heard) > 2, "another attempt")
        with replica.connect() as c:
            assert c("GET", "mine") == b"1"
    finally:
        peer.__exit__(None, None, None)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_a_first_connection_that_is_lost_meanwhile(server: Any, load: str) -> None:
    """What came by it is executed behind the snapshot, whole commands of it, and the next attempt asks for the rest."""
    replica, gone = server(repl_diskless_load=load), threading.Event()
    stream = b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"

    def late(sock: Any, heard: bytearray) -> None:
        sock.sendall(announced())
        gone.wait(60)
        sock.sendall(SNAPSHOT)
        hang(sock, heard)

    def leave(sock: Any, heard: bytearray) -> None:
        sock.shutdown(socket.SHUT_WR)  # closed with an ACK unread it would be reset, and what was said be lost
        gone.set()
        hang(sock, heard)

    first = say(*FIRST, CONTINUES + stream + stream[:9], then=leave)
    peer = follow_bad(replica, first, say(b"+OK\r\n", then=late), say(*FIRST[:3]))
    try:
        wanted = b"PSYNC\r\n$40\r\n" + HISTORY + b"\r\n$2\r\n%d\r\n" % (7 + len(stream) + 1)
        wait_until(lambda: len(peer.heard) > 2 and wanted in peer.heard[2], "a PSYNC")
        with replica.connect() as c:
            assert (c("GET", "a"), c("GET", "b")) == (b"1", b"2")
    finally:
        gone.set()
        peer.__exit__(None, None, None)


# ---- a replica that misbehaves
class Snapshot:
    """A second connection, by hand."""

    def __init__(self, master: Any) -> None:
        self.connection = Connection(master.port)
        self.connection.ok("REPLCONF", "capa", "eof", "rdb-only", "1", "rdb-channel", "1", "version", "8.0.0")
        self.connection.send("SYNC")
        words = self.connection.read_raw_through(b"\r\n").strip().split()
        self.offset, self.history, self.id = int(words[0].removeprefix(b"$ENDOFF:")), words[1].decode(), words[3]
        mark = self.connection.read_raw_through(b"\r\n").strip().removeprefix(b"$EOF:")
        self.snapshot = self.connection.read_raw_through(mark)[:-40]


def test_the_place_in_the_stream_is_kept_behind_the_snapshot(server: Any) -> None:
    """... though the backlog is small, and the second connection gone with all that it wanted."""
    port = free_port()
    master = server(repl_backlog_size="16kb", metrics_port=port)
    with master.connect() as c, Connection(master.port) as first:
        second = Snapshot(master)
        assert second.snapshot.startswith(b"REDIS0011")
        second.connection.close()
        wait_until(lambda: channels(master) == [], "its end")
        assert replication(master, "replicas_waiting_psync") == "1"
        assert value(scrape(port), "remus_replicas_waiting_psync") == 1
        c.pipeline([("SET", "k", "z" * 10_000)] * 100)
        first.ok("REPLCONF", "capa", "psync2", "set-rdb-client-id", second.id)
        first.send("PSYNC", second.history, str(second.offset + 1))
        assert first.read_raw_through(b"\r\n") == b"+CONTINUE " + second.history.encode() + b"\r\n"
        begun = first.read_raw_through(b"SELECT\r\n$1\r\n0\r\n").replace(b"*1\r\n$4\r\nPING\r\n", b"")
        assert begun == b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
        assert replication(master, "replicas_waiting_psync") == "0"
        assert channels(master) == ["bg_transfer,main-channel"]
        first.send("REPLCONF", "ACK", str(second.offset + 1))
        wait_until(lambda: channels(master) == ["online,"], "an acknowledgement")


def test_nothing_is_kept_for_an_id_that_nobody_has(server: Any) -> None:
    master = server()
    with master.connect() as c:
        assert "Unrecognized RDB client id 12345" in str(c("REPLCONF", "set-rdb-client-id", "12345"))


def test_a_place_that_costs_too_much_is_given_up(server: Any) -> None:
    limit = 1 << 20
    master = server(client_output_buffer_limit=f"replica {limit} 0 0", repl_backlog_size="16kb")
    with master.connect() as c:
        second = Snapshot(master)
        c.pipeline([("SET", "k", "z" * 100_000)] * 30)
        wait_until(lambda: channels(master) == [], "the end of the second connection")
        second.connection.close()
        wait_until(lambda: replication(master, "replicas_waiting_psync") == "0", "its place given up")
        wait_until(lambda: int(master.info("memory")["mem_total_replication_buffers"]) < limit, "its bytes gone")


def test_the_log_says_why_a_full_sync_under_load_does_not_end(server: Any) -> None:
    master = server(client_output_buffer_limit="replica 1mb 0 0", repl_backlog_size="16kb")
    with master.connect() as c, Connection(master.port) as replica:
        replica.ok("REPLCONF", "capa", "eof", "capa", "psync2")
        replica.send("PSYNC", "?", "-1")
        wait_until(lambda: len(channels(master)) == 1, "a replica")
        c.pipeline([("SET", "k", "z" * 100_000)] * 30)
        wait_until(lambda: "had not loaded its snapshot" in master.log(), "advice")


def test_a_link_that_is_slow(server: Any) -> None:
    """Both connections by a proxy that is cut in the middle."""
    master, replica = server(), server()
    with Proxy(master.port) as proxy:
        begin(master, replica, proxy.port)
        with master.connect() as c:
            c.ok("CONFIG", "SET", "rdb-key-save-delay", "0")
        proxy.cut()
        in_step(master, replica)
