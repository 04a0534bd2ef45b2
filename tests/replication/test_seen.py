"""Replication as INFO and /metrics tell it: syncs by kind, result and reason, lags, bytes, links."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.metrics.test_names import scrape, value
from tests.support.bad_peer import BadPeer, close
from tests.support.following import follow, in_step, linked
from tests.support.pace import wait_until
from tests.support.server import free_port

FRESH = {"repl_diskless_sync_delay": 0}


def told(server: Any, line: str) -> dict[str, str]:
    """The words of a line of INFO syncs."""
    return dict(word.split("=") for word in server.info("syncs")[line].split(","))


def counts(server: Any, side: str) -> tuple[int, int, int, int]:
    """Syncs: full, failed full, partial, refused partial ones."""
    words = told(server, f"as_{side}")
    return tuple(int(words[name]) for name in ("full_ok", "full_err", "partial_ok", "partial_err"))  # type: ignore


@pytest.fixture
def pair(new_server: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """A master and its replica, in step."""
    master, replica = new_server(**FRESH, metrics_port=free_port()), new_server(metrics_port=free_port())
    with master.connect() as c:
        c.ok("SET", "k", "x" * 10_000)
    follow(replica, master)
    in_step(master, replica)
    yield master, replica


def test_syncs_by_kind_and_result(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    assert counts(master, "master") == (1, 0, 0, 1) and counts(replica, "replica") == (1, 0, 0, 1)
    assert told(master, "full_sync_reasons") == {"new": "0", "sync": "0", "history": "1", "offset": "0", "backlog": "0"}
    with master.connect() as c:
        for turn in range(3):
            c("CLIENT", "KILL", "TYPE", "replica")
            wanted = (1, 0, turn + 1, 1)
            wait_until(partial(lambda those: counts(master, "master") == those and linked(replica), wanted), "a link")
    assert counts(master, "master") == (1, 0, 3, 1) and counts(replica, "replica") == (1, 0, 3, 1)
    assert told(replica, "master_link_changes") == {"up": "4", "down": "3"}
    with replica.connect() as c:
        c.ok("REPLICAOF", "NO", "ONE")
    assert told(replica, "master_link_changes") == {"up": "4", "down": "4"}
    for server, side in ((master, "master"), (replica, "replica")):
        assert int(told(server, f"as_{side}")["last_full"]) > 1.7e9
        with server.connect() as c:
            c.ok("CONFIG", "RESETSTAT")
        assert counts(server, side) == (0, 0, 0, 0)
        assert int(told(server, f"as_{side}")["last_full"]) > 1.7e9, "a fact, no statistic"


@pytest.mark.parametrize(("words", "reason"), [
    (("PSYNC", "?", "-1"), "new"), (("SYNC",), "sync"), (("PSYNC", "f" * 40, "1"), "history"),
    (("PSYNC", "own", "1000000000"), "offset"), (("PSYNC", "own", "1"), "backlog"),
])  # fmt: skip
def test_reasons_of_full_syncs(new_server: Callable[..., Any], words: tuple[str, ...], reason: str) -> None:
    master = new_server(**FRESH, repl_backlog_size="16kb")
    with master.connect() as c, master.connect() as first, master.connect() as odd:
        first.send("PSYNC", "?", "-1")
        wait_until(lambda: told(master, "as_master")["full_ok"] == "1", "a backlog")
        for turn in range(100):
            c.ok("SET", f"key{turn}", "x" * 1000)
        c.ok("CONFIG", "RESETSTAT")
        own = master.info("replication")["master_replid"]
        odd.send(*(own if word == "own" else word for word in words))
        wait_until(lambda: told(master, "as_master")["full_ok"] == "1", "its snapshot")
    assert told(master, "full_sync_reasons") == {**dict.fromkeys(("new", "sync", "history", "offset", "backlog"), "0"),
                                                 reason: "1"}
    stats = master.info("stats")
    assert (stats["sync_full"], stats["sync_partial_err"]) == ("1", str(int(reason not in ("new", "sync"))))


def test_failed_full_syncs(new_server: Callable[..., Any]) -> None:
    master = new_server(repl_diskless_sync_delay=100)
    with master.connect() as odd:
        odd.ok("REPLCONF", "capa", "eof")
        odd.send("PSYNC", "?", "-1")
        wait_until(lambda: master.info("replication")["connected_slaves"] == "1", "one that waits")
    wait_until(lambda: counts(master, "master") == (0, 1, 0, 0), "its end")
    replica = new_server()
    greeting = b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC %s 7\r\n$1000\r\nREDIS0011" % (b"a" * 40)

    def break_off(sock: socket.socket, heard: bytearray) -> None:
        sock.sendall(greeting)
        close(sock, heard)

    with BadPeer(break_off) as peer, replica.connect() as c:
        c.ok("REPLICAOF", peer.host, str(peer.port))
        wait_until(lambda: counts(replica, "replica")[1] >= 1, "a snapshot that broke off")
        c.ok("REPLICAOF", "NO", "ONE")
        assert told(replica, "as_replica")["last_full"] == "0"
        assert told(replica, "master_link_changes") == {"up": "0", "down": "0"}


def test_bytes_of_replication(pair: tuple[Any, Any]) -> None:
    """Of the snapshot and of the stream; clients' bytes are none of them."""
    master, replica = pair
    with master.connect() as c:
        before = int(master.info("stats")["total_net_repl_output_bytes"])
        assert 0 < before < 2000, "the snapshot is compressed"
        assert 0 < int(replica.info("stats")["total_net_repl_input_bytes"]) < 2000
        for turn in range(100):
            c.ok("SET", f"k{turn}", "x" * 10_000)
            c("GET", "k1")
        in_step(master, replica)
        wait_until(lambda: int(master.info("stats")["total_net_repl_output_bytes"]) > 1_000_000, "that they have gone")
        sent = int(master.info("stats")["total_net_repl_output_bytes"])
        assert 1_000_000 < sent < 1_020_000
        assert 1_000_000 < int(replica.info("stats")["total_net_repl_input_bytes"]) < 1_020_000
        wait_until(lambda: float(replica.info("stats")["instantaneous_input_repl_kbps"]) > 0, "a rate")
        wait_until(lambda: float(master.info("stats")["instantaneous_output_repl_kbps"]) > 0, "a rate")
        c("CLIENT", "KILL", "TYPE", "replica")
        wait_until(lambda: linked(replica), "a link again")
        assert sent <= int(master.info("stats")["total_net_repl_output_bytes"]) < 1_020_000, "who went is counted, too"
        assert 1_000_000 < int(replica.info("stats")["total_net_repl_input_bytes"]) < 1_020_000
        for server in pair:
            with server.connect() as other:
                other.ok("CONFIG", "RESETSTAT")
            stats = server.info("stats")
            assert 0 <= int(stats["total_net_repl_output_bytes"]) < 1000
            assert 0 <= int(stats["total_net_repl_input_bytes"]) < 1000


def test_the_lag_of_a_replica_that_stands_still(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    port, here = int(master.directives["metrics-port"]), {"slave_ip": "127.0.0.1", "slave_port": str(replica.port)}

    def lag(unit: str) -> float:
        return value(scrape(port), f"remus_replica_lag_{unit}", **here)

    wait_until(lambda: lag("bytes") == lag("seconds") == 0, "an acknowledgement")
    with replica.connect() as held, master.connect() as c:
        held.send("DEBUG", "SLEEP", "30")
        c.ok("SET", "k", "y" * 5000)
        wait_until(lambda: lag("bytes") > 5000 and lag("seconds") > 0.5, "a lag")
        replica.kill()
        wait_until(lambda: "remus_replica_lag_bytes" not in scrape(port), "that it is gone")


def test_metrics_of_both_sides(pair: tuple[Any, Any]) -> None:
    above, below = (scrape(int(server.directives["metrics-port"])) for server in pair)
    assert value(above, "remus_syncs_total", side="master", kind="full", result="ok") == 1
    assert value(above, "remus_syncs_total", side="replica", kind="full", result="ok") == 0
    assert value(above, "remus_full_syncs_begun_total", reason="history") == 1
    assert value(above, "redis_replica_resyncs_full") == value(above, "redis_connected_slaves") == 1
    assert value(above, "redis_connected_slave_offset_bytes", slave_state="online") >= 0
    assert value(above, "redis_repl_backlog_is_active") == 1
    assert value(below, "remus_syncs_total", side="replica", kind="full", result="ok") == 1
    assert value(below, "remus_last_full_sync_timestamp_seconds", side="replica") > 1.7e9
    assert value(below, "remus_master_link_changes_total", to="up") == 1
    assert value(below, "redis_master_link_up", master_port=str(pair[0].port)) == 1
    assert value(below, "redis_slave_info", read_only="1") == 1


def test_replicas_that_cannot_be_told_apart_are_one_series(new_server: Callable[..., Any]) -> None:
    """A scrape that has a series twice is worth nothing to Prometheus."""
    port = free_port()
    master = new_server(**FRESH, metrics_port=port)
    with master.connect() as one, master.connect() as other:
        for odd in (one, other):
            odd.send("PSYNC", "?", "-1")
        wait_until(lambda: told(master, "as_master")["full_ok"] == "2", "two replicas")
        found = scrape(port)
    for name in ("redis_connected_slave_offset_bytes", "redis_connected_slave_lag_seconds", "remus_replica_lag_bytes"):
        assert len(found[name]) == 1, name


def test_expires_that_a_writable_replica_keeps_itself(pair: tuple[Any, Any]) -> None:
    _, replica = pair
    with replica.connect() as c:
        c.ok("CONFIG", "SET", "replica-read-only", "no")
        c.ok("SET", "own", "1", "PX", "100000")
        assert replica.info("stats")["slave_expires_tracked_keys"] == "1"
        c.ok("REPLICAOF", "NO", "ONE")
        assert replica.info("stats")["slave_expires_tracked_keys"] == "0"
