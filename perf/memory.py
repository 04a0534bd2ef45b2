"""Memory per item: how much a server's resident memory grows when the same data is put into it.

Each kind of data gets fresh servers: memory that was freed stays with the allocator and would be counted for nothing.
Resident memory, and not `used_memory`, because it is what the machine loses, and both servers count it alike.
"""

from collections.abc import Callable, Iterable, Iterator

from perf.results import Figure
from perf.server_under_test import ServerUnderTest, encode


def strings(count: int) -> Iterator[bytes]:
    return (encode("SET", f"key:{n:012d}", f"value:{n:010d}") for n in range(count))


def strings_with_ttl(count: int) -> Iterator[bytes]:
    return (encode("SET", f"key:{n:012d}", f"value:{n:010d}", "EX", 100_000 + n) for n in range(count))


def hashes(count: int) -> Iterator[bytes]:
    for n in range(count):
        fields = [word for field in range(5) for word in (f"field{field}", f"v{n + field}")]
        yield encode("HSET", f"key:{n:012d}", *fields)


def one_set(count: int) -> Iterator[bytes]:
    return (encode("SADD", "key", f"member:{n:010d}") for n in range(count))


def one_sorted_set(count: int) -> Iterator[bytes]:
    return (encode("ZADD", "key", n * 7919 % 1_000_003, f"member:{n:010d}") for n in range(count))


def one_hash(count: int) -> Iterator[bytes]:
    return (encode("HSET", "key", f"field:{n:010d}", f"value:{n:010d}") for n in range(count))


def lists(count: int) -> Iterator[bytes]:
    return (encode("RPUSH", f"key:{n:012d}", *[f"element:{n + i}" for i in range(10)]) for n in range(count))


def one_list(count: int) -> Iterator[bytes]:
    return (encode("RPUSH", "key", f"element:{n:010d}") for n in range(count))


def one_stream(count: int) -> Iterator[bytes]:
    return (encode("XADD", "key", f"{n + 1}-1", "sensor", n % 100, "value", f"{n * 31 % 997}.5") for n in range(count))


# What one item is, how many at scale 1, and the commands that make them.
KINDS: dict[str, tuple[int, Callable[[int], Iterable[bytes]]]] = {
    "string": (1_000_000, strings),
    "string with TTL": (1_000_000, strings_with_ttl),
    "hash of 5 fields": (300_000, hashes),
    "list of 10 elements": (200_000, lists),
    "member of one set": (1_000_000, one_set),
    "member of one sorted set": (1_000_000, one_sorted_set),
    "field of one hash": (1_000_000, one_hash),
    "element of one list": (1_000_000, one_list),
    "entry of one stream": (1_000_000, one_stream),
}


def growth(server: ServerUnderTest, kind: str, scale: float) -> float:
    """Bytes of resident memory per item of a kind, put into this (empty) server."""
    full, commands = KINDS[kind]
    count = max(1000, int(full * scale))
    server.send([encode("PING")])  # buffers of a first client are not the data's
    before = server.rss_bytes()
    server.send(commands(count))
    return (server.rss_bytes() - before) / count


def measure(start: Callable[[str], ServerUnderTest], kind: str, scale: float) -> Figure:
    """`start("ours")` and `start("peer")` give fresh servers."""
    sizes = []
    for name in ("ours", "peer"):
        with start(name) as server:
            sizes.append(growth(server, kind, scale))
    ours, peer = sizes
    return Figure("memory", kind, "bytes/item", ours, peer, ours / peer if peer > 0 else 0.0)
