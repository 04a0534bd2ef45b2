"""Files go to a real server and come back: ours -> Redis -> ours, each time with the same data, byte for byte.

Redis 7.0 (the one on PATH, or REMUS_PEER) reads what `rdb-version 10` writes; a 7.2, which REMUS_PEER_7_2 names, our
version 11. The tools redis-check-rdb and redis-check-aof beside these servers must find nothing to complain about.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.persistence.dataset import contents, fill
from tests.support.peer import SEVEN_TWO, peer_path, peer_version
from tests.support.resp import Connection
from tests.support.server import Process, Server, wait_until

FOLDER = "appendonlydir"
TYPE_SET, TYPE_HASH = 2, 4
LIBRARY = b"#!lua name=lib\nredis.register_function('answer', function() return 42 end)"


class RealServer(Process):
    """A redis-server whose path is known."""

    def __init__(self, path: str, folder: Path, **options: Any) -> None:
        self.path = path
        super().__init__(folder, start=False, **options)

    def command_line(self) -> list[str]:
        return [self.path]

    def tool(self, name: str) -> str:
        """redis-check-rdb or -aof of the same version."""
        beside = Path(self.path).resolve().with_name(name)
        return str(beside) if beside.exists() else shutil.which(name) or pytest.skip(f"no {name}")


@pytest.fixture(params=["7.0", "7.2"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    """The other server, not started."""
    path = peer_path()
    if request.param == "7.2" or (path and peer_version() >= (7, 2)):
        path = SEVEN_TWO or (path if path and peer_version() >= (7, 2) else None)
    if not path:
        pytest.skip("REMUS_PEER_7_2 names no server" if request.param == "7.2" else "no redis-server")
    server = RealServer(path, tmp_path / "real", rdbcompression="no")
    server.rdb_version = 11 if path == SEVEN_TWO or peer_version() >= (7, 2) else 10  # type: ignore[attr-defined]
    yield server
    server.stop()


def fill_more(c: Connection, version: int) -> None:
    """What `fill` leaves out: compressed and large nodes, edges of numbers, a stream without entries, a library. For
    7.0 without scores that it shows (and digests) with 17 digits where 7.2 shows the shortest text."""
    fill(c)
    if version >= 11:
        c.ok("ZADD", "zset:edges", "5e-324", "tiny", "1.7976931348623157e308", "huge", "0.1", "tenth")
    c.pipeline([
        ("CONFIG", "SET", "list-compress-depth", 1, "list-max-listpack-size", 10),
        ("RPUSH", "list:squeezed", *(f"element {i} " * 5 for i in range(100))),
        ("CONFIG", "SET", "list-compress-depth", 0, "list-max-listpack-size", -2),
        ("SET", "int:max", 2**63 - 1), ("SET", "int:min", -(2**63)), ("SET", "int:32", 2**31), ("SET", "not:int", "01"),
        ("SADD", "set:wide", -(2**63), 2**63 - 1), ("SADD", "set:16", 1, -30000),
        ("ZADD", "zset:edges", "-0", "zero", "inf", "up", "-inf", "down", 2**53, "exact", 1e22, "large"),
        ("ZADD", "zset:wide", 1, "x" * 100, -1.5, "y"),
        ("HSET", "hash:wide", "f", "v" * 100, "n", 2**40), ("HSET", "hash:one", "", ""),
        ("XADD", "stream:empty", "5-5", "f", "v"), ("XDEL", "stream:empty", "5-5"),
        ("XGROUP", "CREATE", "stream:empty", "g", "$"),
        ("XADD", "stream:odd", "1-1", "a", 1), ("XADD", "stream:odd", "1-2", "b", 2, "c", 3),
        ("XADD", "stream:odd", "1-3", "a", 9),
        ("PFADD", "hll", *range(200)), ("GEOADD", "geo", 13.36, 38.11, "Palermo"), ("SETBIT", "bits", 900, 1),
        ("FUNCTION", "LOAD", LIBRARY),
    ])


def dumps(c: Connection) -> dict[tuple[int, bytes], bytes]:
    """The payload of every key; members of hash tables, which have no order, put in order. Not of the list whose nodes
    are compressed in memory: the bytes depend on who compressed them, and on list-compress-depth."""
    found = {}
    for database in (0, 9):
        c.ok("SELECT", database)
        for key in c.ok("KEYS", "*"):
            found[database, key] = in_order(c.ok("DUMP", key))
    c.ok("SELECT", 0)
    del found[0, b"list:squeezed"]
    return found


def digests(c: Connection) -> dict[bytes, str]:
    """Of database 0, by key: tells which one makes DEBUG DIGEST differ."""
    keys = c.ok("KEYS", "*")
    return dict(zip(keys, c.ok("DEBUG", "DIGEST-VALUE", *keys), strict=True))


def in_order(payload: bytes) -> bytes:
    """A payload without its checksum; of a set or a hash that is no single block, sorted."""
    words: list[bytes] = []
    step = {TYPE_SET: 1, TYPE_HASH: 2}.get(payload[0])
    if step is None:
        return payload[:-8]
    count, at = take_length(payload, 1)
    for _ in range(count * step):
        start = at
        size, at = take_length(payload, at)
        at += size
        words.append(payload[start:at])
    assert at == len(payload) - 10
    items = sorted(b"".join(words[i : i + step]) for i in range(0, len(words), step))
    return payload[:1] + b"".join(items) + payload[-10:-8]


def take_length(data: bytes, at: int) -> tuple[int, int]:
    """A length, and what is behind it; of a number so many bytes as it has."""
    first = data[at]
    if first < 0x40:
        return first, at + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[at + 1], at + 2
    if first == 0x80:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    return {0xC0: 1, 0xC1: 2, 0xC2: 4}[first], at + 1


def everything(c: Connection) -> tuple[Any, ...]:
    return dumps(c), digests(c), c.ok("DEBUG", "DIGEST"), contents(c), c.ok("FUNCTION", "LIST", "WITHCODE")


def same(found: tuple[Any, ...], before: tuple[Any, ...]) -> None:
    """Assert it, the first key that differs first."""
    for key, payload in before[0].items():
        assert found[0].get(key) == payload, key
    assert found == before


def check_aof(tool: list[str], folder: Path) -> None:
    told = subprocess.run([*tool, str(folder / FOLDER / "appendonly.aof.manifest")], capture_output=True, text=True)
    assert told.returncode == 0 and "All AOF files and manifest are valid" in told.stdout, told.stdout


def rewrite(server: Process, c: Connection) -> None:
    c.ok("BGREWRITEAOF")
    wait_until(lambda: server.info("persistence")["aof_rewrite_in_progress"] == "0", "the end of the rewrite")
    assert server.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def test_snapshots(new_server: Callable[..., Server], real: Any) -> None:
    ours = new_server(rdb_version=real.rdb_version, rdbcompression=False)
    c = ours.connect()
    fill_more(c, real.rdb_version)
    before = everything(c)
    c.ok("SAVE")
    ours.stop()
    told = subprocess.run([real.tool("redis-check-rdb"), str(ours.folder / "dump.rdb")], capture_output=True, text=True)
    assert told.returncode == 0 and "RDB looks OK" in told.stdout, told.stdout
    shutil.copy(ours.folder / "dump.rdb", real.folder)
    real.start()
    theirs = real.connect()
    same(everything(theirs), before)
    for compression in ("yes", "no"):
        theirs.ok("CONFIG", "SET", "rdbcompression", compression)
        theirs.ok("SAVE")
        shutil.copy(real.folder / "dump.rdb", ours.folder)
        ours.start()
        same(everything(ours.connect()), before)
        ours.stop()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_append_only_files(new_server: Callable[..., Server], real: Any, preamble: str) -> None:
    """A base, of either kind, and commands after it."""
    ours = new_server(appendonly=True, rdb_version=real.rdb_version, rdbcompression=False,
                      aof_use_rdb_preamble=preamble)
    c = ours.connect()
    fill_more(c, real.rdb_version)
    rewrite(ours, c)
    change(c)
    before = everything(c)
    ours.stop()
    check_aof([real.tool("redis-check-aof")], ours.folder)
    shutil.copytree(ours.folder / FOLDER, real.folder / FOLDER)
    real.directives |= {"appendonly": "yes", "aof-use-rdb-preamble": preamble}
    real.start()
    theirs = real.connect()
    like(everything(theirs), before, preamble)
    rewrite(real, theirs)
    change(theirs)
    before = everything(theirs)
    real.stop()
    shutil.rmtree(ours.folder / FOLDER)
    shutil.copytree(real.folder / FOLDER, ours.folder / FOLDER)
    ours.start()
    like(everything(ours.connect()), before, preamble)


def change(c: Connection) -> None:
    c.pipeline([("MULTI",), ("INCR", "n"), ("RPUSH", "list:small", "later"), ("EXEC",), ("SPOP", "set:large", 5),
                ("ZINCRBY", "zset:small", "0.25", "a"), ("XADD", "stream", "*", "f", "v"),
                ("PEXPIRE", "hash:one", 10**9),
                ("EVAL", "return redis.call('HINCRBYFLOAT', KEYS[1], 'float', '0.1')", 1, "hash:small")])


def like(found: tuple[Any, ...], before: tuple[Any, ...], preamble: str) -> None:
    """What commands bring is the same data, if not the same bytes: a list that is pushed again has other nodes, a
    consumer that is made again was seen just now."""
    if preamble == "yes":
        same(found, before)
    else:
        assert found[1] == before[1]
        assert found[1:] == before[1:]
        assert found[0].keys() == before[0].keys()
