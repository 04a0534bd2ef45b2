"""The table of clients and what clients are called."""

from server.clients import client as c
from server.clients.accounts import class_of
from server.clients.client import Client
from server.clients.client_list import check_name, line, listing, printable
from server.clients.client_table import ClientTable, class_named
from server.clients.pubsub import PubSub
from server.keyspace.database import Keyspace

DB = Keyspace(1).databases[0]


def test_clients_come_by_id():
    table = ClientTable()
    clients = [Client(i, DB) for i in (1, 2, 5)]
    for client in clients:
        table.add(client)
    assert list(table) == clients and len(table) == 3 and table.received == 3
    table.remove(clients[1])
    table.remove(clients[1])
    assert [client.id for client in table] == [1, 5]
    assert table.get(5) is clients[2] and table.get(2) is None


def test_the_closing_ones_count_as_gone():
    table = ClientTable(max_clients=1)
    client = Client(1, DB)
    table.add(client)
    client.set(c.CLOSE_ASAP)
    assert list(table) == [] and table.get(1) is None
    assert table.full(), "but still hold their place"


def test_iteration_survives_removal():
    table = ClientTable()
    for i in range(5):
        table.add(Client(i, DB))
    for client in table:
        table.remove(client)
    assert len(table) == 0


def test_classes():
    client = Client(1, DB)
    assert class_of(client) == "normal"
    PubSub().subscribe(client, b"a")
    assert class_of(client) == "pubsub"
    client.set(c.REPLICA)
    assert class_of(client) == "replica"
    client.set(c.MONITOR)
    assert class_of(client) == "pubsub"
    client.set(c.MASTER)
    assert class_of(client) == "master"
    assert class_named(b"SLAVE") == class_named(b"replica") == "replica"
    assert class_named(b"nosuch") is None


def test_names():
    assert printable(b"a-b_c!~") and printable(b"")
    assert not any(map(printable, (b"a b", b"a\n", b"\x7f", b"\xff")))
    check_name(b"")


def test_flags():
    client = Client(1, DB)
    assert " flags=N " in line(client)
    client.set(c.MULTI | c.DIRTY_CAS | c.UNIX_SOCKET | c.NO_TOUCH)
    assert " flags=xdUT " in line(client)
    client.set(c.MONITOR | c.REPLICA)
    assert " flags=OxdUT " in line(client)


def test_a_line_has_no_empty_pair():
    assert all(part.count("=") == 1 for part in line(Client(7, DB)).split(" "))
    client = Client(7, DB)
    assert b" argv-mem=3 " in listing([client], client, [b"ab", b"c"])
    assert b" argv-mem=0 " in listing([client], Client(8, DB), [b"ab", b"c"])
    assert listing([]) == b""
    assert listing([client, client]) == 2 * (line(client) + "\n").encode()
