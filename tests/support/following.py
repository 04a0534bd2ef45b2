"""Servers that follow one another, ours or real ones: links, data that must be the same, and what is written for it."""

import random
from collections.abc import Iterator
from typing import Any

from tests.support.generators import command_from
from tests.support.pace import wait_until
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
    same = lambda: len({digest(server) for server in (master, *replicas)}) == 1  # noqa: E731 (expires come later)
    try:
        wait_until(same, "the same data")
    except AssertionError as error:
        told = [f"{type(one).__name__} {number}: {differences(master, one)}" for number, one in enumerate(replicas, 1)]
        raise AssertionError("\n".join([str(error), *told])) from error


def differences(one: Process, another: Process) -> list[str]:
    """What differs, key by key, for somebody to look at."""
    found = []
    with one.connect() as a, another.connect() as b:
        for number in range(16):
            a("SELECT", number), b("SELECT", number)
            for key in sorted({*a("KEYS", "*"), *b("KEYS", "*")}):
                for words in (("DEBUG", "DIGEST-VALUE", key), ("PEXPIRETIME", key)):
                    left, right = a(*words), b(*words)
                    if left != right:
                        seen = [(c("TYPE", key), c("DUMP", key)) for c in (a, b)]
                        found.append(f"{words} in {number}: {left} and {right}; {str(seen)[:2000]}")
    return found


def random_writes(c: Connection, chosen: random.Random) -> Iterator[Words]:
    """Endless writes of all types, and errors among them; none that waits."""
    writes = {name.upper() for name in c.ok("COMMAND", "LIST", "FILTERBY", "ACLCAT", "write")}
    waits = {name.upper() for name in c.ok("COMMAND", "LIST", "FILTERBY", "ACLCAT", "blocking")}
    while True:
        words = command_from(chosen.randbytes(64))
        if words[0] in writes - waits:
            yield words
