"""Who comes to the bus port: nodes, by TLS where it is asked for, and strangers, who are answered and not believed."""

import select
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from server.cluster.bus import STRANGERS_MAX, STRANGERS_UNREAD_MAX
from server.cluster.bus_format import encode, frame_length
from server.cluster.messages import MASTER, Failing, Heartbeat, Message, Type
from server.registry.dataclass import replace
from tests.support.certificates import Authority
from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.server import Server, free_node_port

STRANGER = "5" * 40
ALL_SLOTS = (1 << 16384) - 1


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("one"), masters=1) as cluster:
        yield cluster


def bus(node: Server, port: int = 0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", (port or node.port) + 10_000), 10)


def hears(connection: socket.socket) -> bytes:
    """The bytes of one message; b"" when the other side has closed."""
    data = b""
    while not (length := frame_length(data)) or len(data) < length:
        received = connection.recv(65536)
        if not received:
            return b""
        data += received
    return data[:length]


def ping(**header: object) -> Message:
    message = Message(Type.PING, STRANGER, current_epoch=99, config_epoch=99, slots=ALL_SLOTS, port=1, bus_port=10001,
                      flags=MASTER, body=Heartbeat(shard_id="6" * 40))
    return replace(message, **header)


def test_a_stranger_is_answered_and_believed_nothing(one):
    before = one[0].connect().ok("CLUSTER", "NODES").split()[6:]
    with bus(one[0]) as connection:
        connection.sendall(encode(ping()))
        assert hears(connection)[12:14] == bytes((0, Type.PONG))
        for message in (ping(type=Type.FAIL, body=Failing(one.names[0])),
                        ping(type=Type.FAILOVER_AUTH_REQUEST, body=None), ping(type=Type.MFSTART, body=None), ping()):
            connection.sendall(encode(message))
        assert hears(connection)[12:14] == bytes((0, Type.PONG))
    assert one[0].connect().ok("CLUSTER", "NODES").split()[6:] == before
    assert one.state(one[0])["cluster_known_nodes"] == "1"
    assert one.state(one[0])["cluster_state"] == "ok"


def test_the_bus_follows_the_port(tmp_path):
    """Its nodes hear of it, by the links that there are, and find it there again when they are cut."""
    with Cluster(tmp_path, masters=2, kinds=[Server] * 2) as cluster:
        moved, new = cluster[0], free_node_port()
        c, other = moved.connect(), cluster[1].connect()
        c.ok("CONFIG", "SET", "port", new)
        with bus(moved, new) as connection:
            connection.sendall(encode(ping()))
            assert hears(connection)[12:14] == bytes((0, Type.PONG))
        with pytest.raises(ConnectionRefusedError):
            bus(moved)
        place = f"127.0.0.1:{new}@{new + 10_000}"
        wait_until(lambda: place in other.ok("CLUSTER", "NODES").decode(), "the other one knows where it is")
        other.ok("DEBUG", "CLUSTERLINK", "KILL", "ALL", cluster.names[0])
        wait_until(lambda: "connected" in cluster.lines(cluster[1])[cluster.names[0]], "it is reached there", 20)
        assert str(c("CONFIG", "SET", "port", 60_000)).startswith("ERR CONFIG SET failed (possibly related to argument")
        assert c.ok("CONFIG", "GET", "port") == [b"port", b"%d" % new]
        with bus(moved, new):
            pass


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n", b"RCmb" + (100).to_bytes(4, "big") + bytes(200),
    b"RCmb" + (1 << 31).to_bytes(4, "big") + bytes(200), encode(ping())[:40] + b"\xff" * 40 + encode(ping())[80:],
    encode(ping())[:14] + b"\xff\xff" + encode(ping())[16:],
])
def test_what_is_no_message_ends_the_link(one, data):
    with bus(one[0]) as connection:
        connection.sendall(data)
        assert hears(connection) == b""
    one[0].wait_for_log("Closing a link of the cluster bus")
    assert one[0].connect()("PING") == "PONG"


def test_noise(one):
    """Bytes of real messages, some of them changed; the node lives, and knows nobody new."""
    rng = Random(7)
    for _ in range(200):
        data = bytearray(encode(ping(type=rng.choice([Type.PING, Type.PONG, Type.FAIL, Type.UPDATE, Type.PUBLISH]))
                                if rng.random() < 0.5 else ping()))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(12 if rng.random() < 0.8 else 0, len(data))] = rng.randrange(256)
        data[12] = 0
        if data[13] == Type.MEET:           # that does make it known: a node asks who that is
            data[13] = Type.PING
        with bus(one[0]) as connection:
            connection.sendall(data)
    assert one.state(one[0])["cluster_known_nodes"] == "1"
    assert one.state(one[0])["cluster_state"] == "ok"


# ---- many of them
def test_the_stranger_that_came_first_goes_for_one_too_many(one):
    links = [bus(one[0]) for _ in range(STRANGERS_MAX + 1)]
    try:
        assert hears(links[0]) == b""
        for link in (links[1], links[-1]):
            link.sendall(encode(ping()))
            assert hears(link)[12:14] == bytes((0, Type.PONG))
    finally:
        for link in links:
            link.close()


def test_strangers_hold_few_halves_of_messages(one):
    """Nine of them begin a message of 8 MB: who holds most is cut off, and what is held stays below the limit."""
    half = b"RCmb" + (8 << 20).to_bytes(4, "big") + bytes((2 << 20) - 8)
    before = int(one[0].info("memory")["mem_cluster_links"])
    links = [bus(one[0]) for _ in range(9)]
    try:
        for link in links:
            link.sendall(half)
        assert any(link in readable for readable in [select.select(links, [], [], 10)[0]] for link in links)
        assert int(one[0].info("memory")["mem_cluster_links"]) - before < STRANGERS_UNREAD_MAX + (1 << 20)
    finally:
        for link in links:
            link.close()


def test_a_stranger_that_reads_nothing_is_cut_off(one):
    with bus(one[0]) as link, pytest.raises(ConnectionError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(200):
            link.sendall(encode(ping()) * 100)
    assert one[0].connect()("PING") == "PONG"


def test_words_that_never_become_a_message_are_silence(tmp_path):
    with Cluster(tmp_path, masters=1) as cluster, bus(cluster[0]) as link:
        link.settimeout(0.2)
        data = iter(encode(ping()))

        def is_cut_off() -> bool:
            try:
                link.sendall(bytes((next(data),)))
                return link.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(is_cut_off, "it is cut off", 20)


# ---- TLS
@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, list[int], Authority]]:
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority(folder / "authority")
    cert, key = authority.issue("node")
    ports = [free_node_port(), free_node_port()]
    given = iter(ports)

    def node(where: Path, **directives):
        return Server(where, tls_port=next(given), **directives)

    with Cluster(folder, masters=0, kinds=[node, node], tls_cluster="yes", tls_replication="yes", tls_cert_file=cert,
                 tls_key_file=key, tls_ca_cert_file=authority.file, tls_auth_clients="no") as cluster:
        assert cluster[0].connect()("CLUSTER", "MEET", "127.0.0.1", ports[1]) == "OK"
        assert cluster[0].connect()("CLUSTER", "ADDSLOTSRANGE", 0, 16383) == "OK"
        yield cluster, ports, authority


def test_nodes_meet_and_replicate_by_tls(secure):
    cluster, ports, _ = secure
    wait_until(lambda: "master" in cluster.flags(cluster[1], 0), "they have met")
    assert cluster[1].connect()("CLUSTER", "REPLICATE", cluster.names[0]) == "OK"
    cluster.wait_for_replication(1)
    cluster.wait_for_state("ok")
    address = cluster.lines(cluster[0])[cluster.names[1]][0]
    assert address == f"127.0.0.1:{cluster[1].port}@{ports[1] + 10_000}"        # a plain client's port
    assert f"127.0.0.1:{ports[1]}@" in (cluster[0].folder / "nodes.conf").read_text()
    assert cluster[1].info("replication")["master_port"] == str(ports[0])


def test_nobody_speaks_to_a_secure_bus_without_a_certificate(secure):
    """Although clients need none."""
    cluster, ports, authority = secure
    with bus(cluster[0], ports[0]) as connection:
        connection.sendall(encode(ping()))
        assert hears(connection) == b""
    context = ssl.create_default_context(cafile=str(authority.file))
    with bus(cluster[0], ports[0]) as connection, pytest.raises((ssl.SSLError, ConnectionError)):
        with context.wrap_socket(connection, server_hostname="localhost") as secured:
            secured.sendall(encode(ping()))
            assert not hears(secured)
            raise ConnectionError
