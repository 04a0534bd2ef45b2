"""The raw protocol client, on bytes that a test writes."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.differential import same, unordered_form
from tests.support.resp import (
    BigNumber,
    Connection,
    ConnectionClosed,
    NullArray,
    Pairs,
    Push,
    RespError,
    RespSet,
    Status,
    Verbatim,
    encode,
)  # fmt: skip


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, Connection]]:
    far, near = socket.socketpair()
    with far, Connection(sock=near, timeout=2) as connection:
        yield far, connection


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"+OK\r\n", Status("OK")),
        (b"-ERR no\r\n", RespError("ERR no")),
        (b":-12\r\n", -12),
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"_\r\n", None),
        (b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n", [1, [b""]]),
        (b"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n#t\r\n", {"a": 1, b"b": True}),
        (b"%1\r\n*1\r\n:1\r\n:2\r\n", Pairs([([1], 2)])),
        (b"~2\r\n:1\r\n:2\r\n", RespSet([1, 2])),
        (b">2\r\n+a\r\n#f\r\n", Push(["a", False])),
        (b",1.5\r\n", 1.5),
        (b",inf\r\n", float("inf")),
        (b"(12345678901234567890\r\n", BigNumber(12345678901234567890)),
        (b"=7\r\ntxt:abc\r\n", Verbatim(b"abc")),
        (b"!6\r\nERR no\r\n", RespError("ERR no")),
    ],
)
def test_reply(wire, sent, read):
    far, connection = wire
    far.sendall(sent)
    got = connection.read()
    assert got == read
    assert type(got) is type(read) or got is NullArray


def test_unfinished_reply_stays(wire):
    far, connection = wire
    far.sendall(b"*2\r\n:1\r\n$5\r\nhe")
    with pytest.raises(TimeoutError):
        connection.read(timeout=0.01)
    far.sendall(b"llo\r\n:7\r\n")
    assert connection.read() == [1, b"hello"]
    assert connection.read() == 7


def test_pushes_and_attributes_are_set_aside(wire):
    far, connection = wire
    far.sendall(b">1\r\n+note\r\n|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n")
    assert connection.command("GET", "k") == b"v"
    assert connection.pushes == [["note"]]
    assert connection.attributes == {"ttl": 3}
    assert far.recv(100) == encode("GET", "k") == b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"


def test_closed(wire):
    far, connection = wire
    far.sendall(b"$5\r\nab")
    far.close()
    with pytest.raises(ConnectionClosed) as closed:
        connection.read()
    assert closed.value.unread == b"ab"


def test_same():
    assert same(float("nan"), float("nan"))
    assert not same(1, True)
    assert not same(b"OK", Status("OK"))
    assert same([1, 10], [1, 11], within=1)
    assert same(RespError("ERR a"), RespError("ERR b"), code_only=True)
    assert unordered_form([b"b", [2, 1]]) == unordered_form([[1, 2], b"b"])
