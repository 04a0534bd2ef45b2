"""What is published at one node is heard at all others; on a shard channel, at those of the shard."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.pace import wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("four"), masters=2, kinds=[], replicas=1) as made:
        yield made


def test_a_message_goes_to_all_nodes(cluster):
    listeners = [node.connect() for node in cluster.nodes]
    for c in listeners:
        assert c("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    publisher = cluster[1].connect()
    assert publisher("PUBLISH", "news", "hello") == 1
    assert publisher.pipeline([("MULTI",), ("PUBLISH", "news", "again"), ("EXEC",)])[2] == [1]
    assert publisher("EVAL", "return redis.call('PUBLISH', 'news', 'scripted')", 0) == 1
    for c in listeners:
        for text in (b"hello", b"again", b"scripted"):
            assert c.read() == [b"message", b"news", text]


def test_a_large_message_comes_whole(cluster):
    listener = cluster[0].connect()
    listener("SUBSCRIBE", "large")
    text = b"0123456789abcdef" * 200_000
    assert cluster[1].connect()("PUBLISH", "large", text) == 0
    assert listener.read() == [b"message", b"large", text]


def test_a_shard_message_stays_in_the_shard(cluster):
    """{06S} is of slot 0, which the first node serves; number 2 is its replica."""
    channel = "{06S}news"
    listeners = {number: cluster[number].connect() for number in (0, 2)}
    listeners[2]("READONLY")
    for c in listeners.values():
        assert c("SSUBSCRIBE", channel) == [b"ssubscribe", channel.encode(), 1]
    before = int(cluster.state(cluster[1]).get("cluster_stats_messages_publishshard_received", 0))
    assert cluster[0].connect()("SPUBLISH", channel, "hello") == 1
    for c in listeners.values():
        assert c.read() == [b"smessage", channel.encode(), b"hello"]
    assert int(cluster.state(cluster[1]).get("cluster_stats_messages_publishshard_received", 0)) == before
    sent = cluster.state(cluster[0])
    assert int(sent["cluster_stats_messages_publishshard_sent"]) >= 1


def test_links_that_are_cut_come_again(cluster):
    c = cluster[0].connect()
    name = cluster.names[1]

    def created() -> dict[bytes, int]:
        links = [dict(zip(one[::2], one[1::2], strict=True)) for one in c.ok("CLUSTER", "LINKS")]
        return {link[b"direction"]: link[b"create-time"] for link in links if link[b"node"].decode() == name}

    before = created()
    assert set(before) == {b"to", b"from"}
    assert c("DEBUG", "CLUSTERLINK", "KILL", "all", name) == "OK"
    wait_until(lambda: len(created()) == 2 and all(created()[way] != before[way] for way in before), "new links")
    assert str(c("DEBUG", "CLUSTERLINK", "KILL", "all", "abc")) == "ERR Unknown node abc"
    assert str(c("DEBUG", "CLUSTERLINK", "KILL", "up", name)) == "ERR Unknown direction up"


def test_a_link_that_queues_too_much_is_dropped(cluster):
    """The other node is stopped, and does not read."""
    node = cluster[0]
    c = node.connect()
    assert c("CONFIG", "SET", "cluster-link-sendbuf-limit", "100kb") == "OK"
    before = int(cluster.state(node)["total_cluster_links_buffer_limit_exceeded"])
    cluster[1].signal(19)
    try:
        def dropped() -> bool:
            c("PUBLISH", "full", b"x" * 1_000_000)
            return int(cluster.state(node)["total_cluster_links_buffer_limit_exceeded"]) > before

        wait_until(dropped, "the link is dropped")
        assert "exceeded send buffer memory limit" in node.log()
    finally:
        cluster[1].signal(18)
        c("CONFIG", "SET", "cluster-link-sendbuf-limit", 0)
    cluster.wait_for_state("ok")
