"""MEMORY USAGE against the allocator: what it names is what making the key took, and what deleting it gives back."""

from collections.abc import Iterator
from itertools import chain
from random import Random

import pytest

from tests.support.server import wait_until

Commands = list[tuple]


def numbered(prefix: str, count: int, times: int = 1) -> list[str]:
    return [f"{prefix}{n}" * times for n in range(count)]


def various(count: int, most: int, seed: int = 1) -> list[str]:
    random = Random(seed)
    return ["v" * random.randrange(most) for _ in range(count)]


def flat(*columns: list) -> list:
    return list(chain.from_iterable(zip(*columns, strict=True)))


def strings() -> Iterator[tuple[str, Commands]]:
    for size in (0, 1, 44, 45, 191, 192, 193, 500, 1000, 2049, 16384, 131000, 131072, 140000, 1000000):
        yield f"a string of {size} bytes", [("SET", "k", "x" * size)]
    yield "a number", [("SET", "k", 12345678901)]
    yield "a number with a time", [("SET", "k", 5, "EX", 1000)]
    yield "a short string that grew", [("APPEND", "k", "y" * 7)] * 4
    yield "a long string that grew", [("APPEND", "k", "y" * 77)] * 40
    yield "a range", [("SETRANGE", "k", 5000, "x")]
    yield "bits", [("SETBIT", "k", 100000, 1)]
    yield "a sparse HyperLogLog", [("PFADD", "k", *range(10))]
    yield "a dense HyperLogLog", [("PFADD", "k", *range(5000))]


def collections(count: int) -> Iterator[tuple[str, Commands]]:
    names, long = numbered("m", count), numbered("m", count, 30)
    values = various(count, 600)
    yield "a list", [("RPUSH", "k", *names)]
    yield "a list that grew at its head", [("LPUSH", "k", name) for name in names]
    yield "a list that lost its head", [("RPUSH", "k", *names), ("LPOP", "k", count // 2), ("LSET", "k", -1, "q" * 99)]
    yield "a list of long elements", [("RPUSH", "k", value * 9) for value in values]
    yield "a set", [("SADD", "k", *names)]
    yield "a set of long members", [("SADD", "k", *long)]
    yield "a set of integers", [("SADD", "k", *(n * n * 7 for n in range(count)))]
    yield "a hash", [("HSET", "k", *flat(names, names))]
    yield "a hash of long values", [("HSET", "k", *flat(names, values))]
    yield "a hash that shrank", [("HSET", "k", *flat(names, values)), *(("HDEL", "k", name) for name in names[1:])]
    yield "a sorted set", [("ZADD", "k", *flat(list(range(count)), names))]
    yield "a sorted set of long members", [("ZADD", "k", n % 7, name) for n, name in enumerate(long)]
    yield "a geo index", [("GEOADD", "k", n % 180, n % 80, name) for n, name in enumerate(names)]
    yield "a stream", [("XADD", "k", "*", "f", name, "g", "x" * 30) for name in names]
    yield "a trimmed stream", [*(("XADD", "k", "*", "f", name) for name in long), ("XTRIM", "k", "MAXLEN", count // 2)]
    yield "a stream with groups", [
        *(("XADD", "k", "*", "f", name) for name in names),
        *(("XGROUP", "CREATE", "k", f"g{n}", 0) for n in range(3)),
        *(("XREADGROUP", "GROUP", "g1", f"c{n}", "COUNT", count // 4 + 1, "STREAMS", "k", ">") for n in range(5)),
    ]
    yield "a copy", [("ZADD", "t", *flat(list(range(count)), names)), ("COPY", "t", "k"), ("DEL", "t")]
    yield "a result", [("SADD", "t", *names), ("SUNIONSTORE", "k", "t"), ("DEL", "t")]


KINDS = [*strings(), *(kind for count in (1, 100, 600, 3000) for kind in collections(count))]


@pytest.fixture
def allocated(raw):
    """A function: bytes that the allocator has handed out, once nothing waits to be freed."""

    def figure() -> int:
        wait_until(lambda: b"lazyfree_pending_objects:0\r" in raw("INFO", "memory"))
        stats = raw("MEMORY", "STATS")
        return stats[stats.index(b"allocator.allocated") + 1]

    raw.pipeline([("SET", f"filler{n}", n) for n in range(100)])     # so that the table neither grows nor shrinks
    raw.pipeline([("SETEX", "filler", 1000, 1)])
    raw.pipeline([("XADD", "t", "*", "field", "x" * 100)] * 100 + [("DEL", "t")])      # what compression keeps
    return figure


def check(raw, allocated, kinds) -> None:
    wrong = []
    for name, commands in kinds:
        before = allocated()
        raw.pipeline(commands)
        usage, encoding = raw("MEMORY", "USAGE", "k", "SAMPLES", 0), raw("OBJECT", "ENCODING", "k")
        full = allocated()
        assert raw("DEL", "k") == 1
        freed = full - allocated()
        if usage != freed or allocated() != before:
            wrong.append((name, encoding, "usage", usage, "freed", freed, "left", allocated() - before))
    assert not wrong


def test_usage_is_what_the_allocator_gave(raw, allocated):
    check(raw, allocated, KINDS)


def test_usage_of_lists_with_compressed_and_plain_nodes(raw, allocated, configure):
    configure("list-max-listpack-size", 5)
    configure("list-compress-depth", 1)
    raw("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1500b")
    try:
        check(raw, allocated, [("a compressed list", [("RPUSH", "k", *numbered("m", 500, 20))]),
                               ("a list of plain nodes", [("RPUSH", "k", *various(50, 3000))])])
    finally:
        raw("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")


def test_overhead_of_keys_and_expires(raw, allocated):
    """What MEMORY STATS calls overhead of a database grows with its keys, by much less than the keys do."""
    def overhead() -> tuple[int, int]:
        stats = raw("MEMORY", "STATS")
        database = stats[stats.index(b"db.0") + 1]
        return tuple(database[database.index(b"overhead.hashtable." + part) + 1] for part in (b"main", b"expires"))

    main, expires = overhead()
    before = allocated()
    raw.pipeline([("SET", f"key{n:05}", "v" * 100) for n in range(5000)])
    wait_until(lambda: overhead()[0] - main < 5000 * (16 + 16), "the end of a rehash, which has two tables")
    grown, same = overhead()
    assert grown - main > 5000 * (16 + 4)
    assert grown - main < (allocated() - before) / 4
    assert same < expires + 5000
    raw.pipeline([("EXPIRE", f"key{n:05}", 1000) for n in range(5000)])
    assert overhead()[1] > same + 5000 * 8 - 1000
