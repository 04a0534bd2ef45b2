"""One cluster of our nodes and real ones, by the real ones' tools: made, resharded, each kind taking over from the
other."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.peer import Peer, require_peer
from tests.support.server import Server

pytestmark = pytest.mark.peer

OURS, THEIRS = 0, 1         # masters; 2 is a real one, too. redis-cli gives each a replica
KEYS = 300


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_peer()
    kinds = [Server, Peer, Peer, Peer, Server, Server]
    version = {"rdb_version": 10}           # what a 7.0 can load

    def ours(*arguments, **directives):
        return Server(*arguments, **directives, **version)

    with Cluster(tmp_path_factory.mktemp("mixed"), masters=0, kinds=[ours if kind is Server else kind
                                                                     for kind in kinds]) as cluster:
        cluster.cli("--cluster", "create", *(cluster.place(number) for number in range(3)), "--cluster-yes")
        for master, replica in ((0, 3), (1, 4), (2, 5)):
            cluster.cli("--cluster", "add-node", cluster.place(replica), cluster.place(OURS), "--cluster-slave",
                        "--cluster-master-id", cluster.names[master])
        cluster.wait_for_state("ok")
        for replica in (3, 4, 5):
            cluster.wait_for_replication(replica)
        yield cluster


def client(cluster: Cluster):
    import redis

    return redis.RedisCluster(cluster[OURS].host, cluster[OURS].port, socket_timeout=10)


def test_slots_move_both_ways_with_their_keys(mixed):
    c = client(mixed)
    for number in range(KEYS):
        c.set(f"key:{number}", number)
        c.hset(f"hash:{number}", mapping={"field": number})
    for source, target in ((OURS, THEIRS), (THEIRS, OURS)):
        mixed.cli("--cluster", "reshard", mixed.place(OURS), "--cluster-from", mixed.names[source], "--cluster-to",
                  mixed.names[target], "--cluster-slots", "60", "--cluster-yes")
        mixed.wait_for_agreement()
    assert "[OK] All 16384 slots covered" in mixed.cli("--cluster", "check", mixed.place(THEIRS))
    assert all(c.get(f"key:{number}") == b"%d" % number for number in range(KEYS))
    assert all(c.hget(f"hash:{number}", "field") == b"%d" % number for number in range(KEYS))


@pytest.mark.parametrize(("dies", "heir"), [(THEIRS, 4), (OURS, 3)])
def test_a_master_is_replaced_by_one_of_the_other_kind(mixed, dies, heir):
    """Ours replaces a real one, and a real one ours; the old one comes back as its replica."""
    mixed.wait_for_agreement()
    slots = mixed.lines(mixed[heir])[mixed.names[dies]][7:]
    mixed[dies].kill()
    wait_until(lambda: "master" in mixed.flags(mixed[heir], heir), "the replica takes over", 30)
    mixed.wait_for_state("ok")
    assert mixed.lines(mixed[heir])[mixed.names[heir]][7:] == slots
    mixed[dies].start()
    mixed.wait_for_flag(dies, "slave")
    mixed.wait_for_replication(dies)
    assert mixed[dies].info("keyspace").get("db0") == mixed[heir].info("keyspace").get("db0")


def test_a_manual_failover_from_theirs_to_ours(mixed):
    master, replica = 2, 5
    assert mixed[replica].connect()("CLUSTER", "FAILOVER") == "OK"
    wait_until(lambda: "slave" in mixed.flags(mixed[OURS], master), "they have changed places")
    mixed.wait_for_replication(master)
