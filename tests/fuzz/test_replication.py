"""Both ends of the replication protocol, beside peers that lie, break off and send what nobody should.

A replica of ours gets mutations of a full sync and a stream that a master of ours once sent; a master of ours gets
replicas that mix up everything a replica may say. Neither may end, make a mistake of its own (internal_errors), or keep
a good peer from following afterwards. REMUS_FUZZ_ROUNDS says how many of each (200); the seed is printed, REMUS_SEED
sets it.
"""

import os
import queue
import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fuzz.test_restore import mutated
from tests.support.bad_peer import BadPeer, listen_on, say
from tests.support.every_type import fill
from tests.support.following import TYPES, follow, in_step, linked
from tests.support.pace import wait_until
from tests.support.resp import Connection, ConnectionClosed, encode

ROUNDS = int(os.environ.get("REMUS_FUZZ_ROUNDS", "200"))
PATIENCE_SECONDS = 0.5  # with ends that wait for one another, before a link is given up
GREETING = (b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n")
NUMBERS = (
    "-1", "0", "1", "2", "7", "100", "1000000", "-1000000", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "99999999999999999999", "1.5", "x", "", "?", "+1", " 1", "1 ", "\x00", "\xff" * 50,
)  # fmt: skip
IDS = ("?", "a" * 40, "0" * 40, "", "x", "A" * 1000, "\r\n")
OPTIONS = (
    "listening-port", "ip-address", "capa", "ack", "ACK", "fack", "getack", "rdb-only", "rdb-filter-only", "version",
)  # fmt: skip
WORDS = ("eof", "psync2", "functions", "*", "127.0.0.1", "1" * 100, "functions functions", "\x00", "%n%s")
PLAIN: tuple[tuple[str, ...], ...] = (
    ("PING",), ("INFO", "replication"), ("ROLE",), ("SET", "k", "v"), ("MULTI",), ("EXEC",), ("SUBSCRIBE", "c"),
    ("WAIT", "1", "1"), ("CLIENT", "REPLY", "ON"), ("MONITOR",), ("HELLO", "3"), ("RESET",), ("BLPOP", "none", "0"),
    ("CLIENT", "NO-EVICT", "on"), ("QUIT",), ("SELECT", "9"),
)  # fmt: skip


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("REMUS_SEED", "0")) or random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def lives(server: Any) -> None:
    assert server.alive(), server.last_words()
    assert server.info("stats")["internal_errors"] == "0"


# ---- masters
@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """All that a master says from +FULLRESYNC on: data of every type without a checksum, and a stream."""
    from tests.support.server import Server

    with Server(tmp_path_factory.mktemp("recorded"), rdbchecksum="no", repl_diskless_sync="no") as master:
        with master.connect() as c, master.connect() as replica:
            fill(c)
            c.pipeline(TYPES)
            replica.send("PSYNC", "?", "-1")
            line = replica.read_raw_through(b"\r\n").lstrip(b"\n")
            length = replica.read_raw_through(b"\r\n").lstrip(b"\n")
            snapshot = replica.read_raw(int(length[1:]))
            c.pipeline([*TYPES, ("MULTI",), ("INCR", "n"), ("SELECT", "2"), ("INCR", "n"), ("EXEC",), ("FLUSHDB",),
                        ("EVAL", "redis.call('set', 'a', 1) redis.call('lpush', 'l', 'x')", "0"), ("SET", "last", "1")])
            stream = replica.read_raw_through(b"$4\r\nlast\r\n$1\r\n1\r\n")  # fmt: skip
            return line + length + snapshot + stream


def a_sync(chance: random.Random, whole: bytes) -> bytes:
    """A mutation of it: anywhere, in the lines at its beginning, in the stream, or one that ends early."""
    stream = whole.rindex(b"*2\r\n$6\r\nSELECT", 0, whole.index(b"\r\n$6\r\nstring\r\n", len(whole) // 2))
    match chance.randrange(5):
        case 0:
            return whole[: chance.randrange(len(whole))]
        case 1:
            return mutated(chance, whole[:60]) + whole[60:]
        case 2:
            return whole[:stream] + mutated(chance, whole[stream:])
        case 3:
            return whole[:stream] + chance.randbytes(chance.randrange(1, 2000))
        case _:
            return mutated(chance, whole)


def leave_its_master(c: Connection) -> None:
    """As soon as what it loads lets it: REPLICAOF is refused meanwhile, as in Redis."""
    wait_until(lambda: c("REPLICAOF", "NO", "ONE") == "OK", "it has left")


@pytest.mark.slow
@pytest.mark.timeout(120 + ROUNDS)
def test_masters_that_say_anything(new_server: Callable[..., Any], chance: random.Random, recorded: bytes) -> None:
    replica, master = new_server(), new_server(repl_diskless_sync_delay=0)
    over: queue.Queue[int] = queue.Queue()
    syncs: list[bytes] = []

    def behave(sock: socket.socket, heard: bytearray) -> None:
        if not syncs:
            return
        data = syncs.pop()
        greeting = [mutated(chance, word) if chance.randrange(20) == 0 else word for word in GREETING]

        def then(sock: socket.socket, heard: bytearray) -> None:
            for start in range(0, len(data), 60_000):
                sock.sendall(data[start : start + 60_000])
            sock.shutdown(socket.SHUT_WR)
            while listen_on(sock, heard):
                pass

        try:
            say(*greeting, then=then)(sock, heard)
        except OSError:
            pass
        finally:
            over.put(len(data))

    with BadPeer(behave) as peer, replica.connect() as c:
        for number in range(ROUNDS):
            syncs.append(a_sync(chance, recorded))
            c.ok("CONFIG", "SET", "repl-diskless-load", chance.choice(("disabled", "swapdb")))
            c.ok("REPLICAOF", peer.host, str(peer.port))
            try:
                over.get(timeout=PATIENCE_SECONDS)
                leave_its_master(c)
            except queue.Empty:
                leave_its_master(c)
                over.get(timeout=60)
            if number % 20 == 0:
                lives(replica)
    lives(replica)
    with master.connect() as c:
        c.pipeline(TYPES)
        follow(replica, master)
        in_step(master, replica)


# ---- replicas
def said(chance: random.Random, id: str, offset: int) -> Iterator[bytes]:
    """What a replica says, one thing after the other."""
    for _ in range(chance.randrange(1, 12)):
        near = str(offset + chance.choice((-1000, -1, 0, 1, 2, 1000, 10**9)))
        number = chance.choice((*NUMBERS, near))
        match chance.randrange(9):
            case 0 | 1:
                words = [chance.choice((*OPTIONS, *OPTIONS, *WORDS, *NUMBERS)) for _ in range(chance.randrange(5))]
                yield encode("REPLCONF", *words)
            case 2:
                yield encode("REPLCONF", chance.choice(OPTIONS), chance.choice((*WORDS, *NUMBERS)))
            case 3:
                yield encode("PSYNC", chance.choice((*IDS, id, id)), number, *["FAILOVER"] * (chance.randrange(8) == 0))
            case 4:
                yield encode("PSYNC", "?", "-1") if chance.randrange(3) else encode("SYNC")
            case 5:
                yield encode("REPLCONF", "ACK", number)
            case 6:
                yield encode("REPLCONF", "ACK", number, "FACK", chance.choice((*NUMBERS, near)))
            case 7:
                yield encode(*chance.choice(PLAIN))
            case 8:
                ack = encode("REPLCONF", "ACK", number)
                yield chance.choice((chance.randbytes(20), b"\n" * 5, ack[:-4], ack + ack[:9], mutated(chance, ack)))


@pytest.mark.slow
@pytest.mark.timeout(120 + ROUNDS)
@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_replicas_that_say_anything(new_server: Callable[..., Any], chance: random.Random, diskless: str) -> None:
    # Behind garbage, words are read as commands of their own: FAILOVER must not be one.
    master = new_server(config='rename-command failover ""', repl_diskless_sync=diskless, repl_diskless_sync_delay=0,
                        repl_backlog_size="16kb")  # fmt: skip
    good = new_server()
    follow(good, master)
    with master.connect() as c:
        fill(c)
        for number in range(ROUNDS):
            info = master.info("replication")
            with Connection(master.port) as odd:
                try:
                    for data in said(chance, info["master_replid"], int(info["master_repl_offset"])):
                        odd.send_raw(data)
                        if chance.randrange(4) == 0:
                            odd.nothing_comes(0.001)
                except (ConnectionError, ConnectionClosed):
                    pass
            c.ok("SET", f"key{number % 10}", number)
            if number % 20 == 0:
                lives(master)
                assert c("ROLE")[0] == b"master" and c("WAIT", "0", "1") >= 0
        wait_until(lambda: master.info("replication")["connected_slaves"] == "1", "nobody but the good one", 40)
    lives(master)
    wait_until(lambda: linked(good), "the good one", 40)
    in_step(master, good)
