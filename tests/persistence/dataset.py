"""A keyspace with every type in every encoding, and how to compare two of them."""

from typing import Any

from tests.support.resp import Connection

ENCODINGS = {
    b"string:int": b"int", b"string:embstr": b"embstr", b"string:raw": b"raw", b"string:long": b"raw",
    b"list:small": b"listpack", b"list:large": b"quicklist", b"set:numbers": b"intset", b"set:small": b"listpack",
    b"set:large": b"hashtable", b"hash:small": b"listpack", b"hash:large": b"hashtable", b"zset:small": b"listpack",
    b"zset:large": b"skiplist", b"stream": b"stream", b"stream:groups": b"stream",
}


def fill(c: Connection) -> None:
    """Databases 0 and 9; some keys expire, far away."""
    c.pipeline([
        ("SET", "string:int", -123456), ("SET", "string:embstr", "short"), ("SET", "string:raw", "x" * 100),
        ("SET", "string:long", bytes(range(256)) * 40), ("SET", b"\x00\xff binary \r\n", b"\x00\xff"),
        ("SET", "empty", ""), ("SET", 12345, "a key that is a number"), ("SET", "compressible" * 20, "ab" * 5000),
        ("RPUSH", "list:small", "a", 1, -1, "", 2**40, "x" * 70),
        *[("RPUSH", "list:large", *(f"element {i} " * 10 for i in range(j, j + 50))) for j in range(0, 300, 50)],
        ("RPUSH", "list:large", "y" * 20000),
        ("SADD", "set:numbers", 1, 2, -5, 2**35), ("SADD", "set:small", "a", 1, "c"),
        ("SADD", "set:large", *(f"member:{i}" for i in range(600))),
        ("HSET", "hash:small", "f", "v", "n", 1),
        ("HSET", "hash:large", *(w for i in range(600) for w in (f"f{i}", i))),
        ("ZADD", "zset:small", 1.5, "a", -2, "b", "inf", "c", "-inf", "d"),
        ("ZADD", "zset:large", *(w for i in range(300) for w in (i / 8, f"m{i}"))),
        *[("XADD", "stream", f"{i}-1", "field", i, "other", "x" * (i % 5)) for i in range(1, 250)],
        ("XDEL", "stream", "3-1", "249-1"),
        ("XADD", "stream:groups", "1-1", "a", 1), ("XADD", "stream:groups", "2-1", "a", 1),
        ("XGROUP", "CREATE", "stream:groups", "g", "0"), ("XGROUP", "CREATE", "stream:groups", "idle", "$"),
        ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 1, "STREAMS", "stream:groups", ">"),
        ("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "stream:groups", ">"),
        ("XGROUP", "CREATECONSUMER", "stream:groups", "idle", "carol"),
        ("EXPIREAT", "string:embstr", 33177117420), ("PEXPIREAT", "hash:large", 33177117420123),
        ("SELECT", 9), ("SET", "elsewhere", 1), ("SADD", "s", "x"), ("SELECT", 0),
    ])


def contents(c: Connection) -> dict[Any, Any]:
    """Everything that two equal keyspaces have in common, whatever server holds them and in whatever order."""
    found: dict[Any, Any] = {}
    for database in (0, 9):
        c.ok("SELECT", database)
        for key in c.ok("KEYS", "*"):
            found[database, key] = (c.ok("PEXPIRETIME", key), value(c, key))
    c.ok("SELECT", 0)
    return found


def value(c: Connection, key: bytes) -> Any:
    """A key's value, with what has no order put in order."""
    kind = c.ok("TYPE", key)
    if kind == "string":
        return c.ok("GET", key)
    if kind == "list":
        return c.ok("LRANGE", key, 0, -1)
    if kind == "set":
        return sorted(c.ok("SMEMBERS", key))
    if kind == "hash":
        return sorted(zip(*[iter(c.ok("HGETALL", key))] * 2, strict=True))
    if kind == "zset":
        return c.ok("ZRANGE", key, 0, -1, "WITHSCORES")
    assert kind == "stream"
    info = dict(zip(*[iter(c.ok("XINFO", "STREAM", key, "FULL", "COUNT", 0))] * 2, strict=True))
    groups = [dict(zip(*[iter(group)] * 2, strict=True)) for group in info[b"groups"]]
    told = [(g[b"name"], g[b"last-delivered-id"], g[b"pel-count"],
             [entry[:2] + entry[3:] for entry in g[b"pending"]],
             [dict(zip(*[iter(who)] * 2, strict=True))[b"name"] for who in g[b"consumers"]]) for g in groups]
    return info[b"length"], info[b"last-generated-id"], info[b"entries"], told
