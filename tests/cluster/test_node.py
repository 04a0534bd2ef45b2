"""Servers of ours as nodes: they form a cluster by redis-cli, keep it in nodes.conf, and say so."""

import shutil
from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.resp import RespError
from tests.support.server import Server

NO_CLUSTER = "ERR This instance has cluster support disabled"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters that redis-cli has made one cluster of."""
    with Cluster(tmp_path_factory.mktemp("three"), masters=0, kinds=[Server] * 3) as cluster:
        said = cluster.cli("--cluster", "create", *(cluster.place(number) for number in range(3)), "--cluster-yes")
        assert "All 16384 slots covered" in said
        cluster.wait_for_state("ok")
        yield cluster


def test_redis_cli_finds_nothing_wrong(three):
    said = three.cli("--cluster", "check", three.place(1))
    assert "All nodes agree about slots configuration" in said
    assert "All 16384 slots covered" in said


def test_cluster_info_counts_what_was_said(three):
    told = three.state(three[0])
    assert (told["cluster_state"], told["cluster_known_nodes"], told["cluster_size"]) == ("ok", "3", "3")
    assert int(told["cluster_stats_messages_ping_sent"]) > 0
    assert int(told["cluster_stats_messages_pong_received"]) > 0
    assert int(told["cluster_stats_messages_received"]) >= int(told["cluster_stats_messages_pong_received"])


def test_links_go_both_ways(three):
    links = [dict(zip(one[::2], one[1::2], strict=True)) for one in three[0].connect().ok("CLUSTER", "LINKS")]
    assert sorted((link[b"node"].decode(), link[b"direction"]) for link in links) == sorted(
        (name, way) for name in three.names[1:] for way in (b"from", b"to"))


def test_info_and_hello_tell_the_mode(three):
    assert three[0].info("cluster") == {"cluster_enabled": "1"}
    assert three[0].info("server")["redis_mode"] == "cluster"
    hello = three[0].connect().ok("HELLO")
    assert hello[hello.index(b"mode") + 1] == b"cluster"


@pytest.mark.parametrize(("words", "error"), [
    ("SELECT 1", "ERR SELECT is not allowed in cluster mode"),
    ("REPLICAOF localhost 1", "ERR REPLICAOF not allowed in cluster mode."),
    ("CLUSTER ADDSLOTS 16384", "ERR Invalid or out of range slot"),
    ("CLUSTER ADDSLOTS 1", "ERR Slot 1 is already busy"),
    ("CLUSTER ADDSLOTSRANGE 5 4", "ERR start slot number 5 is greater than end slot number 4"),
    ("CLUSTER ADDSLOTSRANGE 5 6 7", "ERR wrong number of arguments for 'cluster|addslotsrange' command"),
    ("CLUSTER SETSLOT 1 NOWHERE", "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
    ("CLUSTER SETSLOT 1 NODE abc", "ERR Unknown node abc"),
    ("CLUSTER FORGET abc", "ERR Unknown node abc"),
    ("CLUSTER REPLICAS abc", "ERR Unknown node abc"),
    ("CLUSTER FAILOVER", "ERR You should send CLUSTER FAILOVER to a replica"),
    ("CLUSTER FAILOVER SOON", "ERR syntax error"),
    ("CLUSTER RESET SOON", "ERR syntax error"),
    ("CLUSTER MEET 127.0.0.1 x", "ERR Invalid base port specified: x"),
    ("CLUSTER MEET 127.0.0.1 1 x", "ERR Invalid bus port specified: x"),
    ("CLUSTER MEET nohost 1", "ERR Invalid node address specified: nohost:1"),
    ("CLUSTER COUNTKEYSINSLOT 16384", "ERR Invalid slot"),
    ("CLUSTER GETKEYSINSLOT 1 -1", "ERR Invalid slot or number of keys"),
    ("CLUSTER SET-CONFIG-EPOCH 9", "ERR The user can assign a config epoch only when the node does not know any other "
                                   "node."),
])
def test_refusals(three, words, error):
    reply = three[0].connect()(*words.split())
    assert isinstance(reply, RespError)
    assert str(reply) == error


def test_links_take_up_places_of_maxclients(three):
    node = three[1]
    links = int(node.info("clients")["cluster_connections"])
    assert links == 4
    c = node.connect()
    clients = int(c.ok("INFO", "clients").split(b"connected_clients:")[1].split()[0])
    assert c("CONFIG", "SET", "maxclients", clients + links) == "OK"
    try:
        refused = node.connect()
        assert refused.read().args == ("ERR max number of clients + cluster connections reached",)
    finally:
        c("CONFIG", "SET", "maxclients", 10000)


def test_a_slot_is_its_keys(three):
    c = three[0].connect()
    assert (c("CLUSTER", "KEYSLOT", "foo"), c("CLUSTER", "KEYSLOT", "{foo}bar")) == (12182, 12182)


def test_it_comes_back_as_who_it_was(three):
    node = three[2]
    node.kill()
    node.start()
    c = node.connect()
    assert c.ok("CLUSTER", "MYID").decode() == three.names[2]
    wait_until(lambda: three.state(node)["cluster_state"] == "ok", "it serves again")
    assert three.lines(node)[three.names[2]][-1] == "10923-16383"


def test_keys_of_slots_that_are_not_ours_are_not_lost(tmp_path):
    """A data file of a server that was no node: its slots are taken where nobody has them."""
    with Server(tmp_path, dbfilename="dump.rdb") as alone:
        c = alone.connect()
        for key in ("foo", "bar", "{foo}2"):
            assert c("SET", key, key) == "OK"
        assert c("SAVE") == "OK"
    with Server(tmp_path, cluster_enabled="yes") as node:
        c = node.connect()
        assert c("CLUSTER", "COUNTKEYSINSLOT", 12182) == 2
        assert sorted(c("CLUSTER", "GETKEYSINSLOT", 12182, 10)) == [b"foo", b"{foo}2"]
        assert c.ok("CLUSTER", "NODES").split()[8:] == [b"5061", b"12182"]
        assert c("CONFIG", "SET", "cluster-require-full-coverage", "no") == "OK"
        wait_until(lambda: c("GET", "foo") == b"foo", "the slot is served")


def test_a_second_server_may_not_have_the_file(three, tmp_path):
    other = Server(tmp_path, start=False, cluster_enabled="yes", port=0,
                   cluster_config_file=str(three[0].folder / "nodes.conf"))
    other.start(wait=False)
    assert other.wait_exit() == 1
    assert "is already used by a different node" in other.log()


def test_a_broken_file_stops_the_start(tmp_path):
    (tmp_path / "nodes.conf").write_text("this is no line of a node\n")
    broken = Server(tmp_path, start=False, cluster_enabled="yes")
    broken.start(wait=False)
    assert broken.wait_exit() == 1
    assert 'corrupted cluster config file "nodes.conf": line 1' in broken.log()


def test_what_cannot_be_kept_is_not_told(tmp_path):
    """nodes.conf cannot be written any more: the node ends, before it says anything that it would forget."""
    with Server(tmp_path, cluster_enabled="yes", cluster_config_file="kept/nodes.conf", start=False) as node:
        (tmp_path / "kept").mkdir()
        node.start()
        c = node.connect()
        assert c("CLUSTER", "SAVECONFIG") == "OK"
        shutil.rmtree(tmp_path / "kept")
        assert str(c("CLUSTER", "SAVECONFIG")) == (
            "ERR error saving the cluster node config: No such file or directory")
        c.send("CLUSTER", "ADDSLOTS", "1")
        assert node.wait_exit() == 1
        assert "Fatal: can't update cluster config file" in node.log()


def test_without_a_cluster(server):
    c = server.connect()
    for words in ("INFO", "MYID", "SLOTS", "KEYSLOT a", "ADDSLOTS 1", "HELP"):
        assert str(c("CLUSTER", *words.split())) == NO_CLUSTER
