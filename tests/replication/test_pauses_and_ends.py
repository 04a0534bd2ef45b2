"""CLIENT LIST and KILL by type, CLIENT PAUSE, FAILOVER, SHUTDOWN and DEBUG where replicas are."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.following import digest, follow, in_step, is_online, linked
from tests.support.pace import wait_until

FRESH = {"repl_diskless_sync_delay": 0}


@pytest.fixture(params=["ours", pytest.param("theirs", marks=pytest.mark.peer)])
def pair(request: pytest.FixtureRequest, new_server: Callable[..., Any]) -> tuple[Any, Any]:
    """Our master, and a replica of ours or a real one."""
    master = new_server(**FRESH, rdb_version=10)
    replica = (new_server if request.param == "ours" else request.getfixturevalue("new_peer"))()
    follow(replica, master)
    in_step(master, replica)
    return master, replica


def lines(c: Any, *words: str) -> list[dict[str, str]]:
    """CLIENT LIST."""
    text = c("CLIENT", "LIST", *words).decode()
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in text.splitlines()]


# ---- clients by type
def test_clients_by_type(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    with master.connect() as c, replica.connect() as r:
        for word in ("replica", "slave"):
            assert [(line["flags"], line["cmd"]) for line in lines(c, "TYPE", word)] == [("S", "replconf")]
        assert [line["flags"] for line in lines(c, "TYPE", "normal")] == ["N"] and not lines(c, "TYPE", "master")
        assert master.info("clients")["connected_clients"] == "2", "this one and the one of INFO, without the replica"
        [line] = lines(r, "TYPE", "master")
        assert line["flags"] == "M" and line["addr"] == f"127.0.0.1:{master.port}" and line["user"] == "(superuser)"
        assert line["laddr"].startswith("127.0.0.1:") and int(line["fd"]) > 0
        assert replica.info("clients")["connected_clients"] == "3", "a master is a client"
        assert c("CLIENT", "KILL", "TYPE", "master") == r("CLIENT", "KILL", "TYPE", "replica") == 0
        assert r("CLIENT", "KILL", "TYPE", "master") == 1
        wait_until(lambda: linked(replica) and master.info("stats")["sync_partial_ok"] == "1", "a link again")
        assert c("CLIENT", "KILL", "TYPE", "slave") == 1
        wait_until(lambda: linked(replica) and master.info("stats")["sync_partial_ok"] == "2", "a link again")


# ---- pauses
def test_a_paused_replica_holds_the_stream(new_server: Callable[..., Any]) -> None:
    """What came is told, what was applied stands still; and then it goes on, transactions among it."""
    master, replica = new_server(**FRESH), new_server()
    follow(replica, master)
    in_step(master, replica)
    with master.connect() as c, replica.connect() as r:
        r.ok("CLIENT", "PAUSE", "100000", "WRITE")
        c.ok("SET", "k", "1")
        came = lambda: int(replica.info("replication")["slave_read_repl_offset"])  # noqa: E731
        first = int(master.info("replication")["master_repl_offset"])
        wait_until(lambda: came() >= first, "the first piece")             # the link stands still from now on
        c.pipeline([("MULTI",), ("INCR", "n"), ("INCR", "m"), ("EXEC",), ("LPUSH", "l", "x")])
        end = int(master.info("replication")["master_repl_offset"])
        wait_until(lambda: came() >= end, "that it came")
        assert came() <= int(master.info("replication")["master_repl_offset"]), "more cannot have come"
        told = replica.info("replication")
        assert int(told["slave_repl_offset"]) < end and told["master_link_status"] == "up"
        assert r("GET", "k") is None
        r.ok("CLIENT", "UNPAUSE")
        in_step(master, replica)
        assert r("GET", "k") == b"1" and r("GET", "n") == r("GET", "m") == b"1"
        r.ok("CLIENT", "PAUSE", "300", "ALL")
        c.ok("SET", "k", "2")
        assert r("GET", "k") in (b"1", b"2"), "the answer comes when the pause is over"
        in_step(master, replica)
    assert replica.info("stats")["internal_errors"] == "0"


def test_a_transaction_of_the_stream_is_held_whole(new_server: Callable[..., Any]) -> None:
    master, replica = new_server(**FRESH), new_server()
    follow(replica, master)
    with master.connect() as c, replica.connect() as r:
        for turn in range(20):
            c.ok("SET", "before", str(turn))
            r.ok("CLIENT", "PAUSE", "100000", "WRITE")
            c.pipeline([("SET", f"k{n}", str(turn)) for n in range(20)])
            c.pipeline([("MULTI",), *[("INCR", f"n{n}") for n in range(20)], ("EXEC",)])
            assert len(set(r("MGET", *[f"n{n}" for n in range(20)]))) == 1, "all of it, or nothing"
            r.ok("CLIENT", "UNPAUSE")
        in_step(master, replica)
    assert replica.info("stats")["internal_errors"] == "0"


def test_a_paused_master_still_feeds_its_replicas(pair: tuple[Any, Any]) -> None:
    """PAUSE holds clients, no replicas: one that comes now gets its sync."""
    master, replica = pair
    with master.connect() as c, replica.connect() as r:
        c.ok("SET", "k", "1")
        c.ok("CLIENT", "PAUSE", "2000", "ALL")
        r("CLIENT", "KILL", "TYPE", "master")
        wait_until(lambda: linked(replica), "a link again")
        wait_until(lambda: r("GET", "k") == b"1", "what was written before")
    in_step(master, replica)


def test_failover_while_clients_are_paused(pair: tuple[Any, Any]) -> None:
    """The writes that wait hear of the new master; the pause of the user stays as long as the user said."""
    master, replica = pair
    with master.connect() as c, master.connect() as writer:
        c.ok("SET", "k", "1")
        c.ok("CLIENT", "PAUSE", "100000", "WRITE")
        writer.send("INCR", "k")
        wait_until(lambda: master.info("clients")["blocked_clients"] == "1", "a writer that waits")
        c.ok("FAILOVER", "TO", "127.0.0.1", str(replica.port))
        wait_until(lambda: master.info("replication")["role"] == "slave" and linked(master), "changed roles")
        assert master.info("replication")["master_failover_state"] == "no-failover"
        assert writer.nothing_comes(), "the pause is the user's"
        c.ok("CLIENT", "UNPAUSE")
        assert writer.read().code == "READONLY"
        assert replica.info("replication")["role"] == "master" and c("GET", "k") == b"1"


def test_the_end_of_a_pause_does_not_end_that_of_a_failover(new_server: Callable[..., Any]) -> None:
    master, replica = new_server(**FRESH), new_server()
    follow(replica, master)
    in_step(master, replica)
    replica.signal(signal.SIGSTOP)
    try:
        with master.connect() as c, master.connect() as writer:
            c.ok("SET", "k", "1")
            c.ok("FAILOVER")
            writer.send("INCR", "k")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "1", "a writer that waits")
            c.ok("CLIENT", "PAUSE", "1", "WRITE")
            c.ok("CLIENT", "UNPAUSE")
            assert writer.nothing_comes()
            assert master.info("replication")["master_failover_state"] == "waiting-for-sync"
            c.ok("FAILOVER", "ABORT")
            assert writer.read() == 2
    finally:
        replica.signal(signal.SIGCONT)
    in_step(master, replica)


def test_a_failover_that_the_target_rejects(pair: tuple[Any, Any]) -> None:
    """A master again, of a history with a new id, for whoever was asked might have taken over; replicas go on."""
    master, replica = pair
    with master.connect() as c, replica.connect() as r:
        before = master.info("replication")["master_replid"]
        r.ok("ACL", "SETUSER", "default", "-psync")
        c.ok("SET", "k", "1")
        c.ok("FAILOVER", "TO", "127.0.0.1", str(replica.port))
        master.wait_for_log("Failover target rejected psync request")
        r.ok("ACL", "SETUSER", "default", "+psync")
        wait_until(lambda: is_online(replica, master), "a link again")
        told = master.info("replication")
        assert told["role"] == "master" and told["master_failover_state"] == "no-failover"
        assert told["master_replid"] != before == told["master_replid2"]
        assert master.log().count("Failover target rejected psync request") == 1
        stats = master.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "1")
        c.ok("SET", "k", "2")
    in_step(master, replica)


# ---- the end
def fill_socket(master: Any, c: Any) -> None:
    """Write until a replica that does not read has bytes waiting here: what follows has not gone."""
    def waiting() -> bool:
        c.ok("SET", "filler", "x" * (1 << 20))
        return any(int(line["omem"]) > 1 << 20 for line in lines(c, "TYPE", "replica"))

    wait_until(waiting, "a full socket")


def test_shutdown_waits_for_a_replica_that_lags(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    with master.connect() as c, master.connect() as writer:
        replica.signal(signal.SIGSTOP)
        try:
            fill_socket(master, c)
            c.ok("SET", "last", "1")
            master.signal(signal.SIGTERM)
            wait_until(lambda: int(master.info("server").get("shutdown_in_milliseconds", 0)) > 0, "that it waits")
            writer.send("SET", "last", "2")
            assert writer.nothing_comes(), "no write may come behind it"
        finally:
            replica.signal(signal.SIGCONT)
        assert master.wait_exit() == 0
    master.wait_for_log("1 of 1 replicas are in sync when shutting down")
    assert "Lagging replica" not in master.log()
    with replica.connect() as r:
        assert r("GET", "last") == b"1"


def test_shutdown_does_not_wait_for_ever(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    with master.connect() as c:
        c.ok("CONFIG", "SET", "shutdown-timeout", "1")
        replica.signal(signal.SIGSTOP)
        try:
            c.ok("SET", "last", "1")
            master.signal(signal.SIGTERM)
            assert master.wait_exit() == 0
        finally:
            replica.signal(signal.SIGCONT)
    line = master.wait_for_log("Lagging replica")
    assert f"127.0.0.1:{replica.port} reported offset" in line and "behind master" in line and "state=online" in line
    master.wait_for_log("0 of 1 replicas are in sync when shutting down")


@pytest.mark.parametrize("words", [("NOW",), ("NOSAVE", "NOW")])
def test_shutdown_now_does_not_wait(new_server: Callable[..., Any], words: tuple[str, ...]) -> None:
    master, replica = new_server(**FRESH, shutdown_timeout=100000), new_server()
    follow(replica, master)
    replica.signal(signal.SIGSTOP)
    try:
        with master.connect() as c:
            c.ok("SET", "last", "1")
            c.send("SHUTDOWN", *words)
            assert master.wait_exit() == 0
    finally:
        replica.signal(signal.SIGCONT)


def test_shutdown_is_called_off(new_server: Callable[..., Any]) -> None:
    master, replica = new_server(**FRESH, shutdown_timeout=100000), new_server()
    follow(replica, master)
    replica.signal(signal.SIGSTOP)
    try:
        with master.connect() as c, master.connect() as one, master.connect() as writer:
            c.ok("SET", "last", "1")
            one.send("SHUTDOWN")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "1", "that it waits")
            writer.send("SET", "last", "2")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "2", "a writer that waits")
            c.ok("SHUTDOWN", "ABORT")
            assert "Errors trying to SHUTDOWN" in str(one.read())
            assert writer.read() == "OK"
    finally:
        replica.signal(signal.SIGCONT)
    in_step(master, replica)


# ---- DEBUG
def test_debug_replicate_reaches_replicas_alone(new_server: Callable[..., Any]) -> None:
    master, replica = new_server(**FRESH, appendonly="yes"), new_server()
    follow(replica, master)
    with master.connect() as c, replica.connect() as r:
        c.ok("DEBUG", "REPLICATE", "SET", "theirs", "1")
        wait_until(lambda: r("GET", "theirs") == b"1", "the command")
        c.ok("DEBUG", "LOADAOF")
        assert c("GET", "theirs") is None
    assert digest(master) != digest(replica)


def test_debug_change_repl_id_makes_replicas_begin_anew(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    with master.connect() as c:
        before = master.info("replication")["master_replid"]
        c.ok("DEBUG", "CHANGE-REPL-ID")
        told = master.info("replication")
        assert told["master_replid"] != before and told["master_replid2"] == "0" * 40
        c("CLIENT", "KILL", "TYPE", "replica")
        wait_until(lambda: master.info("stats")["sync_full"] == "2" and linked(replica), "a full sync")
    in_step(master, replica)
