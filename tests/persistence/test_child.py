"""The forked child: the processors it stays on."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.resp import Connection
from tests.support.server import Server, wait_until


def affinity(task: int) -> set[int]:
    return os.sched_getaffinity(task) if hasattr(os, "sched_getaffinity") else set()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity here")
def test_children_and_background_threads_have_cpus_of_their_own(new_server: Callable[..., Server]) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("one processor")
    first, second = allowed[:2]
    server = new_server(
        config=f"server_cpulist {first}\nbgsave_cpulist {second}\naof_rewrite_cpulist {first},{second}\n"
               f"bio_cpulist {second}",
        rdb_key_save_delay=1000, appendonly=True,
    )
    c = server.connect()
    c.pipeline([("SET", f"key:{i}", i) for i in range(10000)])
    for command, cpus in (("BGSAVE", {second}), ("BGREWRITEAOF", {first, second})):
        c.ok(command)
        [child] = psutil.Process(server.pid).children()
        wait_until(lambda: affinity(child.pid) == cpus, "the child's CPUs")  # noqa: B023
        child.kill()
        wait_until(lambda: not psutil.Process(server.pid).children(), "its end")
    tasks = [int(path.name) for path in Path(f"/proc/{server.pid}/task").iterdir()]
    wait_until(lambda: {second} in [affinity(task) for task in tasks if task != server.pid], "the background thread's")
    assert affinity(server.pid) == {first}


# ---- large values, whose memory the child gives back once they are written
def fill_large(c: Connection) -> None:
    c.ok("CONFIG", "SET", "list-max-listpack-size", -5)
    for number in range(20):
        c.ok("SET", f"string:{number}", os.urandom(50_000) * 3)
        c.ok("RPUSH", f"list:{number}", *(os.urandom(1000) for _ in range(100)))
        c.ok("HSET", f"hash:{number}", *(word for i in range(50) for word in (f"f{i}", os.urandom(20_000))))
        c.ok("SADD", f"set:{number}", *range(10**6, 10**6 + 400))


@pytest.mark.parametrize("how", ["BGSAVE", "BGREWRITEAOF"])
def test_large_values_are_written_whole_and_stay(new_server: Callable[..., Server], how: str) -> None:
    server = new_server(appendonly=how == "BGREWRITEAOF", aof_use_rdb_preamble=False, rdbcompression=False)
    c = server.connect()
    fill_large(c)
    digest = c.ok("DEBUG", "DIGEST")
    for _ in range(2):
        c.ok(how)
        wait_until(lambda: not psutil.Process(server.pid).children(), "its end")
        assert c.ok("DEBUG", "DIGEST") == digest
    info = server.info("persistence")
    assert info["rdb_last_bgsave_status"] == info["aof_last_bgrewrite_status"] == "ok"
    server.kill()
    server.start()
    assert server.connect().ok("DEBUG", "DIGEST") == digest


def test_saving_without_a_child_leaves_large_values_alone(new_server: Callable[..., Server]) -> None:
    server = new_server()
    c = server.connect()
    fill_large(c)
    digest = c.ok("DEBUG", "DIGEST")
    c.ok("SAVE")
    assert c.ok("DEBUG", "DIGEST") == digest


# ---- sockets, which the child holds, too
def test_who_is_sent_away_while_a_child_lives_hears_at_once(new_server: Callable[..., Server]) -> None:
    server = new_server(rdb_key_save_delay=1_000_000)
    c = server.connect()
    c.pipeline([("SET", f"key:{i}", i) for i in range(100)])
    with server.connect() as before, server.connect() as told:
        ids = [one("CLIENT", "ID") for one in (before, told)]
        c.ok("BGSAVE")
        [child] = psutil.Process(server.pid).children()
        told.send("QUIT")
        assert told.read() == "OK"
        assert told.read_until_closed() == b""
        assert c("CLIENT", "KILL", "ID", ids[0]) == 1
        assert before.read_until_closed() == b""
        with server.connect() as after:
            assert after("PING") == "PONG"
        assert child.is_running()
        child.kill()
    wait_until(lambda: not psutil.Process(server.pid).children(), "its end")
    assert c("PING") == "PONG"


def test_a_table_that_is_far_too_large_shrinks_although_a_child_saves(new_server: Callable[..., Server]) -> None:
    """Moving entries costs copies of pages that the child shares; gaps of a hundred buckets cost more. Seen in Redis's
    suite, by SRANDMEMBER."""
    server = new_server(rdb_key_save_delay=1_000_000_000, set_max_listpack_entries=0, save="")

    def rehashes() -> bool:
        return b"rehashing target" in c("DEBUG", "HTSTATS-KEY", "set")

    with server.connect() as c:
        c.pipeline([("SADD", "set", f"m:{i}") for i in range(20_000)])
        wait_until(lambda: c("SRANDMEMBER", "set", 100) and not rehashes(), "the end of its growth")
        c.ok("BGSAVE")
        c.pipeline([("SREM", "set", f"m:{i}") for i in range(100, 20_000)])
        psutil.Process(server.pid).children()[0].kill()
        wait_until(lambda: not psutil.Process(server.pid).children(), "its end")
        wait_until(lambda: server.info("persistence")["rdb_bgsave_in_progress"] == "0", "that it is seen")
        c.ok("SPOP", "set")
        assert rehashes()
        c.ok("BGSAVE")
        wait_until(lambda: c("SRANDMEMBER", "set") and not rehashes(), "the shrunk table")
