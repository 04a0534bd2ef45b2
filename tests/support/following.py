"""Servers that follow one another, ours or real ones: links, data that must be the same, and what is written for it."""

import random
from collections.abc import Iterator
from typing import Any

from tests.support.generators import command_from
from tests.support.pace import wait_until
from tests.support.peer import Peer, peer_version
from tests.support.resp import Connection
from tests.support.server import Process

Words = tuple[Any, ...] | list[bytes]

PEERS_RDB: dict[str, Any] = {"rdb-version": 10, "repl-diskless-sync-delay": 0}  # for ours, beside a Redis before 7.2
TYPES: tuple[Words, ...] = (
    ("SET", "string", "x" * 100), ("SET", "number", "12345"), ("SET", "expires", "1", "PX", "100000000"),
    ("RPUSH", "list", *map(str, range(300))), ("SADD", "intset", *map(str, range(50))),
    ("SADD", "set", *(f"member{n}" for n in range(300))), ("HSET", "small", "a", "1", "b", "2"),
    ("HSET", "hash", *(f"{what}{n}" for n in range(300) for what in "fv")),
    ("ZADD", "zset", *(str(n) if what else f"m{n}" for n in range(300) for what in (1, 0))),
    ("XADD", "stream", "1-1", "a", "1"), ("XADD", "stream", "1-2", "b", "2"), ("XGROUP", "CREATE", "stream", "g", "0"),
    ("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"), ("PFADD", "hll", "a", "b", "c"),
    ("SELECT", "3"), ("SET", "elsewhere", "1"), ("SELECT", "0"),
    ("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"),
)  # fmt: skip
LINK_SECONDS = 60.0


def linked(replica: Process) -> bool:
    return replica.info("replication").get("master_link_status") == "up"


def is_online(replica: Process, master: Process) -> bool:
    """Whether its master knows that it has loaded its snapshot: it gets the stream then, and a shutdown waits."""
    told = master.info("replication")
    return any(f"port={replica.port},state=online" in value for name, value in told.items() if name.startswith("slave"))


def follow(replica: Process, master: Process, port: int = 0) -> None:
    """port: of a proxy before the master."""
    with replica.connect() as c:
        c.ok("REPLICAOF", "127.0.0.1", str(port or master.port))
    wait_until(lambda: linked(replica) and is_online(replica, master), "a link", LINK_SECONDS)


def digest(server: Process) -> Any:
    with server.connect() as c:
        return c("DEBUG", "DIGEST")


def libraries(server: Process) -> list[str]:
    """The functions, which no digest knows."""
    with server.connect() as c:
        return sorted(map(repr, c("FUNCTION", "LIST", "WITHCODE")))


def in_step(master: Process, *replicas: Process) -> None:
    """All have applied all, and hold the same."""
    def offsets() -> bool:
        end = master.info("replication")["master_repl_offset"]
        return all(linked(one) and one.info("replication")["slave_repl_offset"] == end for one in replicas)

    wait_until(offsets, "replicas that have everything", LINK_SECONDS)
    try:
        wait_until(lambda: the_same(master, *replicas), "the same data")  # (expires come later)
    except AssertionError as error:
        told = [f"{type(one).__name__} {number}: {differences(master, one)}" for number, one in enumerate(replicas, 1)]
        raise AssertionError("\n".join([str(error), *told])) from error


def the_same(master: Process, *replicas: Process) -> bool:
    """By their digests; where one is of a Redis before 7.2, which has other digits of a score, key by key."""
    if len({digest(server) for server in (master, *replicas)}) == 1:
        return True
    return with_other_digits(master, *replicas) and not any(differences(master, replica) for replica in replicas)


def with_other_digits(*servers: Process) -> bool:
    return any(isinstance(server, Peer) for server in servers) and peer_version() < (7, 2)


def value_digest(c: Connection, key: bytes) -> Any:
    return c("DEBUG", "DIGEST-VALUE", key)


def value(c: Connection, key: bytes) -> Any:
    """Its digest; of a sorted set its numbers, which servers spell in their own ways (1.234567e+26)."""
    if c("TYPE", key) != "zset":
        return value_digest(c, key)
    found = c("ZRANGE", key, "0", "-1", "WITHSCORES")
    return [(member, repr(float(score))) for member, score in zip(found[::2], found[1::2], strict=True)]


def expire_time(c: Connection, key: bytes) -> Any:
    return c("PEXPIRETIME", key)


def differences(one: Process, another: Process) -> list[str]:
    """What differs, key by key, for somebody to look at."""
    looks = (value if with_other_digits(one, another) else value_digest, expire_time)
    found = []
    with one.connect() as a, another.connect() as b:
        for number in range(16):
            a("SELECT", number), b("SELECT", number)
            for key in sorted({*a("KEYS", "*"), *b("KEYS", "*")}):
                for look in looks:
                    left, right = look(a, key), look(b, key)
                    if left != right:
                        seen = [(c("TYPE", key), c("DUMP", key)) for c in (a, b)]
                        told = f"{look.__name__} of {key} in {number}: {left} and {right}; {seen}"
                        found.append(told[:2000])
    return found


def random_writes(c: Connection, chosen: random.Random) -> Iterator[Words]:
    """Endless writes of all types, and errors among them; none that waits."""
    writes = {name.upper() for name in c.ok("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")}
    waits = {name.upper() for name in c.ok("COMMAND", "LIST", "FILTERBY", "ACLCAT", "blocking")}
    while True:
        words = command_from(chosen.randbytes(64))
        if words[0] in writes - waits:
            yield words
