"""Replicas of ours take over from masters of ours: by themselves, or because somebody asks."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.resp import RespError

SLOT_0 = "{06S}"        # a key's beginning that puts it into slot 0, which is of the first shard
SHARD = (0, 3)          # its nodes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("six"), masters=3, replicas=1, cluster_node_timeout=1500) as made:
        yield made


@pytest.fixture
def roles(cluster: Cluster) -> tuple[int, int]:
    """Who of the first shard is the master now, and who its replica, with the link between them up."""
    def masters() -> set[int]:
        """As each node sees it."""
        return {number for node in cluster.nodes for number in SHARD if "master" in cluster.flags(node, number)}

    wait_until(lambda: len(masters()) == 1, "all agree")
    master = masters().pop()
    replica = sum(SHARD) - master
    cluster.wait_for_replication(replica)
    return master, replica


def write_and_wait(cluster: Cluster, node: int, key: str, value: str) -> None:
    c = cluster[node].connect()
    assert c("SET", SLOT_0 + key, value) == "OK"
    assert c("WAIT", 1, 5000) == 1


def ask(cluster: Cluster, replica: int, *how: str) -> None:
    """CLUSTER FAILOVER. Masters vote about one shard only now and then, so it may take more than one."""
    c = cluster[replica].connect()

    def leads() -> bool:
        if "master" in cluster.flags(cluster[replica], replica):
            return True
        if cluster.state(cluster[replica])["cluster_state"] == "ok" and not asked.alive():
            asked.begin()
            assert c("CLUSTER", "FAILOVER", *how) == "OK"
        return False

    asked = Attempt()
    wait_until(leads, "the replica has taken over", 20)


class Attempt:
    """Lives for a second."""

    def __init__(self) -> None:
        self._end = 0.0

    def begin(self) -> None:
        self._end = time.monotonic() + 1

    def alive(self) -> bool:
        return time.monotonic() < self._end


def test_a_killed_master_is_replaced_and_comes_back_as_a_replica(cluster, roles):
    master, replica = roles
    write_and_wait(cluster, master, "kept", "1")
    cluster[master].kill()
    wait_until(lambda: "master" in cluster.flags(cluster[1], replica), "the replica takes over", 20)
    cluster.wait_for_flag(master, "fail")
    cluster.wait_for_state("ok")
    assert cluster[replica].connect()("GET", SLOT_0 + "kept") == b"1"
    cluster[master].start()
    cluster.wait_for_flag(master, "slave")
    cluster.wait_for_flag(master, "fail", yes=False)
    cluster.wait_for_replication(master)
    assert cluster[master].info("keyspace")["db0"].startswith("keys=")


@pytest.mark.parametrize("how", ["", "FORCE", "TAKEOVER"])
def test_somebody_asks(cluster, roles, how):
    master, replica = roles
    write_and_wait(cluster, master, "asked" + how, how)
    epoch = int(cluster.state(cluster[1])["cluster_current_epoch"])
    ask(cluster, replica, *[how] * bool(how))
    for seen_by in cluster.nodes:
        wait_until(lambda seen_by=seen_by: "master" in cluster.flags(seen_by, replica)
                   and "slave" in cluster.flags(seen_by, master), "they have changed places", 20)
    cluster.wait_for_replication(master)
    assert int(cluster.state(cluster[1])["cluster_current_epoch"]) > epoch
    c = cluster[replica].connect()
    assert c("GET", SLOT_0 + "asked" + how) == how.encode()
    assert c("SET", SLOT_0 + "after", "1") == "OK"


def test_a_manual_failover_loses_nothing_that_was_acknowledged(cluster, roles):
    """Writers are held, and those who come too late are told so."""
    master, replica = roles
    c = cluster[master].connect()
    acknowledged = 0
    assert c("SET", SLOT_0 + "n", 0) == "OK"
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, cluster, replica)
        while True:
            reply = c("INCR", SLOT_0 + "n")
            if isinstance(reply, RespError):
                break
            acknowledged = reply
        asking.result()
    assert reply.code in ("READONLY", "MOVED", "UNBLOCKED")
    assert int(cluster[replica].connect()("GET", SLOT_0 + "n")) >= acknowledged


def test_a_partial_sync_is_enough(cluster, roles):
    """A new master goes on with the history of the old one."""
    master, replica = roles
    write_and_wait(cluster, master, "history", "1")
    before = [int(node.info("stats")["sync_full"]) for node in cluster.nodes]
    ask(cluster, replica)
    wait_until(lambda: cluster[master].info("replication")["role"] == "slave", "it follows")
    cluster.wait_for_replication(master)
    assert [int(node.info("stats")["sync_full"]) for node in cluster.nodes] == before


def test_a_replica_that_cannot_reach_its_master_keeps_its_data_and_says_so(cluster, roles):
    """Clients find it in CLUSTER SLOTS, and it may take over."""
    master, replica = roles
    write_and_wait(cluster, master, "here", "1")
    c = cluster[master].connect()
    assert c("CONFIG", "SET", "requirepass", "another") == "OK"
    try:
        assert c("CLIENT", "KILL", "TYPE", "replica") == 1
        cluster[replica].wait_for_log("MASTER aborted replication with an error: NOAUTH")
        pongs = "cluster_stats_messages_pong_received"
        before = int(cluster.state(cluster[1])[pongs])
        wait_until(lambda: int(cluster.state(cluster[1])[pongs]) > before + 20, "all have spoken again")
        for first, _, *nodes in cluster[1].connect().ok("CLUSTER", "SLOTS"):
            if first == 0:
                assert [node[2].decode() for node in nodes] == [cluster.names[master], cluster.names[replica]]
    finally:
        c("CONFIG", "SET", "requirepass", "")
    cluster.wait_for_replication(replica)


def test_a_replica_that_starts_keeps_what_has_expired(cluster, roles):
    """Its nodes.conf says that it is one, whatever its redis.conf does not say."""
    master, replica = roles
    m, r = cluster[master].connect(), cluster[replica].connect()
    assert (m("DEBUG", "SET-ACTIVE-EXPIRE", "0"), r("READONLY")) == ("OK", "OK")
    try:
        assert m("SET", SLOT_0 + "gone", "1", "PX", 50) == "OK"
        assert m("WAIT", 1, 5000) == 1
        assert r("SAVE") == "OK"
        wait_until(lambda: r("GET", SLOT_0 + "gone") is None, "its time has come")
        syncs = cluster[master].info("stats")["sync_full"]
        cluster[replica].restart()
        cluster.wait_for_replication(replica)
        counts = [cluster[number].connect()("CLUSTER", "COUNTKEYSINSLOT", 0) for number in roles]
        assert counts[0] == counts[1] > 0
        assert cluster[master].info("stats")["sync_full"] == syncs
    finally:
        m("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def test_who_may_not_be_followed(cluster, roles):
    master, replica = roles
    c = cluster[replica].connect()
    assert str(c("CLUSTER", "REPLICATE", cluster.names[replica])) == "ERR Can't replicate myself"
    assert str(c("CLUSTER", "FORGET", cluster.names[master])) == "ERR Can't forget my master!"
    other = next(number for number in (4, 5) if "slave" in cluster.flags(cluster[1], number))
    assert str(c("CLUSTER", "REPLICATE", cluster.names[other])) == "ERR I can only replicate a master, not a replica."
    assert str(cluster[master].connect()("CLUSTER", "REPLICATE", cluster.names[1])) == (
        "ERR To set a master the node must be empty and without assigned slots.")
    assert str(c("CLUSTER", "SETSLOT", "0", "STABLE")) == "ERR Please use SETSLOT only with masters."
    assert len(cluster[1].connect()("CLUSTER", "REPLICAS", cluster.names[master])) == 1
