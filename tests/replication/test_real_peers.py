"""Ours and Debian's redis-server as each other's replica: the same data, whatever is written."""

import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from tests.support.following import PEERS_RDB, TYPES, follow, in_step, linked, random_writes
from tests.support.pace import wait_until
from tests.support.resp import Connection


def write_at_random(c: Connection, number: int, seed: int) -> None:
    c.pipeline(list(islice(random_writes(c, random.Random(seed)), number)))


@pytest.fixture
def ours(new_server: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **options: new_server(**{**PEERS_RDB, **options})


@pytest.mark.peer
@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_real_replica_of_ours(ours: Any, new_peer: Any, diskless: str) -> None:
    master, replica = ours(repl_diskless_sync=diskless), new_peer()
    with master.connect() as c:
        c.pipeline(TYPES)
        follow(replica, master)
        in_step(master, replica)
        write_at_random(c, 2000, 1)
        c.pipeline([("MULTI",), ("INCR", "n"), ("SELECT", "2"), ("INCR", "n"), ("EXEC",)])
        c("EVAL", "redis.call('set', 'a', 1) redis.call('incr', 'a') redis.call('lpush', 'l', 'x')", "0")
    in_step(master, replica)


@pytest.mark.peer
@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_our_replica_of_a_real_one(ours: Any, new_peer: Any, load: str) -> None:
    master, replica = new_peer(repl_diskless_sync_delay=0), ours(repl_diskless_load=load)
    with master.connect() as c:
        c.pipeline(TYPES)
        follow(replica, master)
        in_step(master, replica)
        write_at_random(c, 2000, 2)
        c.pipeline([("MULTI",), ("INCR", "n"), ("SELECT", "2"), ("INCR", "n"), ("EXEC",)])
    in_step(master, replica)
    with replica.connect() as r:
        assert r("SET", "x", "1").code == "READONLY"
        assert r("ROLE")[0] == b"slave" and len(r("FUNCTION", "LIST")) == 1


@pytest.mark.peer
def test_chains(ours: Any, new_peer: Any) -> None:
    first, second, third = ours(), new_peer(repl_diskless_sync_delay=0), ours()
    follow(second, first)
    follow(third, second)
    with first.connect() as c:
        write_at_random(c, 1000, 3)
    in_step(first, second)
    in_step(first, third)
    first, second, third = new_peer(repl_diskless_sync_delay=0), ours(), new_peer()
    follow(second, first)
    follow(third, second)
    with first.connect() as c:
        write_at_random(c, 1000, 4)
    in_step(first, second, third)


def test_a_cut_link_goes_on_where_it_was(ours: Any) -> None:
    master, replica = ours(), ours()
    follow(replica, master)
    with master.connect() as c:
        for turn in range(5):
            c("CLIENT", "KILL", "TYPE", "replica")
            write_at_random(c, 200, turn)
            wait_until(lambda: linked(replica), "a link again")
        in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"
        assert int(master.info("stats")["sync_partial_ok"]) >= 5


def test_promotion_keeps_the_history(ours: Any) -> None:
    first, second, third = ours(), ours(), ours()
    follow(second, first)
    follow(third, first)
    with first.connect() as c:
        write_at_random(c, 200, 5)
    in_step(first, second, third)
    with second.connect() as c:
        c.ok("REPLICAOF", "NO", "ONE")
        follow(third, second)
        follow(first, second)
        write_at_random(c, 200, 6)
    in_step(second, first, third)
    stats = second.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == ("0", "2")


def test_restarts_go_on_too(ours: Any) -> None:
    master, replica = ours(save="3600 100000"), ours(save="3600 100000")
    follow(replica, master)
    with master.connect() as c:
        c("SET", "k", "1")
    in_step(master, replica)
    replica.restart(replicaof=f"127.0.0.1 {master.port}")
    wait_until(lambda: linked(replica), "a link again")
    assert master.info("stats")["sync_full"] == "1"
    master.restart()
    wait_until(lambda: linked(replica), "a link again")
    assert master.info("stats")["sync_full"] == "0"
    with master.connect() as c:
        c("SET", "k", "2")
    in_step(master, replica)


def test_a_replica_that_starts_keeps_what_has_expired(ours: Any) -> None:
    """Such keys are its master's to delete: one of ours would otherwise have a history of its own, and lack keys that a
    real one has. It goes on where it was."""
    master, replica = ours(), ours()
    follow(replica, master)
    with master.connect() as c, replica.connect() as r:
        assert c("DEBUG", "SET-ACTIVE-EXPIRE", "0") == "OK"
        c.pipeline([("SET", "kept", "1"), *(("SET", f"gone:{n}", "1", "PX", 50) for n in range(10))])
        in_step(master, replica)
        assert r("SAVE") == "OK"
        wait_until(lambda: r("GET", "gone:0") is None, "their time has come")
    syncs = master.info("stats")["sync_full"]
    replica.restart(replicaof=f"127.0.0.1 {master.port}")
    wait_until(lambda: linked(replica), "a link again")
    with master.connect() as c, replica.connect() as r:
        assert (r("DBSIZE"), r("GET", "gone:1")) == (11, None)
        assert master.info("stats")["sync_full"] == syncs
        assert c("SET", "after", "1") == "OK"
        in_step(master, replica)
        assert c("DEBUG", "SET-ACTIVE-EXPIRE", "1") == "OK"
        wait_until(lambda: r("DBSIZE") == 2, "the master deletes them")
        assert r("DEBUG", "RELOAD") == "OK" and r("GET", "after") == b"1"


def test_wait(ours: Any) -> None:
    master, replica = ours(appendonly="yes"), ours(appendonly="yes")
    follow(replica, master)
    with master.connect() as c:
        c("SET", "k", "1")
        assert c("WAIT", "1", "5000") == 1
        assert c("WAITAOF", "1", "1", "10000") == [1, 1]
        assert c("WAIT", "2", "10") == 1
        assert c("WAITAOF", "1", "2", "10") == [1, 1]
        assert c("WAIT", "x", "10").code == c("WAITAOF", "2", "0", "10").code == "ERR"
    with replica.connect() as c:
        assert "replica instances" in str(c("WAIT", "1", "1"))


def test_failover(ours: Any) -> None:
    master, replica = ours(), ours()
    follow(replica, master)
    with master.connect() as c:
        write_at_random(c, 100, 7)
        c.ok("FAILOVER")
        wait_until(lambda: master.info("replication")["role"] == "slave" and linked(master), "changed roles")
        assert replica.info("replication")["role"] == "master"
        assert c("SET", "x", "1").code == "READONLY"
    in_step(replica, master)


def test_too_few_good_replicas(ours: Any) -> None:
    master, replica = ours(min_replicas_to_write=1), ours()
    with master.connect() as c:
        assert c("SET", "x", "1").code == "NOREPLICAS"
        follow(replica, master)
        wait_until(lambda: c("SET", "x", "1") == "OK", "a good replica")


def test_garbage_from_a_replica(ours: Any) -> None:
    master = ours()
    with master.connect() as c:
        assert c("PSYNC", "x", "y").code == "ERR"
        assert c("PSYNC", "?", "-1", "WHAT").code == "ERR"
        assert c("REPLCONF", "what", "1").code == "ERR"
        assert c("REPLCONF", "listening-port").code == "ERR"
        assert c("REPLCONF", "listening-port", "x").code == "ERR"
        assert c("REPLCONF", "ip-address", "1" * 100).code == "ERR"
        assert c("REPLCONF", "rdb-filter-only", "everything").code == "ERR"
        c.send("REPLCONF", "ACK", "5")
        assert c.nothing_comes()
        assert c("PING") == "PONG"


@pytest.mark.parametrize("words", [("PING",), ("TIME",), ("GET", "k")])
def test_a_replicas_own_commands_put_no_reply_into_the_stream(ours: Any, words: tuple[str, ...]) -> None:
    master = ours()
    with master.connect() as c, master.connect() as odd:
        odd.send("PSYNC", "?", "-1")
        wait_until(lambda: b"state=online" in c("INFO", "replication"), "a replica with its snapshot")
        odd.send("REPLCONF", "ACK", "0")
        c.ok("SET", "k", "1")
        got = b""
        while not got.endswith(b"$1\r\nk\r\n$1\r\n1\r\n"):
            got += odd.socket.recv(1 << 16)
        odd.send(*words)
        assert odd.read_until_closed() == b"", "one that asks for more is no replica"
        assert f"Replica generated a reply to command '{words[0].lower()}', disconnecting it: " in master.log()


def test_an_offset_that_is_no_number(ours: Any) -> None:
    master = ours()
    with master.connect() as c:
        assert "not an integer" in c("PSYNC", "?", "x").text
        assert c("PING") == "PONG"
        assert "asks for synchronization but with a wrong offset" in master.log()


def test_replicas_of_a_master_that_gathers_small_writes(ours: Any) -> None:
    master, replica = ours(**{"repl-disable-tcp-nodelay": "yes"}), ours()
    follow(replica, master)
    with master.connect() as c:
        for n in range(100):
            c.ok("SET", f"key{n}", "1")
    in_step(master, replica)
    assert master.info("stats")["internal_errors"] == "0"


def test_a_replica_that_loads_for_long_says_so_by_newlines(ours: Any) -> None:
    """It has its file, so that it is online, and acknowledges nothing; one that is silent is dropped."""
    master = ours(**{"repl-diskless-sync": "no", "repl-timeout": 2})
    with master.connect() as silent, master.connect() as busy:
        for replica in (silent, busy):
            replica.send("PSYNC", "?", "-1")
        wait_until(lambda: master.info("replication").get("slave1", "").count("state=online"), "two replicas")

        def only_one() -> bool:
            busy.send_raw(b"\n")
            return master.info("replication")["connected_slaves"] == "1"

        wait_until(only_one, "the end of the silent one")
        assert master.log().count("Disconnecting timedout replica (streaming sync)") == 1
        assert len([row for row in master.redis().client_list() if row["flags"] == "S"]) == 1


@pytest.mark.parametrize("unit", [[("SET", "b", "2")], [("MULTI",), ("SET", "b", "2"), ("INCR", "n"), ("EXEC",)]])
def test_a_paused_replica_reads_and_applies_later(ours: Any, unit: list[tuple[str, ...]]) -> None:
    master, replica = ours(), ours()
    follow(replica, master)
    with master.connect() as c, replica.connect() as r:
        c.ok("SET", "a", "1")
        in_step(master, replica)
        r.ok("CLIENT", "PAUSE", "600000", "WRITE")
        c.pipeline(unit)
        seen = lambda field: replica.info("replication")[field]  # noqa: E731
        end = lambda: master.info("replication")["master_repl_offset"]  # noqa: E731
        wait_until(lambda: seen("slave_read_repl_offset") == end(), "what was written to be read")
        assert int(seen("slave_repl_offset")) < int(end()) and r("GET", "b") is None
        r.ok("CLIENT", "UNPAUSE")
        in_step(master, replica)
        assert r("GET", "b") == b"2"


def test_masters_that_are_none(ours: Any) -> None:
    """A replica tries again, keeps its data and says why."""
    replica, other = ours(), ours(requirepass="secret")
    with replica.connect() as c:
        c("SET", "k", "1")
        for port in (other.port, 1):
            c.ok("REPLICAOF", "127.0.0.1", str(port))
            wait_until(lambda: c("ROLE")[3] in (b"connect", b"connecting"), "an attempt that failed")
        assert c("GET", "k") == b"1"
        c.ok("CONFIG", "SET", "masterauth", "secret")
        c.ok("REPLICAOF", "127.0.0.1", str(other.port))
        wait_until(lambda: linked(replica), "a link")
        c.ok("CONFIG", "SET", "replica-serve-stale-data", "no")
        c("REPLICAOF", "127.0.0.1", "1")
        assert c("GET", "k").code == "MASTERDOWN"
        c.ok("REPLICAOF", "NO", "ONE")
        assert c("GET", "k") is None


def test_a_replica_that_reads_nothing_is_closed_at_its_limit(ours: Any) -> None:
    """The others get everything, and what it held goes."""
    master, other = ours(client_output_buffer_limit="replica 4mb 0 0", repl_backlog_size="16kb"), ours()
    follow(other, master)
    with master.connect() as c, master.connect() as deaf:
        deaf.send("PSYNC", "?", "-1")
        wait_until(lambda: master.info("replication")["connected_slaves"] == "2", "two replicas")
        for turn in range(64):
            c.ok("SET", f"key{turn % 4}", "x" * (1 << 20))
        wait_until(lambda: master.info("replication")["connected_slaves"] == "1", "the end of the deaf one")
        in_step(master, other)
        wait_until(lambda: int(master.info("memory")["mem_total_replication_buffers"]) < 4 << 20, "what it held to go")
        assert "output buffer limits" in master.log()
