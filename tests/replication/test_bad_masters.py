"""Masters that break off, lie, send garbage or half of things: the replica says why, keeps what it may, tries again."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bad_peer import BadPeer, Behaviour, close, hang, reset, say
from tests.support.pace import wait_until

ID = "a" * 40
FULL = b"+FULLRESYNC %s 7\r\n" % ID.encode()
GREETING = (b"+PONG\r\n", b"+OK\r\n", b"+OK\r\n")
EMPTY = b"REDIS0011\xfa\x09redis-ver\x057.2.6\xff" + bytes(8)    # a checksum of 0 is none
MARK = b"0123456789" * 4


def and_say(data: bytes, then: Behaviour = close) -> Behaviour:
    def behave(sock: Any, heard: bytearray) -> None:
        sock.sendall(data)
        then(sock, heard)

    return behave


BEFORE_THE_DATA_GO = {
    "a close": close,
    "a reset": reset,
    "an error for PING": say(b"-ERR no\r\n"),
    "no reply": say(b"\x00\xff\r\n"),
    "an endless reply": say(b"*1000000000\r\n" + b"*1\r\n" * 1000),
    "a close in the handshake": say(*GREETING, then=close),
    "not now": say(*GREETING, b"-LOADING wait\r\n"),
    "a reply that is none": say(*GREETING, b"+WHAT\r\n"),
    "an offset that is none": say(*GREETING, b"+FULLRESYNC %s x\r\n" % ID.encode()),
    "nothing after the reply": say(*GREETING, FULL, then=close),
    "half a snapshot": say(*GREETING, FULL + b"$1000\r\nREDIS0011", then=close),
    "half a marked one": say(*GREETING, FULL + b"$EOF:" + MARK + b"\r\nREDIS0011", then=close),
    "no length": say(*GREETING, FULL + b"$x\r\n"),
    "an error in its place": say(*GREETING, FULL + b"-ERR BGSAVE failed, replication can't continue\r\n"),
    "a line without end": say(*GREETING, FULL + b"$" + b"1" * 100_000),
}  # fmt: skip
GARBAGE_IN_THE_STREAM = (
    b"*1\r\n$-1\r\n", b"*99999999999\r\n", b"$5\r\n", b"*2\r\n$3\r\nGET\r\n:1\r\n", b"\x00" * 10_000,
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$99999999999\r\n",
)  # fmt: skip


def snapshot(data: bytes) -> bytes:
    return FULL + b"$%d\r\n" % len(data) + data


@pytest.fixture
def replica(new_server: Callable[..., Any]) -> Any:
    server = new_server()
    with server.connect() as c:
        c.ok("SET", "kept", "1")
    return server


def follow(replica: Any, peer: BadPeer) -> None:
    with replica.connect() as c:
        c.ok("REPLICAOF", peer.host, str(peer.port))


def lives(replica: Any) -> None:
    with replica.connect() as c:
        assert c("PING") == "PONG"
    assert replica.info("stats")["internal_errors"] == "0"


@pytest.mark.parametrize("name", BEFORE_THE_DATA_GO)
def test_data_stay_until_a_snapshot_is_there(replica: Any, name: str) -> None:
    with BadPeer(BEFORE_THE_DATA_GO[name]) as peer:
        follow(replica, peer)
        wait_until(lambda: len(peer.heard) >= 2, "another attempt", 40)
        with replica.connect() as c:
            assert c("GET", "kept") == b"1"
            c.ok("REPLICAOF", "NO", "ONE")
            c.ok("SET", "kept", "2")
    lives(replica)


@pytest.mark.parametrize("answer", [
    b"-ERR no PSYNC for you\r\n-ERR and no SYNC\r\n", b"-MISCONF not now\r\n", b"-NOMASTERLINK wait\r\n",
    FULL, FULL + b"$1000\r\nREDIS0011", FULL + b"-ERR BGSAVE failed\r\n",
])
def test_the_next_try_asks_to_go_on_as_well(replica: Any, answer: bytes) -> None:
    """Only a snapshot that begins to load makes an end of what could be gone on from."""
    with BadPeer(say(*GREETING, answer, then=close)) as peer:
        follow(replica, peer)
        wait_until(lambda: len([one for one in peer.heard if b"PSYNC" in one]) >= 3, "more attempts", 40)
        asked = {bytes(one).partition(b"PSYNC\r\n")[2].partition(b"*")[0] for one in peer.heard if b"PSYNC" in one}
    assert len(asked) == 1 and asked.pop().startswith(b"$40\r\n")
    lives(replica)


@pytest.mark.parametrize("data", [b"", b"nothing", EMPTY[:-12], b"REDIS0011" + bytes(100), b"REDIS9999\xff" + bytes(8)])
def test_a_snapshot_that_is_none(replica: Any, data: bytes) -> None:
    with BadPeer(say(*GREETING, snapshot(data)), say(*GREETING, snapshot(EMPTY))) as peer:
        follow(replica, peer)
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up", "a link with the next try", 40)
    lives(replica)


@pytest.mark.parametrize("length", [1 << 60, 10**30])
def test_a_snapshot_that_claims_to_be_endless(new_server: Callable[..., Any], length: int) -> None:
    """Nor is room made for all the keys that could be in it."""
    replica = new_server(repl_diskless_load="swapdb")
    with replica.connect() as c:
        c.ok("SET", "kept", "1")
    keys = b"\xfe\x00\xfb\x81" + (1 << 59).to_bytes(8, "big") + b"\x00" + b"\x00\x01k\x01v"
    with BadPeer(say(*GREETING, FULL + b"$%d\r\nREDIS0011" % length + keys, then=close)) as peer:
        follow(replica, peer)
        wait_until(lambda: len(peer.heard) >= 2, "another attempt", 40)
        with replica.connect() as c:
            assert c("GET", "kept") == b"1"
    lives(replica)


def test_no_offset_is_claimed_without_the_data(replica: Any) -> None:
    """Whoever promotes the replica with the largest offset must not choose one that waits for its snapshot."""
    good = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    half = FULL + b"$1000\r\nREDIS0011"
    whole = say(*GREETING, snapshot(EMPTY) + good, then=close)
    with BadPeer(whole, say(*GREETING, half), say(*GREETING, snapshot(EMPTY) + good)) as peer:
        follow(replica, peer)
        offset = lambda: replica.info("replication")["slave_repl_offset"]  # noqa: E731
        wait_until(lambda: replica.info("replication")["master_sync_in_progress"] == "1" and offset() == "0",
                   "a second full sync", 40)  # fmt: skip
    lives(replica)


@pytest.mark.parametrize("garbage", GARBAGE_IN_THE_STREAM)
def test_garbage_in_the_stream(replica: Any, garbage: bytes) -> None:
    good = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    half = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n"
    with BadPeer(say(*GREETING, snapshot(EMPTY) + good + half + garbage, then=close)) as peer:
        follow(replica, peer)
        wait_until(lambda: len(peer.heard) >= 2, "another attempt", 40)
        asked = peer.commands(1)
        with replica.connect() as c:
            assert c("GET", "a") == b"1" and c("GET", "b") is None, "a transaction that is not over was not applied"
            c.ok("REPLICAOF", "NO", "ONE")
        wait_until(lambda: [words[0] for words in peer.commands(1)][:1] == [b"PING"] or asked, "a greeting")
    lives(replica)


def test_nothing_stays_of_who_went(replica: Any) -> None:
    """Neither of replicas that only greeted us, nor of masters that were followed for a moment."""
    with BadPeer(close) as peer, replica.connect() as c:
        for _ in range(50):
            with replica.connect() as greeting:
                greeting.ok("REPLCONF", "listening-port", "1", "capa", "eof")
            c.ok("REPLICAOF", peer.host, str(peer.port))
            c.ok("REPLICAOF", "127.0.0.1", "1")
            c.ok("REPLICAOF", "NO", "ONE")
        looked = int(replica.info("stats")["gc_collections"])
        quiet = lambda: c.nothing_comes(1.5)  # noqa: E731 (it looks when nobody has asked for anything for a second)
        wait_until(lambda: quiet() and int(replica.info("stats")["gc_collections"]) > looked, "a look for cycles", 40)
    assert replica.info("stats")["gc_cycles_found"] == "0"


def test_what_goes_on_says_where_it_is(replica: Any) -> None:
    good = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    with BadPeer(say(*GREETING, snapshot(EMPTY) + good, then=close), say(*GREETING, b"+CONTINUE\r\n" + good)) as peer:
        follow(replica, peer)
        wait_until(lambda: replica.info("replication")["slave_repl_offset"] == str(7 + 2 * len(good)), "both", 40)
        assert peer.commands(1)[3] == [b"PSYNC", ID.encode(), b"%d" % (7 + len(good) + 1)]
    lives(replica)


def test_who_is_asked_how_far_it_is_says_so_at_once(replica: Any) -> None:
    """And counts what came in one piece with the question: WAIT would wait for the next second otherwise."""
    change, question = b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"
    streams: list[Any] = []

    def stream(sock: Any, heard: bytearray) -> None:
        streams.append(sock)
        hang(sock, heard)

    with BadPeer(say(*GREETING, snapshot(EMPTY), then=stream)) as peer, replica.connect() as c:
        follow(replica, peer)
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up", "a link")
        c.ok("DEBUG", "PAUSE-CRON", "1")
        for turn in range(1, 4):
            streams[0].sendall(change + question)
            answer = [b"REPLCONF", b"ACK", b"%d" % (7 + turn * len(change + question))]
            wait_until(lambda answer=answer: peer.commands(0)[-1] == answer, "an acknowledgement")
        c.ok("DEBUG", "PAUSE-CRON", "0")


def test_errors_of_the_stream_are_told(replica: Any) -> None:
    stream = b"*1\r\n$4\r\nWHAT\r\n*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$1\r\nx\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
    with BadPeer(say(*GREETING, snapshot(EMPTY) + stream)) as peer:
        follow(replica, peer)
        replica.wait_for_log("after processing the command 'incrby'")
        with replica.connect() as c:
            wait_until(lambda: c("GET", "n") == b"1", "what follows")
        assert replica.log().count("== CRITICAL ==") == 2


@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_errors_of_the_stream_end_a_server_that_shall_panic(new_server: Callable[..., Any], read_only: str) -> None:
    """A writable replica may have caused them itself."""
    replica = new_server(**{"propagation-error-behavior": "panic", "replica-read-only": read_only})
    stream = b"*1\r\n$4\r\nWHAT\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
    with BadPeer(say(*GREETING, snapshot(EMPTY) + stream)) as peer:
        follow(replica, peer)
        replica.wait_for_log("== CRITICAL ==")
        if read_only == "yes":
            replica.wait_exit()
            assert "This replica panicked" in replica.log()
            return
        with replica.connect() as c:
            wait_until(lambda: c("GET", "n") == b"1", "what follows")
    lives(replica)
