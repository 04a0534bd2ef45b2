"""replica-refuse-empty-master: a master that comes back empty does not empty its replicas."""

from collections.abc import Callable
from typing import Any

import pytest

from server.persistence.rdb_peek import holds_keys
from tests.metrics.test_names import scrape, value
from tests.replication.test_real_peers import TYPES
from tests.support.following import follow, in_step, linked
from tests.support.pace import wait_until
from tests.support.server import free_port

FUNCTION = ("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")


def refused(replica: Any) -> bool:
    return bool(replica.info("replication").get("master_empty_refused") == "1")


def pair(master: Any, new_server: Callable[..., Any], **options: Any) -> tuple[Any, Any]:
    """A master with data, and a replica that will not lose them."""
    replica = new_server(**{"replica_refuse_empty_master": "yes", "save": "3600 100000", **options})
    with master.connect() as c:
        c.pipeline(TYPES)
    follow(replica, master)
    in_step(master, replica)
    return master, replica


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_a_master_that_comes_back_empty(new_server: Callable[..., Any], load: str, diskless: str) -> None:
    port = free_port()
    fresh = new_server(repl_diskless_sync_delay=0, repl_diskless_sync=diskless)
    master, replica = pair(fresh, new_server, repl_diskless_load=load, metrics_port=port)
    assert value(scrape(port), "remus_master_empty_refused") == 0
    with replica.connect() as c:
        keys = c("DBSIZE")
        master.kill()
        (master.folder / "dump.rdb").unlink(missing_ok=True)       # what a full sync by disk leaves
        master.restart()
        wait_until(lambda: refused(replica), "a refusal")
        assert c("DBSIZE") == keys and c("GET", "number") == b"12345" and len(c("FUNCTION", "LIST")) == 1
        assert replica.info("replication")["master_link_status"] == "down"
        assert value(scrape(port), "remus_master_empty_refused") == 1
        log = replica.wait_for_log("has no keys")
        assert f"would delete the {keys + 1} keys" in log, "one is in another database"
        assert "REPLICAOF NO ONE" in log and "CONFIG SET replica-refuse-empty-master no" in log
        asked = int(master.info("stats")["sync_full"])
        c.ok("CONFIG", "SET", "replica-refuse-empty-master", "no")
        wait_until(lambda: linked(replica), "what the person wanted")
        assert c("DBSIZE") == 0 and not refused(replica)
    assert asked < 10, "it is not asked all the time"


def test_the_person_keeps_the_data(new_server: Callable[..., Any]) -> None:
    master, replica = pair(new_server(repl_diskless_sync_delay=0), new_server)
    with replica.connect() as c:
        keys = c("DBSIZE")
        master.kill()
        master.restart()
        wait_until(lambda: refused(replica), "a refusal")
        c.ok("REPLICAOF", "NO", "ONE")
        assert c("DBSIZE") == keys
        c.ok("SET", "new", "1")
        assert "master_empty_refused" not in replica.info("replication")
    follow(master, replica)
    in_step(replica, master)


def test_a_master_that_comes_back_with_its_data(new_server: Callable[..., Any]) -> None:
    """The data were there, only it had started without them: the replica goes on by itself, and without a full sync."""
    fresh = new_server(repl_diskless_sync_delay=0, save="3600 100000")
    master, replica = pair(fresh, new_server)
    master.stop()
    saved = (master.folder / "dump.rdb").rename(master.folder / "kept.rdb")
    master.start()
    wait_until(lambda: refused(replica), "a refusal")
    master.stop()
    saved.rename(master.folder / "dump.rdb")
    master.start()
    wait_until(lambda: linked(replica), "a link by itself", 60)
    in_step(master, replica)
    assert master.info("stats")["sync_full"] == "0" and not refused(replica)


def test_a_master_that_was_emptied(new_server: Callable[..., Any]) -> None:
    """Its history is ours: FLUSHALL is meant, even when a snapshot brings it."""
    master, replica = pair(new_server(repl_diskless_sync_delay=0, repl_backlog_size="16kb"), new_server)
    with master.connect() as c, replica.connect() as r:
        r.ok("REPLICAOF", "127.0.0.1", "1")
        for turn in range(100):
            c.ok("SET", f"key{turn}", "x" * 1000)
        c.ok("FLUSHALL")
        r.ok("REPLICAOF", "127.0.0.1", str(master.port))
        wait_until(lambda: linked(replica), "a link")
        assert r("DBSIZE") == 0 and int(master.info("stats")["sync_full"]) >= 2


def test_other_data_are_taken(new_server: Callable[..., Any]) -> None:
    _, replica = pair(new_server(repl_diskless_sync_delay=0), new_server)
    other = new_server(repl_diskless_sync_delay=0)
    with other.connect() as c:
        c.ok("SET", "other", "1")
    follow(replica, other)
    in_step(other, replica)


def test_it_is_off_by_default(new_server: Callable[..., Any]) -> None:
    master, replica = pair(new_server(repl_diskless_sync_delay=0), new_server, replica_refuse_empty_master="no")
    master.kill()
    master.restart()
    wait_until(lambda: linked(replica), "a link")
    with replica.connect() as c:
        assert c("DBSIZE") == 0


@pytest.mark.peer
def test_a_real_master_that_comes_back_empty(new_peer: Callable[..., Any], new_server: Callable[..., Any]) -> None:
    master, replica = pair(new_peer(repl_diskless_sync_delay=0), new_server)
    master.kill()
    master.restart()
    wait_until(lambda: refused(replica), "a refusal")
    with replica.connect() as c:
        assert c("GET", "number") == b"12345"


@pytest.mark.peer
def test_files_of_both_kinds_of_servers(new_peer: Callable[..., Any], new_server: Callable[..., Any]) -> None:
    for server in (new_peer(save=""), new_server(save="")):
        with server.connect() as c:
            for words, holds in ((("PING",), False), (FUNCTION, False), (("SET", "k", "1", "PX", "100000"), True)):
                c(*words)
                c.ok("SAVE")
                assert holds_keys((server.folder / "dump.rdb").read_bytes()) is holds, (words, server)
