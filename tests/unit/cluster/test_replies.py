"""What CLUSTER's subcommands tell; tests/cluster compares them with those of real nodes."""

import pytest

from server.cluster import slots
from server.cluster.messages import FAIL, PFAIL, Type
from server.cluster.replies import (
    info_fields,
    info_text,
    links_reply,
    node_text,
    nodes_text,
    runs_written,
    shards_reply,
    slots_reply,
    slots_written,
)
from server.registry.reply_writer import encode_reply
from tests.support.one_node import OneNode


def test_nodes() -> None:
    one = OneNode()
    one.do(one.operator.migrating, 9, one.names[1])
    lines = nodes_text(one.view).splitlines()
    assert lines[0] == f"{one.names[0]} 10.0.0.0:0@10000 myself,master - 0 0 1 connected 0-5460 [9->-{one.names[1]}]"
    assert lines[4].startswith(f"{one.names[4]} 10.0.0.4:4@10004 slave {one.names[1]} 0 ")
    assert node_text(one.view, one.node(4)) == lines[4] and len(lines) == 6
    one.node(1).hostname, one.node(1).tls_port = "one.example", 7443
    assert node_text(one.view, one.node(1), tls=True).split()[1] == "10.0.0.1:7443@10001,one.example"


def test_slots() -> None:
    one = OneNode(replicas=2)
    one.node(3).offset = one.node(6).offset = one.node(4).offset = 5
    one.node(6).flags |= FAIL
    one.view.release(slots.span(100, 199))
    one.view.assign(one.node(1), slots.span(150, 199))
    one.node(1).hostname = "one.example"

    def place(number: int, **more: str) -> list[object]:
        return [b"10.0.0.%d" % number, number, one.names[number].encode(),
                {key.encode(): value.encode() for key, value in more.items()}]

    of_1 = [place(1, hostname="one.example"), place(4)]
    assert slots_reply(one.view, 0) == [
        [0, 99, place(0), place(3)], [150, 199, *of_1], [200, 5460, place(0), place(3)], [5461, 10921, *of_1],
        [10922, 16383, place(2)]]


@pytest.mark.parametrize("resp", [2, 3])
def test_what_needs_no_objects_says_the_same(resp: int) -> None:
    """CLUSTER SLOTS and SHARDS of scattered slots, some of them nobody's."""
    one = OneNode(replicas=1)
    one.view.release(slots.of(range(0, slots.COUNT, 3)))
    one.view.assign(one.node(1), slots.of(range(0, slots.COUNT, 6)))
    one.node(1).hostname, one.node(3).offset = "one.example", 5
    assert len(slots_reply(one.view, 0)) > 5000
    for endpoint in ("ip", "hostname", "unknown-endpoint"):
        for offset in (0, 7):
            assert encode_reply(slots_written(one.view, offset, endpoint=endpoint), resp) == encode_reply(
                slots_reply(one.view, offset, endpoint=endpoint), resp)
            assert encode_reply(shards_reply(one.view, offset, endpoint=endpoint, runs=runs_written), resp) == (
                encode_reply(shards_reply(one.view, offset, endpoint=endpoint), resp))
    one.view.release(slots.ALL)
    assert encode_reply(slots_written(one.view, 0), resp) == b"*0\r\n"


def test_slots_by_host_name_or_unknown_endpoint() -> None:
    one = OneNode(replicas=0)
    one.node(1).hostname = "one.example"
    named = [entry[2] for entry in slots_reply(one.view, 0, endpoint="hostname")]
    assert named[1] == [b"one.example", 1, one.names[1].encode(), {b"ip": b"10.0.0.1"}]
    assert named[2] == [b"?", 2, one.names[2].encode(), {b"ip": b"10.0.0.2"}]
    unknown = [entry[2] for entry in slots_reply(one.view, 0, endpoint="unknown-endpoint")]
    assert unknown[1] == [None, 1, one.names[1].encode(), {b"ip": b"10.0.0.1", b"hostname": b"one.example"}]


def test_a_replica_counts_its_own_data() -> None:
    one = OneNode(me=3)
    assert [len(entry) for entry in slots_reply(one.view, 0)] == [3, 3, 3]
    assert [len(entry) for entry in slots_reply(one.view, 9)] == [4, 3, 3]


def test_shards() -> None:
    one = OneNode()
    one.node(4).flags |= FAIL
    one.node(5).offset = 7
    one.node(2).tls_port = 7443
    shards = {shard[b"nodes"][0][b"id"].decode(): shard for shard in shards_reply(one.view, 1000, endpoint="hostname")}
    assert [shards[one.names[number]][b"slots"] for number in range(3)] == [[0, 5460], [5461, 10921], [10922, 16383]]
    first, replica = shards[one.names[0]][b"nodes"]
    assert first == {b"id": one.names[0].encode(), b"ip": b"10.0.0.0", b"endpoint": b"?", b"role": b"master",
                     b"replication-offset": 1000, b"health": b"online"}
    assert replica[b"role"] == b"replica" and replica[b"health"] == b"loading"
    assert shards[one.names[1]][b"nodes"][1][b"health"] == b"fail"
    master, replica = shards[one.names[2]][b"nodes"]
    assert (master[b"port"], master[b"tls-port"], replica[b"health"]) == (2, 7443, b"online")


def test_info() -> None:
    one = OneNode()
    one.node(1).flags |= PFAIL
    one.node(2).flags |= FAIL
    one.say(2, Type.PING)
    text = info_text(info_fields(one.view, one.protocol.speaker.sent, one.protocol.received, 2))
    assert text == "".join(f"{line}\r\n" for line in (
        "cluster_state:fail", "cluster_slots_assigned:16384", "cluster_slots_ok:5461", "cluster_slots_pfail:5461",
        "cluster_slots_fail:5462", "cluster_known_nodes:6", "cluster_size:3", "cluster_current_epoch:3",
        "cluster_my_epoch:1", "cluster_stats_messages_pong_sent:1", "cluster_stats_messages_sent:1",
        "cluster_stats_messages_ping_received:1", "cluster_stats_messages_received:1",
        "total_cluster_links_buffer_limit_exceeded:2"))


def test_links() -> None:
    one = OneNode(masters=2, replicas=0)
    told = links_reply(one.view, lambda link: ("r", 48) if link.inbound else ("rw", 96))
    assert [(link[b"direction"], link[b"events"], link[b"send-buffer-used"]) for link in told] == [
        (b"to", b"rw", 96), (b"from", b"r", 48)]
    assert {link[b"node"] for link in told} == {one.names[1].encode()}
