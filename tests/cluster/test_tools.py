"""What operators do with redis-cli --cluster beside making a cluster and resharding it: mend what was left half done,
bring keys from a single server, make the cluster larger and smaller. Nodes of ours, and among them a real one."""

from collections.abc import Iterator

import pytest

from server.structures.crc16 import hash_slot
from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.peer import Peer, require_peer
from tests.support.resp import Connection
from tests.support.server import Process, Server

pytestmark = [pytest.mark.peer, pytest.mark.slow]

OURS, THEIRS, LAST, SPARE = range(4)
KEYS = 40
SMALL = 0.02            # weight of a node, beside 1 of the others
COVERED = "[OK] All 16384 slots covered"


def ours(*arguments, **directives):
    return Server(*arguments, **{"rdb_version": 10, **directives})       # what a 7.0 can load


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three masters, and a node that knows nobody."""
    require_peer()
    with Cluster(tmp_path_factory.mktemp("tools"), masters=0, kinds=[ours, Peer, ours, ours]) as made:
        made.cli("--cluster", "create", *(made.place(number) for number in range(SPARE)), "--cluster-yes")
        wait_until(lambda: all(made.state(node)["cluster_state"] == "ok" for node in made.nodes[:SPARE]), "it serves")
        yield made


def members(cluster: Cluster) -> list[Process]:
    return cluster.nodes[:SPARE]


def owner_of(cluster: Cluster, slot: int) -> int:
    for first, last, node, *_ in cluster[OURS].connect().ok("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return cluster.names.index(node[2].decode())
    raise AssertionError(f"nobody serves {slot}")


def agree(cluster: Cluster) -> None:
    def said(node: Process) -> str:
        return repr(node.connect().ok("CLUSTER", "SLOTS"))

    wait_until(lambda: len({said(node) for node in members(cluster)}) == 1, "nodes agree", 30)
    assert "All nodes agree about slots" in cluster.cli("--cluster", "check", cluster.place(OURS))


def holds(cluster: Cluster, keys: dict[str, str]) -> None:
    """By whichever node serves them."""
    connections = [node.connect() for node in members(cluster)]
    for key, value in keys.items():
        assert connections[owner_of(cluster, hash_slot(key.encode()))]("GET", key) == value.encode()


def filled(cluster: Cluster, tag: str) -> dict[str, str]:
    keys = {f"{{{tag}}}{number}": str(number) for number in range(KEYS)}
    c = cluster[owner_of(cluster, hash_slot(tag.encode()))].connect()
    assert all(c("SET", key, value) == "OK" for key, value in keys.items())
    return keys


# ---- fix
@pytest.mark.parametrize(("tag", "target"), [("a", OURS), ("a", THEIRS), ("b", THEIRS), ("c", LAST)])
@pytest.mark.parametrize("told", ["both", "the source", "the target"])
def test_a_slot_that_was_left_half_moved(cluster, tag, target, told):
    """Some keys are there already; fix ends the way, or goes it back, and no key is lost."""
    agree(cluster)
    slot = hash_slot(tag.encode())
    source = owner_of(cluster, slot)
    if source == target:
        target = (source + 1) % SPARE
    keys = filled(cluster, tag)
    giver, taker = cluster[source].connect(), cluster[target].connect()
    assert taker("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.names[source]) == "OK"
    assert giver("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.names[target]) == "OK"
    some = giver("CLUSTER", "GETKEYSINSLOT", slot, KEYS // 3)
    assert giver("MIGRATE", "127.0.0.1", cluster[target].port, "", 0, 5000, "KEYS", *some) == "OK"
    if told == "the source":
        assert taker("CLUSTER", "SETSLOT", slot, "STABLE") == "OK"
    elif told == "the target":
        assert giver("CLUSTER", "SETSLOT", slot, "STABLE") == "OK"
    cluster.cli("--cluster", "fix", cluster.place(OURS))
    agree(cluster)
    assert COVERED in cluster.cli("--cluster", "check", cluster.place(THEIRS))
    holds(cluster, keys)
    assert sum(node.connect()("CLUSTER", "COUNTKEYSINSLOT", slot) for node in members(cluster)) == KEYS


def nobody_serves(cluster, slot):
    """Said again: who was told before the owner was may have heard of the owner since."""
    for node in members(cluster):
        with node.connect() as c:
            c("CLUSTER", "DELSLOTS", slot)
    return all(cluster.state(node)["cluster_slots_assigned"] == "16383" for node in members(cluster))


def test_a_slot_that_a_power_cut_took_from_its_new_master(cluster):
    """It was told to all, and was not on the disk yet: its new master comes back without it, and with its keys."""
    agree(cluster)
    tag = "b" if owner_of(cluster, hash_slot(b"b")) != OURS else "a"
    slot = hash_slot(tag.encode())
    source, target = cluster[owner_of(cluster, slot)], cluster[OURS]
    keys = filled(cluster, tag)
    there, here = target.connect(), source.connect()
    there.ok("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.names[cluster.nodes.index(source)])
    here.ok("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.names[OURS])
    here.ok("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    before = (target.folder / "nodes.conf").read_text()
    for node in [target, *(node for node in members(cluster) if node is not target)]:
        node.connect().ok("CLUSTER", "SETSLOT", slot, "NODE", cluster.names[OURS])
    there.ok("SAVE")
    target.kill()
    (target.folder / "nodes.conf").write_text(before)
    target.start()
    wait_until(lambda: cluster.state(target)["cluster_state"] == "ok", "it is back")
    cluster.cli("--cluster", "fix", cluster.place(LAST), answers="yes\n" * 2)
    agree(cluster)
    holds(cluster, keys)


def test_slots_that_nobody_serves(cluster):
    """One without keys, one with keys that a node still has."""
    agree(cluster)
    for tag, keys in (("nobody", {}), ("d", filled(cluster, "d"))):
        slot = hash_slot(tag.encode())
        wait_until(lambda slot=slot: nobody_serves(cluster, slot), "nobody serves it")
        cluster.cli("--cluster", "fix", cluster.place(LAST), answers="yes\n" * 2)
        agree(cluster)
        holds(cluster, keys)


# ---- import
@pytest.mark.parametrize("source", [ours, Peer])
@pytest.mark.parametrize("how", ["--cluster-copy", "--cluster-replace", ""])
def test_keys_of_a_single_server_come(cluster, tmp_path, source, how):
    agree(cluster)
    keys = {f"import:{number}": f"{how}{number}" for number in range(KEYS)}
    for node in members(cluster):
        assert node.connect()("FLUSHALL") == "OK"
    if how == "--cluster-replace":
        for key in keys:
            c = cluster[owner_of(cluster, hash_slot(key.encode()))].connect()
            assert c("SET", key, "old") == "OK"
    with source(tmp_path / "single") as single:
        c = single.connect()
        assert all(c("SET", key, value) == "OK" for key, value in keys.items())
        cluster.cli("--cluster", "import", cluster.place(OURS), "--cluster-from", f"127.0.0.1:{single.port}",
                    *[how] * bool(how))
        assert c("DBSIZE") == (KEYS if how == "--cluster-copy" else 0)
    holds(cluster, keys)


# ---- more and fewer nodes
def test_a_node_comes_gets_its_share_and_goes(cluster):
    agree(cluster)
    keys = {**filled(cluster, "a"), **filled(cluster, "b"), **filled(cluster, "c")}
    spare = cluster[SPARE]
    cluster.cli("--cluster", "add-node", cluster.place(SPARE), cluster.place(THEIRS))
    cluster.wait_for_state("ok")
    wait_until(lambda: all(cluster.state(node)["cluster_known_nodes"] == str(SPARE + 1) for node in cluster.nodes),
               "everybody knows it")           # who has not heard of it refuses to give it a slot
    cluster.wait_for_agreement()
    cluster.cli("--cluster", "rebalance", cluster.place(OURS), "--cluster-use-empty-masters", "--cluster-weight",
                f"{cluster.names[SPARE]}={SMALL}", seconds=120)
    cluster.wait_for_agreement()
    shares = [0] * len(cluster)
    for first, last, node, *_ in cluster[OURS].connect().ok("CLUSTER", "SLOTS"):
        shares[cluster.names.index(node[2].decode())] += last - first + 1
    assert sum(shares) == 16384 and shares[SPARE] == pytest.approx(16384 * SMALL / (SPARE + SMALL), abs=2)
    read_all(cluster, keys)
    cluster.cli("--cluster", "rebalance", cluster.place(OURS), "--cluster-weight", f"{cluster.names[SPARE]}=0",
                seconds=120)
    cluster.wait_for_agreement()
    told = cluster.cli("--cluster", "del-node", cluster.place(OURS), cluster.names[SPARE])
    assert "Sending CLUSTER RESET SOFT" in told
    wait_until(lambda: cluster.state(spare)["cluster_known_nodes"] == "1", "it knows itself alone")
    wait_until(lambda: all(cluster.state(node)["cluster_known_nodes"] == str(SPARE) for node in members(cluster)),
               "nobody knows it")
    holds(cluster, keys)


def read_all(cluster: Cluster, keys: dict[str, str]) -> None:
    found = {}
    for node in cluster.nodes:
        with Connection(node.port) as c:
            found |= {key: c("GET", key) for key in c.ok("KEYS", "*")}
    assert {key.encode(): value.encode() for key, value in keys.items()}.items() <= found.items()


def test_the_tools_that_only_ask(cluster, tmp_path):
    agree(cluster)
    assert "3 masters" in cluster.cli("--cluster", "info", cluster.place(OURS))
    assert cluster.cli("--cluster", "call", cluster.place(THEIRS), "PING").count("PONG") == SPARE
    cluster.cli("--cluster", "set-timeout", cluster.place(LAST), "3000")
    assert {node.connect()("CONFIG", "GET", "cluster-node-timeout")[1] for node in members(cluster)} == {b"3000"}
    (tmp_path / "backup").mkdir()
    cluster.cli("--cluster", "backup", cluster.place(OURS), str(tmp_path / "backup"))
    assert len(list((tmp_path / "backup").glob("*.rdb"))) == SPARE
