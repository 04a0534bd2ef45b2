"""Many clients at once, doing what makes I/O threads and the main thread meet: pipelines, large values, clients that
vanish in the middle of a request or of a reply, blocking, subscriptions, CLIENT KILL. Nothing is known about the order;
at the end the server answers, has forgotten the clients that left, and kept what one client alone wrote.

Under a sanitizer (sanitize.sh) it is the load that the reports come from.
"""

import random
import socket
import threading
from collections.abc import Callable

import pytest

from tests.support.resp import Connection, ConnectionClosed, RespError, encode
from tests.support.server import Server, wait_until

WORKERS = 6
ROUNDS = 40
KEYS = 50


def random_command(chance: random.Random) -> tuple[object, ...]:
    """Any of the plain commands on a small keyspace, so that types collide and WRONGTYPE is answered, too."""
    key = f"key:{chance.randrange(KEYS)}"
    word = f"member:{chance.randrange(300)}"
    large = "x" * chance.choice([1, 60, 5000, 70_000])
    return chance.choice(
        [
            ("SET", key, large),
            ("SET", key, word, "PX", chance.randrange(1, 50)),
            ("GET", key),
            ("APPEND", key, word),
            ("DEL", key),
            ("UNLINK", key),
            ("INCR", key),
            ("MSET", key, large, f"{key}:2", word),
            ("LPUSH", key, word, large),
            ("RPOP", key),
            ("LRANGE", key, 0, -1),
            ("SADD", key, word, chance.randrange(1000)),
            ("SMEMBERS", key),
            ("HSET", key, word, large),
            ("HGETALL", key),
            ("ZADD", key, chance.random(), word),
            ("ZRANGE", key, 0, -1, "WITHSCORES"),
            ("XADD", key, "MAXLEN", "~", 100, "*", word, large),
            ("XRANGE", key, "-", "+"),
            ("EXPIRE", key, chance.randrange(2)),
            ("TYPE", key),
            ("SCAN", 0, "COUNT", 100),
            ("PUBLISH", "channel", large),
            ("MULTI",),
            ("EXEC",),
            ("CLIENT", "LIST"),
            ("INFO",),
            ("NOSUCH", large),
        ]
    )


def pipeline(server: Server, chance: random.Random) -> None:
    with Connection(server.port, timeout=60) as c:
        c.pipeline([random_command(chance) for _ in range(chance.randrange(1, 60))])


def vanish(server: Server, chance: random.Random) -> None:
    """Send many requests, the last one cut short, and leave without reading, now and then with a reset."""
    sent = b"".join(encode(*random_command(chance)) for _ in range(30))
    with socket.create_connection((server.host, server.port), 60) as c:
        if chance.random() < 0.5:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.settimeout(60)
        c.sendall(sent[: -chance.randrange(1, 40)])
        if chance.random() < 0.5:
            c.recv(100)


def subscribe(server: Server, chance: random.Random) -> None:
    """Hear what the others publish while publishing oneself: pushes come between replies."""
    with Connection(server.port, timeout=60, protocol=3) as c:
        c.send("SUBSCRIBE", "channel")  # answered by a push
        receivers = c("PUBLISH", "channel", "x" * chance.randrange(10_000))
        assert isinstance(receivers, int) and receivers >= 1


def block(server: Server, chance: random.Random) -> None:
    with Connection(server.port, timeout=60) as c:
        c("BLPOP", f"queue:{chance.randrange(3)}", 0.02)
        c("LPUSH", f"queue:{chance.randrange(3)}", "x" * chance.randrange(100))


def kill(server: Server, chance: random.Random) -> None:
    """Somebody is ended by somebody else while it talks."""
    with Connection(server.port, timeout=60) as victim, Connection(server.port, timeout=60) as killer:
        client_id = victim("CLIENT", "ID")
        victim.send(*random_command(chance))
        killer("CLIENT", "KILL", "ID", client_id)


def protocol_error(server: Server, chance: random.Random) -> None:
    with socket.create_connection((server.host, server.port), 60) as c:
        c.settimeout(60)
        c.sendall(encode("PING") + b"*1\r\n$" + chance.randbytes(20) + b"\r\n")
        c.shutdown(socket.SHUT_WR)
        while c.recv(1000):
            pass


DEEDS = (pipeline, pipeline, pipeline, vanish, subscribe, block, kill, protocol_error)


def work(server: Server, seed: int, failures: list[BaseException]) -> None:
    """One worker: it counts in a key of its own, and the count must be right at the end."""
    chance = random.Random(seed)
    try:
        with Connection(server.port, timeout=60) as own:
            for done in range(1, ROUNDS + 1):
                try:
                    chance.choice(DEEDS)(server, chance)
                except (ConnectionClosed, ConnectionError):
                    pass  # killed, or reset: that is what was asked for
                assert own("INCR", f"own:{seed}") == done
    except BaseException as error:
        failures.append(error)


@pytest.mark.parametrize("io_threads", [1, 4])
def test_mixed_load(new_server: Callable[..., Server], io_threads: int) -> None:
    server = new_server(io_threads=io_threads, proto_max_bulk_len="1mb")
    failures: list[BaseException] = []
    workers = [threading.Thread(target=work, args=(server, seed, failures)) for seed in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures
    with Connection(server.port, timeout=60) as c:
        assert [c("GET", f"own:{seed}") for seed in range(WORKERS)] == [str(ROUNDS).encode()] * WORKERS
        wait_until(lambda: c("CLIENT", "LIST").count(b"\n") == 1, "only this client is left", 30)
        assert not isinstance(c("FLUSHALL"), RespError)
    assert server.alive()
