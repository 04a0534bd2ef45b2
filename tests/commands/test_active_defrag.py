"""activedefrag: pages that deletions left nearly empty go back, and nobody can see that blocks move under the data."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.persistence.dataset import ENCODINGS, contents, fill, value
from tests.support.following import follow, in_step
from tests.support.pace import wait_until
from tests.support.resp import Connection
from tests.support.server import Server

Start = Callable[..., Server]
WORDS = {"hz": 100, "active_defrag_ignore_bytes": "1", "active_defrag_cycle_min": 40, "active_defrag_cycle_max": 60,
         "active_defrag_max_scan_fields": 50}


def figure(c: Connection, name: str) -> float:
    return told(c.ok("INFO", "everything"), name)


def told(info: bytes, name: str) -> float:
    for line in info.decode().splitlines():
        if line.startswith(name + ":"):
            return float(line.partition(":")[2])
    raise AssertionError(f"INFO tells nothing of {name}")


def waste(c: Connection) -> None:
    """Keys of many sizes, of which one of ten is left."""
    for size, count in ((20, 30_000), (150, 20_000), (600, 8_000), (5_000, 2_000)):
        c.ok("DEBUG", "POPULATE", count, f"size{size}", size)
        c.pipeline([("DEL", f"size{size}:{n}") for n in range(count) if n % 10])


def configure(c: Connection, **directives: Any) -> None:
    for name, wanted in (WORDS | directives).items():
        c.ok("CONFIG", "SET", name.replace("_", "-"), wanted)


@pytest.fixture
def moving(new_server: Start) -> Server:
    """A server that moves every block it has, all the time."""
    server = new_server(enable_debug_command="yes")
    with server.connect() as c:
        configure(c, activedefrag="yes")
        c.ok("DEBUG", "DEFRAG-EVERYTHING", 1)
    return server


def rounds(c: Connection, count: int = 2) -> None:
    """Until all keys have been met, more than once."""
    seen = figure(c, "active_defrag_key_hits")
    keys = sum(int(line.split("keys=")[1].split(",")[0]) for line in c.ok("INFO", "keyspace").decode().splitlines()
               if "keys=" in line)
    wait_until(lambda: figure(c, "active_defrag_key_hits") - seen >= (count + 1) * keys, "all keys were moved", 60)


@pytest.mark.skipif("REMUS_SANITIZED" in os.environ, reason="there every block is malloc's, and no page to be emptied")
def test_pages_that_are_little_used_go_back(new_server: Start) -> None:
    server = new_server(enable_debug_command="yes")
    with server.connect() as c:
        waste(c)
        digest = c.ok("DEBUG", "DIGEST")
        before = figure(c, "allocator_frag_bytes")
        assert figure(c, "allocator_frag_ratio") > 2
        assert figure(c, "active_defrag_running") == figure(c, "total_active_defrag_time") == 0
        configure(c, activedefrag="yes", active_defrag_ignore_bytes="1mb")
        wait_until(lambda: figure(c, "active_defrag_hits") > 0, "it begins")
        wait_until(lambda: not figure(c, "active_defrag_running"), "it ends", 60)
        assert figure(c, "allocator_frag_ratio") < 1.1
        assert figure(c, "allocator_frag_bytes") < before / 10
        assert figure(c, "active_defrag_key_hits") > 0 < figure(c, "active_defrag_key_misses")
        assert figure(c, "active_defrag_misses") > 0 < figure(c, "total_active_defrag_time")
        assert figure(c, "current_active_defrag_time") == 0
        assert c.ok("DEBUG", "DIGEST") == digest
        c.ok("CONFIG", "RESETSTAT")
        assert [figure(c, f"active_defrag_{name}") for name in ("hits", "misses", "key_hits", "key_misses")] == [0] * 4
        assert figure(c, "total_active_defrag_time") == 0


def test_it_can_be_stopped_and_goes_on_from_the_start(moving: Server) -> None:
    with moving.connect() as c:
        c.ok("DEBUG", "POPULATE", 5000, "key", 300)
        wait_until(lambda: figure(c, "active_defrag_running") == 60, "it runs")
        assert figure(c, "current_active_defrag_time") <= figure(c, "total_active_defrag_time")
        c.ok("CONFIG", "SET", "activedefrag", "no")
        wait_until(lambda: figure(c, "active_defrag_running") == 0, "it stops")
        hits = figure(c, "active_defrag_hits")
        c.ok("PING")
        assert figure(c, "active_defrag_hits") == hits
        c.ok("CONFIG", "SET", "activedefrag", "yes")
        rounds(c)


def test_every_type_is_what_it_was(moving: Server) -> None:
    with moving.connect() as c:
        c.ok("CONFIG", "SET", "activedefrag", "no")
        fill(c)
        digest, before = c.ok("DEBUG", "DIGEST"), contents(c)
        c.ok("CONFIG", "SET", "activedefrag", "yes")
        rounds(c, 5)
        assert contents(c) == before
        assert c.ok("DEBUG", "DIGEST") == digest
        c.ok("DEBUG", "RELOAD")
        assert contents(c) == before
        rounds(c)
        assert contents(c) == before


@pytest.fixture
def writers(moving: Server) -> Iterator[None]:
    """Commands of every kind on values small and large, until the test has seen enough; none may fail."""
    over = threading.Event()
    failed: list[Any] = []

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with moving.connect() as c:
            while not over.is_set():
                replies = c.pipeline([change(chance) for _ in range(100)])
                failed.extend(reply for reply in replies if isinstance(reply, Exception))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []


def change(chance: random.Random) -> tuple[Any, ...]:
    n, size = chance.randrange(1200), chance.choice((1, 10, 60, 250, 2000))
    at = chance.randrange(4)
    return chance.choice([
        ("SET", f"string{n}", "v" * size), ("APPEND", f"string{n}", "x" * 30), ("DEL", f"string{n}"),
        ("SET", f"string{n}", n, "PX", chance.randrange(1, 300)), ("PERSIST", f"string{n}"),
        ("RPUSH", f"list{at}", "v" * size, n), ("LPUSH", f"list{at}", "v" * size, n), ("LPOP", f"list{at}", 2),
        ("LTRIM", f"list{at}", 5, 900), ("LINSERT", f"list{at}", "BEFORE", n, "new"), ("LSET", "one", 0, "v" * size),
        ("HSET", f"hash{at}", n, "v" * size), ("HDEL", f"hash{at}", n), ("HINCRBY", f"numbers{at}", n, 1),
        ("SADD", f"set{at}", f"m{n}"), ("SREM", f"set{at}", f"m{n}"), ("SADD", f"intset{at}", n % 100),
        ("SPOP", f"set{at}"),
        ("ZADD", f"zset{at}", chance.randrange(50), f"m{n}"), ("ZREM", f"zset{at}", f"m{n}"), ("ZPOPMIN", f"zset{at}"),
        ("ZREMRANGEBYRANK", f"zset{at}", 300, 310), ("ZINCRBY", f"zset{at}", 1, f"m{n}"),
        ("XADD", f"stream{at}", "MAXLEN", "~", 2000, "*", "f", "v" * size), ("XTRIM", f"stream{at}", "MAXLEN", 900),
        ("XREADGROUP", "GROUP", "g", f"c{n % 4}", "COUNT", 5, "STREAMS", "reads", ">"),
        ("XADD", "reads", "*", "f", n), ("XAUTOCLAIM", "reads", "g", f"c{n % 4}", 0, "0", "COUNT", 3),
        ("COPY", f"zset{at}", f"copy{at}", "REPLACE"), ("COPY", f"stream{at}", f"copied{at}", "REPLACE"),
        ("SINTERSTORE", "both", "set0", "set1"), ("SORT", f"intset{at}", "STORE", f"sorted{at}"),
        ("UNLINK", f"copy{at}"), ("GETRANGE", f"string{n}", 0, 100), ("LRANGE", f"list{at}", 0, 20),
        ("HGETALL", f"hash{at}"), ("ZRANGE", f"zset{at}", 0, -1), ("SMEMBERS", f"set{at}"),
        ("XRANGE", f"stream{at}", "-", "+", "COUNT", 30), ("OBJECT", "ENCODING", f"set{at}"),
    ])


def prepare(c: Connection) -> None:
    c.pipeline([("RPUSH", "one", "v"), ("XGROUP", "CREATE", "reads", "g", "0", "MKSTREAM")])
    fill(c)


def of_nobody(c: Connection) -> dict[bytes, Any]:
    """The keys that the writers leave alone."""
    return {key: (c.ok("OBJECT", "ENCODING", key), c.ok("PEXPIRETIME", key), value(c, key)) for key in ENCODINGS}


def test_writers_see_and_leave_what_they_should(moving: Server, request: pytest.FixtureRequest) -> None:
    with moving.connect() as c:
        prepare(c)
        before = of_nobody(c)
        request.getfixturevalue("writers")
        rounds(c, 4)
        assert of_nobody(c) == before


def test_a_replica_and_files_have_the_same(moving: Server, new_server: Start, request: pytest.FixtureRequest) -> None:
    replica = new_server(enable_debug_command="yes", hz=100)
    follow(replica, moving)
    with moving.connect() as c, replica.connect() as r:
        configure(r, activedefrag="yes")
        r.ok("DEBUG", "DEFRAG-EVERYTHING", 1)
        prepare(c)
        c.ok("CONFIG", "SET", "appendonly", "yes")
        request.getfixturevalue("writers")
        rounds(c, 1)
        rounds(r, 1)
        c.ok("CLIENT", "PAUSE", 20_000, "WRITE")
        in_step(moving, replica)
        digest = c.ok("DEBUG", "DIGEST")
        c.ok("CLIENT", "UNPAUSE")
        assert digest != "0" * 40


def test_an_append_only_file_loads_to_the_same(moving: Server) -> None:
    with moving.connect() as c:
        c.ok("CONFIG", "SET", "appendonly", "yes")
        wait_until(lambda: not figure(c, "aof_rewrite_in_progress"), "the first file")
        chance = random.Random(3)
        prepare(c)
        for _ in range(40):
            c.pipeline([change(chance) for _ in range(100)])
        rounds(c)
        c.pipeline([("PERSIST", f"string{n}") for n in range(1200)])
        before, digest = contents(c), c.ok("DEBUG", "DIGEST")
        start, done, end = c.pipeline([("INFO", "stats"), ("DEBUG", "LOADAOF"), ("INFO", "stats")])
        assert done == "OK"
        assert told(start, "active_defrag_hits") < told(end, "active_defrag_hits"), "between commands of the file"
        assert c.ok("DEBUG", "DIGEST") == digest
        assert contents(c) == before


def test_scan_meets_all_that_is_there_all_the_time(moving: Server) -> None:
    with moving.connect() as c:
        c.ok("DEBUG", "POPULATE", 20_000, "stays", 30)
        c.pipeline([("HSET", "hash", f"f{n}", "v" * 80) for n in range(3000)])
        c.pipeline([("ZADD", "zset", n % 9, f"m{n}") for n in range(3000)])
        for words, count in ((("SCAN",), 20_002), (("HSCAN", "hash"), 3000), (("ZSCAN", "zset"), 3000)):
            rounds(c, 0)
            cursor, met = b"0", set()
            while True:
                cursor, found = c.ok(*words, cursor, "COUNT", 50)
                met.update(found[::2] if words[0] != "SCAN" else found)
                if cursor == b"0":
                    break
            assert len(met) == count


def test_who_waits_or_watches_is_served(moving: Server) -> None:
    with moving.connect() as c, moving.connect() as waiting, moving.connect() as watching:
        c.pipeline([("RPUSH", "list", *range(2000)), ("SET", "watched", 1), ("XADD", "stream", "*", "f", 1),
                    ("XGROUP", "CREATE", "stream", "g", "$"), ("RPUSH", "other", 1)])
        waiting.send("BLMOVE", "empty", "list", "LEFT", "LEFT", 0)
        watching.ok("WATCH", "watched")
        watching.ok("MULTI")
        watching.ok("RPUSH", "list", "last")
        rounds(c)
        c.ok("RPUSH", "empty", "moved")
        assert waiting.read() == b"moved"
        assert watching.ok("EXEC") == [2002], "moving a key does not change it"
        waiting.send("XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "stream", ">")
        rounds(c)
        c.ok("XADD", "stream", "9999999999999-0", "f", "2")
        assert waiting.read() == [[b"stream", [[b"9999999999999-0", [b"f", b"2"]]]]]


def test_a_reply_on_its_way_keeps_the_value_that_it_refers_to(moving: Server) -> None:
    value = random.Random(5).randbytes(3_000_000)
    with moving.connect() as c, moving.connect() as slow:
        c.ok("SET", "large", value)
        c.ok("HSET", "hash", "f", value)
        for words in (("GET", "large"), ("HGET", "hash", "f")):
            slow.pipeline([])
            for _ in range(4):
                slow.send(*words)
            rounds(c)
            for _ in range(4):
                assert slow.read() == value


def test_nothing_moves_while_a_child_saves(moving: Server) -> None:
    with moving.connect() as c:
        c.ok("DEBUG", "POPULATE", 3000, "key", 100)
        rounds(c)
        c.ok("CONFIG", "SET", "rdb-key-save-delay", 100_000)
        c.ok("BGSAVE")
        assert figure(c, "rdb_bgsave_in_progress") == 1
        hits = figure(c, "active_defrag_hits")
        seen = figure(c, "uptime_in_seconds")
        wait_until(lambda: figure(c, "uptime_in_seconds") > seen, "a second goes by")
        assert figure(c, "rdb_bgsave_in_progress") == 1
        assert figure(c, "active_defrag_hits") == hits
        c.ok("CONFIG", "SET", "rdb-key-save-delay", 0)
        c.ok("FLUSHALL")
        wait_until(lambda: figure(c, "rdb_bgsave_in_progress") == 0, "the child is gone", 60)
