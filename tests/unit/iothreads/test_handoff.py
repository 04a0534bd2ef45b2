"""The hand-off as its clients see it, inline and threaded, on both pollers."""

import os
import resource
import socket
import struct
import threading

import pytest

from .conftest import Peer, encode

MEGABYTE = 1 << 20


def until(condition, peer) -> dict:
    """Ask for the counters until they satisfy the condition."""
    for _ in range(20000):
        stats = peer.stats()
        if condition(stats):
            return stats
    raise AssertionError(stats)


def test_echo_whole_bytewise_and_in_odd_pieces(server):
    request = encode("a", "", "x" * 300)
    request += b'inline "a\\x41\\n" \'b\\\'c\'\r\n' + b"*0\r\n\r\n\n*-1\r\n" + encode("PING") + b"PING\n"
    reply = encode("a", "", "x" * 300) + encode("inline", b"aA\n", b"b'c") + b"+PONG\r\n+PONG\r\n"
    peer = server.peer()
    for step in (len(request), 1, 7):
        for at in range(0, len(request), step):
            peer.send(request[at : at + step])
        assert peer.read(len(reply)) == reply


def test_pipeline_of_ten_thousand(server):
    peer = server.peer()
    request = b"".join(encode("set", f"key:{i}", "v" * (i % 50)) for i in range(10000))
    sender = threading.Thread(target=peer.send, args=(request,))
    sender.start()
    assert peer.read(len(request)) == request
    sender.join()


def test_big_arguments(server):
    peer = server.peer()
    request = encode("set", "k", os.urandom(MEGABYTE), "y" * 70000) * 3
    sender = threading.Thread(target=peer.send, args=(request,))
    sender.start()
    assert peer.read(len(request)) == request
    sender.join()


def test_big_reply_to_a_late_reader_by_reference(server):
    peer, other = server.peer(), server.peer()
    peer.send(b"BIG 3000000\r\n" * 10 + b"PING\r\n")
    assert other.ask("PING") == b"+PONG"
    one = b"$3000000\r\n" + b"x" * 3000000 + b"\r\n"
    assert peer.read(len(one) * 10 + 7) == one * 10 + b"+PONG\r\n"
    stats = until(lambda s: s["references"] == 0, other)
    assert stats["references"] == 0


def test_client_that_never_reads_is_let_go_with_what_it_holds(server):
    peer, other = server.peer(), server.peer()
    peer.send(b"BIG 50000000\r\nPING\r\n")
    until(lambda s: s["references"] == 1, other)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    until(lambda s: s["references"] == 0 and s["connections"] == 1, other)


@pytest.mark.parametrize("linger", [False, True])
def test_disconnect_while_the_batch_is_out(server, linger):
    peer, other = server.peer(), server.peer()
    peer.send(b"HOLD\r\nPING\r\n")
    until(lambda s: s["commands"] >= 1 and s["connections"] == 2, other)
    if linger:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    until(lambda s: s["connections"] == 1, other)


def test_what_a_client_sends_while_its_batch_is_out_keeps_nobody_awake(server):
    peer, other = server.peer(), server.peer()
    peer.send(b"LATER\r\nHOLD\r\n")
    until(lambda s: s["commands"] >= 2 and s["connections"] == 2, other)
    peer.send(b"PING\r\n")
    before = other.stats()["wakes"]
    for _ in range(20):
        assert other.ask("PING") == b"+PONG"
    assert other.stats()["wakes"] - before < 100


def test_half_closed_client_still_gets_its_replies(server):
    for _ in range(50):
        peer = server.peer()
        peer.send(b"PING\r\n" * 100)
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.rest() == b"+PONG\r\n" * 100


def test_close_after_the_reply_is_written(server):
    peer = server.peer()
    peer.send(b"BIG 8000000\r\nQUIT\r\n")
    assert len(peer.rest()) == 8000000 + len(b"$8000000\r\n\r\n+OK\r\n")


def test_close_at_once(server):
    peer = server.peer()
    peer.send(b"DROP\r\n")
    assert peer.rest() == b""


def test_late_reply_reaches_a_waiting_client(server):
    assert server.peer().ask("LATER") == b"+LATE"


def test_thousand_connections(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    peers = [server.peer() for _ in range(1000)]
    for peer in peers:
        peer.send(encode("hello"))
    for peer in peers:
        assert peer.read(15) == encode("hello")
    assert peers[0].stats()["connections"] == 1000
    for peer in peers[1:]:
        peer.close()
    until(lambda s: s["connections"] == 1, peers[0])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_resize_under_load_loses_nothing(server):
    request = b"".join(encode("n", str(i), "z" * 500) for i in range(3000))
    answers = []

    def load(peer: Peer) -> None:
        sender = threading.Thread(target=peer.send, args=(request,))
        sender.start()
        answers.append(peer.read(len(request)))
        sender.join()

    threads = [threading.Thread(target=load, args=(server.peer(),)) for _ in range(6)]
    half = server.peer()
    half.send(b"*2\r\n$1\r\na\r\n$3\r\nb")
    control = server.peer()
    for thread in threads:
        thread.start()
    for count in (4, 1, 2, 3, 1, 5, 2, 1, 3):
        assert control.ask("RESIZE", str(count)) == b"+OK"
        assert control.stats()["threads"] == count
    for thread in threads:
        thread.join()
    assert all(answer == request for answer in answers)
    half.send(b"cd\r\n")
    assert half.read(20) == encode("a", "bcd")


@pytest.mark.parametrize("poller", ["", "poll"])
def test_moves_between_main_thread_and_others_under_load_lose_nothing(serve, poller):
    server = serve(3, poller)
    control = server.peer()
    assert control.ask("KEEP", "no") == b"+OK"
    request = b"".join(encode("n", str(i), "z" * 500) for i in range(3000))
    answers = []

    def load(peer: Peer) -> None:
        sender = threading.Thread(target=peer.send, args=(request,))
        sender.start()
        answers.append(peer.read(len(request)))
        sender.join()

    peers = [server.peer() for _ in range(6)]
    half, held = server.peer(), server.peer()
    half.send(b"*2\r\n$1\r\na\r\n$3\r\nb")
    held.send(b"HOLD\r\n")
    until(lambda s: s["connections"] == 9, control)
    threads = [threading.Thread(target=load, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    moves = [("HOME", 3), ("HOME", 99), ("AWAY", 2), ("AWAY", 4), ("HOME", 1), ("AWAY", 99), ("HOME", 5)]
    for word, count in moves * 3:
        assert control.ask(word, str(count)) == b"+OK"
    for thread in threads:
        thread.join()
    assert all(answer == request for answer in answers)
    half.send(b"cd\r\n")
    assert half.read(20) == encode("a", "bcd")
    held.close()
    until(lambda s: s["connections"] == 8, control)


def test_connections_stay_until_they_are_sent_away(serve):
    server = serve(3)
    control = server.peer()

    def shares() -> tuple[int, int]:
        stats = control.stats()
        return stats["at_home"], stats["away"]

    assert control.ask("KEEP", "no") == b"+OK"
    assert shares() == (0, 1)
    assert control.ask("HOME", "9") == b"+OK"
    peers = [server.peer() for _ in range(4)]
    assert [peer.ask("PING") for peer in peers] == [b"+PONG"] * 4
    assert shares() == (5, 0)
    assert control.ask("AWAY", "2") == b"+OK"
    assert shares() == (3, 2)
    assert server.peer().ask("PING") == b"+PONG"
    assert shares() == (3, 3)          # who has no time for those it has takes no new one
    assert control.ask("HOME", "1") == b"+OK"
    assert server.peer().ask("PING") == b"+PONG"
    assert shares() == (5, 2)
    assert control.ask("RESIZE", "2") == b"+OK"
    assert shares() == (5, 2)
    assert control.ask("KEEP", "yes") == b"+OK"
    assert shares() == (0, 7)
    assert control.ask("RESIZE", "1") == b"+OK"
    assert shares() == (7, 0)
    for _ in range(4):
        assert peers[3].ask("PING") == b"+PONG"


def test_held_batch_moves_with_its_connection(server):
    held, control = server.peer(), server.peer()
    held.send(b"HOLD\r\n")
    until(lambda s: s["commands"] >= 2, control)
    for count in (4, 1, 2):
        assert control.ask("RESIZE", str(count)) == b"+OK"
    held.close()
    until(lambda s: s["connections"] == 1, control)


def test_idle_server_does_not_turn(server):
    peer = server.peer()
    before = peer.stats()["wakes"]
    assert peer.stats()["wakes"] - before < 20


def test_all_output_comes_home(server):
    peer = server.peer()
    for _ in range(100):
        assert peer.ask("PING") == b"+PONG"
    stats = until(lambda s: s["home"] == s["sent"], peer)
    assert stats["sent"] >= 700


@pytest.mark.parametrize("threads", [1, 2])
def test_lane_counters(serve, threads):
    peer = serve(threads).peer()
    for _ in range(10):
        peer.ask("PING")
    lanes = peer.stats()["lanes"]
    assert len(lanes) == threads
    lane = lanes[-1]
    assert lane["reads"] >= 11 and lane["commands"] == 11 and lane["batches"] == 11 and lane["connections"] == 1
    assert lane["bytes_in"] == 10 * len(encode("PING")) + len(b"STATS\r\n")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_reply_leaves_in_parts_between_which_others_have_their_turn(serve, threads):
    peer = serve(threads).peer()
    request = encode("n", b"z" * 4 * MEGABYTE)
    sender = threading.Thread(target=peer.send, args=(request,))
    sender.start()
    assert peer.read(len(request)) == request
    sender.join()
    lane = peer.stats()["lanes"][-1]
    assert lane["bytes_out"] / lane["writes"] <= 256 * 1024


@pytest.mark.parametrize("threads", [1, 3])
def test_out_of_descriptors(serve, threads):
    """Nobody more is accepted, those who are there are served, and accepting goes on once descriptors are free."""
    server = serve(threads)
    first = server.peer()
    first.ask("PING")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
    try:
        taken = []
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            pass
        waiting.connect(server.address)
        until(lambda s: s["refused"] >= 1, first)
        before = first.stats()["wakes"]
        assert first.ask("PING") == b"+PONG"
        assert first.stats()["wakes"] - before < 50
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    waiting.settimeout(10)
    waiting.sendall(b"PING\r\n")
    assert waiting.recv(100) == b"+PONG\r\n"
    waiting.close()
