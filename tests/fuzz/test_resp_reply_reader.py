"""What a link hears against a plain parser of replies, through a socket: random bytes, random splits, both kinds of
lane. And that each whole reply is a value or refused."""

import ast
import random
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from iothreads.listen import Listener
from iothreads.selftest import Echo
from server.registry.reply_reader import read_reply

LONGEST = 5000  # bytes of a bulk, and of a reply
DEPTH = 32
PIECES = [
    b"+OK\r\n", b"-ERR no\r\n", b":12\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(99\r\n", b"+\n", b"\n", b"\r\n",
    b"$-1\r\n", b"$0\r\n\r\n", b"$3\r\na\r\n\r\n", b"=5\r\ntxt:a\r\n", b"!3\r\nERR\r\n",
    b"$300\r\n" + b"q" * 300 + b"\r\n",
    b"*-1\r\n", b"*0\r\n", b"*1\r\n", b"*2\r\n", b"%1\r\n", b"%0\r\n", b"~2\r\n", b">2\r\n", b"|1\r\n", b"|0\r\n",
    b"$5001\r\n", b"$2\r\nabc", b"*2147483648\r\n", b"%-1\r\n", b"*1\r\n" * 31, b"*1\r\n" * 33,
    b"*", b"$", b"\r", b"\0", b"-", b"1", b"+", b"x", b" ",
]  # fmt: skip
SENTENCES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=10).map(b"".join),
    st.binary(max_size=60),
)


class Wrong(Exception):
    """This is no reply."""


class Short(Exception):
    """There is more to come."""


def value_end(data: bytes, at: int, depth: int = 0) -> int:
    """Where the value ends that begins there."""
    if at >= len(data):
        raise Short
    kind = data[at : at + 1]
    if kind in b"+-:_#,(":
        end = data.find(b"\n", at)
        if end < 0:
            raise Short
        return end + 1
    if kind not in (b"$*%~|=!>" if depth == 0 else b"$*%~|=!"):
        raise Wrong
    count, at = number(data, at + 1)
    if count < 0:
        if count != -1 or kind not in b"$*":
            raise Wrong
        return at
    if kind in b"$=!":
        if count > LONGEST:
            raise Wrong
        if len(data) < at + count + 2:
            raise Short
        return at + count + 2
    if count:
        if depth == DEPTH or count >= 1 << 31:
            raise Wrong
        for _ in range(count * 2 if kind in b"%|" else count):
            at = value_end(data, at, depth + 1)
    return value_end(data, at, depth) if kind == b"|" else at


def number(data: bytes, at: int) -> tuple[int, int]:
    """A length or a count, and where its line ends."""
    start = at
    at += data[at : at + 1] == b"-"
    digits = at
    while data[at : at + 1].isdigit() and at - digits < 18:
        at += 1
    if at == len(data):
        raise Short
    if at == digits or data[at : at + 1] != b"\r":
        raise Wrong
    if at + 1 == len(data):
        raise Short
    if data[at + 1 : at + 2] != b"\n":
        raise Wrong
    return int(data[start:at]), at + 2


def expected(data: bytes) -> tuple[list[bytes], bool]:
    """The whole replies, and whether something that is none follows."""
    replies, at = [], 0
    while at < len(data):
        if data[at : at + 1] == b"\n":
            at += 1
            continue
        try:
            end = value_end(data, at)
        except Short:
            return replies, False
        except Wrong:
            return replies, True
        replies.append(data[at:end])
        at = end
    return replies, False


class Dialler:
    """An echo server, a client that commands it, and a plain socket that it is told to connect to."""

    def __init__(self, threads: int, poller: str) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        self.listener = Listener(sock, "tcp")
        self.echo = Echo([self.listener], threads, poller, reply=LONGEST)
        self.echo.start()
        self.control = socket.create_connection(sock.getsockname())
        self.control.settimeout(10)
        self.replies = self.control.makefile("rb")
        self.called = socket.create_server(("127.0.0.1", 0))

    def ask(self, *words: str) -> bytes:
        encoded = [word.encode() for word in words]
        self.control.sendall(
            b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
        )
        line = self.replies.readline()
        return self.replies.read(int(line[1:]) + 2) if line[:1] == b"$" else line

    def hears(self, data: bytes, seed: int) -> list[tuple]:
        """All that a link hears when its peer says that, in pieces, and goes."""
        source = random.Random(seed)
        dialling = socket.socket()
        dialling.connect(self.called.getsockname())
        dialling.setblocking(False)
        link = self.ask("DIAL", str(dialling.detach()), "replies")[1:].strip().decode()
        peer, _ = self.called.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            at = 0
            while at < len(data):
                step = source.choice([1, 2, 3, 10, len(data)])
                peer.sendall(data[at : at + step])
                at += step
        except OSError:
            pass  # closed after garbage while there was more to say
        peer.close()
        while True:
            heard = ast.literal_eval(self.ask("HEARD", link).decode())
            if heard and heard[-1][0] == "closed":
                return list(heard)

    def close(self) -> None:
        self.control.close()
        self.called.close()
        self.echo.stop()
        self.listener.close()


@pytest.fixture(scope="module", params=[(1, ""), (2, ""), (1, "poll")], ids=["inline", "threads", "poll"])
def dialler(request: pytest.FixtureRequest) -> Iterator[Dialler]:
    dialler = Dialler(*request.param)
    yield dialler
    dialler.close()


@settings(max_examples=150, deadline=None)
@given(data=SENTENCES, seed=st.integers(0, 1000))
def test_the_same_replies_as_the_plain_parser(dialler: Dialler, data: bytes, seed: int) -> None:
    replies, broken = expected(data)
    heard = [each for each in dialler.hears(data, seed)[:-1] if each != ("opened",)]
    assert heard == [("reply", reply) for reply in replies] + [("broken", 11)] * broken


@settings(max_examples=400, deadline=None)
@given(data=SENTENCES)
def test_a_whole_reply_is_a_value_or_refused(data: bytes) -> None:
    for reply in expected(data)[0]:
        try:
            read_reply(reply)
        except ValueError:
            pass
