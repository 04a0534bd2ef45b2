"""A keyspace with values of every type in every encoding, and what there is to see of a value."""

import random
from typing import Any

from tests.support.differential import READ_ALL
from tests.support.resp import Connection


def fill(c: Connection) -> None:
    """Keys of every type, in every encoding, the same each time."""
    random.seed(6)

    def word(size: int | None = None) -> str:
        return "".join(random.choices("abcdef", k=random.randrange(40) if size is None else size))

    for value in ("", "1", "-5", "300", "70000", "5000000000", "1" * 25, "ab" * 200, word(3000)):
        c.ok("SET", f"string{len(value)}{value[:3]}", value)
    for n in (1, 3, 129, 600):
        c("RPUSH", f"list{n}", *(word() if i % 2 else i * 37 for i in range(n)))
        c("SADD", f"numbers{n}", *(i * random.choice((1, 70000, 5 * 10**9)) for i in range(n)))
        c("SADD", f"set{n}", *(word(10) for _ in range(n)), "x")
        c("HSET", f"hash{n}", *(each for i in range(n) for each in (f"{word(10)}{i}", word())))
        scores = [random.choice((i, -i, i / 8, "inf")) for i in range(n)]
        c("ZADD", f"zset{n}", *(each for i in range(n) for each in (scores[i], f"{word(9)}{i}")))
        ids = [f"{1000 + i}-{i % 5}" for i in range(n)]
        c.pipeline([("XADD", f"stream{n}", ids[i], "a", i, "b" if i % 3 else "c", word()) for i in range(n)])
        c.pipeline([("XDEL", f"stream{n}", ids[i]) for i in range(0, n - 2, 5)])
    c("HSET", "hash_long", "f" * 300, "v" * 5000)
    c("RPUSH", "list_long", "v" * 100000, "x")
    c("ZADD", "zset_long", 1, "m" * 70)
    c("XADD", "stream_empty", "5-5", "a", 1)
    c("XDEL", "stream_empty", "5-5")
    for group in ("first", "second"):
        c.ok("XGROUP", "CREATE", "stream129", group, "0")
        for consumer in ("alice", "bob"):
            c("XREADGROUP", "GROUP", group, consumer, "COUNT", 20, "STREAMS", "stream129", ">")
    c.ok("XGROUP", "CREATE", "stream3", "nobody", "$")


def contents(c: Connection, key: bytes | str) -> Any:
    """Everything there is to see of a value."""
    kind = str(c("TYPE", key))
    found = c(*(key if word is None else word for word in READ_ALL[kind]))
    if kind == "set":
        return kind, sorted(found)
    if kind == "hash":
        return kind, sorted(zip(found[::2], found[1::2], strict=True))
    if kind == "zset":
        return kind, [(member, float(score)) for member, score in zip(found[::2], found[1::2], strict=True)]
    if kind == "stream":
        groups = [dict(zip(group[::2], group[1::2], strict=True)) for group in c("XINFO", "GROUPS", key)]
        pending = [c("XPENDING", key, group[b"name"], "-", "+", 1000) for group in groups]
        return kind, found, groups, [[(each[0], each[1], each[3]) for each in some] for some in pending]
    return kind, found
