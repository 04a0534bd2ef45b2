"""How nodes come to know each other, where they are, and what they tell of others."""

import pytest

from server.cluster.actions import Close, Connect, Deliver, Follow
from server.cluster.contact import HANDSHAKES_MAX
from server.cluster.gossip import NODES_MAX
from server.cluster.messages import (
    FAIL,
    HANDSHAKE,
    MASTER,
    MEET,
    NOADDR,
    NOFAILOVER,
    PFAIL,
    REPLICA,
    Failing,
    Forgotten,
    Gossip,
    Heartbeat,
    Message,
    Published,
    Type,
    Update,
)
from server.cluster.node import Link
from server.registry.errors import CommandError
from tests.support.one_node import TICK_MS, TIMEOUT_MS, OneNode, notes, only

STRANGER = "9" * 40
SHARD = "8" * 40


def alone(**settings: object) -> OneNode:
    return OneNode(masters=1, replicas=0, **settings)


def heartbeat(kind: Type, sender: str = STRANGER, **header: object) -> Message:
    known = {"port": 7000, "bus_port": 17000, "flags": MASTER, "body": Heartbeat(shard_id=SHARD)}
    return Message(kind, sender, **{**known, **header})  # type: ignore[arg-type]


def test_a_meeting_that_we_begin() -> None:
    one = alone()
    one.do(one.operator.meet, "10.0.0.9", 7000, 17000, one.now)
    (connect,) = only(one.pass_time(100), Connect)
    link = connect.link
    assert (link.node.ip, link.node.bus_port, link.node.flags) == ("10.0.0.9", 17000, HANDSHAKE | MEET)
    assert len(one.sent(one.protocol.link_up(link, one.now), Type.MEET)) == 1
    one.protocol.receive(link, heartbeat(Type.PONG), one.now)
    node = one.view.nodes[STRANGER]
    assert node is link.node and node.flags == MASTER and len(one.view.nodes) == 2
    one.protocol.receive(link, heartbeat(Type.PONG), one.now)
    assert node.shard_id == SHARD
    one.view.check()


def test_who_does_not_answer_in_time_is_dropped() -> None:
    one = alone()
    one.do(one.operator.meet, "10.0.0.9", 7000, 17000, one.now)
    actions = one.pass_time(TIMEOUT_MS + 200)
    assert len(one.view.nodes) == 1 and only(actions, Close)


def test_a_second_meeting_at_the_same_place_is_the_first() -> None:
    one = alone()
    for _ in range(2):
        one.do(one.operator.meet, "10.0.0.9", 7000, 17000, one.now)
    assert len(one.view.nodes) == 2


@pytest.mark.parametrize("place", [("nowhere", 7000, 17000), ("10.0.0.9", 0, 10000), ("10.0.0.9", 60000, 70000)])
def test_no_place(place: tuple[str, int, int]) -> None:
    with pytest.raises(CommandError, match=f"ERR Invalid node address specified: {place[0]}:{place[1]}"):
        alone().operator.meet(*place, 0)


def test_who_meets_us_is_answered_and_asked_by_a_link_of_our_own() -> None:
    one = alone(announce_ip="")
    one.view.myself.ip = ""
    link = Link(None, one.now, "10.0.0.9", "10.0.0.1")
    actions = one.protocol.receive(link, heartbeat(Type.MEET), one.now)
    assert len(one.sent(actions, Type.PONG)) == 1 and one.view.myself.ip == "10.0.0.1"
    (made,) = [node for node in one.view.nodes.values() if node.in_handshake]
    assert (made.ip, made.port, made.bus_port, made.flags) == ("10.0.0.9", 7000, 17000, HANDSHAKE)
    (connect,) = only(one.pass_time(100), Connect)
    assert len(one.sent(one.protocol.link_up(connect.link, one.now), Type.PING)) == 1
    one.protocol.receive(connect.link, heartbeat(Type.PONG), one.now)
    assert one.view.nodes[STRANGER].flags == MASTER


def test_a_stranger_is_answered_and_changes_nothing() -> None:
    one = OneNode()
    link = Link(None, one.now, "10.0.0.9", "10.0.0.0")
    gossip = Heartbeat([Gossip("7" * 40, 0, 0, "10.0.0.7", 1, 2, MASTER, 0)])
    bodies = {Type.PING: gossip, Type.PONG: gossip, Type.FAIL: Failing(one.names[1]),
              Type.UPDATE: Update(99, one.names[1], 1), Type.PUBLISH: Published(b"c", b"m")}
    for kind in (*bodies, Type.FAILOVER_AUTH_REQUEST, Type.FAILOVER_AUTH_ACK, Type.MFSTART):
        actions = one.protocol.receive(link, heartbeat(kind, slots=1, current_epoch=99, config_epoch=99,
                                                       body=bodies.get(kind)), one.now)
        assert not only(actions, Deliver)
        assert len(one.sent(actions, Type.PONG)) == (kind == Type.PING)
    assert len(one.view.nodes) == 6 and one.view.current_epoch == 3 and one.view.owner[0] is one.node(0)
    assert not one.node(1).flags & FAIL and not one.protocol.manual.active


def test_one_whom_we_know_met_again_has_moved() -> None:
    one = OneNode()
    one.do(one.operator.meet, "10.0.0.99", 1, 10_001, one.now)
    (link,) = [action.link for action in only(one.pass_time(100), Connect) if action.link.node.in_handshake]
    link.peer_ip = "10.0.0.99"
    one.protocol.link_up(link, one.now)
    old = one.node(1).link
    actions = one.protocol.receive(link, one.message(1, Type.PONG), one.now)
    assert one.node(1).ip == "10.0.0.99" and len(one.view.nodes) == 6
    assert {action.link for action in only(actions, Close)} == {old, link}
    one.view.check()


def test_somebody_else_at_a_nodes_place() -> None:
    one = OneNode()
    link = one.node(1).link
    assert link is not None
    actions = one.protocol.receive(link, heartbeat(Type.PONG), one.now)
    assert one.node(1).flags & NOADDR and not one.node(1).ip and only(actions, Close) == [Close(link)]
    assert not only(one.pass_time(100), Connect)


def test_a_node_that_pings_from_elsewhere_has_moved_and_so_has_our_master() -> None:
    one = OneNode(me=3)
    link = one.node(0).inbound_link
    assert link is not None
    link.peer_ip = "10.0.0.50"
    one.pass_time(100)
    actions = one.say(0, Type.PING, port=7777)
    assert (one.node(0).ip, one.node(0).port) == ("10.0.0.50", 7777)
    assert only(actions, Follow) == [Follow("10.0.0.50", 7777)]
    actions = one.say(0, Type.PING, ip="10.1.1.1")
    assert one.node(0).ip == "10.1.1.1" and only(actions, Follow) == [Follow("10.1.1.1", 7777)]


def test_ports_of_a_bus_with_tls() -> None:
    one = OneNode(tls=True)
    one.say(1, Type.PING, port=7443, pport=7000)
    assert (one.node(1).tls_port, one.node(1).port) == (7443, 7000)


def test_a_second_link_from_a_node_replaces_the_first() -> None:
    one = OneNode()
    old = one.node(1).inbound_link
    new = Link(None, one.now, "10.0.0.1", "10.0.0.0")
    actions = one.protocol.receive(new, one.message(1, Type.PING), one.now)
    assert one.node(1).inbound_link is new and only(actions, Close) == [Close(old)]  # type: ignore[arg-type]


def test_a_lost_link_is_made_again() -> None:
    one = OneNode()
    link = one.node(1).link
    assert link is not None
    one.protocol.link_lost(link, one.now)
    assert one.node(1).link is None and one.node(1).ping_sent == one.now
    (connect,) = only(one.pass_time(100), Connect)
    started = one.node(1).ping_sent
    one.now += 500
    one.protocol.link_up(connect.link, one.now)
    assert one.node(1).ping_sent == started             # it has not answered since then
    one.view.check()


# ---- gossip
def test_gossip_of_one_whom_we_know_introduces_others() -> None:
    one = OneNode()
    one.gossip(1, 2, MASTER, name=STRANGER, ip="10.0.0.9")
    node = one.view.nodes[STRANGER]
    assert (node.ip, node.flags, node.slots) == ("10.0.0.9", MASTER, 0)
    one.gossip(1, 2, MASTER | NOADDR, name=SHARD)
    assert SHARD not in one.view.nodes


def test_gossip_that_a_node_is_well_spares_a_ping() -> None:
    one = OneNode()
    seen = (one.now + 300) // 1000 * 1000
    one.node(2).pong_received = seen - 5000
    one.gossip(1, 2, MASTER, pong_received=seen // 1000)
    assert one.node(2).pong_received == seen
    one.gossip(1, 2, MASTER, pong_received=seen // 1000 + 5)        # from the future
    one.node(2).reports[one.names[1]] = one.now
    one.gossip(4, 2, MASTER, pong_received=seen // 1000)
    assert one.node(2).pong_received == seen


def test_gossip_tells_where_one_is_whom_we_cannot_reach() -> None:
    one = OneNode()
    one.gossip(1, 2, MASTER, ip="10.9.9.9")
    assert one.node(2).ip == "10.0.0.2"
    one.node(2).flags |= PFAIL
    one.gossip(1, 2, MASTER | PFAIL, ip="10.9.9.9")
    assert one.node(2).ip == "10.0.0.2"
    one.gossip(1, 2, MASTER, ip="10.9.9.9")
    assert one.node(2).ip == "10.9.9.9"


def test_what_we_tell() -> None:
    one = OneNode(masters=40, replicas=0)
    one.node(7).flags |= PFAIL
    one.pass_time(100)
    told = one.sent(one.say(1, Type.PING), Type.PONG)[0].body
    assert isinstance(told, Heartbeat)
    names = [entry.name for entry in told.gossip]
    assert len(names) == len(set(names)) == 5 and names[-1] == one.names[7] and one.names[0] not in names
    assert told.shard_id == one.view.myself.shard_id


def test_a_host_name_and_a_shard_are_taken_and_given_up() -> None:
    one = OneNode()
    one.say(1, Type.PING, Heartbeat(hostname="one.example", nodename="uno", shard_id=SHARD))
    assert (one.node(1).hostname, one.node(1).nodename, one.node(1).shard_id) == ("one.example", "uno", SHARD)
    one.say(4, Type.PING, Heartbeat())                  # an older version's replica is in its master's shard
    assert one.node(4).shard_id == SHARD
    one.say(1, Type.PING, Heartbeat(shard_id=SHARD, unknown=[77]))
    assert one.node(1).hostname == "" and one.view.shard_of(one.node(1)) == [one.node(1), one.node(4)]


def test_roles_change_by_what_nodes_say() -> None:
    one = OneNode()
    lost = one.node(1).slots
    one.say(1, Type.PING, master=one.names[2], slots=one.node(2).slots, config_epoch=3, flags=REPLICA | NOFAILOVER)
    assert one.node(1).master is one.node(2) and one.node(1).flags & (REPLICA | NOFAILOVER) == REPLICA | NOFAILOVER
    assert not one.view.assigned & lost
    one.say(1, Type.PING, master="", slots=0, flags=MASTER)
    assert one.node(1).is_master and one.node(1) not in one.node(2).replicas and not one.node(1).never_fails_over
    one.view.check()


# ---- forgetting
def test_a_forgotten_node_is_not_learned_again_for_a_minute_and_others_are_told() -> None:
    one = OneNode()
    entry = one.node(1)
    one.do(one.operator.forget, one.names[1], one.now)
    assert one.names[1] not in one.view.nodes and not entry.slots & one.view.assigned
    told = one.sent(one.say(2, Type.PING), Type.PONG)[0].body
    assert isinstance(told, Heartbeat) and told.forgotten == [Forgotten(one.names[1], 60)]
    one.gossip(2, 2, MASTER, name=one.names[1], ip="10.0.0.1")
    assert one.names[1] not in one.view.nodes
    one.operator.forget(one.names[1], one.now)          # once more is no error
    one.now += 60_001
    one.gossip(2, 2, MASTER, name=one.names[1], ip="10.0.0.1")
    assert one.names[1] in one.view.nodes
    one.view.check()


def test_what_another_forgot_is_forgotten_but_for_ourselves_and_our_master() -> None:
    one = OneNode(me=3)
    forgotten = [Forgotten(one.names[number], 30) for number in (0, 1, 3)]
    one.say(2, Type.PING, Heartbeat(forgotten=forgotten, shard_id=one.node(2).shard_id))
    assert one.names[1] not in one.view.nodes and len(one.view.nodes) == 5
    assert one.view.blacklist == {one.names[1]: one.now + 30_000}


def test_publishing_goes_to_all_or_to_the_shard() -> None:
    one = OneNode()
    one.protocol.speaker.publish(b"c", b"m", sharded=False)
    one.protocol.speaker.publish(b"c", b"m", sharded=True)
    actions = one.protocol.before_sleep(one.now)
    assert len(one.sent(actions, Type.PUBLISH)) == 5
    assert [len(one.sent(actions, Type.PUBLISHSHARD, to=number)) for number in range(1, 6)] == [0, 0, 1, 0, 0]
    assert notes(actions) == ""


def test_one_who_asks_again_is_asked_once_and_not_everybody_at_the_same_time() -> None:
    one = alone()
    link = Link(None, one.now, "10.0.0.9", "10.0.0.0")
    for _ in range(3):
        one.protocol.receive(link, heartbeat(Type.MEET), one.now)
    assert len(one.view.nodes) == 2
    for port in range(1, HANDSHAKES_MAX + 10):
        one.protocol.receive(link, heartbeat(Type.MEET, bus_port=port), one.now)
    assert len(one.view.nodes) == 1 + HANDSHAKES_MAX
    one.pass_time(TIMEOUT_MS + TICK_MS)
    one.protocol.receive(link, heartbeat(Type.MEET), one.now)
    assert len(one.view.nodes) == 2


def test_gossip_makes_no_more_nodes_known_than_any_cluster_has() -> None:
    one = OneNode(masters=2, replicas=0)
    invented = [Gossip(f"{number:040x}", 0, 0, "10.1.0.1", 7000, 17000, MASTER, 0) for number in range(NODES_MAX + 9)]
    known = one.view.nodes[one.names[1]]
    one.protocol.receive(Link(None, one.now, "10.0.0.1", "10.0.0.0"),
                         heartbeat(Type.PING, known.name, body=Heartbeat(invented, shard_id=SHARD)), one.now)
    assert len(one.view.nodes) == NODES_MAX
    one.view.check()
