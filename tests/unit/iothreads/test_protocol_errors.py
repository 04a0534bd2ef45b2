"""What the parser refuses, as Redis 7.2 does; the echo server answers `-<PARSE_ number> <byte>` and closes."""

import pytest

from .conftest import encode

CASES = [
    (b"*x\r\n", b"-1"), (b"*2147483648\r\n", b"-1"), (b"*+1\r\n", b"-1"), (b"*01\r\n", b"-1"), (b"* 1\r\n", b"-1"),
    (b"*\r\n", b"-1"), (b"*" + b"1" * 65600, b"-3"), (b"*1\r\nhello\r\n", b"-4 h"), (b"*1\r\n:5\r\n", b"-4 :"),
    (b"*1\r\n$-1\r\n", b"-5"), (b"*1\r\n$x\r\n", b"-5"), (b"*1\r\n$05\r\n", b"-5"), (b"*1\r\n$1025\r\n", b"-5"),
    (b"*1\r\n$99999999999999999999\r\n", b"-5"), (b"*1\r\n$" + b"1" * 65600, b"-7"), (b"a" * 65600, b"-8"),
    (b'a "b\r\n', b"-9"), (b"a 'b\r\n", b"-9"), (b'a "b"c\r\n', b"-9"), (b"a 'b'c\r\n", b"-9"),
]  # fmt: skip


@pytest.mark.parametrize("request_, error", CASES)
def test_error_follows_the_good_commands_and_closes(serve, request_, error):
    peer = serve(max_bulk=1024).peer()
    peer.send(encode("ok") + request_)
    assert peer.rest() == encode("ok") + error + b"\r\n"


def test_query_buffer_limit(serve):
    peer = serve(query_buffer=100000).peer()
    peer.send(b"*1\r\n$500000\r\n" + b"x" * 200000)
    assert peer.rest() == b"-10\r\n"


@pytest.mark.parametrize("request_, error", [(b"*11\r\n", b"-2\r\n"), (b"*1\r\n$16385\r\n", b"-6\r\n")])
def test_strangers_have_small_limits(serve, request_, error):
    server = serve(authenticated=False)
    peer = server.peer()
    peer.send(encode("AUTH") + encode(*"abcdefghijklm") + encode("z" * 20000))
    reply = b"+OK\r\n" + encode(*"abcdefghijklm") + encode("z" * 20000)
    assert peer.read(len(reply)) == reply
    stranger = server.peer()
    stranger.send(encode("hi") + request_)
    assert stranger.rest() == encode("hi") + error


def test_a_zero_byte_hides_the_line_end(serve):
    peer = serve().peer()
    peer.send(b"a\0b\r\n")
    peer.send(b"x" * 65600)
    assert peer.rest() == b"-8\r\n"


def test_command_bytes_are_those_that_came(serve):
    peer = serve().peer()
    peer.send(b"PING\r\n*1\r\n$4\r\nSEEN\r\n")
    assert peer.line() == b"+PONG"
    assert peer.bulk() in (b"6 14", b"0 14")
    peer.send(b"SEEN\r\n")
    assert peer.bulk().endswith(b" 0")
