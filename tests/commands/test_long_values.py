"""Values that stay in the buffer into which they were read: what they are and cost, and who else has the buffer."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest

from tests.support.following import follow, in_step, the_same
from tests.support.resp import Connection, Status, encode
from tests.support.server import Process, Server, wait_until

LEAST = 65536                           # bytes from which on they do
SIZES = [LEAST - 1, LEAST, LEAST + 1, 100_000, 131_072, 1_000_000, 3_000_001]
ASIDE = 400_000                         # bytes that other clients and the connection itself may take meanwhile


def value(size: int, kind: int = 0) -> bytes:
    return (b"%d:" % kind + bytes(range(256)) * (size // 256 + 1))[:size]


def used(c: Connection) -> int:
    return int(c("MEMORY", "STATS")[c("MEMORY", "STATS").index(b"dataset.bytes") + 1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["k", "key:1", "a long name" * 30, "x" * 5000])
def test_what_is_set_is_what_was_sent(raw: Connection, size: int, key: str) -> None:
    for kind in range(3):
        assert raw("SET", key, value(size, kind)) == Status("OK")
        assert raw("GET", key) == value(size, kind)
    assert raw("STRLEN", key) == size
    assert raw("GETRANGE", key, -3, -1) == value(size, 2)[-3:]


@pytest.mark.parametrize("size", [LEAST, 1_000_000])
def test_in_a_pipeline_with_others(raw: Connection, size: int) -> None:
    calls: list[tuple[Any, ...]] = []
    for n in range(8):
        calls += [("SET", f"k{n % 3}", value(size, n)), ("INCR", "n"), ("GET", f"k{n % 3}"), ("SET", "short", "v"),
                  ("GETSET", f"k{n % 3}", value(size, n + 100)), ("MGET", "k0", "k1", "k2")]
    expected: list[Any] = []
    held: dict[str, bytes] = {}
    for name, *words in calls:
        if name in ("SET", "GETSET"):
            expected.append(held.get(words[0]) if name == "GETSET" else Status("OK"))
            held[words[0]] = words[1]
        elif name == "INCR":
            expected.append(sum(call[0] == "INCR" for call in calls[: len(expected) + 1]))
        else:
            found = [held.get(key) for key in words]
            expected.append(found if name == "MGET" else found[0])
    assert raw.pipeline(calls) == expected


@pytest.mark.parametrize("step", [1000, 65_000, 65_600, 200_000])
def test_in_pieces(server: Server, raw: Connection, step: int) -> None:
    """With blank lines and empty requests in front, which move the beginning of the command, and with none."""
    for before in (b"", b"\r\n", b"*0\r\n\r\n", encode("PING")):
        sent = before + encode("SET", "k", value(300_000, step)) + encode("APPEND", "k", "!") + encode("STRLEN", "k")
        with closing(socket.create_connection(("127.0.0.1", server.port))) as sock:
            for at in range(0, len(sent), step):
                sock.sendall(sent[at : at + step])
            told = b""
            while not told.endswith(b":300001\r\n:300001\r\n"):
                part = sock.recv(65536)
                assert part, told
                told += part
        assert raw("GET", "k") == value(300_000, step) + b"!"


def words_that_set(size: int) -> Iterator[tuple[Any, ...]]:
    yield "SET", "k", value(size)
    yield "SET", "k", value(size), "EX", 1000
    yield "SET", "k", value(size), "GET"
    yield "SETNX", "k", value(size)
    yield "SETEX", "k", 1000, value(size)
    yield "PSETEX", "k", 1000000, value(size)
    yield "GETSET", "k", value(size)
    yield "MSET", "other", "1", "k", value(size)
    yield "APPEND", "k", value(size)


@pytest.mark.parametrize("words", list(words_that_set(100_000)), ids=lambda words: words[0] + f" of {len(words)} words")
def test_every_form_and_what_follows_it(raw: Connection, words: tuple[Any, ...]) -> None:
    for old in (None, "short", value(200_000, 9)):
        raw("FLUSHALL")
        if old is not None and words[0] not in ("SETNX", "APPEND"):
            raw("SET", "k", old)
        raw(*words)
        assert raw("GET", "k") == value(100_000)
        copy = raw("DUMP", "k")
        assert raw("COPY", "k", "copy") == 1
        assert raw("APPEND", "k", "tail") == 100_004
        assert raw("SETRANGE", "k", 1, "#") == 100_004
        assert raw("GET", "k") == value(100_000)[:1] + b"#" + value(100_000)[2:] + b"tail"
        assert raw("SETRANGE", "copy", 250_000, "end") == 250_003
        assert raw("GETRANGE", "copy", 0, 99_999) == value(100_000)
        assert raw("RENAME", "copy", "other") == Status("OK")
        assert raw("RESTORE", "copy", 0, copy) == Status("OK")
        assert raw("GET", "copy") == value(100_000)
        assert raw("DEL", "k", "other") == 2


def test_replies_on_their_way_keep_the_old_one(raw: Connection, another: Callable[..., Connection]) -> None:
    reader = another()
    raw("SET", "k", value(3_000_000, 1))
    reader.send("GET", "k")
    reader.send("GET", "k")
    wait_until(lambda: raw("CLIENT", "LIST").count(b" cmd=get") == 1, "the reader has asked")
    raw("SET", "k", value(3_000_000, 2))
    raw("DEL", "k")
    raw("SET", "k", value(3_000_000, 3))
    assert reader.read() == reader.read() == value(3_000_000, 1)


def test_memory_is_told_and_comes_back(raw: Connection) -> None:
    raw("SET", "k", value(100))
    before = used(raw)
    for n in range(30):
        raw("SET", f"k{n}", value(1_000_000, n))
    assert 1_000_000 <= raw("MEMORY", "USAGE", "k1") <= 1_010_000
    assert abs(used(raw) - before - 30_000_000) < ASIDE
    for n in range(30):
        raw("SET", f"k{n}", value(LEAST, n))
    assert abs(used(raw) - before - 30 * LEAST) < ASIDE
    raw("DEL", *(f"k{n}" for n in range(30)))
    assert abs(used(raw) - before) < ASIDE


def test_a_buffer_with_much_room_is_not_kept(raw: Connection) -> None:
    """What came before may have made it longer than the value needs."""
    raw("SET", "long", value(3_000_000))
    for n in range(10):
        raw.pipeline([("ECHO", value(900_000)), ("SET", f"k{n}", value(LEAST, n))])
    assert all(raw("MEMORY", "USAGE", f"k{n}") < LEAST * 9 / 8 + 8192 for n in range(10))
    assert [raw("GET", f"k{n}") for n in range(10)] == [value(LEAST, n) for n in range(10)]


def test_in_a_transaction_and_a_script(raw: Connection) -> None:
    raw("MULTI")
    for n in range(3):
        assert raw("SET", "k", value(200_000, n)) == Status("QUEUED")
    assert raw("EXEC") == [Status("OK")] * 3
    assert raw("GET", "k") == value(200_000, 2)
    assert raw("EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", 1, "s", value(200_000, 7)) == Status("OK")
    assert raw("GET", "s") == value(200_000, 7)


def test_who_looks_at_the_command_afterwards(raw: Connection, another: Callable[..., Connection],
                                             configure: Callable[..., Any]) -> None:
    """The monitor, the slow log and keyspace events read its words when the value has them already."""
    configure("slowlog-log-slower-than", 0)
    configure("notify-keyspace-events", "KA")
    watcher, subscriber = another(), another()
    watcher("MONITOR")
    subscriber("PSUBSCRIBE", "*")
    raw("SET", "a name", value(100_000))
    assert subscriber.read() == [b"pmessage", b"*", b"__keyspace@0__:a name", b"set"]
    told = watcher.read()
    while '"SET"' not in told:
        told = watcher.read()
    assert '"a name" "0:' in told
    assert len(told) > 100_000
    entry = next(entry for entry in raw("SLOWLOG", "GET", 10) if entry[3][0] == b"SET")
    assert entry[3][1:] == [b"a name", value(100_000)[:128] + b"... (99872 more bytes)"]


def test_a_client_that_is_held_or_goes(server: Server, raw: Connection, another: Callable[..., Connection]) -> None:
    """While it waits its batch waits, too; when it goes its batch goes without having been executed."""
    waits, goes = another(), another()
    for c in (waits, goes):
        c("CLIENT", "SETNAME", "x")
    raw("CLIENT", "PAUSE", 100_000, "WRITE")
    waits.send("SET", "k", value(1_000_000, 1))
    goes.send("SET", "gone", value(1_000_000, 2))
    wait_until(lambda: server.info("clients")["blocked_clients"] == "2", "both wait")
    goes.close()
    raw("CLIENT", "UNPAUSE")
    assert waits.read() == Status("OK")
    assert raw("GET", "k") == value(1_000_000, 1)
    assert raw("PING") == Status("PONG")


def test_half_a_value_and_the_client_goes(server: Server, raw: Connection) -> None:
    for _ in range(20):
        with closing(socket.create_connection(("127.0.0.1", server.port))) as sock:
            sock.sendall(encode("SET", "k", value(1_000_000))[:500_000])
    wait_until(lambda: raw("CLIENT", "LIST").count(b"id=") == 1, "they are gone")
    assert raw("EXISTS", "k") == 0


@pytest.mark.parametrize("threads", [1, 4])
def test_many_at_once(new_server: Callable[..., Process], threads: int) -> None:
    server = new_server(io_threads=threads, io_threads_do_reads=True)

    def write(number: int) -> None:
        with server.connect() as c:
            for n in range(40):
                written = value(60_000 + (number * 40 + n) * 977 % 200_000, n)
                c.pipeline([("SET", f"k{number}", written), ("GET", f"k{number}"), ("SET", "all", written)])
                assert c("GET", f"k{number}") == written

    writers = [Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with server.connect() as c:
        assert [c("STRLEN", f"k{n}") for n in range(6)] == [60_000 + (n * 40 + 39) * 977 % 200_000 for n in range(6)]


def test_they_reach_the_log_and_a_replica(new_server: Callable[..., Process]) -> None:
    master, replica = new_server(appendonly=True), new_server()
    follow(replica, master)
    c = master.connect()
    for n, size in enumerate(SIZES):
        c("SET", f"k{n}", os.urandom(size))
        c.pipeline([("INCR", "n"), ("SET", f"p{n}", os.urandom(size)), ("INCR", "n")])
        c("APPEND", f"k{n}", "tail")
    in_step(master, replica)
    assert the_same(master, replica)
    expected = {key: c("GET", key) for key in c("KEYS", "*")}
    master.kill()
    master.start()
    again = master.connect()
    assert {key: again("GET", key) for key in again("KEYS", "*")} == expected
    again("DEBUG", "RELOAD")
    assert {key: again("GET", key) for key in again("KEYS", "*")} == expected
