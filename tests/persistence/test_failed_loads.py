"""Payloads and files that are refused leave nothing behind: no blocks of the interpreter, no bytes of keys.

The collector is off while a server serves, so whatever such a failure ties into a cycle would stay for ever.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.persistence.dataset import ENCODINGS, fill
from tests.support.resp import Connection, RespError
from tests.support.server import Server

FOLDER, INCR = "appendonlydir", "appendonly.aof.1.incr.aof"
WARM, ROUNDS, LOOKS = 10, 40, 3
SLACK = 80  # blocks; the smallest cycle that is left each time is more


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Iterator[Server]:
    """In which nothing happens by itself."""
    yield new_server(save="", hz=1, slowlog_log_slower_than=-1)


def look(c: Connection) -> tuple[int, int]:
    """Blocks, and bytes of keys, of a server that holds none."""
    c.ok("FLUSHALL")
    c.ok("SCRIPT", "FLUSH")
    c.ok("FUNCTION", "FLUSH")
    c.ok("MEMORY", "PURGE")
    info = dict(line.split(b":") for line in c.ok("INFO", "memory").split(b"\r\n") if b":" in line)
    return c.ok("DEBUG", "BLOCKS"), int(info[b"used_memory_dataset"])


def stays_flat(c: Connection, fail: Callable[[], object]) -> None:
    """A suspicion is looked at again."""
    for protocol in (3, 2):            # what is encoded soon after the start is there already
        c.pipeline([("HELLO", protocol), ("COMMAND",), ("COMMAND", "DOCS")])
    for _ in range(WARM):
        fail()
    blocks = dataset = 0
    for _ in range(LOOKS):
        before = look(c)
        for _ in range(ROUNDS):
            fail()
        after = look(c)
        blocks, dataset = after[0] - before[0], after[1] - before[1]
        if blocks < SLACK and dataset < 64 << 10:
            return
    raise AssertionError(f"{blocks} blocks of the interpreter, {dataset} bytes of keys")


def test_payloads(server: Server) -> None:
    c = server.connect()
    fill(c)
    dumps = [c.ok("DUMP", key) for key in ENCODINGS]
    c.ok("FLUSHALL")
    c.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    broken = [dump[:at] + change + dump[at + cut : -10] + dump[-10:] for dump in dumps for at in range(1, 40, 8)
              for change, cut in ((b"", 1), (b"\xff", 1), (b"\xc3", 0))]
    broken += [dump[:-10] + b"\xff\xff" + dump[-8:] for dump in dumps] + [b"", b"\x00", b"\xff" * 30]

    def fail() -> int:
        replies = c.pipeline([("RESTORE", "k", 0, payload, "REPLACE") for payload in broken])
        return sum(isinstance(reply, RespError) for reply in replies)

    assert fail() > len(broken) // 2
    stays_flat(c, fail)


@pytest.mark.parametrize("what", ["end", "middle", "byte", "library", "twice"])
def test_snapshots(server: Server, what: str) -> None:
    c = server.connect()
    fill(c)
    c.ok("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
    c.ok("DEBUG", "POPULATE", 500, "key", 100)
    c.ok("SAVE")
    path = server.folder / "dump.rdb"
    data = path.read_bytes()
    path.write_bytes({
        "end": data[:-9],
        "middle": data[:len(data) // 2],
        "byte": data[:len(data) // 3] + b"\xff\xff\xff" + data[len(data) // 3 + 3:],
        "library": data[:9] + b"\xf5\x07no code" + data[9:],
        "twice": data[:-9] + data[-9 - len(data) // 100:],
    }[what])

    def fail() -> None:
        error = RespError("ERR Error trying to load the RDB dump, check server logs.")
        assert c("DEBUG", "RELOAD", "NOSAVE") == error

    stays_flat(c, fail)


@pytest.mark.parametrize("end", [
    b"!!!", command(b"nope", b"x"), command(b"MULTI") + command(b"LPUSH", b"l", b"x" * 5000) * 20 + b"!!!",
    command(b"LPUSH", b"key:0", b"x") * 50 + command(b"EVAL", b"return nope.x", b"0") + b"!!!",
    command(b"SUBSCRIBE", b"c") + command(b"WATCH", b"k") + command(b"BLPOP", b"l", b"0") + b"!!!",
])
def test_append_only_files(server: Server, end: bytes) -> None:
    c = server.connect()
    folder = server.folder / FOLDER
    folder.mkdir()
    good = command(b"SET", b"key:0", b"v" * 1000) + command(b"HSET", b"h", b"f", b"v") * 2000
    (folder / INCR).write_bytes(good + end)
    (folder / "appendonly.aof.manifest").write_text(f"file {INCR} seq 1 type i\n")

    def fail() -> None:
        assert c("DEBUG", "LOADAOF") == RespError("ERR Error trying to load the AOF files, check server logs.")

    stays_flat(c, fail)
