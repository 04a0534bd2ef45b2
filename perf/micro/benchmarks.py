"""What is measured: every loop with its data, by a name that tells what one operation is."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from perf.micro import resp, structures

COUNT = structures.OPERATIONS
SMALL = 1_000  # entries that stay in the processor's caches
LARGE = 1_000_000  # entries that do not
TEXT = b"".join(b"user:%06d name=visitor-%d score=%d; " % (n, n % 97, n * 31 % 1009) for n in range(4096))[:4096]


class Micro(NamedTuple):
    """`loops` takes pyperf's loop count and `arguments`; one loop is so many `operations`."""

    name: str
    loops: Callable[..., float]
    operations: int
    arguments: tuple[Any, ...] = ()


def request(*words: bytes) -> bytes:
    """One command as a RESP array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def parsing(name: str, one: bytes, commands: int) -> Micro:
    """Parsing `commands` times the same request, which one read brought."""
    return Micro(f"parser: {name}", resp.parse_requests, commands, (one * commands, commands))


def writing(name: str, kind: str, value: bytes, replies: int) -> Micro:
    return Micro(f"writer: {name}", resp.write_replies, replies, (kind, value, replies))


@cache
def holder(kind: Callable[..., Any], count: int) -> Any:
    """A filled structure, made once in a process and before the clock starts."""
    return kind(count)


def on(kind: Callable[..., Any], count: int, method: str, operations: int = COUNT, *arguments: Any) -> Micro:
    """A method of a filled structure; the name is made of the class, the method and the count."""
    what = kind.__name__.removesuffix("Loops").lower()
    noun = {"orderedindex": "ordered index"}.get(what, what)

    def loops(count_of_loops: int) -> float:
        return float(getattr(holder(kind, count), method)(count_of_loops, *arguments))

    walked = f" {arguments[0]}" if arguments else ""
    return Micro(f"{noun}: {method.replace('_', ' ')}{walked}, {count:,} entries", loops, operations)


KEY = b"key:000000000042"
ALL = (
    parsing("GET", request(b"GET", KEY), 50),
    parsing("SET, 16 bytes", request(b"SET", KEY, b"v" * 16), 50),
    parsing("SET, 1,024 bytes", request(b"SET", KEY, b"v" * 1024), 50),
    parsing("MSET of 10 keys", request(b"MSET", *[KEY, b"v" * 16] * 10), 10),
    parsing("inline PING", b"PING\r\n", 50),
    writing("bulk of 16 bytes", "bulk", b"v" * 16, 50),
    writing("bulk of 1,024 bytes", "bulk", b"v" * 1024, 50),
    writing("integer", "integer", b"", 50),
    writing("double", "double", b"", 50),
    writing("null", "null", b"", 50),
    writing("status", "status", b"", 50),
    writing("element of an array of 600", "array", b"v" * 16, 600),
    *[on(structures.TableLoops, SMALL, method) for method in ("find", "overwrite", "insert_and_delete")],
    *[on(structures.TableLoops, LARGE, method) for method in ("find", "overwrite", "insert_and_delete")],
    on(structures.TableLoops, LARGE, "scan", LARGE),
    on(structures.IntsetLoops, 512, "find"),
    on(structures.IntsetLoops, 512, "add_and_remove"),
    on(structures.ListpackLoops, 128, "find"),
    on(structures.ListpackLoops, 128, "walk", 128),
    on(structures.ListpackLoops, 128, "fill", 128),
    on(structures.QuicklistLoops, 100_000, "push_and_pop"),
    on(structures.QuicklistLoops, 100_000, "walk", 600, 600),
    on(structures.QuicklistLoops, 100_000, "index"),
    on(structures.OrderedIndexLoops, 100_000, "insert_and_delete"),
    on(structures.OrderedIndexLoops, 100_000, "rank"),
    on(structures.OrderedIndexLoops, 100_000, "walk", 100, 100),
    on(structures.RaxLoops, 100_000, "append_and_remove"),
    on(structures.RaxLoops, 100_000, "find"),
    on(structures.RaxLoops, 100_000, "walk", 100, 100),
    on(structures.HyperLogLogLoops, 100_000, "add"),
    on(structures.HyperLogLogLoops, 100_000, "count", 1),
    Micro("lzf: compress 4 KiB", structures.compress, 1, (TEXT,)),
    Micro("lzf: decompress 4 KiB", structures.decompress, 1, (TEXT,)),
    Micro("crc64: 4 KiB", structures.checksum, 1, (TEXT,)),
    Micro("crc16: slot of a key", structures.hash_slot, COUNT),
)


def chosen(only: str) -> list[Micro]:
    """Those whose name contains one of the comma-separated words; all when there are none."""
    wanted = [word.strip() for word in only.split(",") if word.strip()]
    return [micro for micro in ALL if not wanted or any(word in micro.name for word in wanted)]
