"""Bytes that no client should send, to a real server with one I/O thread and with four: it never dies, it answers as
Redis does or closes, and whoever else is connected does not notice.
"""

import random
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.support.resp import Connection, RespError, encode
from tests.support.server import Server, wait_until

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
MULTIBULK = "ERR Protocol error: invalid multibulk length"
BULK = "ERR Protocol error: invalid bulk length"
PONG = "PONG"


@pytest.fixture(scope="module", params=[1, 4], ids=["io-threads 1", "io-threads 4"])
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("fuzzed"), io_threads=request.param, timeout=0) as server:
        yield server
        assert server.alive(), server.log()[-5000:]
        assert "BUG REPORT" not in server.log()


@pytest.fixture
def bystander(fuzzed: Server) -> Iterator[Connection]:
    """Another client, which must not notice anything."""
    with fuzzed.connect() as c:
        c("SET", "bystander", "here")
        yield c
        assert c("GET", "bystander") == b"here"


def play(server: Server, data: bytes, pieces: list[int] | None = None) -> tuple[list[Any], bool]:
    """Send, in pieces that end at these places, say that nothing follows, and read replies until the connection ends.
    (the replies, whether they were whole)."""
    with Connection(server.port, timeout=20) as c:
        try:
            start = 0
            for end in [*(pieces or []), len(data)]:
                c.send_raw(data[start:end])
                start = end
            c.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed in the middle of it
        received = c.read_until_closed()
    return parsed(received)


def parsed(received: bytes) -> tuple[list[Any], bool]:
    """All replies in some bytes; an assertion fails if anything else is there."""
    ours, theirs = socket.socketpair()
    with ours, Connection(sock=theirs, timeout=0.5) as reader:
        reader._buffer += received
        replies = []
        ours.shutdown(socket.SHUT_WR)
        while reader._at < len(reader._buffer):
            try:
                replies.append(reader.read())
            except ConnectionError:
                return replies, False
    return replies, True


# ---- requests with a known answer
@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"*-10\r\nPING\r\n", [PONG]),
        (b"*0\r\nPING\r\n", [PONG]),
        (b"\r\n\r\n   \r\n\nPING\n", [PONG]),
        (b"*abc\r\n", [MULTIBULK]),
        (b"*\r\n", [MULTIBULK]),
        (b"*+1\r\n$4\r\nPING\r\n", [MULTIBULK]),
        (b"*01\r\n$4\r\nPING\r\n", [MULTIBULK]),
        (b"*2147483648\r\n", [MULTIBULK]),
        (b"*99999999999999999999\r\n", [MULTIBULK]),
        (b"*1\r\n:4\r\nPING\r\n", ["ERR Protocol error: expected '$', got ':'"]),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", ["ERR Protocol error: expected '$', got '*'"]),
        (b"*1\r\n$-1\r\n", [BULK]),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", [BULK]),
        (b"*1\r\n$2000000000\r\n", [BULK]),
        (b"*1\r\n$536870913\r\n", [BULK]),
        (b"*1\r\n$99999999999999999999\r\n", [BULK]),
        (b"*1\r\n$\r\nPING\r\n", [BULK]),
        (b"*1\r\n$04\r\nPING\r\n", [BULK]),
        (b"*1" + b"0" * 70000, ["ERR Protocol error: too big mbulk count string"]),
        (b"*1\r\n$1" + b"0" * 70000, ["ERR Protocol error: too big bulk count string"]),
        (b"a" * 70000, ["ERR Protocol error: too big inline request"]),
        (b"PING " + b"a" * 70000 + b"\r\n", ["ERR Protocol error: too big inline request"]),
        (b'SET "x\r\n', ["ERR Protocol error: unbalanced quotes in request"]),
        (b"PING\r\n*1\r\n:x\r\nPING\r\n", [PONG, "ERR Protocol error: expected '$', got ':'"]),
        (b"*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n", [PONG, PONG]),
        (b"*1\r\n$0\r\n\r\nPING\r\n", ["ERR unknown command '', with args beginning with: ", PONG]),
        (b"*2000000000\r\n", []),  # it waits for two thousand million arguments, and reserves nothing
        (b"*2\r\n$4\r\nECHO\r\n$536870912\r\nab", []),
        (b"PI\0NG\r\nPING\r\n", []),
        (b"*1\r\n\0\r\n", []),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n", []),
        (b"PING\r\nhost: a\r\nSET k v\r\n", [PONG]),
    ],
)
def test_the_answer_is_that_of_redis(fuzzed, bystander, data, replies):
    got, whole = play(fuzzed, data)
    assert whole
    if data.startswith((b"PING\r\nhost:", b"*1\r\n\0")):  # what came before may be lost with the connection
        assert [str(reply) for reply in got] in (replies, [], ["ERR Protocol error: expected '$', got '\0'"])
    else:
        assert [str(reply) for reply in got] == replies
    assert bystander("EXISTS", "k") == 0


def test_a_million_empty_arguments(fuzzed, bystander):
    count = 1_000_000
    got, whole = play(fuzzed, b"*%d\r\n" % count + b"$0\r\n\r\n" * count)
    assert whole and got[0].text.startswith("ERR unknown command '', with args beginning with: '' ''")
    got, _ = play(fuzzed, b"*%d\r\n$3\r\nDEL\r\n" % (count + 1) + b"$0\r\n\r\n" * count)
    assert got == [0]


def test_nul_bytes_are_bytes(fuzzed, bystander):
    value = bytes(range(256)) * 300
    got, _ = play(fuzzed, encode("SET", b"\0k\0", value) + encode("GET", b"\0k\0") + encode("DEL", b"\0k\0"))
    assert got == ["OK", value, 1]


def test_http_is_remarked_once(fuzzed):
    play(fuzzed, b"POST / HTTP/1.1\r\n\r\n")
    fuzzed.wait_for_log("Possible SECURITY ATTACK detected.")
    assert fuzzed.log().count("Possible SECURITY ATTACK") == 1


def test_promised_arguments_reserve_no_memory(fuzzed):
    def memory() -> int:
        return int(fuzzed.info("memory")["used_memory_rss"])

    before = memory()
    waiting = [fuzzed.connect() for _ in range(20)]
    for c in waiting:
        c.send_raw(b"*2000000000\r\n$500000000\r\nx")
    with fuzzed.connect() as fence:
        fence("PING")
        assert memory() - before < 64 << 20
    for c in waiting:
        c.close()


# ---- random ones
@SLOW
@given(data=st.binary(max_size=2000))
def test_random_bytes(fuzzed, data):
    play(fuzzed, data)
    with fuzzed.connect() as c:
        assert c("PING") == PONG


HARMLESS = (
    b"PING",
    b"ECHO",
    b"GET",
    b"SET",
    b"INCR",
    b"DEL",
    b"MGET",
    b"LPUSH",
    b"LRANGE",
    b"HSET",
    b"HGETALL",
    b"ZADD",
    b"ZRANGE",
    b"SADD",
    b"TYPE",
    b"MULTI",
    b"EXEC",
    b"DISCARD",
    b"WATCH",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"SELECT",
    b"HELLO",
    b"RESET",
    b"CLIENT",
    b"COMMAND",
    b"OBJECT",
    b"nonsense",
    b"",
)
words = st.one_of(
    st.sampled_from((b"", b"k", b"1", b"-1", b"3", b"9223372036854775807", b"nan", b"WITHSCORES", b"\r\n", b"\0")),
    st.binary(max_size=40),
)
requests = st.builds(lambda name, rest: encode(name, *rest), st.sampled_from(HARMLESS), st.lists(words, max_size=6))
spoiled = st.one_of(
    st.sampled_from(
        (
            b"*-1\r\n",
            b"*0\r\n",
            b"$-1\r\n",
            b"*99999999999\r\n",
            b"*3\r\n$-2\r\n",
            b"\0",
            b"\r\n",
            b"\n",
            b"*1\r\n",
            b"$100000\r\n",
            b"*2\r\n$3\r\nGET\r\n",
            b"PING\r\n",
            b'"',
            b"*1\r\n$1000000000000\r\n",
        )
    ),
    st.binary(max_size=20),
)


@SLOW
@given(
    parts=st.lists(st.one_of(requests, requests, spoiled), max_size=12), seed=st.integers(0, 1 << 32), data=st.data()
)
def test_requests_among_rubbish_in_pieces(fuzzed, parts, seed, data):
    stream = bytearray(b"".join(parts))
    chance = random.Random(seed)
    for _ in range(chance.randrange(3)):  # a bit flips, or an end is missing
        if stream:
            at = chance.randrange(len(stream))
            stream[at] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del stream[chance.randrange(len(stream) + 1) :]
    pieces = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(6)))
    play(fuzzed, bytes(stream), pieces)
    with fuzzed.connect() as c:
        assert c("PING") == PONG


@SLOW
@given(
    arguments=st.lists(st.lists(words, min_size=1, max_size=5), min_size=1, max_size=20), seed=st.integers(0, 1 << 32)
)
def test_pieces_change_nothing(fuzzed, arguments, seed):
    stream = b"".join(encode("ECHO", b"|".join(words)) for words in arguments)
    chance = random.Random(seed)
    pieces = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.randrange(20)))
    got, whole = play(fuzzed, stream, pieces)
    assert whole and got == [b"|".join(words) for words in arguments]


def test_connections_that_end_in_the_middle_leave_nothing(fuzzed, bystander):
    request = encode("SET", "half", "x" * 1000) + encode("GET", "half")
    for cut in range(0, len(request), 37):
        with Connection(fuzzed.port) as c:
            c.send_raw(request[:cut])
            if cut % 2:  # a reset in place of an end
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: int(fuzzed.info("clients")["connected_clients"]) <= 2)
    assert bystander("PING") == PONG


def test_authentication_limits_what_strangers_may_send(tmp_path):
    with Server(tmp_path, requirepass="secret") as server:
        cases = {
            b"*11\r\n": "ERR Protocol error: unauthenticated multibulk length",
            b"*1\r\n$16385\r\n": "ERR Protocol error: unauthenticated bulk length",
        }
        for data, error in cases.items():
            assert play(server, data)[0] == [RespError(error)]
        with server.connect() as c:
            assert c("AUTH", "secret") == "OK"
            assert c("ECHO", "x" * 20000) == b"x" * 20000
