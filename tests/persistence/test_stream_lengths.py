"""Streams whose stored length is not the number of their entries: XTRIM of Redis 5 to 7.0.0 counted wrong."""

from collections.abc import Callable

import pytest

from server.persistence import check_rdb
from server.structures.crc64 import crc64_of
from tests.support.resp import Connection, RespError
from tests.support.server import Server

THREE = [[b"%d-1" % n, [b"f", b"%d" % n]] for n in (1, 2, 3)]
LENGTH = -9                 # in a payload without footer: length, last ID, first ID, max deleted ID, added, groups


def miscounted(c: Connection, length: int, old: bool = False) -> bytes:
    """The RDB value, type first, of a stream of THREE entries that says it has so many; old: as Redis 5 wrote it."""
    for entry_id, fields in THREE:
        c.ok("XADD", "three", entry_id, *fields)
    value = bytearray(c.ok("DUMP", "three")[:-10])
    c.ok("DEL", "three")
    assert value[LENGTH] == 3
    value[LENGTH] = length
    if old:
        value[0] = 15
        del value[-6:-1]    # first ID, max deleted ID, added
    return bytes(value)


def payload(value: bytes) -> bytes:
    text = value + (11).to_bytes(2, "little")
    return text + crc64_of(text).to_bytes(8, "little")


def file_of(value: bytes) -> bytes:
    return b"REDIS0010\xfe\x00" + value[:1] + b"\x01s" + value[1:] + b"\xff" + bytes(8)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_it_is_loaded_and_told(
        new_server: Callable[..., Server], capsys: pytest.CaptureFixture[str], length: int, old: bool) -> None:
    """XLEN keeps the number, as in Redis; what is there is there, also after a rewrite, a reload and a restart."""
    server = new_server(save="3600 1")
    value = miscounted(server.connect(), length, old)
    server.kill()
    path = server.folder / "dump.rdb"
    path.write_bytes(file_of(value))
    told = f"Stream 's' has 3 entries, but the file gives its length as {length}"
    assert check_rdb.main([str(path)]) == 0
    assert told in capsys.readouterr().out
    server.start()
    c = server.connect()
    server.wait_for_log(told)
    c.ok("DEBUG", "RELOAD")
    assert (c.ok("XLEN", "s"), c.ok("XRANGE", "s", "-", "+")) == (length, THREE)
    c.ok("XADD", "s", "9-1", "f", "9")
    assert (c.ok("XLEN", "s"), len(c.ok("XREVRANGE", "s", "+", "-"))) == (length + 1, 4)
    c.ok("COPY", "s", "copy")
    server.restart()
    c = server.connect()
    assert (c.ok("XLEN", "copy"), len(c.ok("XRANGE", "copy", "-", "+"))) == (length + 1, 4)


@pytest.mark.parametrize("length", [1, 5])
def test_it_goes_on_like_any_stream(server: Server, length: int) -> None:
    """Deleting does not take the number below 0; the last entry that goes makes it right."""
    c = server.connect()
    assert c.ok("RESTORE", "s", 0, payload(miscounted(c, length))) == "OK"
    assert c.ok("XDEL", "s", "1-1") == 1
    assert c.ok("XLEN", "s") == length - 1
    assert c.ok("XRANGE", "s", "-", "+") == THREE[1:]
    assert c.ok("XTRIM", "s", "MINID", "3") == 1
    assert c.ok("XLEN", "s") == max(length - 2, 0)
    assert c.ok("XRANGE", "s", "-", "+") == THREE[2:]
    assert c.ok("XDEL", "s", "3-1") == 1
    assert (c.ok("XLEN", "s"), c.ok("XRANGE", "s", "-", "+")) == (0, [])
    c.ok("XADD", "s", "4-1", "f", "4")
    assert c.ok("XLEN", "s") == 1
    assert c.ok("XREAD", "STREAMS", "s", "0") == [[b"s", [[b"4-1", [b"f", b"4"]]]]]


def test_a_length_without_any_entry_is_damage(server: Server) -> None:
    c = server.connect()
    c.ok("XADD", "s", "1-1", "f", "v")
    c.ok("XDEL", "s", "1-1")
    value = bytearray(c.ok("DUMP", "s")[:-10])
    assert value[LENGTH] == 0
    value[LENGTH] = 2
    reply = c.command("RESTORE", "t", 0, payload(bytes(value)))
    assert isinstance(reply, RespError) and str(reply) == "ERR Bad data format"


def test_what_remains_of_a_node_of_deleted_entries(server: Server) -> None:
    """Trimming may leave a node in which all entries are flagged; the next one that comes is the first."""
    c = server.connect()
    for n in (1, 2, 3):
        c.ok("XADD", "s", f"{n}-1", "f", n)
    c.ok("XDEL", "s", "3-1")
    assert c.ok("XTRIM", "s", "MINID", "3-1") == 2
    c.ok("XADD", "s", "5-1", "f", 5)
    assert c.ok("XLEN", "s") == 1
    reply = c.ok("XINFO", "STREAM", "s")
    info = dict(zip(reply[::2], reply[1::2], strict=True))
    assert info[b"first-entry"] == info[b"last-entry"] == [b"5-1", [b"f", b"5"]]
    assert info[b"recorded-first-entry-id"] == b"5-1"
