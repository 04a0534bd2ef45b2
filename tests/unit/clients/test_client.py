"""Where a client is, and who knows of it."""

import socket

import pytest

from server.clients.client import BLOCKED, KEPT, NO_TOUCH, UNIX_SOCKET, Client
from server.clients.multi import discard, watch
from server.keyspace.database import Database, Keyspace


@pytest.fixture
def db() -> Database:
    return Keyspace(1).databases[0]


@pytest.mark.parametrize(
    ("listens", "comes", "shown"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.1.2.3", "127.0.0.1"),
        ("::1", "::1", "[::1]"),
        ("::", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"),
    ],
)
def test_who_comes_through_the_loopback_interface_is_local(db: Database, listens: str, comes: str, shown: str) -> None:
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    try:
        listening = socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::")
        there = socket.create_connection((comes.rpartition(":")[2] if "ffff" in comes else comes,
                                          listening.getsockname()[1]))
    except OSError:
        pytest.skip(f"no {listens} here")
    with listening, there:
        here, _ = listening.accept()
        with here:
            client = Client(1, db)
            client.comes_from(here.fileno())
            assert client.is_local()
            assert client.address == f"{shown}:{there.getsockname()[1]}"
            assert client.is_local()                # also once it was spelled
            assert client.local_address == "?:0"    # of who is on no lane


def test_others_are_not(db: Database) -> None:
    client = Client(1, db)
    client.comes_from(-1)
    assert (client.is_local(), client.address) == (False, "?:0")
    for address, local in (("10.0.0.1:1", False), ("[fe80::1]:1", False), ("127.0.0.1:1", True), ("[::1]:1", True)):
        client.address = address
        assert client.is_local() == local
    client.set(UNIX_SOCKET)
    assert client.is_local()


def test_who_is_bare_is_known_to_nobody(db: Database) -> None:
    client = Client(1, db)
    client.set(NO_TOUCH | UNIX_SOCKET)
    assert client.is_bare()
    for bits in (KEPT, BLOCKED):
        client.set(bits)
        assert not client.is_bare()
        client.clear(bits)
    watch(client, b"key")
    assert not client.is_bare()
    discard(client)
    assert client.is_bare()
    client.replica = object()              # REPLCONF said so, whether a sync follows or not
    assert not client.is_bare()
