"""Links as the server's rooms use them: connecting by name and address, what a protocol hears, the end, and what a link
may become. A server runs in the test's own process, a turn at a time; the other end is a plain socket."""

import gc
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from iothreads import connect
from iothreads.connect import LinkProtocol
from iothreads.link import RAW, REPLIES, REQUESTS, Link
from server.clients.client import Client
from server.config.config import Config
from server.dispatch.connector import NO_ADDRESS, TIMED_OUT
from server.observe.internal_errors import internal_errors
from server.registry.errors import CommandError
from server.server import Server
from tests.support.pace import Deadline


class Heard(LinkProtocol):
    """Notes what it hears. `at(message)` may do something about it; its int is what data_received takes."""

    def __init__(self, at: Callable[[Link, Any], int | None] = lambda link, value: None) -> None:
        self.link: Link | None = None
        self.heard: list[Any] = []
        self.lost: str | None = None
        self.at = at

    def connection_made(self, link: Link) -> None:
        self.link = link

    def reply_received(self, link: Link, value: Any) -> None:
        self.heard.append(value)
        self.at(link, value)

    def command_received(self, link: Link, argv: list[bytes]) -> None:
        self.heard.append(argv)
        self.at(link, argv)

    def data_received(self, link: Link, data: bytes) -> int:
        taken = self.at(link, data)
        taken = len(data) if taken is None else taken
        self.heard.append(data[:taken])
        return taken

    def connection_lost(self, link: Link | None, reason: str) -> None:
        assert self.lost is None
        self.lost = reason


class Running:
    """A server that takes a turn when the test says so."""

    def __init__(self, threads: int) -> None:
        self.server = Server(Config.from_argv(["remus", "--port", "0", "--save", "", "--io-threads", str(threads)]))
        self.loop = self.server.loop
        self.loop.io.start()
        self.loop.io.keep_away(threads > 1)
        self.connector = self.server.connector

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = Deadline(10)
        while not (found := condition()):
            assert not deadline.passed()
            self.loop.turn_once(20)
        return found

    def opened(self, heard: Heard) -> Link:
        self.until(lambda: heard.link or heard.lost)
        assert heard.link is not None, heard.lost
        return heard.link


@pytest.fixture(scope="module", params=[1, 3], ids=["inline", "threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[Running]:
    running = Running(request.param)
    yield running
    running.loop.io.stop()


@pytest.fixture
def running(threads: Running) -> Iterator[Running]:
    yield threads
    for link in list(threads.loop.links):
        link.close()
    threads.until(lambda: len(threads.loop.links) == 0)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(10)
        yield sock


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return port_of(sock)


Ends = tuple[Link, socket.socket, Heard]


@pytest.fixture
def dial(running: Running, listening: socket.socket) -> Iterator[Callable[..., Ends]]:
    peers = []

    def connect(heard: Heard | None = None, **options: Any) -> Ends:
        heard = heard or Heard()
        running.connector.connect("127.0.0.1", port_of(listening), heard, **options)
        link = running.opened(heard)
        peer, _ = listening.accept()
        peer.settimeout(10)
        peers.append(peer)
        return link, peer, heard

    yield connect
    for peer in peers:
        peer.close()


def read(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        assert part, data
        data += part
    return data


# ---- opening


def test_nothing_is_heard_before_connect_has_returned(running: Running) -> None:
    port, path = Heard(), Heard()
    running.connector.connect("127.0.0.1", free_port(), port)
    running.connector.connect("/no/such/socket", 0, path)
    assert port.lost is path.lost is None
    running.until(lambda: port.lost and path.lost)


def test_who_cannot_be_reached(running: Running) -> None:
    refused, missing, port = Heard(), Heard(), Heard()
    running.connector.connect("127.0.0.1", free_port(), refused)
    running.connector.connect("/no/such/socket", 0, missing)
    running.connector.connect("127.0.0.1", 0, port)
    running.until(lambda: refused.lost and missing.lost and port.lost)
    assert (refused.lost, missing.lost) == ("Connection refused", "No such file or directory")
    assert port.lost == NO_ADDRESS


def test_names_are_looked_up_beside_the_loop(
    running: Running, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, asked = threading.Event(), []

    def look_up(host: str, port: int, flags: int = 0) -> list[connect.Address]:
        asked.append(host)
        found.wait(10)
        return connect.look_up("127.0.0.1", port) if host == "slow.example" else []

    monkeypatch.setattr("server.dispatch.connector.look_up", look_up)
    slow, unknown, direct = Heard(), Heard(), Heard()
    running.connector.connect("slow.example", port_of(listening), slow)
    running.connector.connect("unknown.example", port_of(listening), unknown)
    running.connector.connect("127.0.0.1", port_of(listening), direct)
    running.opened(direct)
    assert slow.link is slow.lost is unknown.lost is None
    found.set()
    running.opened(slow)
    running.until(lambda: unknown.lost)
    assert unknown.lost == NO_ADDRESS
    assert sorted(asked) == ["slow.example", "unknown.example"]


def test_a_name_is_found_however_the_thread_and_the_loop_meet(
    running: Running, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both want the queue between them at once, and it is made slowly."""
    real = queue.SimpleQueue

    def slow() -> Any:
        threading.Event().wait(0.05)
        return real()

    monkeypatch.setattr(queue, "SimpleQueue", slow)
    running.connector.__dict__.pop("_found", None)      # as nobody has connected yet
    heard = Heard()
    running.connector.connect("localhost", port_of(listening), heard)
    running.opened(heard)


def test_addresses_of_a_name_are_tried_in_turn(
    running: Running, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET
    addresses = [
        connect.Address(family, "127.0.0.1", free_port()),
        connect.Address(family, "127.0.0.2", free_port()),
        connect.Address(family, "127.0.0.1", port_of(listening)),
    ]
    monkeypatch.setattr("server.dispatch.connector.look_up", lambda host, port: addresses)
    heard = Heard()
    running.connector.connect("several.example", 1, heard)
    assert running.opened(heard).address == f"127.0.0.1:{port_of(listening)}"
    addresses.pop()
    heard = Heard()
    running.connector.connect("several.example", 1, heard)
    running.until(lambda: heard.lost)
    assert heard.lost == "Connection refused"


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of one who never answers a SYN: his queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock:
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(sock.getsockname())
            waiting.append(one)
        yield port_of(sock)
        for one in waiting:
            one.close()


def test_a_time_out(running: Running, deaf: int) -> None:
    heard = Heard()
    attempt = running.connector.connect("127.0.0.1", deaf, heard, timeout_ms=30)
    running.until(lambda: heard.lost)
    assert heard.lost == TIMED_OUT
    assert attempt.over
    assert heard.link is None


def test_giving_up(running: Running, deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it connects, and while it still looks for an address."""
    found = threading.Event()
    monkeypatch.setattr("server.dispatch.connector.look_up", lambda host, port: found.wait(10) and [])
    connecting, looking = Heard(), Heard()
    first = running.connector.connect("127.0.0.1", deaf, connecting)
    second = running.connector.connect("some.example", 1, looking)
    running.until(lambda: first.link)
    first.abort()
    second.abort("no longer wanted")
    assert connecting.lost == "closed by us"
    assert looking.lost == "no longer wanted"
    found.set()
    running.until(lambda: len(running.loop.links) == 0 and not running.connector.looking)


def test_source_address(running: Running, listening: socket.socket) -> None:
    heard = Heard()
    running.connector.connect("127.0.0.1", port_of(listening), heard, source="127.0.0.7")
    running.opened(heard)
    peer, (host, _) = listening.accept()
    assert host == "127.0.0.7"
    peer.close()
    heard = Heard()
    running.connector.connect("127.0.0.1", port_of(listening), heard, source="192.0.2.1")
    running.until(lambda: heard.lost)
    assert heard.lost == "bind to 192.0.2.1: Cannot assign requested address"


def test_links_are_no_clients(running: Running, dial: Callable[..., Ends]) -> None:
    dial()
    assert len(running.loop.links) == 1
    assert running.loop.everybody() == []
    assert len(running.server.clients) == 0


def test_a_link_of_who_came_to_us(running: Running, listening: socket.socket) -> None:
    with socket.create_connection(listening.getsockname()) as peer:
        sock, _ = listening.accept()
        sock.setblocking(False)
        heard = Heard()
        link = running.loop.links.take(sock.detach(), "somebody", heard, reads=REQUESTS)
        assert running.opened(heard) is link
        peer.sendall(b"*2\r\n$4\r\nHELO\r\n$2\r\n\0\n\r\nPING\r\n")
        running.until(lambda: len(heard.heard) == 2)
        assert heard.heard == [[b"HELO", b"\0\n"], [b"PING"]]
        assert (str(link), link.address) == ("<Link to somebody: open>", "somebody")


# ---- speaking


def test_what_is_written_before_it_is_open_leaves_then(running: Running, listening: socket.socket) -> None:
    heard = Heard()
    attempt = running.connector.connect("127.0.0.1", port_of(listening), heard)
    running.until(lambda: attempt.link)
    attempt.link.command(b"PING")
    attempt.link.write(b"x" * 100_000)
    running.opened(heard)
    peer, _ = listening.accept()
    with peer:
        running.loop.turn_once(0)
        assert read(peer, 100_014) == b"*1\r\n$4\r\nPING\r\n" + b"x" * 100_000


def test_small_and_large_words_keep_their_order(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, _ = dial()
    words = [b"SET", b"k" * 20_000, b"", b"\r\n", os.urandom(3_000_000), b"EX"]
    link.write(b"+first\r\n")
    link.command(*words)
    link.write(b"+last\r\n")
    wanted = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    wanted = b"+first\r\n*6\r\n" + wanted + b"+last\r\n"
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read(peer, len(wanted))))
    reader.start()
    running.until(lambda: got)
    reader.join()
    assert got == [wanted]
    running.until(lambda: link.unsent == 0)


def test_unsent_is_what_the_socket_has_not_taken(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, heard = dial()
    link.write(b"z" * 30_000_000)
    running.loop.turn_once(0)
    assert 0 < link.unsent <= 30_000_000
    peer.close()
    running.until(lambda: heard.lost)
    assert link.unsent > 0


# ---- hearing


def test_replies_are_values(running: Running, dial: Callable[..., Ends]) -> None:
    _, peer, heard = dial()
    peer.sendall(b"+OK\r\n:-7\r\n$-1\r\n*2\r\n$1\r\na\r\n*0\r\n-ERR no\r\n$3\r\n\0\r\n\r\n,2.5\r\n")
    running.until(lambda: len(heard.heard) == 7)
    assert heard.heard[:4] + heard.heard[5:] == ["OK", -7, None, [b"a", []], b"\0\r\n", 2.5]
    assert isinstance(heard.heard[4], CommandError)
    assert heard.heard[4].text == b"ERR no"


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_as_a_replica_reads(running: Running, dial: Callable[..., Ends], step: int) -> None:
    """Replies, then a payload of a known length, then requests, which are already there."""
    payload = bytes(range(256)) * 3
    left = [len(payload)]

    def at(link: Link, value: Any) -> int | None:
        if value == "FULLRESYNC":
            link.read_as(RAW)
        elif isinstance(value, bytes):
            taken = min(left[0], len(value))
            left[0] -= taken
            if left[0] == 0:
                link.read_as(REQUESTS)
            return taken
        return None

    _, peer, heard = dial(Heard(at))
    data = b"+PONG\r\n+FULLRESYNC\r\n" + payload + b"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
    for place in range(0, len(data), step):
        peer.sendall(data[place : place + step])
    running.until(lambda: heard.heard[-1:] == [[b"SELECT", b"0"]])
    raw = b"".join(piece for piece in heard.heard if isinstance(piece, bytes))
    assert raw == payload
    assert [piece for piece in heard.heard if piece != b"" and not isinstance(piece, bytes)] == [
        "PONG",
        "FULLRESYNC",
        [b"PING"],
        [b"SELECT", b"0"],
    ]


def test_bytes_that_are_not_taken_come_again(running: Running, dial: Callable[..., Ends]) -> None:
    _, peer, heard = dial(Heard(lambda link, data: len(data) // 4 * 4), reads=RAW)
    for letter in b"abcdefghij":
        peer.sendall(bytes([letter]))
        running.loop.turn_once(5)
    running.until(lambda: b"".join(heard.heard) == b"abcdefgh")
    peer.sendall(b"kl")
    running.until(lambda: b"".join(heard.heard) == b"abcdefghijkl")


def test_readers_change_behind_a_message_only(running: Running, dial: Callable[..., Ends]) -> None:
    link, _, _ = dial()
    with pytest.raises(ValueError, match="behind a message"):
        link.read_as(RAW)


def test_another_protocol_hears(running: Running, dial: Callable[..., Ends]) -> None:
    second = Heard()
    _, peer, first = dial(Heard(lambda link, value: link.set_protocol(second)))
    peer.sendall(b"+1\r\n+2\r\n+3\r\n")
    running.until(lambda: len(second.heard) == 2)
    assert (first.heard, second.heard) == (["1"], ["2", "3"])


def test_when_bytes_came_last(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, heard = dial()
    assert link.heard_us == 0
    before = time.monotonic_ns() // 1000
    peer.sendall(b"\n")
    running.until(lambda: link.heard_us)
    assert before <= link.heard_us <= time.monotonic_ns() // 1000
    assert heard.heard == []


# ---- the end


def test_the_peer_closes_behind_what_it_said(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, heard = dial()
    peer.sendall(b"+LAST\r\n+HAL")
    peer.close()
    running.until(lambda: heard.lost)
    assert heard.heard == ["LAST"]
    assert heard.lost == "closed by the peer"
    assert link.lost
    assert not link.opened
    link.write(b"into the void")
    link.close()
    running.loop.turn_once(0)


def test_garbage(running: Running, dial: Callable[..., Ends]) -> None:
    replies, requests = dial(), dial(reads=REQUESTS)
    nonsense = dial()
    replies[1].sendall(b"+OK\r\nHTTP/1.1 200 OK\r\n")
    requests[1].sendall(b"*1\r\n:4\r\n")
    nonsense[1].sendall(b"+OK\r\n:four\r\n+OK\r\n")
    running.until(lambda: replies[2].lost and requests[2].lost and nonsense[2].lost)
    assert replies[2].heard == nonsense[2].heard == ["OK"]
    assert replies[2].lost == nonsense[2].lost == "what came is no reply"
    assert requests[2].lost == "what came is no request"


def test_we_close(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, heard = dial()
    link.write(b"never said")
    link.close(reason="enough")
    assert heard.lost is None
    peer.sendall(b"+OK\r\n")
    running.until(lambda: heard.lost)
    assert (heard.lost, heard.heard) == ("enough", [])
    assert peer.recv(1) == b""


def test_we_close_once_it_is_said(running: Running, dial: Callable[..., Ends]) -> None:
    link, peer, heard = dial()
    link.write(b"x" * 10_000_000)
    link.close(after_flush=True)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read(peer, 10_000_000)))
    reader.start()
    running.until(lambda: heard.lost)
    reader.join()
    assert got == [b"x" * 10_000_000]


def test_closing_within_a_message_is_the_last_one(running: Running, dial: Callable[..., Ends]) -> None:
    _, peer, heard = dial(Heard(lambda link, value: link.close(reason="heard enough")))
    peer.sendall(b"+1\r\n+2\r\n")
    running.until(lambda: heard.lost)
    assert (heard.heard, heard.lost) == (["1"], "heard enough")


def test_a_mistake_of_a_protocol_costs_its_link_only(running: Running, dial: Callable[..., Ends]) -> None:
    def fail(link: Link, value: Any) -> None:
        raise KeyError(value)

    before = internal_errors.count
    for reads, data in ((REPLIES, b"+1\r\n+2\r\n"), (REQUESTS, b"PING\r\n"), (RAW, b"x")):
        _, peer, heard = dial(Heard(fail), reads=reads)
        peer.sendall(data)
        running.until(lambda: heard.lost)  # noqa: B023 - waited for here
        assert heard.lost == "internal error"
    _, peer, heard = dial(Heard(lambda link, data: 99), reads=RAW)
    peer.sendall(b"x")
    running.until(lambda: heard.lost)
    assert internal_errors.count == before + 4


@pytest.fixture
def cycles() -> Iterator[Callable[[], list[Any]]]:
    """What of ours was garbage in cycles since: the server never collects what it makes while serving."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def found() -> list[Any]:
        gc.collect()
        ours = ("iothreads", "server")
        return [thing for thing in gc.garbage if str(getattr(type(thing), "__module__", "")).startswith(ours)]

    yield found
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def test_links_and_attempts_are_freed(
    running: Running, dial: Callable[..., Ends], deaf: int, cycles: Callable[[], list[Any]]
) -> None:
    refused, late, given_up = Heard(), Heard(), Heard()
    running.connector.connect("127.0.0.1", free_port(), refused, timeout_ms=60_000)
    running.connector.connect("127.0.0.1", deaf, late, timeout_ms=20)
    running.connector.connect("127.0.0.1", deaf, given_up).abort()
    closed, left = Heard(), Heard()
    dial(closed, timeout_ms=60_000)[0].close()
    dial(left)[1].close()
    all_of_them = (refused, late, given_up, closed, left)
    running.until(lambda: all(heard.lost for heard in all_of_them) and len(running.loop.links) == 0)
    for heard in all_of_them:
        heard.link = None
    assert cycles() == []


# ---- a link that becomes a client


def test_a_link_becomes_a_client(running: Running, dial: Callable[..., Ends]) -> None:
    """Behind a payload, with commands that are already there and replies still on their way."""
    server = running.server
    client = Client(77, server.keyspace.databases[0], running.loop)
    client.authenticated = True

    def at(link: Link, value: Any) -> int | None:
        if value == "GO":
            link.read_as(RAW)
        elif isinstance(value, bytes) and len(value) >= 6:
            link.write(b"+SO FAR\r\n" + b"y" * 5_000_000)
            running.loop.make_client(link, client)
            return 6
        return 0

    link, peer, heard = dial(Heard(at))
    peer.sendall(b"+GO\r\nbefore*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n")
    wanted = b"+SO FAR\r\n" + b"y" * 5_000_000 + b"+OK\r\n$5\r\nvalue\r\n+PONG\r\n"
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(read(peer, len(wanted))))
    reader.start()
    running.until(lambda: got)
    reader.join()
    assert got == [wanted]
    assert running.loop.everybody() == [client]
    assert link.lost
    assert len(running.loop.links) == 0
    running.until(lambda: client.in_flight == 0)
    with pytest.raises(ValueError, match="open"):
        running.loop.make_client(link, client)
    peer.close()
    running.until(lambda: not running.loop.everybody())
    assert heard.lost is None


def test_in_the_middle_of_a_message_nothing_is_given_away(running: Running, dial: Callable[..., Ends]) -> None:
    link, _, _ = dial()
    client = Client(78, running.server.keyspace.databases[0], running.loop)
    with pytest.raises(ValueError, match="behind"):
        running.loop.make_client(link, client)
