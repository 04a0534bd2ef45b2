"""A master that lost all its replicas gets one of a master that has some to spare, and none that has not."""

from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until
from tests.support.peer import SEVEN_TWO, SevenTwo
from tests.support.server import Process, Server

POOR, RICH = 0, 1
REPLICAS = {POOR: (2, 4), RICH: (3, 5)}
IN_POOR = "{06S}"       # slot 0


def followers(cluster: Cluster, master: int) -> list[int]:
    """Who follows it, as it sees them; dead ones left out."""
    lines = cluster.lines(cluster[master])
    return [number for number, name in enumerate(cluster.names)
            if lines[name][2] == cluster.names[master] and "fail" not in lines[name][1].split(",")]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("poor", "rich"), [(Server, Server), (SevenTwo, Server), (Server, SevenTwo)])
def test_a_replica_moves(tmp_path: Path, poor: type[Process], rich: type[Process]) -> None:
    """Ours to ours, ours to a real master, and a real one to ours."""
    if SevenTwo in (poor, rich) and not SEVEN_TWO:
        pytest.skip("REMUS_PEER_7_2 names no server")
    with Cluster(tmp_path, masters=2, replicas=2, kinds=[poor, rich] * 3, cluster_node_timeout=1000) as cluster:
        for number in (*REPLICAS[POOR], *REPLICAS[RICH]):
            cluster.wait_for_replication(number)
        assert cluster[POOR].connect()("SET", IN_POOR, "kept") == "OK"
        for number in REPLICAS[POOR]:
            cluster[number].kill()
        wait_until(lambda: set(followers(cluster, POOR)) & set(REPLICAS[RICH]), "somebody comes", 40)
        (moved,) = followers(cluster, POOR)
        assert moved == min(REPLICAS[RICH], key=lambda number: cluster.names[number])
        cluster.wait_for_replication(moved)
        c = cluster[moved].connect()
        assert (c("READONLY"), c("GET", IN_POOR)) == ("OK", b"kept")
        stayed = [number for number in REPLICAS[RICH] if number != moved]
        wait_until(lambda: followers(cluster, RICH) == stayed, "its old master knows")
        assert c("CLUSTER", "FAILOVER") == "OK"     # what it is there for
        wait_until(lambda: "slave" in cluster.flags(cluster[RICH], POOR), "it takes over", 40)
        assert c("GET", IN_POOR) == b"kept"
