"""Long lists whose nodes are packed away: files, copies and children neither show it nor bring the nodes back."""

from collections.abc import Iterator

import pytest

from tests.support.resp import Connection
from tests.support.server import Process, Server, wait_until

ALIKE = [b"element:%06d" % n for n in range(3000)]
SCATTERED = [b"%x" % (n * 0x9E3779B97F4A7C15 % 2**60) for n in range(3000)]
LISTS = {"alike": ALIKE, "scattered": SCATTERED}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Server(tmp_path_factory.mktemp("lists"), enable_debug_command=True, aof_use_rdb_preamble=False) as process:
        yield process


@pytest.fixture
def conn(process: Process) -> Iterator[Connection]:
    with Connection(process.port) as connection:
        connection.ok("FLUSHALL")
        connection.ok("CONFIG", "SET", "appendonly", "no", "rdbcompression", "yes")
        for key, values in LISTS.items():
            connection.ok("RPUSH", key, *values)
        yield connection


def usage(conn: Connection) -> list[int]:
    return [conn.ok("MEMORY", "USAGE", key) for key in LISTS]


def plain_bytes(conn: Connection, key: str) -> int:
    fields = dict(field.split(":", 1) for field in conn.ok("DEBUG", "OBJECT", key).split() if ":" in field)
    assert fields["ql_compressed"] == "0"
    return int(fields["ql_uncompressed_size"])


def test_reading_once_shows_what_is_there_and_leaves_it_packed(conn: Connection) -> None:
    small = usage(conn)
    for key, size in zip(LISTS, small, strict=True):
        assert size < plain_bytes(conn, key) * 0.8
        assert conn.ok("OBJECT", "ENCODING", key) == b"quicklist"
    digests = [conn.ok("DEBUG", "DIGEST-VALUE", key) for key in LISTS]
    for key, values in LISTS.items():
        conn.ok("RESTORE", key, 0, conn.ok("DUMP", key), "REPLACE")
        conn.ok("COPY", key, "copy")
        assert conn.ok("LRANGE", "copy", 0, -1) == values
        conn.ok("DEL", "copy")
    assert [conn.ok("DEBUG", "DIGEST-VALUE", key) for key in LISTS] == digests
    assert all(now < before * 1.02 for before, now in zip(small, usage(conn), strict=True))


def test_what_is_read_again_comes_back(conn: Connection) -> None:
    for key, values in LISTS.items():
        for _ in range(2):
            assert conn.ok("LRANGE", key, 0, -1) == values
        assert conn.ok("MEMORY", "USAGE", key) > plain_bytes(conn, key)


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_a_payload_is_the_one_of_a_list_that_is_not_packed(conn: Connection, compression: str) -> None:
    conn.ok("CONFIG", "SET", "rdbcompression", compression)
    for key, values in LISTS.items():
        packed = conn.ok("DUMP", key)
        for _ in range(2):
            conn.ok("LRANGE", key, 0, -1)
        assert conn.ok("DUMP", key) == packed
        assert (values[0] in packed) or compression == "yes"


def test_files_and_children(process: Process, conn: Connection) -> None:
    small = usage(conn)
    conn.ok("BGSAVE")
    wait_until(lambda: process.info("persistence")["rdb_bgsave_in_progress"] == "0", "the snapshot")
    conn.ok("CONFIG", "SET", "appendonly", "yes")
    wait_until(lambda: process.info("persistence")["aof_rewrite_in_progress"] == "0", "the rewrite")
    assert usage(conn) == small
    for reload in (("DEBUG", "RELOAD"), ("DEBUG", "LOADAOF")):
        conn.ok(*reload)
        assert all(now < before * 1.02 for before, now in zip(small, usage(conn), strict=True))
    for key, values in LISTS.items():
        assert conn.ok("LRANGE", key, 0, -1) == values
