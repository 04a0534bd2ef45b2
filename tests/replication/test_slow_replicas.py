"""Replicas that are slow, many at once, or away for a while: the master neither waits for them nor grows."""

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.support.following import follow, in_step, linked
from tests.support.pace import wait_until
from tests.support.proxy import Proxy
from tests.support.resp import Connection

MB = 1 << 20


def memory(server: Any, field: str) -> int:
    return int(server.info("memory")[field])


def connected(master: Any) -> int:
    return int(master.info("replication")["connected_slaves"])


def test_a_slow_one_holds_up_nobody(new_server: Callable[..., Any]) -> None:
    """It reads 1 KB a second, for which the writes below would take hours."""
    limit = 4 * MB
    master = new_server(client_output_buffer_limit=f"replica {limit} 0 0", repl_backlog_size="64kb",
                        repl_diskless_sync_delay=0)  # fmt: skip
    slow, other = new_server(), new_server()
    with Proxy(master.port) as proxy, master.connect() as c:
        follow(slow, master, proxy.port)
        follow(other, master)
        wait_until(lambda: connected(master) == 2, "two replicas")
        proxy.pace = 1024
        before, held = memory(master, "used_memory"), 0
        value = "x" * (MB // 4)
        for turn in range(200):
            c.ok("SET", f"key{turn % 4}", value)
            held = max(held, memory(master, "mem_total_replication_buffers"))
            assert memory(master, "used_memory") < before + limit + 4 * MB
        assert held <= limit + MB
        wait_until(lambda: "output buffer limits" in master.log(), "the end of the slow one's link")
        in_step(master, other)
        wait_until(lambda: memory(master, "mem_total_replication_buffers") < limit // 2, "its bytes gone")
        proxy.pace = 0
        proxy.cut()
        in_step(master, slow, other)


def test_who_went_over_the_limit_with_one_command_gets_all_anew(new_server: Callable[..., Any]) -> None:
    """The backlog is shorter than that command and keeps only its end: else the same would come again and again."""
    master = new_server(client_output_buffer_limit="replica 32kb 32kb 60", repl_backlog_size="16kb",
                        repl_diskless_sync_delay=0)  # fmt: skip
    replica = new_server()
    follow(replica, master)
    wait_until(lambda: connected(master) == 1, "a replica")
    with master.connect() as c:
        c.ok("MSET", "key", "x" * (MB // 4), "other", "1")
    wait_until(lambda: "output buffer limits" in master.log(), "the end of its link")
    in_step(master, replica)
    stats = master.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == ("2", "0")
    assert int(master.info("replication")["repl_backlog_histlen"]) <= 17 * 1024


class Asking:
    """A replica that asks for a full sync, and remembers it."""

    def __init__(self, master: Any) -> None:
        self.connection = Connection(master.port)
        self.connection.ok("REPLCONF", "capa", "eof", "capa", "psync2")
        self.connection.send("PSYNC", "?", "-1")

    def answer(self) -> tuple[bytes, bytes]:
        """The line, and the snapshot."""
        c = self.connection
        line = c.read_raw_through(b"\r\n").lstrip(b"\n")
        announced = c.read_raw_through(b"\r\n").strip()
        if announced.startswith(b"$EOF:"):
            return line, c.read_raw_through(announced[5:])[:-40]
        return line, c.read_raw(int(announced[1:]))


FIFTY = 50


def all_got_the_same(master: Any, replicas: list[Asking]) -> None:
    answers = {one.answer() for one in replicas}
    assert len(answers) == 1
    ((line, snapshot),) = answers
    assert line.startswith(b"+FULLRESYNC ") and snapshot.startswith(b"REDIS0011") and b"key99" in snapshot
    stats = master.info("stats")
    assert (stats["sync_full"], stats["total_forks"]) == (str(FIFTY), "1")


@pytest.fixture
def filled(new_server: Callable[..., Any]) -> Callable[..., Any]:
    def start(**directives: Any) -> Any:
        master = new_server(**directives)
        with master.connect() as c:
            c.pipeline([("SET", f"key{n}", "x" * 1000) for n in range(100)])
        return master

    return start


def test_fifty_share_a_snapshot_without_a_disk(filled: Callable[..., Any]) -> None:
    master = filled(repl_diskless_sync_delay=3600, repl_diskless_sync_max_replicas=FIFTY)
    replicas = [Asking(master) for _ in range(FIFTY)]
    all_got_the_same(master, replicas)
    for one in replicas:
        one.connection.close()


def test_fifty_share_a_file(filled: Callable[..., Any]) -> None:
    """Those who come while it is written join; the child stands still until all are there."""
    master = filled(repl_diskless_sync="no", rdb_key_save_delay=10_000)
    replicas = [Asking(master)]
    (child,) = wait_until(lambda: psutil.Process(master.pid).children(), "the child")
    child.send_signal(signal.SIGSTOP)
    with master.connect() as c:
        c.ok("CONFIG", "SET", "rdb-key-save-delay", "0")
        replicas += [Asking(master) for _ in range(FIFTY - 1)]
        wait_until(lambda: connected(master) == FIFTY, "all of them")
        c.ok("SET", "later", "1")
    child.send_signal(signal.SIGCONT)
    all_got_the_same(master, replicas)
    for one in replicas:
        assert one.connection.read_raw_through(b"later\r\n$1\r\n1\r\n"), "the stream follows"
        one.connection.close()


@pytest.mark.parametrize(("backlog", "syncs"), [(1 << 20, ("1", "1")), (1 << 14, ("2", "0"))])
def test_who_was_away_goes_on_if_the_backlog_holds_it(new_server: Callable[..., Any], backlog: int,
                                                      syncs: tuple[str, str]) -> None:  # fmt: skip
    def holds_no_more() -> bool:
        """What a connection that is being closed still had to send stays in it for that long."""
        c.ok("SET", "later", "1")
        return int(master.info("replication")["repl_backlog_histlen"]) < backlog + 50_000

    master = new_server(repl_timeout=2, repl_ping_replica_period=1, repl_backlog_size=backlog,
                        repl_diskless_sync_delay=0)  # fmt: skip
    replica = new_server()
    follow(replica, master)
    with master.connect() as c:
        c.ok("SET", "before", "1")
        in_step(master, replica)
        replica.signal(signal.SIGSTOP)
        c.pipeline([("SET", f"key{n}", "x" * 1000) for n in range(50)])
        wait_until(lambda: connected(master) == 0, "a master that gave it up", 40)
        c.pipeline([("SET", f"key{n}", "x" * 1000) for n in range(200)])
        wait_until(holds_no_more, "a backlog of its size")
        replica.signal(signal.SIGCONT)
        wait_until(lambda: connected(master) == 1 and linked(replica), "its return", 40)
        in_step(master, replica)
    stats = master.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == syncs


def test_a_link_that_carries_nothing_is_given_up(new_server: Callable[..., Any]) -> None:
    """Nobody tells of a broken network: both ends notice the silence, and the replica goes on where it was."""
    master = new_server(repl_timeout=2, repl_ping_replica_period=1, repl_diskless_sync_delay=0)
    replica = new_server(repl_timeout=2)
    with Proxy(master.port) as proxy, master.connect() as c:
        follow(replica, master, proxy.port)
        proxy.hold()
        c.ok("SET", "k", "1")
        wait_until(lambda: connected(master) == 0 and not linked(replica), "ends that know it", 40)
        proxy.cut()
        proxy.release()
        wait_until(lambda: linked(replica), "a link again", 40)
        in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"


def test_a_replica_waits_for_a_snapshot_longer_than_for_a_word(new_server: Callable[..., Any]) -> None:
    """While its turn has not come, newlines tell it that the master lives."""
    master, replica = new_server(repl_diskless_sync_delay=7), new_server(repl_timeout=3)
    follow(replica, master)
    assert "Timeout connecting" not in replica.log() and master.info("stats")["sync_full"] == "1"


def test_the_proxy_cuts_and_holds(new_server: Callable[..., Any]) -> None:
    server = new_server()
    with Proxy(server.port) as proxy:
        with Connection(proxy.port) as c:
            assert c("PING") == "PONG"             # so it has been there longest
            with Connection(proxy.port) as other:
                assert other("PING") == "PONG"
                proxy.hold(one=True)
                c.send("PING")
                assert other("PING") == "PONG" and c.nothing_comes()
                proxy.release()
                assert c.read() == "PONG"
                assert proxy.cut() == 2 and c.is_closed() and other.is_closed()
        server.kill()
        with pytest.raises((ConnectionError, socket.timeout)), Connection(proxy.port) as c:
            c("PING")
        server.start()
        with Connection(proxy.port) as c:
            assert c("PING") == "PONG"


def test_what_waits_for_a_replica_evicts_no_keys(new_server: Callable[..., Any]) -> None:
    """Neither what stands in the stream nor what of it is under way counts against maxmemory, beyond the backlog."""
    master = new_server(client_output_buffer_limit="replica 0 0 0", repl_backlog_size="10000",
                        maxmemory_policy="allkeys-random", repl_diskless_sync_delay=0)  # fmt: skip
    replica = new_server()
    with master.connect() as c:
        for number in range(100):
            c("SETRANGE", f"key:{number}", 100_000, "asdf")
        follow(replica, master)
        in_step(master, replica)
        room = memory(master, "used_memory") - memory(master, "mem_not_counted_for_evict") + 32768
        c.ok("CONFIG", "SET", "maxmemory", room)
        replica.signal(signal.SIGSTOP)
        try:
            while memory(master, "mem_clients_slaves") < 8 * MB:
                c.pipeline([("SETRANGE", "key:0", 0, "A" * 3000)] * 500)
            assert c("DBSIZE") == 100
            assert c("CLIENT", "KILL", "TYPE", "replica") == 1
            wait_until(lambda: memory(master, "mem_clients_slaves") == 0, "it given back, with no write")
            assert memory(master, "mem_total_replication_buffers") < 65536 and c("DBSIZE") == 100
        finally:
            replica.signal(signal.SIGCONT)


# Says which advice the process and its children give on files.
ADVISING = """
import os
advise = os.posix_fadvise
def noted(file, start, length, advice):
    with open("advice", "a") as out:
        out.write({os.POSIX_FADV_DONTNEED: "drop ", os.POSIX_FADV_WILLNEED: "fetch "}.get(advice, "? "))
    advise(file, start, length, advice)
os.posix_fadvise = noted
"""


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system takes no advice")
def test_a_file_for_replicas_stays_in_memory(new_server: Callable[..., Any]) -> None:
    """The loop sends it, and must not wait for a disk. Whatever else is saved is dropped, not the data."""
    master, replica = new_server(repl_diskless_sync="no", prelude=ADVISING), new_server()
    advice = master.folder / "advice"
    with master.connect() as c:
        c.ok("SET", "k", "1")
        c("BGSAVE")
        wait_until(lambda: advice.exists() and master.info("persistence")["rdb_bgsave_in_progress"] == "0", "a file")
        assert set(advice.read_text().split()) == {"drop"}
        advice.unlink()
    follow(replica, master)
    assert set(advice.read_text().split()) == {"fetch"}
