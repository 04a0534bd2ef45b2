"""WAIT of many: who is answered what, and what counts when; by its fast path and by its definition."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.following import follow, in_step
from tests.support.pace import wait_until


@pytest.fixture(params=["yes", "no"])
def pair(request: pytest.FixtureRequest, new_server: Callable[..., Any]) -> tuple[Any, Any]:
    """A master, with fast paths and without, and its replica."""
    master, replica = new_server(repl_diskless_sync_delay=0), new_server()
    with master.connect() as c:
        c.ok("DEBUG", "FAST-PATHS", request.param)
    follow(replica, master)
    in_step(master, replica)
    return master, replica


def calls(master: Any, name: str = "wait") -> int:
    told = master.info("commandstats").get(f"cmdstat_{name}", "calls=0")
    return int(dict(field.split("=") for field in told.split(","))["calls"])


def test_what_it_answers(pair: tuple[Any, Any]) -> None:
    master, _ = pair
    with master.connect() as c:
        assert c("WAIT", "1", "0") == 1, "nothing was written"
        for number in range(100):
            c.ok("SET", f"k{number}", "1")
            assert c("WAIT", "1", "0") == 1
        assert c.pipeline([("SET", "k", "1"), ("WAIT", "1", "0"), ("GET", "k"), ("WAIT", "0", "0")])[1:] == [1, b"1", 1]
        assert c("WAIT", "-1", "0") == 1 and c("WAIT", "2", "20") == 1
        for words in (("a", "0"), ("1", "a"), ("1", "-1"), ("1",), ("99999999999999999999", "0")):
            assert c("WAIT", *words).code == "ERR"
        assert c("WAIT", "1", "9223372036854775807").code == "ERR", "beyond the end of time"
        c.ok("MULTI"), c("SET", "k", "2"), c("WAIT", "5", "0")
        assert c("EXEC")[1] in (0, 1), "never waits within a transaction"
        c.send_raw(b"CLIENT REPLY SKIP\r\nWAIT 2 9\r\nECHO end\r\nCLIENT REPLY OFF\r\nWAIT 2 20\r\nCLIENT REPLY ON\r\n")
        assert c.read_many(2) == [b"end", "OK"], "also what comes when the waiting is over is no reply"
    wait_until(lambda: master.info("clients")["blocked_clients"] == "0", "nobody who waits")


def test_many_wait_and_all_are_answered(pair: tuple[Any, Any]) -> None:
    master, replica = pair
    clients = [master.connect() for _ in range(60)]
    replica.signal(signal.SIGSTOP)
    try:
        before = calls(master)
        for number, c in enumerate(clients):
            c.send("SET", f"k{number}", "1")
            c.send("WAIT", "1", "0" if number % 2 else "600000")
            c.send("GET", f"k{number}")
        wait_until(lambda: master.info("clients")["blocked_clients"] == "60", "all of them waiting")
        assert master.info("clients")["clients_in_timeout_table"] == "30"
        assert calls(master) == before, "a call counts when it is answered"
        for c in clients:
            assert c.read() == "OK" and c.nothing_comes(0.001)
        clients.pop(0).close(), clients.pop(7).close()
        wait_until(lambda: master.info("clients")["blocked_clients"] == "58", "two that went")
    finally:
        replica.signal(signal.SIGCONT)
    for c in clients:
        assert c.read() == 1 and c.read() == b"1"
    told = master.info("clients")
    assert told["blocked_clients"] == told["clients_in_timeout_table"] == "0" and calls(master) == before + 58
    assert master.info("stats")["internal_errors"] == "0"
    for c in clients:
        assert c("WAIT", "1", "0") == 1
        c.close()


def test_the_ends_of_waiting(pair: tuple[Any, Any]) -> None:
    """Time, CLIENT UNBLOCK, the loss of the connection, and the change of roles."""
    master, replica = pair
    with master.connect() as c, master.connect() as one, master.connect() as two, master.connect() as three:
        replica.signal(signal.SIGSTOP)
        try:
            for each in (one, two, three):
                each.ok("SET", "k", "1")
            assert one("WAIT", "1", "20") == 0
            assert one("WAIT", "1", "20") == 0
            for each in (one, two, three):
                each.send("WAIT", "1", "0")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "3", "three who wait")
            ids = [int(row["id"]) for row in master.redis().client_list() if "b" in row["flags"]]
            assert len(ids) == 3
            assert c("CLIENT", "UNBLOCK", str(ids[0]), "TIMEOUT") == 1 and one.read() == 0
            assert c("CLIENT", "UNBLOCK", str(ids[1]), "ERROR") == 1 and two.read().code == "UNBLOCKED"
            assert c("CLIENT", "UNBLOCK", str(ids[1])) == 0
            c.ok("REPLICAOF", "127.0.0.1", "1")
            assert three.read().code == "UNBLOCKED"
        finally:
            replica.signal(signal.SIGCONT)
        assert "replica instances" in str(c("WAIT", "1", "0"))
        c.ok("REPLICAOF", "NO", "ONE")
        assert c("WAIT", "0", "0") >= 0
        assert master.info("clients")["blocked_clients"] == "0"


def test_questions_and_answers_count(pair: tuple[Any, Any]) -> None:
    """REPLCONF is a command on both sides, and whoever answers was heard."""
    master, replica = pair
    with master.connect() as c:
        c.ok("CONFIG", "RESETSTAT")
        for _ in range(20):
            assert c.pipeline([("SET", "k", "1"), ("WAIT", "1", "0")]) == ["OK", 1]
    assert calls(master, "replconf") >= 20, "as many answers, and those of every second"
    wait_until(lambda: calls(replica, "replconf") >= 20, "as many questions")
    wait_until(lambda: master.info("replication")["slave0"].endswith("lag=0"), "that it was heard")


def test_who_waits_for_our_disk_is_told_that_it_is_gone(new_server: Callable[..., Any]) -> None:
    with new_server(appendonly="yes", appendfsync="no") as server, server.connect() as c, server.connect() as other:
        c.ok("INCR", "k")
        c.send("WAITAOF", "1", "0", "0")
        wait_until(lambda: server.info("clients")["blocked_clients"] == "1", "it waits")
        other.ok("CONFIG", "SET", "appendonly", "no")
        assert "numlocal is set but appendonly is disabled" in str(c.read())
        assert str(c("WAITAOF", "1", "0", "0")) == str(other("WAITAOF", "1", "0", "0"))
        assert c("WAITAOF", "0", "0", "0") == [0, 0]
        assert "calls=4," in server.info("commandstats")["cmdstat_waitaof"]
