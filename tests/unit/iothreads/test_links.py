"""Connections that are no clients: connecting, the three readers and the changes between them, transports, and one
served alone. On lane 0 and on I/O threads, with both pollers."""

import ast
import errno
import random
import socket
import struct
import sys
import threading
from collections.abc import Callable

import pytest

from iothreads.connect import Address, ConnectError, begin_connecting, look_up, numeric
from iothreads.handoff import POLLERS

from .conftest import Peer, Server, encode

MEGABYTE = 1 << 20
keeps_errors = pytest.mark.skipif(
    "kqueue" in POLLERS and sys.platform == "linux", reason="libkqueue takes a socket's error and keeps it"
)


class Link:
    """A link of the echo server, seen through a client of it."""

    def __init__(self, server: Server, to: Address, plan: str, source: str = ""):
        self.control = server.peer()
        fd = begin_connecting(to, source)
        self.number = int(self.control.ask("DIAL", str(fd), plan)[1:])

    def tell(self, data: bytes) -> None:
        assert self.control.ask("TELL", str(self.number), data) == b"+OK"

    def heard(self) -> list[tuple]:
        self.control.send(encode("HEARD", str(self.number)))
        return ast.literal_eval(self.control.bulk().decode())

    def hears(self, *wanted: tuple) -> None:
        """Wait until it has heard exactly that."""
        for _ in range(20000):
            heard = self.heard()
            if heard == list(wanted):
                return
        assert heard == list(wanted)

    def hears_last(self, wanted: tuple) -> list[tuple]:
        for _ in range(20000):
            heard = self.heard()
            if heard[-1:] == [wanted]:
                return heard
        raise AssertionError(heard[-3:])

    def wait(self, milliseconds: int, known: int) -> int:
        """Have it served alone until it has heard more than that; how many things it has heard."""
        return int(self.control.ask("WAIT", str(self.number), str(milliseconds), str(known))[1:])

    def hang_up(self) -> None:
        assert self.control.ask("HANGUP", str(self.number)) == b"+OK"


class Called:
    """A plain listening socket and who came to it."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(10)
        self.address = Address(socket.AF_INET, *self.sock.getsockname())

    def accept(self) -> Peer:
        peer = object.__new__(Peer)
        peer.sock, _ = self.sock.accept()
        peer.sock.settimeout(10)
        return peer


@pytest.fixture
def called():
    called = Called()
    yield called
    called.sock.close()


@pytest.fixture
def dial(server: Server, called: Called) -> Callable[..., tuple[Link, Peer]]:
    """A link with a plan, and the other end of it."""
    ends = []

    def connect(plan: str) -> tuple[Link, Peer]:
        link = Link(server, called.address, plan)
        ends.append(called.accept())
        link.hears(("opened",))
        return link, ends[-1]

    yield connect
    for end in ends:
        end.close()


def nothing_listens() -> Address:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return Address(socket.AF_INET, *sock.getsockname())


# ---- opening and closing


@keeps_errors
def test_refused(server):
    link = Link(server, nothing_listens(), "replies")
    link.hears(("closed", errno.ECONNREFUSED, b""))


def test_what_is_sent_before_it_is_open_leaves_after(server, called):
    link = Link(server, called.address, "replies")
    link.tell(encode("PING"))
    peer = called.accept()
    assert peer.read(len(encode("PING"))) == encode("PING")
    link.hears(("opened",))
    peer.close()


def test_unix_socket(server, tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        link = Link(server, numeric(str(tmp_path / "s"), 0), "replies")
        peer, _ = listening.accept()
        peer.sendall(b"+PONG\r\n")
        link.hears(("opened",), ("reply", b"+PONG\r\n"))
        peer.close()
        link.hears_last(("closed", 0, b""))


def test_ipv6_and_a_source_address(server):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        link = Link(server, numeric("[::1]", listening.getsockname()[1]), "replies", source="::1")
        peer, address = listening.accept()
        assert address[0] == "::1"
        link.hears(("opened",))
        peer.close()
    called = Called()
    Link(server, called.address, "replies", source="127.0.0.3")
    assert called.sock.accept()[1][0] == "127.0.0.3"
    called.sock.close()


def test_the_peer_closes(dial):
    link, peer = dial("replies")
    peer.send(b"+OK\r\n+O")
    peer.close()
    link.hears(("opened",), ("reply", b"+OK\r\n"), ("closed", 0, b""))


@keeps_errors
def test_the_peer_resets(dial):
    link, peer = dial("replies")
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    link.hears(("opened",), ("closed", errno.ECONNRESET, b""))


def test_we_close(dial):
    link, peer = dial("raw")
    link.hang_up()
    assert peer.rest() == b""
    link.hears(("opened",), ("closed", 0, b""))


def test_links_are_told_apart_from_clients(dial):
    link, _peer = dial("raw")
    assert link.control.stats()["connections"] == 1
    assert link.control.ask("LINKS") == b":1"


def test_who_connects_may_be_a_link(serve):
    server = serve(3, plan="frames")
    other = serve()
    first, second = Link(other, server_address(server), "raw"), Link(other, server_address(server), "raw")
    first.hears(("opened",))
    second.hears(("opened",))


def server_address(server: Server) -> Address:
    return Address(socket.AF_INET, *server.address)


# ---- the readers


LONG = b"$70000\r\n" + b"x" * 70000 + b"\r\n"
REPLIES = [b"+OK\r\n", b"$3\r\n\n\r\n\r\n", b"*2\r\n$-1\r\n:5\r\n", b"-ERR no\r\n", b">2\r\n$1\r\na\r\n_\r\n", LONG]


def test_replies_come_whole_however_they_arrive(dial):
    link, peer = dial("replies")
    everything = b"".join(REPLIES)
    wanted = [("opened",)]
    for step in (len(everything), 1000, 7):
        for at in range(0, len(everything), step):
            peer.send(everything[at : at + step])
        wanted += [("reply", reply) for reply in REPLIES]
    link.hears(*wanted)


def test_line_ends_between_replies_are_signs_of_life(dial):
    link, peer = dial("replies")
    peer.send(b"\n\n+OK\r\n\n")
    peer.send(b"\n:1\r\n")
    link.hears(("opened",), ("reply", b"+OK\r\n"), ("reply", b":1\r\n"))


GARBAGE = [b"HTTP/1.1 400 Bad Request\r\n", b"\0\0\0\0", b"$-2\r\n", b"*1\r\n" * 40, b"%-1\r\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_reply_is_said_once_and_what_came_before_counts(dial, garbage):
    link, peer = dial("replies")
    peer.send(b"+OK\r\n")
    link.hears(("opened",), ("reply", b"+OK\r\n"))
    peer.send(garbage + b"+OK\r\n")
    link.hears(("opened",), ("reply", b"+OK\r\n"), ("broken", 11), ("closed", 0, b""))


@pytest.mark.parametrize("reply", [b"$5000\r\n", b"*2\r\n$600\r\n" + b"x" * 600 + b"\r\n$600\r\n" + b"y" * 600])
def test_a_reply_has_a_limit(serve, called, reply):
    link = Link(serve(2, reply=1000), called.address, "replies")
    peer = called.accept()
    peer.send(reply)
    assert link.hears_last(("closed", 0, b""))[1][0] == "broken"
    peer.close()


def test_large_replies_and_large_requests_at_once(dial):
    link, peer = dial("replies")
    large = b"$%d\r\n%b\r\n" % (8 * MEGABYTE, b"y" * 8 * MEGABYTE)
    sender = threading.Thread(target=peer.send, args=(large,))
    sender.start()
    link.tell(b"z" * 8 * MEGABYTE)
    assert peer.read(8 * MEGABYTE) == b"z" * 8 * MEGABYTE
    sender.join()
    peer.close()
    heard = link.hears_last(("closed", 0, b""))
    assert heard[1] == ("reply", large)


def test_raw_bytes(dial):
    link, peer = dial("raw")
    data = random.Random(1).randbytes(5 * MEGABYTE)
    peer.send(data)
    peer.close()
    heard = link.hears_last(("closed", 0, b""))
    assert heard[1] == ("bytes", data)


def test_a_half_message_waits_for_its_rest(dial):
    link, peer = dial("frames")
    peer.send(b"\x03abc\x02d")
    link.hears(("opened",), ("frame", b"abc"))
    peer.send(b"e\x00\x05")
    link.hears(("opened",), ("frame", b"abc"), ("frame", b"de"), ("frame", b""))
    for letter in b"12345":
        peer.send(bytes([letter]))
    link.hears(("opened",), ("frame", b"abc"), ("frame", b"de"), ("frame", b""), ("frame", b"12345"))


def test_many_frames_in_any_pieces(dial):
    link, peer = dial("frames")
    chance = random.Random(2)
    frames = [chance.randbytes(chance.randrange(256)) for _ in range(3000)]
    data = b"".join(bytes([len(frame)]) + frame for frame in frames)
    at = 0
    while at < len(data):
        step = chance.choice([1, 3, 500, 20000])
        peer.send(data[at : at + step])
        at += step
    peer.close()
    heard = link.hears_last(("closed", 0, b""))
    assert heard[1:-1] == [("frame", frame) for frame in frames]


# ---- from one reader to the next

PAYLOAD = bytes(range(256)) * 3000
HANDSHAKE = b"+PONG\r\n+OK\r\n\n\n+FULLRESYNC 1234 0\r\n\n"
REQUESTS = [("request", b"SELECT", b"0"), ("request", b"SET", b"k", b"v"), ("request", b"PING")]
STREAM = b"\n" + encode("SELECT", "0") + encode("SET", "k", "v") + encode("PING")


@pytest.mark.parametrize("step", [1 << 30, 100_000, 1009])
def test_replies_then_a_payload_then_requests_as_a_replica_reads(dial, step):
    link, peer = dial(f"replies:3,raw:{len(PAYLOAD)},requests")
    data = HANDSHAKE[:-1] + PAYLOAD + STREAM
    for at in range(0, len(data), step):
        peer.send(data[at : at + step])
    peer.close()
    heard = link.hears_last(("closed", 0, b""))
    replies = [("reply", b"+PONG\r\n"), ("reply", b"+OK\r\n"), ("reply", b"+FULLRESYNC 1234 0\r\n")]
    assert heard[1:-1] == [*replies, ("bytes", PAYLOAD), *REQUESTS]


def test_byte_by_byte_through_every_change(dial):
    link, peer = dial("replies:1,raw:3,replies:2,frames:1,requests:1,raw:2,requests")
    data = b"+A\r\nxyz:1\r\n$2\r\n\r\n\r\n\x02hi" + encode("GET", "k") + b"\r\n" + encode("END")
    wanted = [("opened",), ("reply", b"+A\r\n"), ("bytes", b"xyz"), ("reply", b":1\r\n"), ("reply", b"$2\r\n\r\n\r\n"),
              ("frame", b"hi"), ("request", b"GET", b"k"), ("bytes", b"\r\n"), ("request", b"END")]  # fmt: skip
    for step in (1, 2, 3, len(data)):
        link, peer = dial("replies:1,raw:3,replies:2,frames:1,requests:1,raw:2,requests")
        for at in range(0, len(data), step):
            peer.send(data[at : at + step])
        link.hears(*wanted)


def test_requests_of_a_link_have_no_limits(serve, called):
    link = Link(serve(2, max_bulk=100, query_buffer=1000), called.address, "requests")
    peer = called.accept()
    peer.send(encode("SET", "k", b"x" * 100_000))
    peer.close()
    assert link.hears_last(("closed", 0, b""))[1] == ("request", b"SET", b"k", b"x" * 100_000)


def test_links_move_with_what_is_half_done(server, called):
    """From thread to thread and back while a payload comes, in the middle of replies, and while connecting."""
    links = [Link(server, called.address, f"replies:1,raw:{len(PAYLOAD)},requests") for _ in range(5)]
    peers = [called.accept() for _ in links]
    data = b"+OK\r\n" + PAYLOAD + STREAM

    def pour(peer: Peer) -> None:
        for at in range(0, len(data), 30011):
            peer.send(data[at : at + 30011])
        peer.close()

    threads = [threading.Thread(target=pour, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    control = server.peer()
    for count in (4, 1, 2, 3, 1, 3):
        assert control.ask("RESIZE", str(count)) == b"+OK"
        assert control.ask("HOME", "3") == b"+OK"
        assert control.ask("AWAY", "9") == b"+OK"
    for thread in threads:
        thread.join()
    for link in links:
        heard = link.hears_last(("closed", 0, b""))
        assert heard == [("opened",), ("reply", b"+OK\r\n"), ("bytes", PAYLOAD), *REQUESTS, ("closed", 0, b"")]


# ---- one alone


def test_one_link_is_served_alone(dial, server):
    link, peer = dial("replies")
    other, its_peer = dial("replies")
    its_peer.send(b"+LATER\r\n")
    other.hears(("opened",), ("reply", b"+LATER\r\n"))

    def answer() -> None:
        assert peer.line() == b"ASK"
        its_peer.send(b"+MEANWHILE\r\n")
        peer.send(b"+NOW\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    link.tell(b"ASK\r\n")
    assert link.wait(10000, 1) == 2
    thread.join()
    assert link.heard() == [("opened",), ("reply", b"+NOW\r\n")]
    other.hears(("opened",), ("reply", b"+LATER\r\n"), ("reply", b"+MEANWHILE\r\n"))


def test_waiting_for_one_ends_in_time(dial):
    link, _peer = dial("replies")
    assert link.wait(30, 1) == 1
    assert server_lives(link)


def test_waiting_for_one_sees_it_open_and_close(server, called):
    link = Link(server, called.address, "replies")
    assert link.wait(10000, 0) == 1
    peer = called.accept()
    link.hears(("opened",))
    peer.close()
    link.hears(("opened",), ("closed", 0, b""))
    assert link.wait(10, 2) == 2


def test_what_others_said_meanwhile_is_not_slept_over(dial, server):
    link, _peer = dial("replies")
    clients = [server.peer() for _ in range(20)]
    waiting = threading.Thread(target=link.wait, args=(200, 1))
    waiting.start()
    for client in clients:
        client.send(b"PING\r\n")
    for client in clients:
        assert client.line() == b"+PONG"
    waiting.join()


def server_lives(link: Link) -> bool:
    return link.control.ask("PING") == b"+PONG"


# ---- another transport


@pytest.fixture
def scrambling(serve, server):
    """Another server, whose clients are to scramble, beside the one in each form."""
    return serve(3, scrambled=True)


def test_scrambled_requests_and_replies(server, scrambling):
    link = Link(server, server_address(scrambling), "~replies")
    link.tell(encode("PING") * 3)
    link.hears(("opened",), *[("reply", b"+PONG\r\n")] * 3)
    request = encode("set", b"k" * 5000, b"v" * 300_000)
    for _ in range(3):
        link.tell(request)
    link.hears(("opened",), *[("reply", b"+PONG\r\n")] * 3, *[("reply", request)] * 3)


def test_scrambled_both_ways_at_once(server, scrambling):
    """Reading and writing want each other all the time."""
    links = [Link(server, server_address(scrambling), "~replies") for _ in range(3)]
    requests = [encode("n", str(i), b"z" * (i * 37 % 9000)) for i in range(300)]
    for request in requests:
        for link in links:
            link.tell(request)
    for link in links:
        link.hears_last(("reply", requests[-1]))
        assert link.heard()[1:] == [("reply", request) for request in requests]


def test_scrambled_links_move(server, scrambling):
    link, control = Link(server, server_address(scrambling), "~replies"), server.peer()
    requests = [encode("n", str(i), b"z" * (i * 37 % 9000)) for i in range(200)]
    for number, request in enumerate(requests):
        link.tell(request)
        if number % 20 == 0:
            assert control.ask("RESIZE", str(1 + number // 20 % 4)) == b"+OK"
    link.hears_last(("reply", requests[-1]))
    assert link.heard()[1:] == [("reply", request) for request in requests]


def test_scrambled_large_reply_and_close(server, scrambling):
    link = Link(server, server_address(scrambling), "~replies")
    link.tell(b"BIG 3000000\r\nQUIT\r\n")
    heard = link.hears_last(("closed", 0, b""))
    assert heard[1:-1] == [("reply", b"$3000000\r\n" + b"x" * 3000000 + b"\r\n"), ("reply", b"+OK\r\n")]


def test_a_handshake_that_fails_says_why(server, called, scrambling):
    link = Link(server, called.address, "~replies")
    peer = called.accept()
    peer.send(b"+PONG\r\n")
    link.hears(("closed", 0, b"the peer does not scramble"))
    stranger = scrambling.peer()
    stranger.send(b"PING\r\nPING\r\n")
    assert b"PONG" not in stranger.rest()


def test_a_handshake_that_hangs_costs_nobody_else_anything(server, called):
    link = Link(server, called.address, "~replies")
    assert server_lives(link)
    before = link.control.stats()["wakes"]
    assert link.control.stats()["wakes"] - before < 20
    link.hang_up()
    link.hears(("closed", 0, b""))


# ---- addresses


def test_addresses():
    assert numeric("127.0.0.1", 80) == Address(socket.AF_INET, "127.0.0.1", 80)
    assert numeric("::1", 80) == numeric("[::1]", 80) == Address(socket.AF_INET6, "::1", 80)
    assert numeric("/run/x", 0) == Address(socket.AF_UNIX, "/run/x")
    assert numeric("localhost", 80) is None
    assert [str(numeric(text, 7)) for text in ("1.2.3.4", "::1", "./s")] == ["1.2.3.4:7", "[::1]:7", "./s"]
    assert look_up("localhost", 80)
    assert look_up("no-such-name.invalid", 80) == []
    assert numeric("1.2.3.4", 0) is None and numeric("1.2.3.4", 65536) is None
    assert look_up("a\0b", 80) == [] and look_up("x" * 300, 80) == []


@pytest.mark.parametrize(
    ("to", "source", "words"),
    [
        (Address(socket.AF_UNIX, "/no/such/path"), "", "No such file or directory"),
        (Address(socket.AF_UNIX, "/" + "x" * 200), "", "too long"),
        (Address(socket.AF_INET, "127.0.0.1", 7), "203.0.113.7", "bind to 203.0.113.7: Cannot assign requested"),
        (Address(socket.AF_INET, "127.0.0.1", 7), "nonsense.invalid", "bind to nonsense.invalid: "),
    ],
)
def test_what_fails_at_once(to, source, words):
    with pytest.raises(ConnectError, match=words):
        begin_connecting(to, source)
