"""The cluster bus, beside nodes that lie, break off and send what no node would: as strangers, under the names of nodes
that are known, and as what answers where the node under test looks for them.

What is mutated are messages that real nodes sent (7.2.6, 7.0.15) and one of each type of ours: lengths, counts,
extensions, versions, types, bytes anywhere; whole ones again and again, in pieces, cut off. Known nodes may say what
they like of the cluster, and who else there is, so that may end in any state: but the node lives, makes no mistake of
its own (internal_errors), can read its nodes.conf, knows no stranger by name, and keeps no memory. REMUS_FUZZ_ROUNDS
says how many links (300); the seed is printed, REMUS_SEED sets it.
"""

import os
import random
import socket
import threading
from collections.abc import Iterator
from struct import pack, pack_into

import psutil
import pytest

from server.cluster.bus_format import HEADER, encode
from server.cluster.founding import Place, founded
from server.cluster.messages import (
    MASTER,
    Body,
    Failing,
    Forgotten,
    Gossip,
    Heartbeat,
    Message,
    ModuleMessage,
    Published,
    Type,
    Update,
)
from tests.support.bus_captures import CAPTURED
from tests.support.pace import wait_until
from tests.support.server import Server, free_node_port

ROUNDS = int(os.environ.get("REMUS_FUZZ_ROUNDS", "300"))
NODES = 3
STRANGER = b"5" * 40
TYPE_AT, COUNT_AT, SENDER_AT, EXTENSIONS_AT, MARKS_AT = 12, 14, 40, 2214, 2253
RANDOM_NUMBERS = (0, 1, 2, 7, 8, 255, 65535, 1 << 31, (1 << 32) - 1)
GROWN_MAX = 6 << 20  # of the process, while as many links come once more
SLOTS = (1 << 9000) - 1


def bodies(names: list[str]) -> Iterator[tuple[Type, Body]]:
    gossip = [Gossip(name, 1, 2, "127.0.0.1", 7000, 17000, MASTER, 0) for name in names]
    yield Type.PING, Heartbeat(gossip, "one.example", "first", [Forgotten(names[1], 60)], "6" * 40)
    yield Type.PONG, Heartbeat(gossip)
    yield Type.MEET, Heartbeat([])
    yield Type.FAIL, Failing(names[1])
    yield Type.PUBLISH, Published(b"channel", b"message")
    yield Type.PUBLISHSHARD, Published(b"channel", b"message")
    yield Type.UPDATE, Update(9, names[1], SLOTS)
    yield Type.MODULE, ModuleMessage(bytes(8), 1, b"payload")
    for kind in (Type.FAILOVER_AUTH_REQUEST, Type.FAILOVER_AUTH_ACK, Type.MFSTART):
        yield kind, None


class Liar:
    """Says things, and listens where `names[1]` and `names[2]` are to be found."""

    def __init__(self, chance: random.Random, names: list[str], doors: list[socket.socket]) -> None:
        self.chance = chance
        self.names = [name.encode() for name in names]
        self.frames = list(CAPTURED.values())
        self.frames += [encode(Message(kind, names[1], 5, 5, 100, SLOTS, port=7001, bus_port=17001, flags=MASTER,
                                       body=body))
                        for kind, body in bodies(names)]  # fmt: skip
        for door in doors:
            threading.Thread(target=self._answer, args=(door, random.Random(chance.random())), daemon=True).start()

    def say(self, chance: random.Random) -> bytes:
        """Some messages."""
        said = []
        for _ in range(chance.randrange(1, 6)):
            frame = bytearray(chance.choice(self.frames))
            frame[SENDER_AT:SENDER_AT + 40] = chance.choice((*self.names[1:], *self.names[1:], STRANGER))
            if chance.random() < 0.8:
                self._mutate(chance, frame)
            said += [bytes(frame)] * chance.choice((1, 1, 1, 2, 9))
        whole = b"".join(said)
        return whole[:chance.randrange(len(whole))] if chance.random() < 0.2 else whole

    @staticmethod
    def _mutate(chance: random.Random, frame: bytearray) -> None:
        number = chance.choice(RANDOM_NUMBERS)
        match chance.randrange(9):
            case 0:
                pack_into(">H", frame, COUNT_AT, number & 0xFFFF)
            case 1:
                pack_into(">H", frame, EXTENSIONS_AT, number & 0xFFFF)
                frame[MARKS_AT] |= chance.choice((0, 4))
            case 2:
                pack_into(">H", frame, 8, chance.choice((0, 2, 65535)))
            case 3:
                pack_into(">H", frame, TYPE_AT, chance.choice((*range(12), 255, 65535)))
            case 4 if len(frame) > HEADER.size + 8:  # a length within
                at = chance.randrange(HEADER.size, len(frame) - 8)
                pack_into(">I", frame, at - at % 8, number)
            case 5:
                del frame[chance.randrange(HEADER.size, len(frame) + 1):]
            case 6:
                frame += chance.randbytes(chance.choice((1, 8, 104, 5000)))
            case _:
                for _ in range(chance.choice((1, 3, 30))):
                    frame[chance.randrange(8, len(frame))] = chance.randrange(256)
        wrong = chance.random() < 0.15
        pack_into(">I", frame, 4, number if wrong else len(frame))

    def _answer(self, door: socket.socket, chance: random.Random) -> None:
        while True:
            try:
                link, _ = door.accept()
            except OSError:
                return
            with link:
                link.settimeout(0.2)
                try:
                    for _ in range(chance.randrange(1, 20)):
                        if not link.recv(1 << 16):
                            break
                        link.sendall(self.say(chance))
                except OSError:
                    pass


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("REMUS_SEED", "0")) or random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


def visit(node: Server, liar: Liar) -> None:
    """One link, in pieces or at once; it may stay until it is answered."""
    chance = liar.chance
    data = liar.say(chance)
    with socket.create_connection((node.host, node.port + 10_000), 10) as link:
        link.settimeout(0.1)
        try:
            step = chance.choice((len(data), len(data), 2000, 300)) or 1
            for at in range(0, len(data), step):
                link.sendall(data[at:at + step])
            if chance.random() < 0.3:
                link.recv(1 << 16)
        except OSError:
            pass
        if chance.random() < 0.3:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))


def known(node: Server) -> dict[str, list[str]]:
    text = node.connect().ok("CLUSTER", "NODES").decode()
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


@pytest.mark.timeout(120 + ROUNDS)
def test_liars(tmp_path, chance):
    doors, places = [], [Place("127.0.0.1", free_node_port())]
    for _ in range(1, NODES):
        doors.append(socket.create_server(("127.0.0.1", 0)))
        places.append(Place("127.0.0.1", free_node_port(), doors[-1].getsockname()[1]))
    text, *_ = founded(places, NODES, chance)
    names = [line.split()[0] for line in text.splitlines()[:NODES]]
    (tmp_path / "nodes.conf").write_text(text)
    try:
        with Server(tmp_path, port=places[0].port, cluster_enabled="yes", cluster_node_timeout=500,
                    bind_source_addr="127.0.0.1", rdbcompression="no") as node:
            me = node.connect().ok("CLUSTER", "MYID").decode()
            liar = Liar(chance, [me, *(name for name in names if name != me)], doors)
            sizes = []
            for _ in range(3):
                for _ in range(ROUNDS // 3):
                    visit(node, liar)
                assert node.alive(), node.last_words()
                sizes.append(psutil.Process(node.pid).memory_info().rss)
            for door in doors:
                door.close()
            keeps_no_stranger(node, me)
            if "REMUS_SANITIZED" not in os.environ:
                assert sizes[2] - sizes[1] < GROWN_MAX, sizes
            node.restart()
            assert node.connect().ok("CLUSTER", "MYID").decode() == me
            keeps_no_stranger(node, me)
    finally:
        for door in doors:
            door.close()


def keeps_no_stranger(node: Server, me: str) -> None:
    """Who was asked who that is, has an end, and so have the links; the node answers, and made no mistake."""
    def told() -> bool:
        nodes = known(node)
        asked = [words for words in nodes.values() if "handshake" in words[1]]
        return STRANGER.decode() not in nodes and me in nodes and not asked

    wait_until(told, "no stranger", 20)
    wait_until(lambda: int(node.info("memory")["mem_cluster_links"]) < 1 << 20, "no links of strangers", 20)
    assert node.connect()("PING") == "PONG"
    assert node.info("stats")["internal_errors"] == "0", node.last_words()
